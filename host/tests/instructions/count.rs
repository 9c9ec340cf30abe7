//! One case: prepared here, done below valgrind, compared.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pelton_testkit::skip::skip;

use crate::kept;

/// Whom a child does the work for: set there only.
const CHILD: &str = "COUNT_INSTRUCTIONS";
/// A folder where what callgrind has written is left, for `callgrind_annotate`.
const PROFILES: &str = "INSTRUCTIONS_PROFILES";
/// Large copies are loops of vectors: of `rep movsb`, which is one instruction, callgrind counts one for each byte.
const COPIES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM";
/// Times that the work is done before it is counted, and while it is.
const WARM: usize = 2;
const COUNTED: usize = 2;
/// All of them: as often as a case that can't do the same work twice has to prepare it.
pub(crate) const TIMES: usize = WARM + COUNTED;

/// Whether this process is a child, which does the work.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Holds a case, by the path of its test, to the instructions that are kept for it: those of work on so many records,
/// for each of them. In the child `prepare` is called, and the work that it gives [`TIMES`] times. `variables` are for
/// the child.
#[track_caller]
pub(crate) fn hold<W: FnMut()>(test: &str, records: usize, variables: &[(&str, String)], prepare: impl FnOnce() -> W) {
    if is_child() {
        let mut work = prepare();
        (0..WARM).for_each(|_| work());
        for _ in 0..COUNTED {
            region(&mut work);
        }
        return;
    }
    if let Some(reason) = kept::why_not() {
        return skip(test, &reason);
    }
    let case = test.rsplit("::").next().unwrap();
    kept::compare(case, below_valgrind(test, case, variables) as f64 / (records * COUNTED) as f64);
}

/// What is counted, by its name.
#[inline(never)]
fn region(work: &mut dyn FnMut()) {
    work();
    // So that the call is no jump, and this function is left where it is done.
    black_box(());
}

/// The instructions of a case.
#[track_caller]
fn below_valgrind(test: &str, case: &str, variables: &[(&str, String)]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out = match std::env::var_os(PROFILES) {
        None => folder.path().join("callgrind.out"),
        Some(kept) => {
            let kept = PathBuf::from(kept);
            fs::create_dir_all(&kept).unwrap();
            fs::canonicalize(kept).unwrap().join(case)
        }
    };
    let mut child = Command::new("valgrind");
    // Of the caller's variables only those reach the child that it needs to find valgrind and libraries.
    let kept = ["LD_LIBRARY_PATH", "PATH"].iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    child
        .env_clear()
        .envs(kept)
        .env(CHILD, "1")
        .env("GLIBC_TUNABLES", COPIES)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args(["-q", "--tool=callgrind", "--toggle-collect=*count*region*", "--trace-children=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let output = child.output().unwrap();
    let said = || [&output.stdout[..], &output.stderr[..]].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(output.status.success(), "{case} failed below valgrind ({}):\n{}", output.status, said().join(""));
    let profile = fs::read_to_string(&out).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")).and_then(|total| total.parse().ok());
    match total {
        Some(total) if total > 0 => total,
        _ => panic!("{case}: callgrind has counted nothing:\n{}", said().join("")),
    }
}
