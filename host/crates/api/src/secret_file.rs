//! Files that hold a secret: a token, a key.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::geteuid;

const ROOT: u32 = 0;

/// The text of a file that holds a secret. That every account can read it is told to the log.
pub(crate) fn read(file: &Path) -> Result<String> {
    if check(file)? {
        tracing::warn!("every account of this machine can read the token in {}", file.display());
    }
    String::from_utf8(fs::read(file)?).ok().context("it is not text")
}

/// Refuses a file that others can write, and one of our own that others can read; says whether every account can read
/// it.
pub(crate) fn check(file: &Path) -> Result<bool> {
    let found = fs::metadata(file)?;
    check_access(found.permissions().mode(), found.uid(), geteuid().as_raw())?;
    Ok(found.permissions().mode() & 0o004 != 0)
}

/// Refuses a file that others can write, and, as ssh does with its keys, one of our own that others can read. Who may
/// read another account's file is not up to us: engines mount secrets as files of root that everybody in the container
/// can read.
fn check_access(mode: u32, owner: u32, me: u32) -> Result<()> {
    let rights = mode & 0o777;
    ensure!(mode & 0o022 == 0, "other accounts can write it (mode {rights:o}); chmod 600 it");
    let is_up_to_us = owner == me && owner != ROOT;
    ensure!(!is_up_to_us || mode & 0o044 == 0, "other accounts can read it (mode {rights:o}); chmod 600 it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_change_or_that_we_show_to_others_is_refused() {
        let (me, other) = (1000, 1001);
        for (mode, owner, reader, words) in [
            (0o100600, me, me, None),
            (0o100400, me, me, None),
            (0o100640, me, me, Some("other accounts can read it (mode 640)")),
            (0o100604, me, me, Some("chmod 600")),
            (0o100620, me, me, Some("other accounts can write it (mode 620)")),
            (0o100602, ROOT, ROOT, Some("other accounts can write it")),
            // Secrets of Docker and Kubernetes, for a process of root and of another account, and a bind mount.
            (0o100444, ROOT, me, None),
            (0o100444, ROOT, ROOT, None),
            (0o100644, ROOT, ROOT, None),
            (0o100440, ROOT, me, None),
            (0o100644, other, me, None),
            (0o100664, other, me, Some("other accounts can write it")),
        ] {
            let error = check_access(mode, owner, reader).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(words.map_or(error.is_empty(), |words| error.contains(words)), "{mode:o} of {owner}: {error}");
        }
    }
}
