//! Rust, with cargo: every `cdylib` of a crate or of a workspace.

mod toolchain;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use pelton_runtime::component::componentize;

use toolchain::Toolchain;

/// The components of a crate or a workspace, in the order of names.
pub(super) fn build(source: &Path, quiet: bool) -> Result<Vec<(String, Vec<u8>)>> {
    let toolchain = Toolchain::find(source)?;
    tracing::info!(build.toolchain = %toolchain, build.source = %source.display(), "building guests");
    let modules = compile(&toolchain, source, quiet)?;
    ensure!(
        !modules.is_empty(),
        "{} has no crate of type cdylib: a job needs `crate-type = [\"cdylib\"]` under `[lib]`",
        source.display()
    );
    let component = |(name, module): (String, PathBuf)| {
        let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let component = componentize(&module).with_context(|| format!("{name} is not a job's module"))?;
        Ok((name, component))
    };
    modules.into_iter().map(component).collect()
}

/// Runs cargo, and gives the module of each `cdylib` it made, by name.
fn compile(toolchain: &Toolchain, source: &Path, quiet: bool) -> Result<BTreeMap<String, PathBuf>> {
    let output = toolchain.cargo_build(source, quiet)?.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo could not build {} ({}); its messages are above", source.display(), output.status);
    }
    let mut modules = BTreeMap::new();
    for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let message: CargoMessage = serde_json::from_slice(line).context("cannot read cargo's messages")?;
        if let CargoMessage::CompilerArtifact { target, filenames } = message
            && target.crate_types.iter().any(|kind| kind == "cdylib")
        {
            let module = filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"));
            modules.extend(module.map(|module| (target.name, module)));
        }
    }
    Ok(modules)
}

/// The one of cargo's messages that matters here.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum CargoMessage {
    CompilerArtifact {
        target: CargoTarget,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
    crate_types: Vec<String>,
}
