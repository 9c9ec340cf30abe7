//! Refusals: `application/problem+json`, RFC 9457, whatever it is that refuses.
//!
//! Handlers answer with a [`Problem`]. What they don't make themselves becomes one here: a body or a query that can't
//! be read ([`Body`], [`Query`]), an unknown route or method, a panic, and any refusal of axum's own.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Extension;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use pelton_model::explanation;
use pelton_model::text::cut;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use pelton_control::Error;

/// The content type of refusals.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// Longest text of a refusal of axum's own that is passed on.
const TEXT_BYTES: usize = 64 << 10;
/// Longest text of a refusal: whatever was sent, it does not come back whole.
const MOST_BYTES: usize = 8 << 10;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Document", into = "Document")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A short name for programs.
    pub code: String,
    /// What was refused.
    pub title: String,
    /// Why, item by item.
    pub causes: Vec<String>,
    /// What to do.
    pub fix: Option<String>,
    /// When to try again, for the header `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// A refusal as RFC 9457 writes it, with `code`, `causes` and `fix` of our own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// `urn:pelton:problem:` and the code.
    #[serde(rename = "type", default)]
    kind: String,
    /// What was refused.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Why, as one text.
    #[serde(default)]
    detail: String,
    /// A short name for programs.
    code: String,
    /// Why, item by item.
    #[serde(default)]
    causes: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl From<Problem> for Document {
    fn from(Problem { status, code, title, causes, fix, .. }: Problem) -> Self {
        let kind = format!("urn:pelton:problem:{code}");
        Self { kind, title, status, detail: causes.join("; "), code, causes, fix }
    }
}

impl From<Document> for Problem {
    fn from(Document { title, status, code, causes, fix, .. }: Document) -> Self {
        Self { status, code, title, causes, fix, retry_after: None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        explanation::write(f, &self.title, &self.causes, self.fix.as_deref())
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// A refusal with one reason.
    pub fn new(status: u16, code: &str, title: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            title: title.into(),
            causes: vec![cause.into()],
            fix: None,
            retry_after: None,
        }
    }

    /// Adds what to do.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Adds when to try again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A body, a query or a path that makes no sense.
    fn unreadable(status: StatusCode, what: impl Into<String>) -> Self {
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "content-type",
            StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
            StatusCode::NOT_FOUND => "no-such-route",
            status if status.is_server_error() => "internal",
            _ => "bad-request",
        };
        Self::new(status.as_u16(), code, "the request makes no sense", what)
            .fix("GET /api/v1/openapi.json describes every request")
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        for text in [&mut self.title].into_iter().chain(&mut self.causes).chain(&mut self.fix) {
            if let Cow::Owned(short) = cut(text, MOST_BYTES) {
                *text = short;
            }
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (wait, code) = (self.retry_after, Code(self.code.clone()));
        let mut response = (status, Extension(code), axum::Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(wait) = wait {
            // Whole seconds, of which there is at least one.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The code of a refusal, for the audit.
#[derive(Debug, Clone)]
pub(crate) struct Code(pub(crate) String);

/// A JSON body, or the problem with it.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = axum::Json::<T>::from_request(request, state).await;
        // That JSON which doesn't fit has a status of its own (422) is axum's notion; here both are 400.
        let status = |status| if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status };
        read.map(|axum::Json(body)| Self(body))
            .map_err(|error| Problem::unreadable(status(error.status()), error.body_text()))
    }
}

/// A query, or the problem with it.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| Problem::unreadable(error.status(), error.body_text()))
    }
}

/// Does blocking work of the jobs off the async threads, to its end also where the client goes away.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Problem::from),
        Err(error) => Err(Problem::new(500, "internal", "a task failed", error.to_string())),
    }
}

/// The same, for an answer in JSON.
pub(crate) async fn whole<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<axum::Json<T>, Problem> {
    blocking(work).await.map(axum::Json)
}

/// The answer where no route is.
pub(crate) async fn no_such_route() -> Problem {
    Problem::new(404, "no-such-route", "no such route", "nothing is served under this path")
        .fix("the API begins at /api/v1/jobs; GET /api/v1/openapi.json lists all of it")
}

/// The answer where the route has no such method.
pub(crate) async fn no_such_method() -> Problem {
    Problem::new(405, "method-not-allowed", "this route has no such method", "the header Allow names those that it has")
        .fix("GET /api/v1/openapi.json lists every route with its methods")
}

/// Turns whatever is refused below into a problem, a panic included: one request costs no other.
pub(crate) async fn told(request: Request, next: Next) -> Response {
    let Ok(response) = AssertUnwindSafe(next.run(request)).catch_unwind().await else {
        // The panic itself is on standard error already.
        return Problem::new(500, "internal", "the host failed", "a handler panicked")
            .fix("this is a bug in Pelton, please report it with the host's log")
            .into_response();
    };
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    // What a handler says by itself stands: problems, and the plain text of `/readyz`.
    let foreign =
        kind.is_none_or(|kind| kind == "text/plain; charset=utf-8") && response.extensions().get::<Plain>().is_none();
    if !(status.is_client_error() || status.is_server_error()) || !foreign {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, TEXT_BYTES).await.unwrap_or_default();
    let mut problem = Problem::unreadable(status, String::from_utf8_lossy(&text)).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// Marks an answer whose plain text is meant, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_rfc_has_it_and_read_back() {
        let mut problem = Problem::new(422, "missing", "the job is not submitted", "topic \"a\"").fix("create it");
        problem.causes.push("table b".to_owned());
        let written = serde_json::to_value(&problem).unwrap();
        let expected = serde_json::json!({
            "type": "urn:pelton:problem:missing", "title": "the job is not submitted", "status": 422,
            "detail": "topic \"a\"; table b", "code": "missing", "causes": ["topic \"a\"", "table b"], "fix": "create it",
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Problem>(written).unwrap(), problem);
        assert_eq!(problem.to_string(), "the job is not submitted\n  - topic \"a\"\n  - table b\ncreate it");
    }

    /// What a router behind [`told`] answers to a GET.
    async fn answered(router: axum::Router) -> (u16, Problem) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = router.layer(axum::middleware::from_fn(told));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let serving = crate::serve::Serving {
            bounds: crate::places::Bounds::within(1024),
            read_time: Duration::from_secs(60),
            write_time: Duration::from_secs(60),
            tls: None,
        };
        let server = tokio::spawn(crate::serve::serve(listener, router, serving, stopped));
        let call = move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
            let mut response = agent.get(url).call().unwrap();
            assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
            (response.status().as_u16(), response.body_mut().read_json().unwrap())
        };
        let answer = tokio::task::spawn_blocking(call).await.unwrap();
        drop(stop);
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_is_refused_does_not_come_back_whole() {
        async fn refuses() -> Problem {
            let long = || "x".repeat(10 << 20);
            let mut problem = Problem::new(422, "missing", long(), long()).fix(long());
            problem.causes.push("short".to_owned());
            problem
        }
        let (status, problem) = answered(axum::Router::new().route("/", axum::routing::get(refuses))).await;
        let short = format!("{}… (10485760 bytes)", "x".repeat(MOST_BYTES));
        assert_eq!((status, &problem.title, &problem.fix), (422, &short, &Some(short.clone())));
        assert_eq!(problem.causes, [short, "short".to_owned()]);
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_of_one_request() {
        async fn broken() {
            panic!("on purpose");
        }
        let (status, problem) = answered(axum::Router::new().route("/", axum::routing::get(broken))).await;
        assert_eq!((status, problem.status, problem.code.as_str()), (500, 500, "internal"));
        assert!(!problem.to_string().contains("on purpose"), "{problem}");
    }

    #[tokio::test]
    async fn what_axum_refuses_by_itself_is_a_problem() {
        async fn needs(_: axum::extract::Query<std::collections::BTreeMap<String, u8>>, _: axum::Json<u8>) {}
        let (status, problem) = answered(axum::Router::new().route("/", axum::routing::get(needs))).await;
        assert_eq!((status, problem.status, problem.code.as_str()), (415, 415, "content-type"));
        let (status, problem) = answered(axum::Router::new().route("/", axum::routing::post(needs))).await;
        assert_eq!((status, problem.code.as_str()), (405, "method-not-allowed"));
    }
}
