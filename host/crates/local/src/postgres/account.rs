//! The user that the server runs as: ourselves, or `nobody` where we are root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// The user and group to drop to, or `None` where the server runs as ourselves.
#[derive(Debug)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// Ourselves, unless we are root, whom Postgres refuses.
    pub(super) fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        match User::from_name("nobody").context("failed to look up the user nobody")? {
            Some(user) => Ok(Self(Some((user.uid.as_raw(), user.gid.as_raw())))),
            None => bail!("postgres can't run as root, and there is no user `nobody` to run it as"),
        }
    }

    /// Whether we are root and the server is another.
    pub(super) fn is_other(&self) -> bool {
        self.0.is_some()
    }

    /// Has the command run as this account.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
    }

    /// Makes this account the owner of a file or folder.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        match self.0 {
            Some((user, group)) => chown(path, Some(user), Some(group))
                .with_context(|| format!("failed to make user {user} the owner of {}", path.display())),
            None => Ok(()),
        }
    }

    /// A fresh private folder of this account's, in the first place for temporary files that it can reach.
    pub(super) fn temporary_folder(&self, prefix: &str) -> Result<TempDir> {
        let places = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let place = places
            .iter()
            .find(|place| place.is_dir() && self.can_reach(place))
            .context("found no folder for temporary files that the user nobody can enter; is /tmp there?")?;
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(place)
            .with_context(|| format!("failed to make a temporary folder in {}", place.display()))?;
        self.give(folder.path())?;
        Ok(folder)
    }

    /// Whether every folder on the way lets this account through. Only asked about folders that aren't its own.
    fn can_reach(&self, place: &Path) -> bool {
        let Ok(place) = place.canonicalize() else {
            return false;
        };
        self.0.is_none()
            || place
                .ancestors()
                .all(|folder| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
    }
}
