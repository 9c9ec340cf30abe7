use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;
use crate::components::Component;

const PATIENCE: Duration = Duration::from_secs(60);

/// Knows jobs that begin with `cached`; compiles others, those that begin with `slow` only once they are let go.
#[derive(Debug, Default)]
struct Compiler {
    let_go: Mutex<bool>,
    changed: Condvar,
    began: Mutex<BTreeSet<Vec<u8>>>,
}

/// What was dropped: the file, and whether it is a job.
type Told = Arc<Mutex<Vec<(String, bool)>>>;

impl Components for Compiler {
    fn load(&self, wasm: &[u8]) -> Result<Component, Error> {
        lock(&self.began).insert(wasm.to_vec());
        self.changed.notify_all();
        if wasm.starts_with(b"slow") {
            let let_go = lock(&self.let_go);
            drop(self.changed.wait_while(let_go, |let_go| !*let_go).unwrap());
        }
        crate::tests::fake::FakeComponents.load(wasm)
    }

    fn cached(&self, of: &str) -> Option<Component> {
        let known = crate::tests::fake::wasm("cached", 1);
        (of == digest(&known)).then(|| crate::tests::fake::FakeComponents.load(&known).unwrap())
    }
}

fn watch(folder: &TempDir, compiler: &Arc<Compiler>) -> (Arc<AvailableJobs>, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let dropped = move |file: DroppedFile, spec: Option<&Spec>| lock(&tell).push((file.name, spec.is_some()));
    let path = folder.path().to_owned();
    let jobs = AvailableJobs::watch(path, false, Arc::clone(compiler) as _, Box::new(dropped), || ()).unwrap();
    (jobs, told)
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[track_caller]
fn error_of(jobs: &AvailableJobs, file: &str) -> String {
    eventually(file, || jobs.list().iter().any(|found| found.file == file && !found.checking));
    jobs.list().into_iter().find(|found| found.file == file).unwrap().error.unwrap()
}

#[test]
fn no_file_holds_others_up() {
    let (folder, compiler) = (tempfile::tempdir().unwrap(), Arc::<Compiler>::default());
    let at = |name: &str| folder.path().join(name);
    // More FIFOs, and more that compile for ever, than there are threads.
    for n in 0..10 {
        mkfifo(&at(&format!("0fifo{n}.wasm")), Mode::S_IRWXU).unwrap();
        fs::write(at(&format!("0slow{n}.wasm")), format!("slow{n} 1")).unwrap();
    }
    symlink("nowhere", at("0link.wasm")).unwrap();
    fs::write(at("a\n\x1b[2J.wasm"), "").unwrap();
    let (jobs, told) = watch(&folder, &compiler);
    eventually("both compilers are busy", || lock(&compiler.began).len() == COMPILERS);
    fs::write(at("cached.wasm"), crate::tests::fake::wasm("cached", 1)).unwrap();
    assert_eq!(jobs.read("cached").unwrap().0, crate::tests::fake::wasm("cached", 1));
    for n in 0..10 {
        assert_eq!(error_of(&jobs, &format!("0fifo{n}.wasm")), "it is a FIFO, not a file");
    }
    assert_eq!(error_of(&jobs, "0link.wasm"), "it is a link that leads to nothing");
    let name = error_of(&jobs, "a\\n\\u{1b}[2J.wasm");
    assert!(name.starts_with("its name has control characters"), "{name}");
    assert_eq!((jobs.has("0fifo0.wasm"), jobs.has("cached.wasm")), (Some(false), Some(true)));
    match jobs.read("0fifo0") {
        Err(Error::NotAJob { file, cause }) => {
            assert_eq!((file.as_deref(), cause.as_str()), (Some("0fifo0.wasm"), "it is a FIFO, not a file"));
        }
        other => panic!("{other:?}"),
    }
    // The smallest of those that wait comes next, whatever its name is.
    fs::write(at("zz.wasm"), "z 1").unwrap();
    eventually("it waits", || lock(&jobs.files).to_compile.contains(&(3, "zz.wasm".to_owned())));
    *lock(&compiler.let_go) = true;
    compiler.changed.notify_all();
    assert_eq!(jobs.read("zz").unwrap().0, b"z 1");
    eventually("all are read", || jobs.list().iter().all(|file| !file.checking));
    assert_eq!(jobs.list().iter().filter(|file| file.spec.is_some()).count(), 12);
    eventually("each is told once", || lock(&told).len() == 24);
    assert_eq!(lock(&told).iter().filter(|(_, is_job)| *is_job).count(), 12);
}

#[test]
fn what_becomes_a_file_is_read_and_what_was_one_is_told() {
    let (folder, compiler) = (tempfile::tempdir().unwrap(), Arc::<Compiler>::default());
    let path = folder.path().join("job.wasm");
    let (jobs, _) = watch(&folder, &compiler);
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert_eq!(error_of(&jobs, "job.wasm"), "it is a FIFO, not a file");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "job 1").unwrap();
    eventually("it is a job", || jobs.list().iter().any(|file| file.spec.is_some() && !file.checking));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    eventually("it is none", || jobs.list().iter().any(|file| file.error.is_some() && !file.checking));
    assert_eq!(error_of(&jobs, "job.wasm"), "it is a folder, not a file");
}
