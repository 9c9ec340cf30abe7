//! The tokens of the two roles, from settings or files, kept as digests.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::role::Role;
use crate::secret_file;
use crate::start_error::StartError;
use pelton_model::cause::Because as _;
use pelton_model::settings::{Api, Secret};

/// Shortest token: of random letters and digits it can't be guessed.
const LENGTH: usize = 16;

/// The digests of the tokens that are set.
pub(crate) struct Tokens {
    write: Option<[u8; 32]>,
    read: Option<[u8; 32]>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the tokens. Errors name settings and files and never quote a token.
    pub(crate) fn new(settings: &Api) -> Result<Self> {
        let write = token("api.token", settings.token.as_ref(), settings.token_file.as_deref())?;
        let read = token("api.read_token", settings.read_token.as_ref(), settings.read_token_file.as_deref())?;
        ensure!(
            write.is_none() || write != read,
            "api.token and api.read_token are the same: readers could write; choose two"
        );
        Ok(Self { write, read })
    }

    /// Whether callers need one.
    pub(crate) fn are_set(&self) -> bool {
        self.write.is_some() || self.read.is_some()
    }

    /// The role of whoever has this token. Takes the same time for every token of a length.
    pub(crate) fn role(&self, token: &str) -> Option<Role> {
        let given = hash(token);
        let is = |known: &Option<[u8; 32]>| known.as_ref().is_some_and(|known| same(known, &given));
        let (write, read) = (is(&self.write), is(&self.read));
        if write { Some(Role::Write) } else { read.then_some(Role::Read) }
    }
}

fn token(name: &str, text: Option<&Secret>, file: Option<&Path>) -> Result<Option<[u8; 32]>> {
    let (token, place) = match (text, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => bail!("both {name} and {name}_file are set; keep one"),
        (Some(Secret(token)), None) => (token.clone(), name.to_owned()),
        (None, Some(file)) => {
            let place = format!("{name}_file, {},", file.display());
            (secret_file::read(file).with_context(|| format!("failed to read {place}"))?, place)
        }
    };
    let token = token.trim();
    ensure!(
        token.len() >= LENGTH,
        "the token in {place} has {} characters; it needs {LENGTH} or more, such as `openssl rand -hex 32` gives",
        token.len()
    );
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "the token in {place} has other characters than letters, digits and signs of ASCII"
    );
    Ok(Some(hash(token)))
}

/// Reads the token of a client from a file.
///
/// # Errors
/// The file can't be read, others can write it, or it is not text.
pub fn of_client(file: &Path) -> Result<String, StartError> {
    let token = secret_file::read(file).with_context(|| format!("failed to read the token file {}", file.display()));
    let token = token.because(StartError::Guard)?;
    Ok(token.trim().to_owned())
}

/// SHA-256, so that neither length nor content shows in the time of a comparison.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Whether two digests are the same, in constant time.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WRITE: &str = "the-token-of-those-who-write";
    const READ: &str = "the-token-of-those-who-read";

    fn settings(write: Option<&str>, read: Option<&str>) -> Api {
        let secret = |token: &str| Secret(token.to_owned());
        Api { token: write.map(secret), read_token: read.map(secret), ..Api::default() }
    }

    #[test]
    fn each_token_has_its_role_and_no_other_has_any() {
        let tokens = Tokens::new(&settings(Some(WRITE), Some(READ))).unwrap();
        assert_eq!((tokens.role(WRITE), tokens.role(READ)), (Some(Role::Write), Some(Role::Read)));
        for wrong in ["", "the-token-of-those-who", "the-token-of-those-who-write ", "THE-TOKEN-OF-THOSE-WHO-WRITE"] {
            assert_eq!(tokens.role(wrong), None, "{wrong:?}");
        }
        assert!(!Tokens::new(&settings(None, None)).unwrap().are_set());
        assert_eq!(Tokens::new(&settings(None, Some(READ))).unwrap().role(READ), Some(Role::Read));
    }

    #[test]
    fn a_file_holds_a_token_with_a_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, format!("{WRITE}\r\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let tokens = Tokens::new(&Api { token_file: Some(file.clone()), ..Api::default() }).unwrap();
        assert_eq!(tokens.role(WRITE), Some(Role::Write));
        assert_eq!(of_client(&file).unwrap(), WRITE);
        let both = Api { token_file: Some(file), ..settings(Some(WRITE), None) };
        assert!(Tokens::new(&both).unwrap_err().to_string().contains("keep one"));
        let missing = Api { token_file: Some(folder.path().join("none")), ..Api::default() };
        assert!(format!("{:#}", Tokens::new(&missing).unwrap_err()).contains("api.token_file"));
    }

    #[test]
    fn weak_tokens_are_refused_without_being_quoted() {
        for (write, read, words) in [
            (Some("hunter2-hunter2"), None, "has 15 characters"),
            (None, Some("hunter2 hunter2 hunter2"), "api.read_token has other characters"),
            (Some("hunter2-hunter2-hunter2"), Some("hunter2-hunter2-hunter2"), "are the same"),
        ] {
            let error = Tokens::new(&settings(write, read)).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
