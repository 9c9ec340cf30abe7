//! From `pelton new` to a component that does what its golden file says, in every language whose tools are here; and
//! what is said where they are not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum as _;
use pelton_build::Language;

use crate::pelton::Said;
use crate::skip::{skip, test_name};

/// What `pelton build` says where a tool is missing, which is no fault of Pelton's.
pub(crate) const MISSING: [&str; 3] = ["not installed", "found no ", "is needed, found "];

/// How a shell ends where a command is not there.
const NOT_FOUND: i32 = 127;

fn pelton(folder: &Path, args: &[&str], variables: &[(&str, &Path)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pelton"));
    command.args(args).current_dir(folder).envs(variables.iter().copied());
    let records = folder.join("records.jsonl");
    if args.first() == Some(&"test") {
        command.stdin(std::fs::File::open(records).unwrap());
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A new project passes its own tests, builds as it is, and does what its golden file says.
fn builds_and_passes(test: &str, language: Language) {
    let of = language.to_possible_value().unwrap();
    let parent = tempfile::tempdir().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    let variables = [("CARGO_TARGET_DIR", target.as_path())];
    let made = pelton(parent.path(), &["new", "long_words", "--lang", of.get_name()], &variables);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let project = parent.path().join("long_words");
    let built = pelton(&project, &["build", ".", "--out", "usr_jobs"], &variables);
    if built.code != 0 && MISSING.iter().any(|missing| built.stderr.contains(missing)) {
        return skip(test, built.stderr.lines().last().unwrap_or_default());
    }
    assert_eq!(built.code, 0, "{}", built.stderr);
    let own = Command::new("sh")
        .args(["-c", language.test_command()])
        .current_dir(&project)
        .envs(variables)
        .output()
        .unwrap();
    let said = [own.stdout, own.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if own.status.code() == Some(NOT_FOUND) {
        return skip(test, said.lines().last().unwrap_or_default());
    }
    assert!(own.status.success(), "{said}");
    let tested = pelton(&project, &["test", "usr_jobs/long_words.wasm", "--golden", "golden.jsonl"], &variables);
    assert_eq!((tested.code, tested.stdout.as_str()), (0, ""), "{}", tested.stderr);
}

#[test]
fn a_rust_project_builds_and_passes() {
    builds_and_passes(test_name!(), Language::Rust);
}

#[test]
fn a_go_project_builds_and_passes() {
    builds_and_passes(test_name!(), Language::Go);
}

#[test]
fn a_c_project_builds_and_passes() {
    builds_and_passes(test_name!(), Language::C);
}

#[test]
fn a_python_project_builds_and_passes() {
    builds_and_passes(test_name!(), Language::Python);
}

#[test]
fn a_javascript_project_builds_and_passes() {
    builds_and_passes(test_name!(), Language::JavaScript);
}

/// Makes a project and builds it with these variables, which must fail with this advice.
#[track_caller]
fn build_fails(parent: &Path, language: &str, variables: &[(&str, &Path)], advice: &str) {
    let name = format!("job_{language}");
    assert_eq!(pelton(parent, &["new", &name, "--lang", language], &[]).code, 0);
    let built = pelton(&parent.join(&name), &["build"], variables);
    assert_eq!(built.code, 1, "{}", built.stderr);
    assert!(built.stderr.contains(advice), "{}", built.stderr);
}

#[test]
fn a_missing_toolchain_is_named_with_the_way_to_get_it() {
    let parent = tempfile::tempdir().unwrap();
    let nothing = parent.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let variables = [("PATH", nothing.as_path()), ("XDG_CACHE_HOME", nothing.as_path())];
    let cases = [
        ("go", "get Go 1.24 or later from https://go.dev/dl"),
        ("c", "get one with `pelton build --install`"),
        ("js", "get Node.js 20 or later from https://nodejs.org"),
        ("python", "is not installed; run `pelton build --install`"),
    ];
    cases.iter().for_each(|(language, advice)| build_fails(parent.path(), language, &variables, advice));
}

#[test]
fn a_wrong_version_is_named_with_the_one_that_is_needed() {
    let parent = tempfile::tempdir().unwrap();
    let tools = parent.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for (tool, version) in [("go", "go1.23.4"), ("node", "v18.20.4"), ("componentize-py", "componentize-py 0.1.0")] {
        let script = format!("#!/bin/sh\necho {version}\n");
        let path = tools.join(tool);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let variables = [("PATH", tools.as_path()), ("XDG_CACHE_HOME", parent.path())];
    let cases = [
        ("go", "Go 1.24 or later is needed, found go1.23.4: get it from https://go.dev/dl"),
        ("js", "Node.js 20 or later is needed, found v18.20.4: get it from https://nodejs.org"),
        ("python", "is needed, found componentize-py 0.1.0; run `pelton build --install`"),
    ];
    cases.iter().for_each(|(language, advice)| build_fails(parent.path(), language, &variables, advice));
}

#[test]
fn an_error_in_the_source_is_shown_as_the_language_tells_it() {
    let parent = tempfile::tempdir().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    let variables = [("CARGO_TARGET_DIR", target.as_path())];
    let cases = [
        ("rust", "src/lib.rs", "cargo could not build"),
        ("go", "main.go", "Go could not build"),
        ("c", "job.c", "the C compiler could not build"),
        ("js", "job.js", "the build script of"),
        ("python", "job.py", "componentize-py could not build"),
    ];
    for (language, file, summary) in cases {
        let name = format!("broken_{language}");
        assert_eq!(pelton(parent.path(), &["new", &name, "--lang", language], &[]).code, 0);
        let project = parent.path().join(&name);
        let source = project.join(file);
        let lines = std::fs::read_to_string(&source).unwrap().lines().count();
        let mut text = std::fs::read_to_string(&source).unwrap();
        text.push_str(") what is this\n");
        std::fs::write(&source, text).unwrap();
        let built = pelton(&project, &["build", "--out", "usr_jobs"], &variables);
        assert_eq!(built.code, 1, "{}", built.stderr);
        if MISSING.iter().any(|missing| built.stderr.contains(missing)) {
            skip(test_name!(), built.stderr.lines().last().unwrap_or_default());
            continue;
        }
        let line = format!("{}", lines + 1);
        let place = built.stderr.lines().any(|told| told.contains(file) && told.contains(&line));
        assert!(place && built.stderr.contains(summary), "{language}: {}", built.stderr);
        assert!(!project.join("usr_jobs").exists(), "{language} left something");
    }
}

#[test]
fn an_edit_of_a_python_job_is_built_without_its_toolchain() {
    let parent = tempfile::tempdir().unwrap();
    assert_eq!(pelton(parent.path(), &["new", "edited", "--lang", "python"], &[]).code, 0);
    let project = parent.path().join("edited");
    let build = || pelton(&project, &["build", "--out", "usr_jobs"], &[]);
    let built = build();
    if MISSING.iter().any(|missing| built.stderr.contains(missing)) {
        return skip(test_name!(), built.stderr.lines().last().unwrap_or_default());
    }
    assert_eq!(built.code, 0, "{}", built.stderr);

    // From here on the toolchain fails.
    let programs = project.join(".venv/bin");
    std::fs::create_dir_all(&programs).unwrap();
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo componentize-py 0.25.1\necho it was run >&2; exit 1\n";
    let program = programs.join("componentize-py");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    // A package, a module of the standard library that nothing else has, a file beside the job.
    let package = project.join(".venv/lib/python3.14/site-packages/mean_of");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("__init__.py"), "from statistics import mean\n").unwrap();
    std::fs::write(project.join("numbers.json"), "[1, 2, 6]").unwrap();
    let source = std::fs::read_to_string(project.join("job.py")).unwrap();
    let edit = "import json, pathlib, mean_of\n\
                NUMBERS = json.loads(pathlib.Path(__file__).with_name('numbers.json').read_text())\n\
                LongWords.spec = LongWords.spec.__class__('edited', f'{mean_of.mean(NUMBERS)}', 'x', sources=['words'])\n";
    let class = source.lines().find_map(|line| line.strip_prefix("class ")?.split_once('(')).unwrap().0;
    std::fs::write(project.join("job.py"), format!("{source}\n{}", edit.replace("LongWords", class))).unwrap();
    let built = build();
    assert_eq!(built.code, 0, "{}", built.stderr);
    assert!(built.stderr.contains("build.version=\"3\""), "{}", built.stderr);

    // What it can't do is the toolchain's.
    std::fs::write(package.join("componentize-py.toml"), "").unwrap();
    let built = build();
    assert!(built.code == 1 && built.stderr.contains("it was run"), "{}", built.stderr);
}

#[test]
fn a_stack_of_a_typescript_job_names_its_lines() {
    let parent = tempfile::tempdir().unwrap();
    assert_eq!(pelton(parent.path(), &["new", "throws", "--lang", "js"], &[]).code, 0);
    let project = parent.path().join("throws");
    let source = "import { defineJob } from 'pelton-job';\n\ntype Never = { a: string };\n\n\
                  function deep(text: string): Never {\n  throw new TypeError('on purpose');\n}\n\n\
                  export default defineJob({\n  name: 'throws',\n  version: '1',\n  description: '',\n  \
                  sources: ['words'],\n  sinks: [],\n  process: (record) => { deep(record.text()); },\n});\n";
    std::fs::write(project.join("job.ts"), source).unwrap();
    let manifest = std::fs::read_to_string(project.join("package.json")).unwrap();
    std::fs::write(project.join("package.json"), manifest.replace("job.js", "job.ts")).unwrap();
    let built = pelton(&project, &["build", "--out", "usr_jobs"], &[]);
    if MISSING.iter().any(|missing| built.stderr.contains(missing)) {
        return skip(test_name!(), built.stderr.lines().last().unwrap_or_default());
    }
    assert_eq!(built.code, 0, "{}", built.stderr);
    std::fs::write(project.join("records.jsonl"), "a\n").unwrap();
    let tested = pelton(&project, &["test", "usr_jobs/throws.wasm"], &[]).stdout;
    let line = |text: &str| source.lines().position(|line| line.contains(text)).unwrap() + 1;
    let (thrown, called) = (line("throw new"), line("deep(record"));
    let expected = format!("TypeError: on purpose\\n    at deep (job.ts:{thrown})\\n    at process (job.ts:{called})");
    assert!(tested.contains(&expected), "{tested}");
}

#[test]
fn a_project_without_a_golden_file_is_told_how_to_make_one() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("records.jsonl"), "{}\n").unwrap();
    let component = crate::stage::guest("identity");
    let component = component.to_str().unwrap();
    let said = pelton(parent.path(), &["test", component, "--golden", "golden.jsonl"], &[]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("failed to read golden.jsonl"), "{}", said.stderr);
    assert!(said.stderr.contains("without --golden prints what to put there"), "{}", said.stderr);
}

#[test]
fn what_can_not_be_made_or_built_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let refusal = |args: &[&str]| {
        let said = pelton(parent.path(), args, &[]);
        assert_eq!(said.code, 1, "{}", said.stderr);
        said.stderr
    };
    assert!(refusal(&["new", "../x", "--lang", "rust"]).contains("is a path, not a name"));
    assert!(refusal(&["new", "Long Words", "--lang", "rust"]).contains("is no name for a new job"));
    assert!(refusal(&["build", "."]).contains("holds no job"));
    assert_eq!(pelton(parent.path(), &["new", "x", "--lang", "cobol"], &[]).code, 2);
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
}
