//! What a job does when it is imported: it reads nothing outside of its folders, ends in time and within bounds, and what
//! it may not do is told with the line of its file.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use pelton_testkit::skip::{skip, test_name};
use tempfile::TempDir;

use super::*;
use crate::language::Language;
use crate::new::{Template, create};

/// What is beside the project.
const SECRET: &str = "correct-horse-battery-staple";

struct Job {
    parent: TempDir,
    source: String,
}

impl Job {
    /// A new project; nothing where componentize-py is missing.
    fn new(test: &str) -> Option<Self> {
        let parent = tempfile::tempdir().unwrap();
        create(parent.path(), "py", Language::Python, Template::Words).unwrap();
        let source = fs::read_to_string(parent.path().join("py/job.py")).unwrap();
        if let Err(error) = find(parent.path(), &Tools::new(false).unwrap()) {
            skip(test, &error.to_string());
            return None;
        }
        let job = Self { parent, source };
        job.imports("", |_| ());
        Some(job)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.parent.path().canonicalize().unwrap().join("py").join(path)
    }

    fn build(&self, change: impl FnOnce(&mut Limits)) -> Result<Vec<u8>, String> {
        let mut limits = Limits::default();
        change(&mut limits);
        let (out, tools) = (tempfile::tempdir().unwrap(), Tools::new(false).unwrap());
        let folder = self.at("").canonicalize().unwrap();
        build(&folder, out.path(), &tools, &limits).map_err(|error| format!("{error:#}"))
    }

    /// Builds it with this at the end of its file, with these limits.
    fn import(&self, code: &str, change: impl FnOnce(&mut Limits)) -> Result<Vec<u8>, String> {
        fs::write(self.at("job.py"), format!("{}\n{code}\n", self.source)).unwrap();
        self.build(change)
    }

    #[track_caller]
    fn imports(&self, code: &str, change: impl FnOnce(&mut Limits)) -> Vec<u8> {
        self.import(code, change).unwrap_or_else(|told| panic!("{told}"))
    }

    /// What is told where a build with this fails, with the number of its last line.
    #[track_caller]
    fn fails(&self, code: &str, words: &[&str]) -> String {
        self.fails_within(code, |_| (), words)
    }

    #[track_caller]
    fn fails_within(&self, code: &str, change: impl FnOnce(&mut Limits), words: &[&str]) -> String {
        let told = self.import(code, change).map(|_| format!("built in spite of {code}")).unwrap_or_else(|told| told);
        let line = format!("py/job.py\", line {}", self.source.lines().count() + code.lines().count() + 1);
        for words in words.iter().copied().chain([&*line]) {
            assert!(told.contains(words), "{words:?} is missing: {told}");
        }
        assert!(!told.contains("wasm backtrace"), "{told}");
        told
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_outside_of_the_project_is_read() {
    let Some(job) = Job::new(test_name!()) else { return };
    let secret = job.parent.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    symlink(&secret, job.at("slink")).unwrap();
    symlink("/proc/self/environ", job.at("penv")).unwrap();
    symlink("/dev/zero", job.at("zero")).unwrap();
    symlink("..", job.at("up")).unwrap();
    symlink("there", job.at("here")).unwrap();
    fs::write(job.at("there"), "a file of the job").unwrap();
    mkfifo(&job.at("fifo"), Mode::S_IRWXU).unwrap();
    let code = r#"
import os
TAKEN = []
for name in ["slink", "penv", "zero", "fifo", "up/secret", "up", "../secret", "there/../../secret", "here"]:
    for flags in [0, os.O_NOFOLLOW, os.O_NOFOLLOW | os.O_NONBLOCK, os.O_DIRECTORY]:
        for path in ["/0/" + name, name]:
            try:
                file = os.open(path, os.O_RDONLY | flags)
                TAKEN.append((name, os.read(file, 100)))
            except OSError as error:
                pass
assert TAKEN == [("here", b"a file of the job")], TAKEN
try:
    os.open("/0/here", os.O_RDONLY | os.O_NOFOLLOW)
except OSError as error:
    import errno
    assert error.errno == errno.ELOOP, error
else:
    raise AssertionError
"#;
    let component = job.imports(code, |_| ());
    assert!(!holds(&component, SECRET) && !holds(&component, &std::env::var("PATH").unwrap()));
    // Where it is not caught, it is told what the link is.
    let told = job.fails("open('/0/penv')", &["PermissionError: ", "penv is a link that leads out of its folder"]);
    assert!(
        told.contains(", to /proc/") && told.contains("/environ, and is not followed; copy the file itself"),
        "{told}"
    );
    job.fails("open('/0/fifo')", &["PermissionError: ", "py/fifo is no file and no folder"]);
    // What a job imports may be none, either.
    mkfifo(&job.at("helper.py"), Mode::S_IRWXU).unwrap();
    job.fails("import helper", &["No module named 'helper'", "py/helper.py is no file and no folder"]);
    fs::rename(job.at("job.py"), job.parent.path().join("job.py")).unwrap();
    symlink("../job.py", job.at("job.py")).unwrap();
    let told = job.build(|_| ()).unwrap_err();
    assert!(told.contains("No module named 'job'") && told.contains("py/job.py is a link that leads out"), "{told}");
}

#[test]
fn an_import_ends_in_time() {
    let Some(job) = Job::new(test_name!()) else { return };
    let time = |limits: &mut Limits| limits.compile_time = Duration::from_secs(1);
    let words =
        ["importing the job took more than 1 s", "belongs into configure or process; or raise limits.compile_time"];
    let told = job.fails_within("while True: pass", time, &words);
    assert!(told.contains("TimeoutError") && told.contains("py/job.py\""), "{told}");
    job.fails_within("def f():\n    while True: pass\nf()", time, &words);
    // In C, and where the exception is caught.
    job.fails_within("sum(range(10**15))", time, &words);
    job.fails_within(
        "def f():\n  while True:\n    try:\n      while True: pass\n    except BaseException: pass\nf()",
        time,
        &words,
    );
}

#[test]
fn an_import_takes_no_more_memory_than_an_instance_may() {
    let Some(job) = Job::new(test_name!()) else { return };
    let words = ["the import may take 256 MiB of memory", "raise limits.memory_mib, here and on the hosts"];
    job.fails("K = b'a' * 1_000_000_000", &[&words[..], &["MemoryError"]].concat());
    job.fails("K = []\nwhile True: K.append(bytearray(1 << 20))", &words);
    let code = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()";
    let told = job.import(code, |_| ()).unwrap_err();
    assert!(told.contains(words[0]), "{told}");
    job.imports("K = bytes(300_000_000)", |limits| limits.memory_mib = 700);
}

#[test]
fn what_an_import_may_not_do_is_an_error_of_python() {
    let Some(job) = Job::new(test_name!()) else { return };
    fs::write(job.at("file"), "").unwrap();
    for (code, words) in [
        ("import time; time.sleep(1)", "a job can't sleep or wait, also not while it is built"),
        ("import socket; socket.create_connection(('127.0.0.1', 80))", "a job has no network"),
        ("import socket; socket.socket()", "PermissionError"),
        ("import time; time.sleep(1); x = [i for i in range(9)]", "PermissionError"),
        ("import select; select.select([], [], [], 1)", "PermissionError"),
        ("import subprocess; subprocess.run(['true'])", "wasi does not support processes"),
        ("input()", "EOFError"),
        ("import os; os.unlink('/0/file')", "Read-only file system"),
        ("import os; os.rename('/0/file', '/0/other')", "Read-only file system"),
        ("import os; os.symlink('file', '/0/link')", "Read-only file system"),
        ("import os; os.utime('/0/file')", "Read-only file system"),
        ("import os; os.mkdir('/0/folder')", "Read-only file system"),
        ("open('/0/file', 'w')", "Read-only file system"),
        ("open('/0/file', 'a')", "Read-only file system"),
        ("import os; os._exit(0)", "the import ended Python, with os._exit"),
        ("import os; os.abort()", "Python itself gave up, as it does at os.abort"),
    ] {
        job.fails(code, &[words]);
    }
    // It can be caught.
    let code = "import time\ntry:\n    time.sleep(1)\n    raise AssertionError\nexcept OSError: pass\n\
                import sys\nassert sys.stdin.read() == ''";
    job.imports(code, |_| ());
}

#[test]
fn what_else_is_installed_is_not_in_the_component() {
    let Some(job) = Job::new(test_name!()) else { return };
    let packages = job.at(".venv/lib/python3.14/site-packages");
    let code = "import wanted\ntry:\n    import something_missing\nexcept ImportError: pass";
    let with = |others: &[&str]| {
        let _ = fs::remove_dir_all(&packages);
        for name in others.iter().chain(&["wanted"]) {
            fs::create_dir_all(packages.join(name)).unwrap();
            fs::write(packages.join(name).join("__init__.py"), "").unwrap();
        }
        job.imports(code, |_| ())
    };
    let alone = with(&[]);
    let beside = with(&["installed_by_chance", "another_by_chance-1.2.3.dist-info"]);
    assert!(holds(&beside, "wanted") && !holds(&beside, "by_chance"));
    assert!(!holds(&alone, "by_chance"));
}
