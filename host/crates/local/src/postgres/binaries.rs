//! Which Postgres programs to run: the newest installed ones that work, else fetched ones.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::account::Account;
use super::fetch;
use super::options::{Options, Programs};

/// The oldest major version that the Postgres project still cared for when this was written.
const OLDEST: u32 = 13;

/// The major version that is fetched where none is asked for.
const USUAL: u32 = 16;

/// Where packages and installers put the programs. A `*` stands for any one name.
const USUAL_PLACES: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Library/PostgreSQL/*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A folder with `postgres` and `initdb` that were seen to work.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Binaries {
    version: Version,
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Binaries {
    /// Finds the programs, fetching them if the options say so. They must run as `account`.
    pub(super) fn locate(options: &Options, account: &Account) -> Result<Self> {
        if !matches!(options.programs, Programs::Fetched | Programs::Version(_))
            && let Some(newest) = candidates().iter().filter_map(|folder| Self::try_out(folder, account).ok()).max()
        {
            return Ok(newest);
        }
        if options.programs == Programs::Installed {
            bail!("found no installed PostgreSQL {OLDEST} or newer; looked in PATH and {}", USUAL_PLACES.join(", "));
        }
        let major = if let Programs::Version(major) = options.programs { major } else { USUAL };
        let folder = fetch::fetch(major, options.cache.as_deref(), account).context(
            "failed to fetch PostgreSQL; installing it (on Debian: apt install postgresql, on macOS: brew install \
             postgresql) does as well",
        )?;
        Self::try_out(&folder.join("bin"), account)
    }

    /// The path of one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn try_out(folder: &Path, account: &Account) -> Result<Self> {
        let version = version_of(&folder.join("postgres"), account)?;
        if version.major < OLDEST {
            bail!("PostgreSQL {version} in {} is older than {OLDEST}", folder.display());
        }
        if version_of(&folder.join("initdb"), account)? != version {
            bail!("initdb and postgres in {} are of different versions", folder.display());
        }
        Ok(Self { version, folder: folder.to_owned() })
    }
}

impl fmt::Display for Binaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {} ({})", self.version, self.folder.display())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Folders that hold a `postgres`. A link in PATH is followed: `initdb` is beside the program itself.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).filter_map(|folder| {
        let program = folder.join("postgres").canonicalize().ok()?;
        Some(program.parent()?.to_owned())
    });
    let usual = USUAL_PLACES.iter().flat_map(|pattern| expand(pattern));
    let mut folders: Vec<PathBuf> = in_path.chain(usual).filter(|folder| folder.join("postgres").is_file()).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The folders that match a path in which at most one name has a `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let rest = after.trim_start_matches('/');
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(rest))
        .collect()
}

/// Asks the program itself, as the account that will run it: that it is there isn't enough to know that it works.
fn version_of(program: &Path, account: &Account) -> Result<Version> {
    let mut command = Command::new(program);
    account.apply(&mut command);
    let output = command
        .arg("--version")
        .current_dir("/")
        .output()
        .with_context(|| format!("failed to run {}", program.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{} --version failed ({}): {}", program.display(), output.status, reason.trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).with_context(|| format!("{} --version said {:?}", program.display(), text.trim()))
}

/// From `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` or `… 17beta1`.
fn parse_version(text: &str) -> Option<Version> {
    let number = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let mut parts = number.split(|character: char| !character.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some(Version { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let debian = parse_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n").unwrap();
        let plain = parse_version("initdb (PostgreSQL) 9.6\n").unwrap();
        let beta = parse_version("postgres (PostgreSQL) 17beta1").unwrap();
        assert_eq!(debian, Version { major: 15, minor: 13 });
        assert_eq!(beta, Version { major: 17, minor: 0 });
        assert!(plain < debian && debian < beta);
        assert_eq!(parse_version("postgres: command not found"), None);
    }

    #[test]
    fn a_star_matches_one_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pg-15/bin", "pg-16/bin", "other/bin"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let mut found = expand(&format!("{}/pg-*/bin", folder.path().display()));
        found.sort();
        assert_eq!(found, [folder.path().join("pg-15/bin"), folder.path().join("pg-16/bin")]);
        assert_eq!(expand("/plain/bin"), [PathBuf::from("/plain/bin")]);
        assert!(expand("/no/such/folder/*/bin").is_empty());
    }
}
