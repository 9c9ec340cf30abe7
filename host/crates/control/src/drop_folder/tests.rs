use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;

struct Rig {
    /// Holds the folder, and what is beside it.
    around: TempDir,
    folder: DropFolder,
}

fn rig(follow_links: bool) -> Rig {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("usr_jobs");
    fs::create_dir(&path).unwrap();
    fs::write(around.path().join("outside.wasm"), "outside").unwrap();
    Rig { folder: DropFolder { path, follow_links }, around }
}

impl Rig {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    /// The content of a file, or why there is none.
    #[track_caller]
    fn bytes(&self, name: &str) -> Result<String, String> {
        let (found, bytes) = self.folder.bytes(name).unwrap();
        assert_eq!(found, self.folder.look().unwrap()[name]);
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[track_caller]
    fn why_not(&self, name: &str) -> String {
        let why = self.bytes(name).unwrap_err();
        assert!(!why.contains(is_unsafe) && why.len() < 500, "{why}");
        why
    }
}

#[test]
fn what_is_no_file_is_told_and_never_opened() {
    let rig = rig(false);
    mkfifo(&rig.at("fifo.wasm"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(rig.at("socket.wasm")).unwrap();
    fs::create_dir(rig.at("folder.wasm")).unwrap();
    symlink("fifo.wasm", rig.at("to_fifo.wasm")).unwrap();
    assert_eq!(rig.why_not("fifo.wasm"), "it is a FIFO, not a file");
    assert_eq!(rig.why_not("to_fifo.wasm"), "it is a FIFO, not a file");
    assert_eq!(rig.why_not("socket.wasm"), "it is a socket, not a file");
    assert_eq!(rig.why_not("folder.wasm"), "it is a folder, not a file");
    let large = File::create(rig.at("large.wasm")).unwrap();
    large.set_len(10 << 30).unwrap();
    assert_eq!(rig.why_not("large.wasm"), "it is larger than 256 MiB");
    fs::write(rig.at(".hidden.wasm"), "").unwrap();
    fs::write(rig.at("notes.txt"), "").unwrap();
    assert_eq!(rig.folder.look().unwrap().len(), 5);
    // A FIFO that comes in the place of a file is waited for by nobody.
    assert!(rig.folder.open("fifo.wasm").is_ok());
}

#[test]
fn devices_are_not_read() {
    let rig = rig(true);
    symlink("/dev/zero", rig.at("zero.wasm")).unwrap();
    assert_eq!(rig.why_not("zero.wasm"), "it is a device, not a file");
}

#[test]
fn links_are_followed_within_the_folder_only() {
    let rig = rig(false);
    fs::write(rig.at("job.wasm"), "a job").unwrap();
    fs::create_dir_all(rig.at("deep/er")).unwrap();
    fs::write(rig.at("deep/er/job"), "deep").unwrap();
    let here = fs::canonicalize(&rig.folder.path).unwrap();
    for (name, target) in [
        ("plain.wasm", PathBuf::from("job.wasm")),
        ("dots.wasm", "./deep/../job.wasm".into()),
        ("absolute.wasm", here.join("job.wasm")),
        ("twice.wasm", "plain.wasm".into()),
    ] {
        symlink(target, rig.at(name)).unwrap();
        assert_eq!(rig.bytes(name).unwrap(), "a job", "{name}");
    }
    symlink("deep/er", rig.at("way")).unwrap();
    symlink("way/job", rig.at("deep.wasm")).unwrap();
    assert_eq!(rig.bytes("deep.wasm").unwrap(), "deep");

    let outside = rig.around.path().join("outside.wasm");
    symlink(rig.around.path(), rig.at("out")).unwrap();
    let hostile = format!("/{}\n\u{202e}\x1b[2J{}", "x".repeat(200), "y".repeat(200));
    for (name, target) in [
        ("out1.wasm", PathBuf::from("../outside.wasm")),
        ("out2.wasm", outside),
        ("out3.wasm", "out/outside.wasm".into()),
        ("out4.wasm", "deep/../../outside.wasm".into()),
        ("out5.wasm", "/dev/zero".into()),
        ("out6.wasm", hostile.into()),
        ("out7.wasm", "../usr_jobs/job.wasm".into()),
    ] {
        symlink(target, rig.at(name)).unwrap();
        let why = rig.why_not(name);
        assert!(why.starts_with("it is a link that leads out of the folder"), "{name}: {why}");
        assert!(why.ends_with("set usr_jobs_follow_links"), "{why}");
    }
    for (name, target, why) in [
        ("nothing.wasm", "nowhere.wasm", "it is a link that leads to nothing"),
        ("through.wasm", "job.wasm/x", "it is a link that leads to nothing"),
        ("circle.wasm", "circle.wasm", "it is a link that leads in a circle"),
        ("ping.wasm", "pong.wasm", "it is a link that leads in a circle"),
        ("pong.wasm", "ping.wasm", "it is a link that leads in a circle"),
        ("itself.wasm", "deep/..", "it is a folder, not a file"),
    ] {
        symlink(target, rig.at(name)).unwrap();
        if name != "ping.wasm" {
            assert_eq!(rig.why_not(name), why, "{name}");
        }
    }
}

#[test]
fn where_the_settings_allow_it_links_lead_out() {
    let rig = rig(true);
    symlink("../outside.wasm", rig.at("out.wasm")).unwrap();
    assert_eq!(rig.bytes("out.wasm").unwrap(), "outside");
    symlink("nowhere.wasm", rig.at("nothing.wasm")).unwrap();
    assert_eq!(rig.why_not("nothing.wasm"), "it is a link that leads to nothing");
    symlink("circle.wasm", rig.at("circle.wasm")).unwrap();
    assert_eq!(rig.why_not("circle.wasm"), "it is a link that leads in a circle");
}

/// As kubelet mounts a ConfigMap or a Secret, and changes it.
#[test]
fn the_layout_of_kubernetes_works_and_a_change_is_seen() {
    let rig = rig(false);
    let publish = |version: &str, content: &str| {
        fs::create_dir(rig.at(version)).unwrap();
        fs::write(rig.at(version).join("job.wasm"), content).unwrap();
        symlink(version, rig.at("..data_tmp")).unwrap();
        fs::rename(rig.at("..data_tmp"), rig.at("..data")).unwrap();
    };
    symlink("..data/job.wasm", rig.at("job.wasm")).unwrap();
    assert_eq!(rig.why_not("job.wasm"), "it is a link that leads to nothing");
    publish("..2026_11_30_10_00_00.1", "one");
    let before = rig.folder.look().unwrap();
    assert_eq!((before.len(), rig.bytes("job.wasm").unwrap().as_str()), (1, "one"));
    publish("..2026_11_30_11_00_00.2", "two");
    assert_ne!(rig.folder.look().unwrap(), before);
    assert_eq!(rig.bytes("job.wasm").unwrap(), "two");
    // The folder itself may be a link.
    symlink(&rig.folder.path, rig.around.path().join("link")).unwrap();
    let linked = DropFolder { path: rig.around.path().join("link"), follow_links: false };
    assert_eq!(linked.bytes("job.wasm").unwrap().1.unwrap(), b"two");
}

#[test]
fn what_changes_while_it_is_read_is_not_taken() {
    let rig = rig(false);
    let path = rig.at("job.wasm");
    fs::write(&path, "x".repeat(1000)).unwrap();
    let read = |meanwhile: &dyn Fn()| {
        rig.folder.read("job.wasm", |reader| {
            meanwhile();
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|read| {
                assert!(read <= 1001, "it was read to its end: {read}");
            })
        })
    };
    assert!(read(&|| ()).is_ok());
    read(&|| OpenOptions::new().append(true).open(&path).unwrap().write_all(&[b'x'; 100_000]).unwrap()).unwrap_err();
    fs::write(&path, "x".repeat(1000)).unwrap();
    read(&|| OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap()).unwrap_err();
    fs::write(&path, "x".repeat(1000)).unwrap();
    read(&|| fs::remove_file(&path).unwrap()).unwrap_err();
    fs::write(&path, "x".repeat(1000)).unwrap();
    let other = rig.at("other");
    fs::write(&other, "y").unwrap();
    read(&|| fs::rename(&other, &path).unwrap()).unwrap_err();
    fs::remove_file(&path).unwrap();
    read(&|| ()).unwrap_err();
}

#[test]
fn a_link_that_is_exchanged_meanwhile_leads_nowhere_else() {
    let rig = rig(false);
    fs::create_dir(rig.at("in")).unwrap();
    fs::write(rig.at("in/job"), "inside").unwrap();
    symlink("in/job", rig.at("job.wasm")).unwrap();
    assert_eq!(rig.bytes("job.wasm").unwrap(), "inside");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            fs::create_dir(rig.around.path().join("elsewhere")).unwrap();
            fs::write(rig.around.path().join("elsewhere/job"), "outside").unwrap();
            symlink("../elsewhere", rig.at("out")).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(rig.at("in"), rig.at("aside")).unwrap();
                fs::rename(rig.at("out"), rig.at("in")).unwrap();
                fs::rename(rig.at("in"), rig.at("out")).unwrap();
                fs::rename(rig.at("aside"), rig.at("in")).unwrap();
            }
        });
        let mut inside = 0;
        for _ in 0..20_000 {
            if let Ok((_, Ok(bytes))) = rig.folder.bytes("job.wasm") {
                assert_eq!(bytes, b"inside");
                inside += 1;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(inside > 0);
    });
}

#[test]
fn names_that_cannot_be_shown_are_escaped_and_hide_none() {
    let rig = rig(false);
    fs::write(rig.at("a\x1b[2J\n\u{202e}b.wasm"), "").unwrap();
    fs::write(rig.folder.path.join(OsStr::from_bytes(b"\xff\xfe c.wasm")), "").unwrap();
    fs::write(rig.at("grüße مرحبا.wasm"), "fine").unwrap();
    let found = rig.folder.look().unwrap();
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["\\xff\\xfe c.wasm", "a\\u{1b}[2J\\n\\u{202e}b.wasm", "grüße مرحبا.wasm"]);
    for name in &names[..2] {
        assert_eq!(found[*name].unfit.as_deref(), Some(NAME));
    }
    assert_eq!(rig.bytes("grüße مرحبا.wasm").unwrap(), "fine");
    fs::write(rig.at("a\\u{1b}[2J\\n\\u{202e}b.wasm"), "readable").unwrap();
    assert_eq!(rig.bytes("a\\u{1b}[2J\\n\\u{202e}b.wasm").unwrap(), "readable");
}

#[test]
fn what_may_not_be_read_is_told() {
    let rig = rig(false);
    fs::write(rig.at("secret.wasm"), "x").unwrap();
    fs::set_permissions(rig.at("secret.wasm"), fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything.
    if !nix::unistd::geteuid().is_root() {
        assert_eq!(rig.why_not("secret.wasm"), "it can't be read: Permission denied (os error 13)");
    }
}
