//! C, with zig's compiler, which brings a C library for WebAssembly, or with clang where it has one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::tools::{Tools, is_there, run};

const VERSION: &str = "0.17.1";
const FLAGS: [&str; 12] = [
    "--target=wasm32-wasi",
    "-std=c11",
    "-O3",
    "-flto",
    "-s",
    "-mexec-model=reactor",
    "-mbulk-memory",
    "-msimd128",
    // The default is 16 MiB, which every instance would have.
    "-Wl,-z,stack-size=262144",
    "-Wall",
    "-Wextra",
    "-Wno-missing-field-initializers",
];

pub(super) fn build(folder: &Path, out: &Path, tools: &Tools) -> Result<PathBuf> {
    let mut compiler = compiler(out, tools)?;
    let sources = sources(folder)?;
    let module = out.join("core.wasm");
    // Relative paths, so that none of this machine is in the result.
    compiler.args(FLAGS).arg("-I.").args(sources).arg("-o").arg(&module).current_dir(folder);
    run(&mut compiler).with_context(|| format!("the C compiler could not build {}", folder.display()))?;
    Ok(module)
}

/// All `*.c` of the folder and of its `sdk`, but for tests.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for part in ["", "sdk"] {
        let Ok(entries) = folder.join(part).read_dir() else { continue };
        for entry in entries {
            let name = entry.with_context(|| format!("failed to list {}", folder.display()))?.file_name();
            let text = name.to_string_lossy();
            if text.ends_with(".c") && text != "test.c" && !text.starts_with("test_") {
                sources.push(Path::new(part).join(&name));
            }
        }
    }
    ensure!(!sources.is_empty(), "{} holds no C source", folder.display());
    sources.sort();
    Ok(sources)
}

fn compiler(out: &Path, tools: &Tools) -> Result<Command> {
    let zig = Command::new("zig");
    if is_zig(&zig) {
        return Ok(cc(zig));
    }
    if let Some(programs) = tools.pypi("ziglang", VERSION)? {
        let mut zig = module(&programs.join("python"));
        // What zig compiles once, its C library, is a part of the tool.
        let library = programs.with_file_name("cache");
        if !library.is_dir() {
            tracing::info!("the first build with zig compiles its C library, about a minute");
        }
        zig.env("ZIG_GLOBAL_CACHE_DIR", library);
        return Ok(cc(zig));
    }
    let zig = module(Path::new("python3"));
    if is_zig(&zig) {
        return Ok(cc(zig));
    }
    if is_there("clang") && has_library(out) {
        return Ok(Command::new("clang"));
    }
    bail!(
        "found no C compiler for wasm32: looked for zig, python3 -m ziglang, and clang with wasi-libc; get one with \
         `pelton build --install` or `pip install ziglang=={VERSION}`"
    )
}

/// Zig as a package of Python.
fn module(python: &Path) -> Command {
    let mut zig = Command::new(python);
    zig.args(["-m", "ziglang"]);
    zig
}

fn is_zig(zig: &Command) -> bool {
    let mut asked = Command::new(zig.get_program());
    super::tools::answer(asked.args(zig.get_args()).arg("version")).is_some()
}

fn cc(mut zig: Command) -> Command {
    zig.arg("cc");
    zig
}

/// Whether clang can build an empty module, which takes a C library and a linker for WebAssembly.
fn has_library(out: &Path) -> bool {
    let source = out.join("probe.c");
    let probe = std::fs::write(&source, "#include <string.h>\nint probe(void) { return 0; }\n").is_ok();
    let mut clang = Command::new("clang");
    clang.args(FLAGS).arg(&source).arg("-o").arg(out.join("probe.wasm"));
    probe && super::tools::answer(&mut clang).is_some()
}
