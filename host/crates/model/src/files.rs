//! Files that are there whole or not at all, also after a power cut, and that no other account can read; and where this
//! account keeps what can be made again.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What tells that a file has changed: its size, its times and its identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp(u64, i64, i64, i64, i64, u64);

impl Stamp {
    /// The stamp of a file.
    pub fn of(file: &fs::Metadata) -> Self {
        Self(file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec(), file.ino())
    }
}

/// Makes a folder, where needed with those above it, that only this account can look into (0700).
pub fn private_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // It may have been there before, with another mode.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// The folder for what can be made or fetched again: `pelton` in `XDG_CACHE_HOME`, or in `.cache` of the home folder.
pub fn cache_folder() -> Result<PathBuf, Error> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))
        .ok_or(Error::NoHome)?;
    Ok(base.join("pelton"))
}

/// Writes a file (0600) by way of a temporary one beside it, synced before and after the rename. Makes the folder where
/// needed.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|cause| Error::Write { path: path.to_owned(), cause })
}
