//! The figures that are kept, and the comparison with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use pelton_testkit::skip::is_required;

/// How much more or less is told, percent.
const MOST: f64 = 5.0;
/// What the CPU needs for the code that is counted, as Linux calls it.
const CPU: [&str; 5] = ["avx2", "bmi1", "bmi2", "fma", "abm"];

/// One writes at a time.
static WRITING: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/kept.txt")
}

/// `rustc 1.95.0`: another compiler makes other instructions.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    version.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// What made the figures that are kept, and those.
fn read() -> (String, BTreeMap<String, f64>) {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let mut compiler = String::new();
    let mut figures = BTreeMap::new();
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("# by ") {
            named.clone_into(&mut compiler);
        } else if let Some((case, figure)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
            figures.insert(case.to_owned(), figure.trim().parse().unwrap());
        }
    }
    (compiler, figures)
}

fn write(case: &str, figure: f64) {
    let _writing = WRITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, mut figures) = read();
    figures.insert(case.to_owned(), figure);
    let mut text = format!(
        "# Instructions for each record, counted by callgrind; RENEW=1 cargo test --test instructions writes them.\n\
         # by {}\n",
        compiler()
    );
    for (case, figure) in figures {
        writeln!(text, "{case:<20} {figure:.1}").unwrap();
    }
    fs::write(path(), text).unwrap();
}

/// Why nothing can be counted or compared here.
pub(crate) fn why_not() -> Option<String> {
    if !cfg!(debug_assertions) {
        return Some("the figures that are kept are of the dev profile".to_owned());
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some("there is no valgrind; Debian's package has its name".to_owned());
    }
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    let flags: Vec<_> = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split(' ').collect();
    if let Some(lacks) = CPU.iter().find(|name| !flags.contains(name)) {
        return Some(format!("the CPU has no {lacks}"));
    }
    let (kept, here) = (read().0, compiler());
    // Where nothing may be skipped the comparison says who made which.
    if !is_required() && !is_renewed() && kept != here {
        return Some(format!("{here} makes other instructions than {kept}, of which the figures are"));
    }
    None
}

fn is_renewed() -> bool {
    std::env::var_os("RENEW").is_some()
}

/// Holds a figure to the one that is kept, or keeps it where that is asked for.
#[track_caller]
pub(crate) fn compare(case: &str, now: f64) {
    if is_renewed() {
        return write(case, now);
    }
    let (by, figures) = read();
    let renew = format!("`RENEW=1 cargo test --test instructions {case}` keeps it");
    let Some(before) = figures.get(case) else { panic!("{case}: {now:.1} instructions for each record; {renew}") };
    let percent = (now / before - 1.0) * 100.0;
    let told = format!(
        "{case}: {now:.1} instructions for each record, {:.1} % {} than the {before:.1} that are kept",
        percent.abs(),
        if percent < 0.0 { "fewer" } else { "more" },
    );
    println!("{told}");
    let here = compiler();
    assert!(
        percent <= MOST,
        "{told} (of {by}, this is {here}). Make it cheaper; if it is worth that, {renew}, and the commit says why"
    );
    if percent < -MOST {
        // libtest captures what print! and eprint! write.
        std::io::stderr().write_all(format!("{told}: {renew}\n").as_bytes()).unwrap();
    }
}
