use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

/// The smallest core module, and the beginning of a component.
const MODULE: &str = r"printf '\000asm\001\000\000\000'";
const COMPONENT: &str = r"printf '\000asm\015\000\001\000'";

struct Project(TempDir);

impl Project {
    fn new(toml: &str) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::write(project.path(FILE), toml).unwrap();
        project
    }

    /// One with a command of the shell, that is to leave `job.wasm`.
    fn shell(command: &str) -> Self {
        Self::new(&format!("[build]\ncommand = [\"sh\", \"-c\", '''{command}''']\noutput = \"job.wasm\"\n"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(file)
    }

    fn build(&self) -> Result<Vec<u8>> {
        build(&self.path(""))
    }

    #[track_caller]
    fn fails(&self, with: &[&str]) {
        let error = format!("{:#}", self.build().unwrap_err());
        with.iter().for_each(|text| assert!(error.contains(text), "{error}"));
    }
}

#[test]
fn a_component_is_taken_as_it_is_and_a_core_module_gets_the_contract() {
    let project = Project::shell(&format!("pwd >folder; {COMPONENT} >job.wasm"));
    assert_eq!(project.build().unwrap(), b"\0asm\x0d\0\x01\0");
    let folder = fs::read_to_string(project.path("folder")).unwrap();
    assert_eq!(Path::new(folder.trim_end()).canonicalize().unwrap(), project.path("").canonicalize().unwrap());
    // One that lacks the contract's exports.
    Project::shell(&format!("{MODULE} >job.wasm")).fails(&["job.wasm: ", "pelton:job/task@0.1.0"]);
}

#[test]
fn arguments_are_no_text_for_a_shell() {
    let toml = "[build]\ncommand = [\"./make it\", \"$HOME; *\"]\noutput = \"out/job.wasm\"\n";
    let project = Project::new(toml);
    let script = format!("#!/bin/sh\nprintf %s \"$1\" >said; mkdir -p out; {COMPONENT} >out/job.wasm\n");
    fs::write(project.path("make it"), script).unwrap();
    project.fails(&["./make it is not executable; `chmod +x ./make it`, or correct `command` in "]);
    fs::set_permissions(project.path("make it"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(project.build().is_ok());
    assert_eq!(fs::read_to_string(project.path("said")).unwrap(), "$HOME; *");
    assert_eq!(output(&project.path("")), Some(project.path("out/job.wasm")));
}

#[test]
fn what_pelton_toml_does_not_say_is_told_with_what_it_should() {
    let command = "command = [\"true\"]\n";
    let output = "output = \"job.wasm\"\n";
    for (toml, told) in [
        (String::new(), "missing field `build`"),
        ("[kafka]\n".to_owned(), "unknown field `kafka`"),
        (format!("[build]\n{command}{output}outputs = 1\n"), "unknown field `outputs`"),
        (format!("[build]\n{command}"), "missing field `output`"),
        (format!("[build]\n{output}"), "missing field `command`"),
        (format!("[build]\ncommand = \"make all\"\n{output}"), "invalid type: string \"make all\""),
        (format!("[build]\ncommand = []\n{output}"), "`command` names no program"),
        (format!("[build]\ncommand = [\"\"]\n{output}"), "`command` names no program"),
        ("[build\n".to_owned(), "TOML parse error at line 1"),
    ] {
        let project = Project::new(&toml);
        project.fails(&["/pelton.toml: ", told, "[build]\n  command = [\"make\"] ", "output = \"job.wasm\""]);
        assert_eq!(super::output(&project.path("")), None);
    }
}

#[test]
fn the_output_is_in_the_folder() {
    for path in ["../job.wasm", "/tmp/job.wasm", "a/../../job.wasm", "", ".."] {
        let toml = format!("[build]\ncommand = [\"touch\", \"ran\"]\noutput = \"{path}\"\n");
        let project = Project::new(&toml);
        project.fails(&[&format!("`output` is {path:?}, and must be a file in this folder")]);
        assert!(!project.path("ran").exists(), "{path}");
    }
    // Or leads out of it by a link, of which there was none before in the second.
    let elsewhere = tempfile::tempdir().unwrap();
    let toml = "[build]\ncommand = [\"touch\", \"ran\"]\noutput = \"out/job.wasm\"\n";
    let project = Project::new(toml);
    symlink(elsewhere.path(), project.path("out")).unwrap();
    project.fails(&["out/job.wasm, leads out of the folder, to ", "have the command copy the file into it"]);
    assert!(!project.path("ran").exists());
    let outside = elsewhere.path().join("result.wasm");
    let project = Project::shell(&format!("{COMPONENT} >{0}; ln -s {0} job.wasm", outside.display()));
    project.fails(&["job.wasm, leads out of the folder, to ", "result.wasm"]);
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let with = |program: &str| Project::new(&format!("[build]\ncommand = [\"{program}\"]\noutput = \"job.wasm\"\n"));
    with("no-such-compiler").fails(&["no `no-such-compiler` on the search path; install it, or correct `command` in "]);
    with("./no-such.sh").fails(&["there is no ", "/no-such.sh, or correct `command` in "]);
    let project = with("build-it.sh");
    fs::write(project.path("build-it.sh"), "#!/no/such/shell\n").unwrap();
    project.fails(&["no `build-it.sh` on the search path; the one in this folder is `./build-it.sh`"]);
    let project = with("./build-it.sh");
    fs::write(project.path("build-it.sh"), "#!/no/such/shell\n").unwrap();
    fs::set_permissions(project.path("build-it.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    project.fails(&["the first line of ./build-it.sh names a program that is not there"]);
}

#[test]
fn what_was_there_before_does_not_count_and_comes_back_where_the_command_fails() {
    for (command, told) in [
        ("exit 3", "`sh`, the command of pelton.toml, could not build "),
        ("printf broken >job.wasm; exit 3", "(exit status: 3); its messages are above"),
        ("true", "`sh` ended well and did not write job.wasm; one from before does not count"),
        ("rm job.wasm; mkdir job.wasm", "job.wasm is no file, but a folder"),
        ("printf text >job.wasm", "job.wasm is no WebAssembly module: `output` in pelton.toml names what `sh` writes"),
    ] {
        let project = Project::shell(command);
        fs::write(project.path("job.wasm"), b"\0asm before").unwrap();
        project.fails(&[told]);
        if command.contains("mkdir") || command.starts_with("printf text") {
            continue;
        }
        assert_eq!(fs::read(project.path("job.wasm")).unwrap(), b"\0asm before", "{command}");
        assert_eq!(fs::read_dir(project.path("")).unwrap().count(), 2, "{command}");
    }
}

#[test]
fn what_was_there_before_is_there_all_the_time_and_looks_old() {
    let seen = "[ -f job.wasm ] && [ job.wasm -ot pelton.toml ] && cp -p job.wasm seen";
    for command in [format!("{seen}; exit 3"), format!("{seen}; true"), format!("{seen}; {COMPONENT} >job.wasm")] {
        let project = Project::shell(&command);
        fs::write(project.path("job.wasm"), b"\0asm before").unwrap();
        let modified = || fs::metadata(project.path("job.wasm")).unwrap().modified().unwrap();
        let before = modified();
        let is_built = project.build().is_ok();
        assert_eq!(fs::read(project.path("seen")).unwrap(), b"\0asm before", "{command}");
        let now = fs::read(project.path("job.wasm")).unwrap();
        assert_eq!(now == b"\0asm before", !is_built, "{command}");
        assert_eq!(modified() == before, !is_built, "{command}");
    }
}

#[test]
fn the_same_bytes_written_anew_count() {
    let project = Project::shell(&format!("{COMPONENT} >job.wasm"));
    assert!(project.build().is_ok());
    assert!(project.build().is_ok());
    // What a tool keeps under another name stays as it is.
    let project = Project::shell(&format!("{COMPONENT} >new; mv new job.wasm"));
    fs::write(project.path("kept"), b"\0asm before").unwrap();
    fs::hard_link(project.path("kept"), project.path("job.wasm")).unwrap();
    let kept = fs::metadata(project.path("kept")).unwrap().modified().unwrap();
    assert!(project.build().is_ok());
    assert_eq!(fs::metadata(project.path("kept")).unwrap().modified().unwrap(), kept);
}

#[test]
fn a_file_outside_of_the_folder_is_not_touched() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("other.wasm");
    fs::write(&target, b"\0asm other").unwrap();
    let before = fs::metadata(&target).unwrap().modified().unwrap();
    let project = Project::shell("exit 3");
    symlink(&target, project.path("job.wasm")).unwrap();
    project.fails(&["(exit status: 3)"]);
    assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), before);
}

#[test]
fn what_is_no_file_or_too_large_is_not_waited_for() {
    use nix::{sys::stat::Mode, unistd::mkfifo};

    let project = Project::shell("touch ran");
    mkfifo(&project.path("job.wasm"), Mode::S_IRWXU).unwrap();
    project.fails(&["job.wasm is a FIFO, not a file; remove it, or correct `output` in pelton.toml"]);
    assert!(!project.path("ran").exists());
    // Made by the command.
    Project::shell("mkfifo job.wasm").fails(&["job.wasm is no file, but a FIFO; correct `output` in pelton.toml"]);
    Project::shell("truncate -s 3G job.wasm").fails(&["cannot read ", "job.wasm: it has more than 268435456 bytes"]);
    let project = Project::new("");
    File::options().write(true).open(project.path(FILE)).unwrap().set_len(200 << 20).unwrap();
    project.fails(&["/pelton.toml: it has more than 8388608 bytes"]);
}

#[test]
fn a_source_that_output_names_by_mistake_stays() {
    let project = Project::new("[build]\ncommand = [\"true\"]\noutput = \"main.zig\"\n");
    fs::write(project.path("main.zig"), "a source").unwrap();
    project.fails(&["main.zig is no WebAssembly module"]);
    assert_eq!(fs::read_to_string(project.path("main.zig")).unwrap(), "a source");
}
