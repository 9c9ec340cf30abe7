//! `pelton dev`, as its users run it: a new project, saves that are good and bad, and a host that goes and comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};
use serde_json::json;
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::{Host, pelton};
use crate::skip::{skip, test_name};
use crate::stage::{RUN, Servers, require_stage};

/// For a build, the first of which compiles what the SDK depends on.
const BUILD: Duration = Duration::from_secs(600);

/// A project that `pelton dev` watches.
struct Dev {
    // Fields drop in this order: the process goes before its folder.
    process: Leash,
    folder: TempDir,
    /// How much of the log was looked at.
    seen: usize,
}

impl Dev {
    /// Makes a project in a language, and starts to watch it.
    fn start(host: &Host, language: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pelton-dev-").tempdir().unwrap();
        let script = r#""$0" new long_words --lang "$1"; exec "$0" dev long_words --from earliest"#;
        Self::run(host, folder, script, language)
    }

    /// Runs a script of the shell in a folder, which has the program as `$0` and a language as `$1`.
    fn run(host: &Host, folder: TempDir, script: &str, language: &str) -> Self {
        let log = folder.path().join("log");
        let mut command = leash::command(Signal::SIGKILL, folder.path(), &log).unwrap();
        command.current_dir(folder.path());
        command.args(["/bin/sh", "-ec", script]);
        command.args([env!("CARGO_BIN_EXE_pelton"), language]);
        command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new"));
        command.env("PELTON_API", host.url()).env_remove("PELTON_TOKEN");
        Self { process: Leash::spawn(&mut command).unwrap(), folder, seen: 0 }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until it says this, after what it was last waited for; returns what it said up to there.
    #[track_caller]
    fn says(&mut self, text: &str) -> String {
        eventually(BUILD, &format!("it says {text:?}"), || {
            let log = self.log();
            let new = &log[self.seen..];
            let ended = self.process.exited().unwrap();
            assert_eq!(ended, None, "it has ended: {log}");
            let end = new.find(text)? + text.len();
            self.seen += end;
            Some(new[..end].to_owned())
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("long_words").join(file)
    }

    /// Saves a file as editors do it: a new one is renamed to it.
    fn save(&self, file: &str, change: impl FnOnce(String) -> String) {
        let (path, draft) = (self.path(file), self.path("draft~"));
        let before = fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "{file} has not changed");
        fs::write(&draft, after).unwrap();
        fs::rename(draft, path).unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what pelton dev said:\n{}", self.log());
        }
    }
}

/// Sends a word of four letters, which some versions of the job drop, and one that ends the wait, and returns what
/// came.
fn send(servers: &Servers, end: &str) -> Vec<String> {
    servers.kafka.produce("words", &[Record::new("four"), Record::new(end)]);
    eventually(RUN, "the words are through", || {
        let words: Vec<_> = servers.kafka.read_all("long_words").iter().map(|word| word.text().to_owned()).collect();
        (words.last().map(String::as_str) == Some(end)).then_some(words)
    })
}

#[test]
fn every_good_save_is_live_and_no_bad_one() {
    let stage = require_stage!();
    stage.kafka.create_topic("words", 1, &[]);
    stage.kafka.create_topic("long_words", 1, &[]);
    let mut host = stage.host();
    host.start();
    let mut dev = Dev::start(&host, "rust");
    let said = dev.says("live as version 1, created topic \"long_words.dlq\" with 1 partition ");
    assert!(said.contains("built ") && said.contains(" · tested 4 records "), "{said}");
    dev.says(" s from save to live\n");
    assert_eq!(send(&stage, "first"), ["first"]);

    // Another outcome than the golden file's, until that is changed too.
    dev.save("src/lib.rs", |text| text.replace("word.len() > self.longest", "word.len() >= self.longest"));
    dev.says("+ {\"record\": 0, \"sink\": \"long_words\", \"forward\": true}\n");
    dev.says("the outcome differs from golden.jsonl");
    assert_eq!(host.show("long_words")["version"], 1);
    assert_eq!(send(&stage, "second"), ["first", "second"]);
    let line = "{\"record\": 0, \"sink\": \"long_words\", \"forward\": true}\n";
    dev.save("golden.jsonl", |text| format!("{line}{text}"));
    dev.says("live as version 2 ");
    assert_eq!(send(&stage, "third"), ["first", "second", "four", "third"]);

    // What does not build; then it is mended, in two files.
    dev.save("src/lib.rs", |text| text.replace("word.len() >=", "word.length() >="));
    dev.says("no method named `length` found");
    dev.says("cargo could not build");
    assert_eq!(host.show("long_words")["version"], 2);
    assert_eq!(send(&stage, "fourth")[4..], ["four", "fourth"]);
    dev.save("Cargo.toml", |text| text.replace("passes on long words", "passes on words of four letters and more"));
    dev.save("src/lib.rs", |text| text.replace("word.length() >=", "word.len() >="));
    dev.says("live as version 3 ");
    let view = host.show("long_words");
    assert_eq!(
        (&view["version"], &view["spec"]["description"]),
        (&json!(3), &json!("passes on words of four letters and more"))
    );
    assert_eq!((&view["state"], &view["versions"][2]["why"]), (&json!("running"), &json!("pelton dev")));

    // A save while the host is away is live once it is back; that it is away is said once.
    assert_eq!(host.sigterm(RUN), 0);
    dev.save("Cargo.toml", |text| text.replace("four letters and more", "at least four letters"));
    dev.says("waiting for a host: no Pelton host answers at ");
    dev.save("Cargo.toml", |text| text.replace("at least four letters", "four letters, or more"));
    dev.says("tested 4 records ");
    // A bad one meanwhile takes nothing from the good one.
    dev.save("src/lib.rs", |text| text.replace("word.len() >=", "word.length() >="));
    dev.says("cargo could not build");
    host.start();
    let said = dev.says("live as version 4 ");
    assert!(!said.contains("waiting"), "{said}");
    assert_eq!(host.show("long_words")["spec"]["description"], "passes on words of four letters, or more");

    dev.process.signal(Signal::SIGINT).unwrap();
    let status = dev.process.wait(RUN).unwrap().unwrap();
    assert_eq!(status.code(), Some(0), "{}", dev.log());
}

/// Saves a change of the job and of its golden file, and waits until it is live; prints how long that took.
fn a_save_is_live(test: &str, language: &str, file: &str, tools: &[&str]) {
    let stage = require_stage!();
    let is_there =
        |tool: &&&str| !std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(tool).is_file());
    if let Some(missing) = tools.iter().find(is_there) {
        return skip(test, &format!("{missing} is not installed"));
    }
    stage.kafka.create_topic("words", 1, &[]);
    stage.kafka.create_topic("long_words", 1, &[]);
    // The host of a developer is of the same account.
    let cache = pelton::files::cache_folder().unwrap();
    let mut host = stage.host().env("XDG_CACHE_HOME", cache.parent().unwrap());
    host.start();
    let mut dev = Dev::start(&host, language);
    dev.says("live as version 1, created topic \"long_words.dlq\" with 1 partition ");
    assert_eq!(send(&stage, "first"), ["first"]);
    // The words of four letters, whatever the job calls their length.
    dev.save(file, |text| text.replace(" > l", " >= l").replace(" > self.l", " >= self.l"));
    dev.says("the outcome differs from golden.jsonl");
    let line = "{\"record\": 0, \"sink\": \"long_words\", \"forward\": true}\n";
    dev.save("golden.jsonl", |text| format!("{line}{text}"));
    let said = dev.says("s from save to live\n");
    eprintln!("{language}: {}", said.lines().last().unwrap());
    assert_eq!(send(&stage, "second"), ["first", "four", "second"]);
    dev.save(file, |text| text.replace("passes on", "lets through"));
    let said = dev.says("s from save to live\n");
    eprintln!("{language}: {}", said.lines().last().unwrap());
    assert_eq!(host.show("long_words")["spec"]["description"], "lets through long words");
}

#[test]
fn a_save_is_live_in_javascript() {
    a_save_is_live(test_name!(), "js", "job.js", &["node", "npm"]);
}

#[test]
fn a_save_is_live_in_python() {
    let tools = pelton::files::cache_folder().unwrap().join("tools");
    if !tools
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .any(|tool| tool.file_name().to_string_lossy().starts_with("componentize-py-"))
    {
        return skip(test_name!(), "componentize-py is not installed");
    }
    a_save_is_live(test_name!(), "python", "job.py", &["python3"]);
}

#[test]
fn a_save_is_live_in_go() {
    a_save_is_live(test_name!(), "go", "main.go", &["go"]);
}

/// What the command writes beside its output is another text each time.
#[test]
fn a_save_is_live_with_a_command_of_ones_own() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.create_topic("alerts", 1, &[]);
    let mut host = stage.host();
    host.start();
    let folder = tempfile::Builder::new().prefix("pelton-dev-").tempdir().unwrap();
    let project = folder.path().join("long_words");
    fs::create_dir_all(project.join("src")).unwrap();
    let guest = crate::stage::guest("identity");
    let script = format!("set -e\ndate +%N >src/date\ncp {} job.out\n", guest.display());
    fs::write(project.join("build.sh"), script).unwrap();
    fs::write(project.join("src/word"), "one\n").unwrap();
    let toml = "[build]\ncommand = [\"sh\", \"build.sh\"]\noutput = \"job.out\"\n";
    fs::write(project.join("pelton.toml"), toml).unwrap();
    let mut dev = Dev::run(&host, folder, r#"exec "$0" dev long_words --from earliest"#, "other");
    dev.says("live as version 1");
    dev.says("s from save to live\n");
    dev.save("pelton.toml", |text| text.replace("job.out", "other.out"));
    dev.says("`sh` ended well and did not write other.out; one from before does not count");
    dev.save("pelton.toml", |text| text.replace("other.out", "job.out"));
    dev.says("s from save to live\n");
    dev.save("build.sh", |text| text.replace("set -e", "set -e\ncat src/missing"));
    dev.says("src/missing");
    dev.says("`sh`, the command of pelton.toml, could not build");
    dev.save("build.sh", |text| text.replace("src/missing", "src/word"));
    let said = dev.says("s from save to live\n");
    assert!(said.contains("one\nbuilt "), "{said}");
    assert_eq!(host.show("identity")["state"], "running");
}

#[test]
fn what_is_no_project_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let said = pelton(&["dev".as_ref(), folder.path().as_os_str()], &[]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("holds no job: it has none of pelton.toml, Cargo.toml"), "{}", said.stderr);
}
