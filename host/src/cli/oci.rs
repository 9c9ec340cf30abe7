//! `pelton push` and `pelton pull`; and components that other commands take from a registry. The host has no part in
//! it: the component is pulled here and uploaded, so no caller can make the host connect to an address.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Args;
use pelton_build::oci::{self, Pulled, Reference, SCHEME};
use pelton_build::write_whole;
use pelton_model::regular::{self, COMPONENT_BYTES};
use serde::Serialize;

use super::args::settings;
use super::print;

/// `pelton push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Where to: REGISTRY/NAME:TAG, such as ghcr.io/you/job:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    #[command(flatten)]
    plain: Plain,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `pelton pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// What: REGISTRY/NAME:TAG, or, for exactly these bytes, REGISTRY/NAME@sha256:DIGEST
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Where to write it [default: the last part of NAME, with .wasm]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    plain: Plain,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a registry is talked to.
#[derive(Debug, Args)]
pub(super) struct Plain {
    /// Talk to a registry on another machine without TLS: whoever is between can read the login and change what is sent
    #[arg(long)]
    pub(super) plain_http: bool,
}

/// What was pushed or pulled, for programs.
#[derive(Serialize)]
struct Moved<'a> {
    /// With the digest.
    reference: String,
    digest: &'a str,
    bytes: usize,
    file: &'a Path,
}

/// Pushes a component.
pub fn push(args: &PushArgs) -> Result<()> {
    let file = &args.file;
    let failed = || format!("failed to read {}", file.display());
    let wasm = regular::read(file, COMPONENT_BYTES).with_context(failed)?;
    let made = std::fs::metadata(file).and_then(|file| file.modified()).with_context(failed)?;
    let pushed = oci::push(&args.reference, &wasm, DateTime::<Utc>::from(made), args.plain.plain_http)
        .with_context(|| format!("failed to push {}", file.display()))?;
    tell("pushed", &pushed, wasm.len(), file, args.json)
}

/// Pulls a component into a file.
pub fn pull(args: &PullArgs) -> Result<()> {
    let pulled = fetch(&args.reference, &args.plain)?;
    let name = args.reference.repository.rsplit('/').next().unwrap_or_default();
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    // Whole or not at all: it may be in a folder that a host watches.
    write_whole(&std::path::absolute(&file)?, &pulled.wasm)?;
    tell("pulled", &pulled.reference, pulled.wasm.len(), &file, args.json)
}

/// The reference that an argument is; none where it is a file or a name.
pub(super) fn reference(job: &str) -> Option<Result<Reference>> {
    job.starts_with(SCHEME).then(|| Ok(job.parse()?))
}

/// Pulls a component that a host would take in.
pub(super) fn fetch(reference: &Reference, plain: &Plain) -> Result<Pulled> {
    let largest = (settings()?.api.upload_mib as u64) << 20;
    oci::pull(reference, plain.plain_http, largest).with_context(|| format!("failed to pull {reference}"))
}

fn tell(done: &str, reference: &Reference, bytes: usize, file: &Path, as_json: bool) -> Result<()> {
    if as_json {
        let digest = reference.digest.as_deref().unwrap_or_default();
        return print::json(&Moved { reference: reference.to_string(), digest, bytes, file });
    }
    let (from, to) = if done == "pushed" {
        (file.display().to_string(), reference.to_string())
    } else {
        (reference.to_string(), file.display().to_string())
    };
    print::line(&format!("{done} {from} ({bytes} bytes) to {to}"))
}
