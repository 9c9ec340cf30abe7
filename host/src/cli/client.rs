//! A client of the API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pelton_model::text::{self, cut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Request, Response};
use ureq::middleware::MiddlewareNext;
use ureq::{Agent, Body, SendBody};

use super::{print, tls};
use crate::api::types::{
    Applied, Apply, Done, JobList, JobView, LogLine, LogLines, Problem, ShadowReport, ShadowRun, Submit, Uploaded,
};

/// Longest refusal that is shown of somebody who is no host of Pelton.
const ANSWER_BYTES: usize = 4096;

/// How an answer breaks off, after the request has been sent.
const BROKEN_OFF: [ErrorKind; 4] =
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe];

/// A client of one host.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    api: String,
}

impl Client {
    /// For the host at `api`, such as `http://127.0.0.1:8081`, with the token that it asks for, if any, and a file with
    /// the authorities that its certificate must be of, where those of the system are not meant.
    pub fn new(api: &str, token: Option<&str>, authorities: Option<&Path>) -> Result<Self> {
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let token = token.ok().context("the token has characters that no token has")?;
        let config = Agent::config_builder()
            .tls_config(tls::config(authorities)?)
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            // A submit compiles; a cancel drains.
            .timeout_global(Some(Duration::from_secs(120)))
            .middleware(move |mut request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
                request.headers_mut().extend(token.clone().map(|token| (AUTHORIZATION, token)));
                next.handle(request)
            })
            .build();
        Ok(Self { agent: config.into(), api: api.trim_end_matches('/').to_owned() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.api)
    }

    fn reached(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        let explain = |error: &ureq::Error| {
            tls::explain(&self.api, error).unwrap_or_else(|| match error {
                ureq::Error::Io(cause) if BROKEN_OFF.contains(&cause.kind()) => format!(
                    "{} went away before it had answered: what was asked for may have been done, or not; look with \
                     `pelton list` and `pelton show`, and repeat it",
                    self.api
                ),
                _ => format!("no Pelton host answers at {}; start one with `pelton run`, or set PELTON_API", self.api),
            })
        };
        sent.map_err(|error| {
            let why = explain(&error);
            anyhow!(error).context(why)
        })
    }

    /// The answer, or the refusal in the host's own words.
    fn answer<T: DeserializeOwned>(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<T> {
        let mut response = self.reached(sent)?;
        let status = response.status();
        // A dead letter of 100 MB in base64 is below this.
        let body = response.body_mut().with_config().limit(256 << 20).read_to_vec().context("the answer broke off")?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .context("the host's answer is not understood; is it of another version?");
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => {
                Err(anyhow!("the host answered {status}: {}", cut(&String::from_utf8_lossy(&body), ANSWER_BYTES)))
            }
        }
    }

    /// Uploads a component.
    pub fn upload(&self, mut wasm: impl Read, bytes: usize) -> Result<Uploaded> {
        let request = self.agent.post(self.url("components")).content_type("application/wasm");
        // A host that refuses says so before all of it is sent.
        let request = request.header("content-length", bytes.to_string()).header("expect", "100-continue");
        self.answer(request.send(SendBody::from_reader(&mut wasm)))
    }

    /// Submits a job.
    pub fn submit(&self, request: &Submit) -> Result<Done> {
        self.answer(self.agent.post(self.url("jobs")).send_json(request))
    }

    /// Has a job be so.
    pub fn apply(&self, request: &Apply) -> Result<Applied> {
        self.answer(self.agent.post(self.url("apply")).send_json(request))
    }

    /// All jobs.
    pub fn list(&self) -> Result<JobList> {
        self.answer(self.agent.get(self.url("jobs")).call())
    }

    /// One job.
    pub fn show(&self, name: &str) -> Result<JobView> {
        self.answer(self.agent.get(self.job(name)).call())
    }

    /// A job's parameters, with whole values.
    pub fn parameters(&self, name: &str) -> Result<BTreeMap<String, String>> {
        self.answer(self.agent.get(format!("{}/parameters", self.job(name))).call())
    }

    /// Cancels a job for somebody.
    pub fn cancel(&self, name: &str, by: &str) -> Result<Done> {
        let by = percent_encoding::utf8_percent_encode(by, percent_encoding::NON_ALPHANUMERIC);
        self.answer(self.agent.delete(format!("{}?by={by}", self.job(name))).call())
    }

    /// Forgets the versions and the history of a job that is gone.
    pub fn purge(&self, name: &str) -> Result<serde_json::Value> {
        self.answer(self.agent.delete(format!("{}/history", self.job(name))).call())
    }

    /// GETs a path below `/api/v1`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    /// POSTs to a path below `/api/v1`, and waits so long for the answer; for ever where `None`.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Option<Duration>,
    ) -> Result<T> {
        let request = self.agent.post(self.url(path)).config().timeout_global(patience).build();
        self.answer(request.send_json(body))
    }

    /// Changes a job by one of its verbs: `pause`, `reload`, ….
    pub fn change(&self, name: &str, verb: &str, request: &impl Serialize) -> Result<Done> {
        self.verb(name, verb, request)
    }

    /// Changes a job by a verb that answers with something of its own.
    pub fn verb<T: DeserializeOwned>(&self, name: &str, verb: &str, request: &impl Serialize) -> Result<T> {
        self.answer(self.agent.post(format!("{}/{verb}", self.job(name))).send_json(request))
    }

    /// Starts a shadow run.
    pub fn start_shadow(&self, name: &str, request: &ShadowRun) -> Result<ShadowReport> {
        self.answer(self.agent.post(format!("{}/shadow", self.job(name))).send_json(request))
    }

    /// What the last shadow run has found so far.
    pub fn shadow(&self, name: &str) -> Result<ShadowReport> {
        self.answer(self.agent.get(format!("{}/shadow", self.job(name))).call())
    }

    /// The last lines of a job's log.
    pub fn logs(&self, name: &str, limit: usize) -> Result<Vec<LogLine>> {
        let lines: LogLines = self.answer(self.agent.get(format!("{}/logs?limit={limit}", self.job(name))).call())?;
        Ok(lines.lines)
    }

    /// The last lines of a job's log and all that come, until the stream ends or `each` fails.
    pub fn follow_logs(&self, name: &str, limit: usize, each: impl FnMut(LogLine) -> Result<()>) -> Result<()> {
        self.stream(&format!("{}/logs?follow=true&limit={limit}", self.job(name)), each)
    }

    /// The events of a stream below `/api/v1`, until it ends or `each` fails.
    pub fn follow<T: DeserializeOwned>(&self, path: &str, each: impl FnMut(T) -> Result<()>) -> Result<()> {
        self.stream(&self.url(path), each)
    }

    fn stream<T: DeserializeOwned>(&self, url: &str, mut each: impl FnMut(T) -> Result<()>) -> Result<()> {
        let request = self.agent.get(url);
        let sent = request.config().timeout_global(None).build().call();
        if sent.as_ref().is_ok_and(|response| !response.status().is_success()) {
            return self.answer::<serde_json::Value>(sent).map(drop);
        }
        let body = self.reached(sent)?.into_body().into_reader();
        for line in BufReader::new(body).lines() {
            let line = line.context("the stream broke off")?;
            if let Some(data) = line.strip_prefix("data:") {
                each(serde_json::from_str(data).context("the host's answer is not understood")?)?;
            } else if let Some(told) = line.strip_prefix(": ") {
                // What the host says of the stream itself: that it leaves lines out.
                print::printed(writeln!(std::io::stderr(), "pelton: {}", text::line(told)))?;
            }
        }
        Ok(())
    }

    fn job(&self, name: &str) -> String {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        self.url(&format!("jobs/{name}"))
    }
}
