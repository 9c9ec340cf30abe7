//! The figures that are kept, and the comparison with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

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
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some("there is no valgrind; Debian's package has its name".to_owned());
    }
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    let flags: Vec<_> = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split(' ').collect();
    if let Some(lacks) = CPU.iter().find(|name| !flags.contains(name)) {
        return Some(format!("the CPU has no {lacks}"));
    }
    None
}

/// Holds a figure to the one that is kept, or keeps it where that is asked for.
#[track_caller]
pub(crate) fn compare(case: &str, now: f64) {
    if std::env::var_os("RENEW").is_some() {
        return write(case, now);
    }
    let (by, figures) = read();
    let renew = "RENEW=1 cargo test --test instructions";
    let before = figures.get(case).unwrap_or_else(|| panic!("{case}: {now:.1}, and none is kept; {renew} keeps it"));
    let more = (now / before - 1.0) * 100.0;
    println!("{case}: {before:.1} instructions for each record before, {now:.1} now ({more:+.2} %)");
    assert!(more <= MOST, "{by} {renew}");
}
