//! From `pelton new` to a component that does what its golden file says, in every language whose tools are here; and
//! what is said where they are not.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use pelton::files::cache_folder;
use pelton_build::Language;
use pelton_build::new::Template;
use tempfile::TempDir;

use crate::eventually::eventually;
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

/// A new project.
struct Project {
    parent: TempDir,
    name: String,
    language: Language,
    template: Template,
}

impl Project {
    fn new(language: Language, template: Template) -> Self {
        let value = |value: Option<PossibleValue>| value.unwrap().get_name().to_owned();
        let (of, kind) = (value(language.to_possible_value()), value(template.to_possible_value()));
        let project = Self { parent: tempfile::tempdir().unwrap(), name: format!("my_{kind}"), language, template };
        let made = pelton(project.parent.path(), &["new", &project.name, "--lang", &of, "--template", &kind], &[]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let test = format!("golden.jsonl{} < records.jsonl", template.set());
        let readme = std::fs::read_to_string(project.folder().join("README.md")).unwrap();
        assert!(made.stdout.contains(&test) && readme.contains(&test), "{}{readme}", made.stdout);
        project
    }

    fn folder(&self) -> PathBuf {
        self.parent.path().join(&self.name)
    }

    /// Runs the language's own tests of the job; false where what runs them is not here.
    fn passes_its_own_tests(&self, test: &str) -> bool {
        let own = Command::new("sh")
            .args(["-c", self.language.test_command()])
            .current_dir(self.folder())
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap();
        let said = [own.stdout, own.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if own.status.code() == Some(NOT_FOUND) {
            skip(test, said.lines().last().unwrap_or_default());
            return false;
        }
        assert!(own.status.success(), "{said}");
        true
    }

    /// Builds it as it is, and has it do what its golden file says.
    fn builds_and_does_what_its_golden_file_says(&self, test: &str) {
        let (target, compiler) = (target(), wasm_compiler());
        let variables = [("CARGO_TARGET_DIR", target.as_path()), ("WASM_CC", Path::new(&compiler))];
        let used = if compiler.is_empty() { &variables[..1] } else { &variables };
        let built = pelton(&self.folder(), &["build", ".", "--out", "usr_jobs"], used);
        if built.code != 0 && MISSING.iter().any(|missing| built.stderr.contains(missing)) {
            return skip(test, built.stderr.lines().last().unwrap_or_default());
        }
        assert_eq!(built.code, 0, "{}", built.stderr);
        let component = format!("usr_jobs/{}.wasm", self.name);
        let mut args = vec!["test", &component, "--golden", "golden.jsonl"];
        args.extend(self.template.set().split_whitespace());
        let tested = pelton(&self.folder(), &args, &[]);
        assert_eq!((tested.code, tested.stdout.as_str()), (0, ""), "{}", tested.stderr);
        // One that says nothing would hold of a job that does nothing.
        assert!(std::fs::metadata(self.folder().join("golden.jsonl")).unwrap().len() > 0);
    }
}

/// Where cargo builds them, so that what they depend on is built once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("new")
}

/// The zig of `pelton build --install`, which other build commands don't find by themselves.
fn wasm_compiler() -> String {
    let python = cache_folder().unwrap().join("tools/ziglang-0.17.1/bin/python");
    if python.is_file() { format!("{} -m ziglang cc", python.display()) } else { String::new() }
}

/// Makes a project of each of these templates, runs its own tests, and builds it where that is asked for.
fn pass(test: &str, language: Language, templates: &[Template], and_build: bool) {
    for template in templates {
        let project = Project::new(language, *template);
        if project.passes_its_own_tests(test) && and_build {
            project.builds_and_does_what_its_golden_file_says(test);
        }
    }
}

#[test]
fn projects_in_rust_build_and_pass() {
    pass(test_name!(), Language::Rust, Template::value_variants(), true);
}

#[test]
fn projects_in_c_build_and_pass() {
    pass(test_name!(), Language::C, Template::value_variants(), true);
}

#[test]
fn projects_in_javascript_build_and_pass() {
    pass(test_name!(), Language::JavaScript, Template::value_variants(), true);
}

/// Building takes ten seconds and more for each: of those on readings, the one that differs most is built.
#[test]
fn projects_in_go_build_and_pass() {
    pass(test_name!(), Language::Go, &[Template::Words, Template::Lookup], true);
    pass(test_name!(), Language::Go, &[Template::Filter, Template::Router, Template::Table], false);
}

/// Building takes half a minute for each: README's job, below, is built.
#[test]
fn projects_in_python_pass() {
    pass(test_name!(), Language::Python, Template::value_variants(), false);
}

#[test]
fn projects_with_a_command_of_their_own_build_and_pass() {
    pass(test_name!(), Language::Other, &[Template::Words, Template::Lookup], true);
}

/// The code in this language under README's "Write a job".
fn readme(language: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Write a job\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (_, code) = section.split_once(&format!("\n```{language}\n")).unwrap();
    code.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

/// README's code in the place of what `pelton new` has written passes the project's tests as they are.
fn readme_code_passes(test: &str, language: Language, block: &str, file: &str) {
    let project = Project::new(language, Template::Filter);
    let (code, path) = (readme(block), project.folder().join(file));
    assert_ne!(code, std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, code).unwrap();
    if project.passes_its_own_tests(test) {
        project.builds_and_does_what_its_golden_file_says(test);
    }
}

#[test]
fn the_job_of_the_readme_in_python_passes() {
    readme_code_passes(test_name!(), Language::Python, "python", "job.py");
}

#[test]
fn the_job_of_the_readme_in_rust_passes() {
    readme_code_passes(test_name!(), Language::Rust, "rust", "src/lib.rs");
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
fn a_command_of_ones_own_shows_what_it_says_and_leaves_what_was_built() {
    let parent = tempfile::tempdir().unwrap();
    let identity = crate::stage::guest("identity");
    let save = |command: &str| {
        std::fs::write(parent.path().join("build.sh"), command).unwrap();
        let toml = "[build]\ncommand = [\"sh\", \"build.sh\"]\noutput = \"out/job.wasm\"\n";
        std::fs::write(parent.path().join("pelton.toml"), toml).unwrap();
        pelton(parent.path(), &["build", ".", "--out", "usr_jobs"], &[])
    };
    let built =
        save(&format!("echo compiling; echo careful >&2; mkdir -p out; cp {} out/job.wasm", identity.display()));
    assert_eq!(built.code, 0, "{}", built.stderr);
    assert!(built.stderr.contains("compiling\ncareful\n"), "{}", built.stderr);
    assert!(!built.stdout.contains("compiling"), "{}", built.stdout);
    let path = built.stdout.split_once(" (").unwrap().0.to_owned();
    let component = std::fs::read(parent.path().join(&path)).unwrap();
    assert_eq!(component, std::fs::read(identity).unwrap());

    for (command, told) in [
        ("echo no such word >&2; exit 7", "no such word\n"),
        ("exit 7", "`sh`, the command of pelton.toml, could not build"),
        ("true", "`sh` ended well and did not write out/job.wasm"),
        (r"printf '\000asm\015\000\001\000' > out/job.wasm", "is not a job"),
        ("no-such-compiler", "no-such-compiler"),
    ] {
        let refused = save(command);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{command}");
        assert!(refused.stderr.contains(told), "{command}: {}", refused.stderr);
        assert_eq!(std::fs::read(parent.path().join(&path)).unwrap(), component, "{command}");
    }
}

#[test]
fn an_error_in_the_source_is_shown_as_the_language_tells_it() {
    let parent = tempfile::tempdir().unwrap();
    let target = target();
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
fn a_build_that_is_ended_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("x.wasm"), b"\0asm before").unwrap();
    let toml = "[build]\ncommand = [\"sh\", \"-c\", \"touch began; sleep 60\"]\noutput = \"x.wasm\"\n";
    std::fs::write(at("pelton.toml"), toml).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pelton"));
        command.args(["build", "."]).current_dir(folder.path()).stderr(Stdio::null());
        // As a terminal does: the command is ended, too.
        let mut building = command.process_group(0).spawn().unwrap();
        eventually(Duration::from_secs(60), "the command began", || at("began").exists().then_some(()));
        killpg(Pid::from_raw(i32::try_from(building.id()).unwrap()), signal).unwrap();
        assert!(!building.wait().unwrap().success());
        assert_eq!(std::fs::read(at("x.wasm")).unwrap(), b"\0asm before", "{signal}");
        std::fs::remove_file(at("began")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "{signal}");
    }
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
    assert_eq!(pelton(parent.path(), &["new", "x", "--lang", "c", "--template", "windows"], &[]).code, 2);
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
}
