//! References to components: `REGISTRY/NAME[:TAG][@sha256:DIGEST]`, as containers are referred to, except that the
//! registry is always named: oci-spec's references mean Docker Hub where none is.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Result, ensure};
use pelton_model::cause::Because as _;

use crate::Error;

/// What a reference may begin with, and must where a file could be meant.
pub const SCHEME: &str = "oci://";
/// The tag that is meant where none is named.
const LATEST: &str = "latest";

/// Displays as it is written, without the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// A host, with its port where that is not the usual one.
    pub registry: String,
    /// Parts with `/` between them.
    pub repository: String,
    /// `latest` is meant where there is none.
    pub tag: Option<String>,
    /// The digest of the manifest, `sha256:` and 64 hexadecimal digits; it counts, whatever the tag.
    pub digest: Option<String>,
}

impl Reference {
    /// The same, with the digest that was found.
    pub fn pinned(&self, digest: String) -> Self {
        let tag = self.tag.clone().or_else(|| self.digest.is_none().then(|| LATEST.to_owned()));
        Self { tag, digest: Some(digest), ..self.clone() }
    }

    /// The tag, `latest` where none is named.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(LATEST)
    }

    /// What to ask the registry for: the digest where there is one.
    pub(super) fn target(&self) -> &str {
        self.digest.as_deref().unwrap_or_else(|| self.tag())
    }

    /// Whether the registry is on this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = match self.registry.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => &self.registry,
        };
        let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).because(Error::Reference)
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (registry, rest) = rest.split_once('/').unwrap_or(("", rest));
        ensure!(
            registry == "localhost" || registry.contains(['.', ':']),
            "{text:?} names no registry; write REGISTRY/NAME:TAG, such as ghcr.io/you/job:1.0"
        );
        ensure!(
            registry.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)),
            "{registry:?} is no name of a registry; write HOST or HOST:PORT"
        );
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        ensure!(
            digest.is_none_or(is_digest),
            "{text:?} has no digest after its `@`; that is `sha256:` and 64 hexadecimal digits"
        );
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        ensure!(
            repository.split('/').all(is_part) && repository.len() <= 255,
            "{repository:?} is no name in a registry: use lower-case letters, digits and `.`, `_`, `-` within parts, \
             and `/` between them"
        );
        ensure!(
            tag.is_none_or(is_tag),
            "{text:?} has no tag after its `:`; that is up to 128 letters, digits, `.`, `_` and `-`"
        );
        let owned = |text: &str| text.to_owned();
        Ok(Self {
            registry: owned(registry),
            repository: owned(repository),
            tag: tag.map(owned),
            digest: digest.map(owned),
        })
    }
}

/// Whether it is a digest as registries write them.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_part(part: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_alphanumeric)
        && part.ends_with(is_alphanumeric)
        && part.chars().all(|c| is_alphanumeric(c) || "._-".contains(c))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in ["ghcr.io/ana/jobs/alerts:1.0", "localhost/x", "localhost:5000/x:a_b-c.1", "[::1]:5000/x"] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(format!("oci://{text}").parse::<Reference>().unwrap(), reference);
            let pinned = format!("{text}@{digest}").parse::<Reference>().unwrap();
            assert_eq!((pinned.target(), pinned.to_string()), (digest.as_str(), format!("{text}@{digest}")));
        }
        let bare: Reference = "localhost/x".parse().unwrap();
        assert_eq!(
            (bare.target(), bare.pinned(digest.clone()).to_string()),
            ("latest", format!("localhost/x:latest@{digest}"))
        );
        let local = |text: &str| text.parse::<Reference>().unwrap().is_local();
        assert!(
            ["localhost/x", "localhost:1/x", "127.0.0.1:1/x", "127.8.8.8/x", "[::1]:1/x", "[::1]/x"]
                .map(local)
                .iter()
                .all(|is| *is)
        );
        assert!(
            !["ghcr.io/x", "10.0.0.1:5000/x", "localhost.example.com/x", "[2001:db8::1]:1/x"]
                .map(local)
                .iter()
                .any(|is| *is)
        );
    }

    #[test]
    fn what_is_no_reference_is_told() {
        let digest = "0a".repeat(32);
        for (text, told) in [
            ("alerts:1.0", "names no registry"),
            ("ana/alerts:1.0", "names no registry"),
            ("me:secret@ghcr.io/alerts", "no name of a registry"),
            ("ghcr.io/", "no name in a registry"),
            ("ghcr.io/Ana/x", "no name in a registry"),
            ("ghcr.io/a//x", "no name in a registry"),
            ("ghcr.io/../x", "no name in a registry"),
            ("ghcr.io/x:", "no tag after"),
            ("ghcr.io/x:a b", "no tag after"),
            ("ghcr.io/x@sha256:12", "no digest after"),
            (&format!("ghcr.io/x@md5:{digest}"), "no digest after"),
            (&format!("ghcr.io/x@sha256:{}", digest.to_uppercase()), "no digest after"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
