//! Files that appear whole or not at all, for all to read.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use pelton_model::cause::Because as _;

use crate::error::Error;

/// Writes a file under another name, then renames it. The path must have a folder.
///
/// # Errors
/// The folder is not there, or can't be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes).with_context(|| format!("cannot write {}", path.display())).because(Error::Write)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("the file has no folder")?;
    // Not ending in `.wasm`, so that who watches the folder doesn't take it for a job.
    let mut file = tempfile::Builder::new().prefix(".build-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    readable_by_all(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// Temporary files are their owner's alone; a component is for whichever user the host runs as.
#[cfg(unix)]
fn readable_by_all(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}
