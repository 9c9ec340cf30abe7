//! A registry, by the OCI distribution API: manifests and blobs of one repository.
//!
//! A login is sent only when the registry asks for one, to itself or to the token service that it names, and over HTTPS
//! or to this machine only, unless plain HTTP was asked for.

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{HeaderName, Method, Request, Response, StatusCode, Uri};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use super::credentials::Credentials;
use super::reference::{Reference, is_digest};

/// For a connection, and for the registry to say something.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// Longest answer that says no, or that holds a token.
const TEXT_BYTES: u64 = 1 << 20;

/// A repository of a registry.
pub(super) struct Registry {
    agent: Agent,
    reference: Reference,
    /// Where the registry is, such as `https://ghcr.io`.
    base: String,
    credentials: Option<Credentials>,
    /// What it has asked for last.
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

/// How a registry says no.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    #[serde(default)]
    message: String,
}

impl Registry {
    pub(super) fn new(reference: &Reference, plain_http: bool) -> Result<Self> {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let is_plain = plain_http || reference.is_local();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(!is_plain)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(ANSWER))
            .build()
            .new_agent();
        // Docker Hub's API is elsewhere.
        let host = if reference.registry == "docker.io" { "registry-1.docker.io" } else { &reference.registry };
        Ok(Self {
            agent,
            base: format!("{}://{host}", if is_plain { "http" } else { "https" }),
            credentials: Credentials::find(&reference.registry)?,
            reference: reference.clone(),
            authorization: None,
        })
    }

    /// The manifest that the reference names.
    pub(super) fn manifest(&mut self, accept: &str, largest: u64) -> Result<Vec<u8>> {
        let url = self.url(&format!("manifests/{}", self.reference.target()));
        let response = self.send(&Method::GET, &url, (ACCEPT, accept), None)?;
        ensure!(
            response.status() != StatusCode::NOT_FOUND,
            "there is no {} in the registry, or none that you may see; check the name and the tag",
            self.reference
        );
        self.read(self.accepted(response)?, largest)
    }

    /// A blob of so many bytes.
    pub(super) fn blob(&mut self, digest: &str, size: u64) -> Result<Vec<u8>> {
        ensure!(is_digest(digest), "{} has a part without a digest of SHA-256", self.reference);
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&Method::GET, &url, (ACCEPT, "*/*"), None)?;
        self.read(self.accepted(response)?, size)
    }

    /// Puts a blob there, if it is not there yet.
    pub(super) fn put_blob(&mut self, digest: &str, bytes: &[u8]) -> Result<()> {
        let url = self.url(&format!("blobs/{digest}"));
        if self.send(&Method::HEAD, &url, (ACCEPT, "*/*"), None)?.status().is_success() {
            return Ok(());
        }
        let begin = self.url("blobs/uploads/");
        let begun = self.send(&Method::POST, &begin, (CONTENT_TYPE, "application/octet-stream"), Some(&[]))?;
        let begun = self.accepted(begun)?;
        let location = begun.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.with_context(|| format!("{} did not say where to upload to", self.base))?;
        let location = if location.starts_with('/') { format!("{}{location}", self.base) } else { location.to_owned() };
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={}", utf8_percent_encode(digest, NON_ALPHANUMERIC));
        let put = self.send(&Method::PUT, &url, (CONTENT_TYPE, "application/octet-stream"), Some(bytes))?;
        self.accepted(put).map(drop)
    }

    /// Puts the manifest there, under the reference's tag.
    pub(super) fn put_manifest(&mut self, media_type: &str, bytes: &[u8]) -> Result<()> {
        let url = self.url(&format!("manifests/{}", self.reference.tag()));
        let put = self.send(&Method::PUT, &url, (CONTENT_TYPE, media_type), Some(bytes))?;
        self.accepted(put).map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.reference.repository)
    }

    /// Sends a request, and once more with what the registry asks for.
    fn send(
        &mut self,
        method: &Method,
        url: &str,
        header: (HeaderName, &str),
        body: Option<&[u8]>,
    ) -> Result<Response<Body>> {
        let response = self.send_once(method, url, &header, body)?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.answer_challenge(&response)? {
            return Ok(response);
        }
        self.send_once(method, url, &header, body)
    }

    fn send_once(
        &self,
        method: &Method,
        url: &str,
        header: &(HeaderName, &str),
        body: Option<&[u8]>,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(url).header(&header.0, header.1);
        // A registry may have uploads sent elsewhere: whoever is there gets no login.
        let is_own = url.strip_prefix(&self.base).is_some_and(|path| path.starts_with('/'));
        if let Some(authorization) = self.authorization.as_ref().filter(|_| is_own) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let sent = match body {
            Some(bytes) => self.agent.run(request.body(bytes)?),
            None => self.agent.run(request.body(())?),
        };
        sent.with_context(|| {
            let plain = if self.base.starts_with("https") { ", or --plain-http for one without TLS" } else { "" };
            format!("the registry {} can't be reached; check its name and port{plain}", self.reference.registry)
        })
    }

    /// Gets what the registry asks for; false where there is nothing to get it with.
    fn answer_challenge(&mut self, response: &Response<Body>) -> Result<bool> {
        let header = response.headers().get(WWW_AUTHENTICATE).and_then(|header| header.to_str().ok());
        let Some((scheme, parameters)) = header.and_then(|header| header.trim().split_once(' ')) else {
            return Ok(false);
        };
        let basic = self.credentials.as_ref().map(Credentials::basic);
        self.authorization = if scheme.eq_ignore_ascii_case("basic") {
            basic
        } else if scheme.eq_ignore_ascii_case("bearer") {
            Some(format!("Bearer {}", self.token(parameters, basic)?))
        } else {
            bail!("the registry {} asks for a login by {scheme:?}, which is not supported", self.reference.registry);
        };
        Ok(self.authorization.is_some())
    }

    /// A token of the service that a challenge names.
    fn token(&self, challenge: &str, basic: Option<String>) -> Result<String> {
        let value =
            |name: &str| parameters(challenge).into_iter().find(|(found, _)| found == name).map(|(_, value)| value);
        let realm = value("realm").context("the registry names no service for tokens")?;
        let is_encrypted = realm.parse::<Uri>().is_ok_and(|realm| realm.scheme_str() == Some("https"));
        ensure!(
            is_encrypted || self.base.starts_with("http:"),
            "the registry {} wants the login sent to {realm}, unencrypted",
            self.reference.registry
        );
        let mut url = realm.clone();
        for name in ["service", "scope"] {
            if let Some(value) = value(name) {
                let separator = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{separator}{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
            }
        }
        let mut request = self.agent.get(&url);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        let response = request.call().with_context(|| format!("the token service {realm} can't be reached"))?;
        let text = self.read(self.accepted(response)?, TEXT_BYTES)?;
        let token: Token = serde_json::from_slice(&text).ok().with_context(|| format!("{realm} gave no token"))?;
        Ok(token.token)
    }

    /// The answer, or why the registry said no.
    fn accepted(&self, response: Response<Body>) -> Result<Response<Body>> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let Reference { registry, .. } = &self.reference;
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            let who = if self.credentials.is_some() { "with this login" } else { "without a login" };
            bail!(
                "the registry {registry} does not allow this for {} {who}: unauthorised; use `docker login {registry}`, or \
                 set PELTON_REGISTRY_USER and PELTON_REGISTRY_PASSWORD",
                self.reference
            );
        }
        let mut text = Vec::new();
        // What can't be read can't be told.
        let _ = response.into_body().into_reader().take(TEXT_BYTES).read_to_end(&mut text);
        let reasons = match serde_json::from_slice::<Refusal>(&text) {
            Ok(refusal) => {
                let reasons = refusal.errors.iter().map(|reason| format!("{} ({})", reason.message, reason.code));
                reasons.collect::<Vec<_>>().join("; ")
            }
            Err(_) => String::from_utf8_lossy(&text).chars().take(300).collect(),
        };
        bail!("the registry {registry} refuses {} with {status}: {}", self.reference, reasons.escape_debug())
    }

    /// The bytes of an answer.
    fn read(&self, response: Response<Body>, largest: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut body = response.into_body().into_reader().take(largest.saturating_add(1));
        body.read_to_end(&mut bytes).with_context(|| format!("{} broke off its answer", self.base))?;
        ensure!(
            bytes.len() as u64 <= largest,
            "{} sends more than {largest} bytes for a part of {}",
            self.base,
            self.reference
        );
        Ok(bytes)
    }
}

/// The parameters of a challenge: `realm="https://…",service="…",scope="a,b"`.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let (value, rest) = match rest.strip_prefix('"') {
            Some(rest) => rest.split_once('"').unwrap_or((rest, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.push((name.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned()));
        text = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let found = parameters(r#"realm="https://a.example/token?x=1", service=b, Scope="repository:c:pull,push""#);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("realm", "https://a.example/token?x=1"),
            pair("service", "b"),
            pair("scope", "repository:c:pull,push"),
        ];
        assert_eq!(found, expected);
        assert_eq!(parameters("nonsense"), []);
        assert_eq!(parameters(r#"realm="cut"#), [pair("realm", "cut")]);
    }

    #[test]
    fn a_login_is_not_sent_unencrypted() {
        let registry = Registry::new(&"registry.example/x".parse().unwrap(), false).unwrap();
        let error = registry.token(r#"realm="http://tokens.example""#, Some("Basic x".to_owned())).unwrap_err();
        assert!(error.to_string().contains("unencrypted"), "{error}");
    }
}
