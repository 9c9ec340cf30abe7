//! Go, with its own compiler. It makes a module of WASI preview 1, which the adapter serves.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::tools::{answer, run};

/// The first with `-buildmode=c-shared` for WASI.
const OLDEST: (u32, u32) = (1, 24);

pub(super) fn build(folder: &Path, out: &Path) -> Result<PathBuf> {
    let Some(version) = answer(Command::new("go").args(["env", "GOVERSION"]).current_dir(folder)) else {
        bail!("go is not installed or not on the search path: get Go 1.24 or later from https://go.dev/dl");
    };
    ensure!(is_new_enough(&version), "Go 1.24 or later is needed, found {version}: get it from https://go.dev/dl");
    let module = out.join("core.wasm");
    run(Command::new("go")
        // Paths of this machine have no place in a panic's stack, nor in a reproducible build.
        .args(["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o"])
        .arg(&module)
        .arg(".")
        .envs([("CGO_ENABLED", "0"), ("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOFLAGS", "")])
        .current_dir(folder))
    .with_context(|| format!("Go could not build {}", folder.display()))?;
    Ok(module)
}

/// Whether `go1.26.8` is one that will do. What can't be read, such as a development version, is given a try.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches("go").split(['.', 'r', 'b']).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_told_apart() {
        let versions = ["go1.26.8", "go1.24", "go1.24rc1", "go2.0", "devel go1.27-abc", "go1.23.4", "go1.9"];
        assert_eq!(versions.map(is_new_enough), [true, true, true, true, true, false, false]);
    }
}
