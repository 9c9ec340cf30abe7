//! JavaScript and TypeScript, with the project's own `build` script: the SDK brings one that makes one script of a job
//! and what it imports, with esbuild.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::tools::{answer, is_there, run};

/// The oldest that is tested.
const OLDEST: u32 = 20;

pub(super) fn build(folder: &Path, out: &Path) -> Result<PathBuf> {
    let Some(version) = answer(Command::new("node").arg("--version")) else {
        bail!("node is not installed or not on the search path: get Node.js {OLDEST} or later from https://nodejs.org");
    };
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    ensure!(
        major.is_none_or(|major: u32| major >= OLDEST),
        "Node.js {OLDEST} or later is needed, found {version}: get it from https://nodejs.org"
    );
    ensure!(is_there("npm"), "npm is not installed or not on the search path: it comes with Node.js");
    // Where Node looks for it: npm puts what the members of a workspace need beside the workspace.
    if !folder.ancestors().any(|above| above.join("node_modules/pelton-job").is_dir()) {
        let install = if folder.join("package-lock.json").is_file() { "ci" } else { "install" };
        run(Command::new("npm").args([install, "--no-audit", "--no-fund"]).current_dir(folder))
            .with_context(|| format!("npm could not install what {} depends on", folder.display()))?;
    }
    let script = out.join("job.js");
    run(Command::new("npm").args(["run", "--silent", "build", "--", "--out"]).arg(&script).current_dir(folder))
        .with_context(|| format!("the build script of {} failed", folder.display()))?;
    Ok(script)
}
