//! Who to be for a registry: `PELTON_REGISTRY_USER` and `PELTON_REGISTRY_PASSWORD`, or else the login that `docker login`,
//! `podman login` and their like keep in `config.json`, in the file itself or with a helper program. Never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

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

/// The part of docker's settings that matters here.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Docker {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
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
            _ => anyhow::bail!("of PELTON_REGISTRY_USER and PELTON_REGISTRY_PASSWORD one is set; set both, or neither"),
        }
        let Some(path) = settings() else { return Ok(None) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        // The error would show a piece of what is there.
        let docker: Docker =
            serde_json::from_str(&text).ok().with_context(|| format!("{} makes no sense", path.display()))?;
        docker.login(registry).with_context(|| format!("the login for {registry} in {} is unusable", path.display()))
    }

    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// Docker's settings.
fn settings() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    folder.or_else(|| Some(std::env::home_dir()?.join(".docker"))).map(|folder| folder.join("config.json"))
}

impl Docker {
    fn login(&self, registry: &str) -> Result<Option<Credentials>> {
        // Docker Hub goes by the address that it had at first.
        let first = (registry == "docker.io").then_some("https://index.docker.io/v1/");
        let names = [registry.to_owned(), format!("https://{registry}"), format!("http://{registry}")];
        let names: Vec<&str> = first.into_iter().chain(names.iter().map(String::as_str)).collect();
        if let Some((name, helper)) = names.iter().find_map(|name| Some((*name, self.cred_helpers.get(*name)?))) {
            return helped(helper, name);
        }
        let Some((name, auth)) = names.iter().find_map(|name| Some((*name, self.auths.get(*name)?))) else {
            return Ok(None);
        };
        match (&auth.auth, &self.creds_store) {
            (Some(auth), _) if !auth.is_empty() => {
                let text = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let text = text.context("it is not the base64 of a user and a password")?;
                let (user, password) = text.split_once(':').context("it has no `:` between user and password")?;
                Ok(Some(Credentials { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
            }
            (_, Some(helper)) => helped(helper, name),
            _ => Ok(None),
        }
    }
}

/// Asks a helper program, as docker does.
fn helped(helper: &str, registry: &str) -> Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(registry.as_bytes()).with_context(|| format!("failed to ask {program}"))?;
    }
    let output = child.wait_with_output().with_context(|| format!("failed to ask {program}"))?;
    if !output.status.success() {
        return Ok(None);
    }
    let Helped { username, secret } =
        serde_json::from_slice(&output.stdout).ok().with_context(|| format!("{program} gave no login"))?;
    ensure!(
        username != "<token>",
        "{program} gave an identity token; log in with a user and a password or access token"
    );
    Ok(Some(Credentials { user: username, password: secret }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_docker_are_found_by_the_names_that_it_uses() {
        let text = r#"{"auths": {"localhost:5000": {"auth": "YW5hOnM6M2NyZXQ="}, "https://a.example": {"auth": "YToA"},
            "https://index.docker.io/v1/": {"auth": "aHViOmI="}, "bad.example": {"auth": "!"}, "empty.example": {}}}"#;
        let docker: Docker = serde_json::from_str(text).unwrap();
        let login = |registry| docker.login(registry).unwrap().map(|login| (login.user, login.password));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(login("localhost:5000"), pair("ana", "s:3cret"));
        assert_eq!(login("a.example"), pair("a", ""));
        assert_eq!(login("docker.io"), pair("hub", "b"));
        assert_eq!([login("empty.example"), login("localhost")], [None, None]);
        assert!(docker.login("bad.example").is_err());
        let login = docker.login("localhost:5000").unwrap().unwrap();
        assert_eq!((login.basic().as_str(), format!("{login:?}").as_str()), ("Basic YW5hOnM6M2NyZXQ=", "Credentials"));
    }
}
