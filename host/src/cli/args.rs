//! Arguments that commands share.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use pelton_model::error::Error as ModelError;
use pelton_model::mapping::Mapping;
use pelton_model::text;

use super::client::Client;
use crate::api;
use crate::config::Config;
use crate::job_file::parameter_file;

/// Where the host is.
#[derive(Debug, Args)]
pub struct Api {
    /// The host's API
    #[arg(long, value_name = "URL", env = "PELTON_API", default_value = "http://127.0.0.1:8081")]
    api: String,
    /// A file with the token that the host asks for [default: the token in PELTON_TOKEN, if set]
    #[arg(long, value_name = "FILE", env = "PELTON_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// A file with the authorities, PEM, one of which must have signed the certificate of a host at https://
    /// [default: those that the system trusts]
    #[arg(long, value_name = "FILE", env = "PELTON_API_CA")]
    api_ca: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

impl Api {
    /// A client of that host.
    pub(super) fn client(&self) -> Result<Client> {
        let token = match &self.token_file {
            Some(file) => Some(api::client_token(file)?),
            None => std::env::var("PELTON_TOKEN").ok().map(|token| token.trim().to_owned()),
        };
        let authorities = self.api_ca.as_deref().filter(|file| !file.as_os_str().is_empty());
        Client::new(&self.api, token.as_deref().filter(|token| !token.is_empty()), authorities)
    }
}

/// A command on one job.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's name
    pub(super) job: String,
    #[command(flatten)]
    pub(super) api: Api,
}

/// Topics and tables in the place of those that a component declares.
#[derive(Debug, Args)]
pub struct Mapped {
    /// Read this topic in the place of a declared one
    #[arg(long, value_name = "TOPIC=TOPIC", value_parser = key_value)]
    source: Vec<(String, String)>,
    /// Have a sink lead to this topic or table; of a statement, to this one where it names a table as {table}
    #[arg(long, value_name = "SINK=TOPIC|TABLE", value_parser = key_value)]
    sink: Vec<(String, String)>,
}

impl Mapped {
    pub(super) fn mapping(&self) -> Result<Mapping> {
        Ok(Mapping { sources: each_once("--source", &self.source)?, sinks: each_once("--sink", &self.sink)? })
    }
}

/// What is given by name. Of a name that stands there twice nobody knows what is meant.
fn each_once(flag: &str, given: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (name, value) in given {
        if let Some(other) = all.insert(name.clone(), value.clone()) {
            bail!("{flag} is given twice for {name:?}: {other:?} and {value:?}");
        }
    }
    Ok(all)
}

/// A value of `--set`: `KEY=VALUE`, `KEY=@FILE`, or `KEY=@@…` for a value that begins with `@`.
pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    let (key, value) = key_value(text)?;
    let value = match value.strip_prefix('@') {
        Some(rest) if !rest.starts_with('@') => {
            parameter_file(Path::new(rest)).map_err(|error| format!("{error:#}"))?
        }
        Some(rest) => rest.to_owned(),
        None => value,
    };
    Ok((key, value))
}

/// `KEY=VALUE`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} has no `=`; write KEY=VALUE"))
}

/// Who calls, for the history: `user@host`, as far as that is known.
pub(super) fn caller() -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)?;
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    Some(host.map_or_else(|| user.clone(), |host| format!("{user}@{host}")))
}

/// The settings of a command that starts no host: defaults, then the environment.
pub(super) fn settings() -> Result<Config, ModelError> {
    let config = Config::load(None, &[])?;
    for warning in &config.warnings {
        // Nothing depends on it.
        let _ = writeln!(std::io::stderr(), "pelton: {}", text::line(warning));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_mapped_once() {
        let pairs = |text: &str| text.split(' ').map(|pair| key_value(pair).unwrap()).collect::<Vec<_>>();
        assert_eq!(each_once("--sink", &pairs("a=x b=x")).unwrap().len(), 2);
        let told = each_once("--sink", &pairs("a=x b=x a=y")).unwrap_err().to_string();
        assert_eq!(told, "--sink is given twice for \"a\": \"x\" and \"y\"");
    }
}
