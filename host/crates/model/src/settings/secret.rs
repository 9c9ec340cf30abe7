//! What is set and never shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// Text that is never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What a file holds, without the end of its last line. The error names the setting and the file, and quotes nothing.
///
/// # Errors
/// It can't be read, holds nothing or more than one line, or others could put another one in its place.
pub(super) fn of_file(setting: &str, file: &Path) -> Result<Secret> {
    let read = || -> Result<Secret> {
        let mode = std::fs::metadata(file)?.permissions().mode() & 0o777;
        ensure!(mode & 0o022 == 0, "other accounts can write it (mode {mode:o}); chmod 600 it");
        let text = String::from_utf8(std::fs::read(file)?).ok().context("it is not text")?;
        let secret = text.trim_end_matches(['\r', '\n']);
        ensure!(!secret.is_empty(), "it is empty");
        ensure!(!secret.contains(['\r', '\n', '\0']), "it holds more than one line");
        Ok(Secret(secret.to_owned()))
    };
    read().with_context(|| format!("failed to read {setting}, {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_line_that_nobody_else_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let write = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            of_file("a.password_file", &file).map(|Secret(text)| text).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(write(" p w \r\n", 0o600).unwrap(), " p w ");
        assert_eq!(write("p", 0o444).unwrap(), "p");
        for (text, mode, words) in [
            ("p", 0o622, "other accounts can write it (mode 622)"),
            ("\n", 0o600, "it is empty"),
            ("secret\nline", 0o600, "more than one line"),
        ] {
            let error = write(text, mode).unwrap_err();
            assert!(error.contains(words) && error.contains("a.password_file"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let missing = of_file("a.password_file", &folder.path().join("none")).unwrap_err();
        assert!(format!("{missing:#}").contains("none: No such file"), "{missing:#}");
    }
}
