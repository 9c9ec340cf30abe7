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
    if is_there_zig(Command::new("zig")) {
        let mut zig = Command::new("zig");
        zig.arg("cc");
        return Ok(zig);
    }
    let kept = tools.pypi("ziglang", VERSION)?.map(|programs| programs.join("python"));
    for python in kept.into_iter().chain([PathBuf::from("python3")]) {
        let module = || {
            let mut command = Command::new(&python);
            command.args(["-m", "ziglang"]);
            command
        };
        if is_there_zig(module()) {
            tracing::info!("the first build with zig compiles the C library, about a minute");
            let mut zig = module();
            zig.arg("cc");
            return Ok(zig);
        }
    }
    if is_there("clang") && has_library(out) {
        return Ok(Command::new("clang"));
    }
    bail!(
        "found no C compiler for wasm32: looked for zig, python3 -m ziglang, and clang with wasi-libc; get one with \
         `pelton build --install` or `pip install ziglang=={VERSION}`"
    )
}

fn is_there_zig(mut zig: Command) -> bool {
    super::tools::answer(zig.arg("version")).is_some()
}

/// Whether clang can build an empty module, which takes a C library and a linker for WebAssembly.
fn has_library(out: &Path) -> bool {
    let source = out.join("probe.c");
    let probe = std::fs::write(&source, "#include <string.h>\nint probe(void) { return 0; }\n").is_ok();
    let mut clang = Command::new("clang");
    clang.args(FLAGS).arg(&source).arg("-o").arg(out.join("probe.wasm"));
    probe && super::tools::answer(&mut clang).is_some()
}
