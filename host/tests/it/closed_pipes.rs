//! Commands whose reader goes away: `| head` ends them in silence, and a closed standard error is no panic.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::stage::example;

/// How a panic ends a process.
const PANIC: i32 = 101;

fn pelton(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pelton"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Nobody is there to be asked.
    command.env("PELTON_API", "http://127.0.0.1:1").env_remove("PELTON_TOKEN");
    command
}

/// The exit code and what was said on standard error.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).unwrap();
    }
    (child.wait().unwrap().code(), said)
}

#[test]
fn who_reads_no_further_ends_a_command_in_silence() {
    // More than a pipe holds, so that it is still printing when its reader is gone.
    let records = "no reading\n".repeat(100_000);
    let component = example("sensor_alerts");
    let mut child = pelton(&["test", component.to_str().unwrap()]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It reads no more than it has printed.
    let feeds = std::thread::spawn(move || drop(stdin.write_all(records.as_bytes())));
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("reject"), "{first}");
    assert_eq!(ended(child), (Some(0), String::new()));
    feeds.join().unwrap();

    // So does one that has not read a thing.
    let mut child = pelton(&["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let (code, said) = ended(child);
    assert!(code == Some(0) && said.is_empty(), "{code:?} {said}");
}

#[test]
fn a_closed_standard_error_is_no_panic() {
    for arguments in [&["list"][..], &["simulate", "--kafka", "127.0.0.1:1"], &["test", "/no/such/file"]] {
        let mut child = pelton(arguments).spawn().unwrap();
        drop(child.stderr.take());
        let (code, _) = ended(child);
        assert!(code == Some(1) && code != Some(PANIC), "{arguments:?}: {code:?}");
    }
}
