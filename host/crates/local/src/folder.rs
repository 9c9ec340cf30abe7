//! A temporary folder that can't outlive this process.
//!
//! However this process ends, by a return, a panic or `kill -9`, the kernel closes its end of a pipe, and a small shell
//! at the other end removes the folder. The data of a server goes in the same way
//! ([`leash`](crate::leash)), but the server may be another user, who could not remove what is ours.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use pelton_model::cause::Because as _;
use tempfile::TempDir;

use crate::error::Error;

/// `$1` is the folder. Nothing is ever written to the pipe: the read ends with this process. A Ctrl-C in the terminal
/// must not end the shell before.
const SHELL: &str = r#"read -r _; PATH=${PATH:-}:/usr/bin:/bin; rm -rf "$1""#;

/// A private folder, removed when dropped or when this process is gone.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    /// Its stdin is the pipe.
    shell: Child,
}

impl Folder {
    /// A fresh folder in the usual place for temporary files.
    ///
    /// # Errors
    /// It can't be made, or there is no `/bin/sh`.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        Self::make(prefix).because(Error::Folder)
    }

    fn make(prefix: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .with_context(|| format!("failed to make a temporary folder in {}", std::env::temp_dir().display()))?;
        let shell = Command::new("/bin/sh")
            .args(["-c", SHELL, "sh"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("failed to start /bin/sh")?;
        Ok(Self { folder, shell })
    }

    /// Absolute where the place for temporary files is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The shell removes the folder once its pipe is closed; `TempDir` then finds nothing left to do.
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            tracing::warn!("failed to wait for the removal of {}: {error}", self.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_one_is_gone_with_all_that_is_in_it() {
        let folder = Folder::new("pelton-test-").unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir(path.join("a folder")).unwrap();
        std::fs::write(path.join("a folder/a file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
