//! A client of the API.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

use crate::api::types::{JobList, JobView, Problem, Submit, Uploaded};
use crate::config::Secret;

/// A client of one host.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    api: String,
    token: Option<Secret>,
}

impl Client {
    /// For the host at `api`, such as `http://127.0.0.1:8081`, with the token that it asks for, if any.
    pub fn new(api: &str, token: Option<Secret>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            // A submit compiles; a cancel drains.
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        Self { agent: config.into(), api: api.trim_end_matches('/').to_owned(), token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.api)
    }

    /// The answer, or the refusal in the host's own words.
    fn answer<T: DeserializeOwned>(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<T> {
        let mut response = sent.with_context(|| {
            format!("no Pelton host answers at {}; start one with `pelton run`, or set PELTON_API", self.api)
        })?;
        let status = response.status();
        // A list of a thousand jobs is far below this.
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec().context("the answer broke off")?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .context("the host's answer is not understood; is it of another version?");
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => Err(anyhow!("the host answered {status}: {}", String::from_utf8_lossy(&body))),
        }
    }

    /// Adds the token to a request.
    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(Secret(token)) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Uploads a component.
    pub fn upload(&self, wasm: &[u8]) -> Result<Uploaded> {
        let request = self.authorized(self.agent.post(self.url("components"))).content_type("application/wasm");
        // A host that refuses says so before all of it is sent.
        let request = request.header("expect", "100-continue");
        self.answer(request.send(wasm))
    }

    /// Submits a job.
    pub fn submit(&self, request: &Submit) -> Result<JobView> {
        self.answer(self.authorized(self.agent.post(self.url("jobs"))).send_json(request))
    }

    /// All jobs.
    pub fn list(&self) -> Result<JobList> {
        self.answer(self.authorized(self.agent.get(self.url("jobs"))).call())
    }

    /// One job.
    pub fn show(&self, name: &str) -> Result<JobView> {
        self.answer(self.authorized(self.agent.get(self.job(name))).call())
    }

    /// Cancels a job.
    pub fn cancel(&self, name: &str) -> Result<JobView> {
        self.answer(self.authorized(self.agent.delete(self.job(name))).call())
    }

    fn job(&self, name: &str) -> String {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        self.url(&format!("jobs/{name}"))
    }
}
