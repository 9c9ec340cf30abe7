//! Who to be for a registry: `PELTON_REGISTRY_USER` and `PELTON_REGISTRY_PASSWORD`, or else the login that
//! `docker login`, `podman login` and their like keep in `config.json`, in the file itself or with a helper program.
//! Never printed.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Error, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use pelton_model::regular::{self, TEXT_BYTES};

/// By what docker knows Docker Hub: the address that it had at first.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// The login for a registry, if there is one.
    ///
    /// # Errors
    /// Only half of one is set, or docker's settings can't be read.
    pub(super) fn find(registry: &str) -> Result<Option<Self>> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("PELTON_REGISTRY_USER"), variable("PELTON_REGISTRY_PASSWORD")) {
            (Some(user), Some(password)) => return Ok(Some(Self { user, password })),
            (None, None) => {}
            _ => bail!("of PELTON_REGISTRY_USER and PELTON_REGISTRY_PASSWORD one is set; set both, or neither"),
        }
        let Some(path) = docker_settings() else { return Ok(None) };
        let text = match regular::read_text(&path, TEXT_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        Self::of_docker(&text, registry)
            .with_context(|| format!("the login for {registry} in {} is unusable", path.display()))
    }

    /// The login for a registry in the text of docker's settings.
    fn of_docker(settings: &str, registry: &str) -> Result<Option<Self>> {
        let name = if registry == "docker.io" { DOCKER_HUB } else { registry };
        match get_credential_from_reader(settings.as_bytes(), name) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                // Docker pads what it keeps in the file.
                Ok(Some(Self { user, password: password.trim_end_matches('\0').to_owned() }))
            }
            Ok(DockerCredential::IdentityToken(_)) => {
                bail!("it is an identity token; log in with a user and a password or access token")
            }
            // A helper fails where it has no login for a registry; one that is gone keeps nobody from what is open to
            // all.
            Err(
                CredentialRetrievalError::NoCredentialConfigured
                | CredentialRetrievalError::HelperFailure { .. }
                | CredentialRetrievalError::HelperCommunicationError,
            ) => Ok(None),
            Err(error) => Err(Error::new(error)),
        }
    }

    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

fn docker_settings() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    folder.or_else(|| Some(std::env::home_dir()?.join(".docker"))).map(|folder| folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_docker_are_found_by_the_names_that_it_uses() {
        let text = r#"{"auths": {"localhost:5000": {"auth": "YW5hOnM6M2NyZXQ="}, "https://a.example": {"auth": "YToA"},
            "https://index.docker.io/v1/": {"auth": "aHViOmI="}, "bad.example": {"auth": "!"}, "empty.example": {}}}"#;
        let login =
            |registry| Credentials::of_docker(text, registry).unwrap().map(|login| (login.user, login.password));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(login("localhost:5000"), pair("ana", "s:3cret"));
        assert_eq!(login("a.example"), pair("a", ""));
        assert_eq!(login("docker.io"), pair("hub", "b"));
        assert_eq!([login("empty.example"), login("localhost")], [None, None]);
        assert!(Credentials::of_docker(text, "bad.example").is_err());
        let login = Credentials::of_docker(text, "localhost:5000").unwrap().unwrap();
        assert_eq!((login.basic().as_str(), format!("{login:?}").as_str()), ("Basic YW5hOnM6M2NyZXQ=", "Credentials"));
    }
}
