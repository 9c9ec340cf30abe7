//! Who may call, and with what: everything that is checked before a handler sees a request.
//!
//! - `site`, for every request: a page of another site has no business here. The `Host` must be an address, `localhost`
//!   or a name that is set, so that no other name can be bound to this port (DNS rebinding); an `Origin` must be this
//!   host; what a browser marks as coming from elsewhere is refused unless somebody just opens the page.
//! - `gate`, for each route of the table: the caller's role, names in the path, the content type, and the body, which
//!   is read here, within its size and time.
//!
//! Tokens are kept as digests and compared in constant time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::problem::Problem;
pub use crate::role::Role;
use crate::route::{Route, Takes};
use crate::start_error::StartError;
use crate::tokens::Tokens;
use pelton_model::cause::Because as _;
use pelton_model::name::check_name;
use pelton_model::settings::Config;

/// Largest JSON body.
const JSON_BYTES: usize = 1 << 20;
/// Longest part of a path that stands for something.
const NAME_BYTES: usize = 255;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The role that a request has shown to have, among its extensions; `None` where it has shown none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) Option<Role>);

/// Who may call, and how much a caller may take.
#[derive(Debug)]
pub struct Guard {
    tokens: Tokens,
    hosts: Vec<String>,
    read_time: Duration,
    upload_time: Duration,
    upload_bytes: usize,
    uploads: Arc<Semaphore>,
}

impl Guard {
    /// Reads the tokens. Refused where the host would be open to others than those on this machine.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Self::read(config).because(StartError::Guard)
    }

    fn read(config: &Config) -> anyhow::Result<Self> {
        let tokens = Tokens::new(&config.api)?;
        anyhow::ensure!(
            tokens.are_set() || config.api.behind_loopback || config.listen.ip().to_canonical().is_loopback(),
            "listen is {}, where others can reach the API, and there is no token: whoever can reach it can run code. Set \
             PELTON_TOKEN or api.token_file, or listen on 127.0.0.1",
            config.listen
        );
        anyhow::ensure!(config.api.uploads > 0, "api.uploads is 0; it must be at least 1");
        anyhow::ensure!(config.api.upload_mib > 0, "api.upload_mib is 0; it must be at least 1");
        Ok(Self {
            tokens,
            hosts: config.api.hosts.iter().map(|name| name.to_ascii_lowercase()).collect(),
            read_time: config.api.read_time,
            upload_time: config.api.upload_time,
            upload_bytes: config.api.upload_mib.saturating_mul(1 << 20),
            uploads: Arc::new(Semaphore::new(config.api.uploads.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// How long a client may take to send the head of a request.
    pub fn read_time(&self) -> Duration {
        self.read_time
    }

    fn is_own_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        // Only names can be bound to another's address; an address is what it is.
        address.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.hosts.contains(&host)
    }

    /// The role that the request's token gives it.
    fn caller(&self, headers: &HeaderMap) -> Option<Role> {
        if !self.tokens.are_set() {
            return Some(Role::Write);
        }
        let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { self.tokens.role(token.trim()) } else { None }
    }

    fn check_site(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let refused = |cause: String| Problem::new(403, "foreign-site", "the request comes from elsewhere", cause);
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
        let (Some(host), None) = (host, hosts.next()) else {
            return Err(Problem::new(400, "bad-request", "the request makes no sense", "it needs one header Host"));
        };
        let in_target = request.uri().authority();
        if !self.is_own_name(host.host()) || in_target.is_some_and(|target| *target != host) {
            return Err(refused(format!("its Host is {host}, which is not a name of this host"))
                .fix("call it by its address or as localhost, or add the name to api.hosts"));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let (_, authority) = origin.split_once("://").unwrap_or_default();
            if !authority.eq_ignore_ascii_case(host.as_str()) {
                return Err(refused(format!("its Origin is {origin:?}, and its Host {host}"))
                    .fix("a proxy in front of the host must pass on the header Host as it came"));
            }
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_foreign = matches!(text(FETCH_SITE), Some("cross-site" | "same-site"));
        let is_link = request.method() == Method::GET && text(FETCH_MODE) == Some("navigate");
        if is_foreign && !is_link {
            return Err(refused("the browser says that a page of another site sends it".to_owned()));
        }
        Ok(())
    }
}

/// Checks where a request comes from.
pub(crate) async fn site(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check_site(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The guard at one route.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    guard: Arc<Guard>,
    role: Option<Role>,
    takes: Takes,
}

impl Gate {
    pub(crate) fn new(guard: &Arc<Guard>, route: &Route) -> Self {
        Self { guard: Arc::clone(guard), role: route.role, takes: route.takes }
    }

    fn check_role(&self, caller: Option<Role>) -> Result<(), Problem> {
        match (self.role, caller) {
            (Some(_), None) => {
                Err(Problem::new(401, "no-token", "the request is not allowed", "this host asks for a token").fix(
                    "send `Authorization: Bearer TOKEN`; client commands take it from PELTON_TOKEN or --token-file",
                ))
            }
            (Some(Role::Write), Some(Role::Read)) => {
                Err(Problem::new(403, "read-only", "the request is not allowed", "this token is for looking only")
                    .fix("use the token of the role write"))
            }
            _ => Ok(()),
        }
    }

    fn check_type(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let wanted = self.takes.content_type();
        let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = found.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(wanted) {
            return Ok(());
        }
        // No page of another site can send these types without asking first.
        let cause = format!("its content type is {found:?}, not {wanted}");
        Err(Problem::new(415, "content-type", "the body is not taken", cause)
            .fix(format!("send `Content-Type: {wanted}`")))
    }

    /// Reads the body within its size and time.
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Body, Problem> {
        let (limit, time) = match self.takes {
            Takes::Json => (JSON_BYTES, self.guard.read_time),
            Takes::Wasm => (self.guard.upload_bytes, self.guard.upload_time),
        };
        let too_large = || {
            let problem =
                Problem::new(413, "too-large", "the body is not taken", format!("it is larger than {limit} bytes"));
            if self.takes == Takes::Wasm { problem.fix("api.upload_mib sets the limit") } else { problem }
        };
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        match tokio::time::timeout(time, axum::body::to_bytes(body, limit)).await {
            Ok(Ok(bytes)) => Ok(Body::from(bytes)),
            Ok(Err(error)) if is_over_limit(&error) => Err(too_large()),
            Ok(Err(error)) => Err(Problem::new(400, "bad-request", "the body broke off", error.to_string())),
            Err(_) => {
                Err(Problem::new(408, "too-slow", "the body is not taken", format!("it did not come within {time:?}")))
            }
        }
    }

    async fn pass(&self, parts: &mut Parts, body: Body) -> Result<Request, Problem> {
        let caller = self.guard.caller(&parts.headers);
        self.check_role(caller)?;
        parts.extensions.insert(Caller(caller));
        check_path(parts).await?;
        let safe = matches!(parts.method, Method::GET | Method::HEAD);
        let has_body = parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
            || parts.headers.contains_key(header::TRANSFER_ENCODING);
        let body = if safe {
            Body::empty()
        } else if has_body || parts.method != Method::DELETE {
            self.check_type(&parts.headers)?;
            self.read(&parts.headers, body).await?
        } else {
            body
        };
        Ok(Request::from_parts(parts.clone(), body))
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.to_string() == "length limit exceeded" {
            return true;
        }
        source = error.source();
    }
    false
}

/// Checks every name in the path: none leads out of the folder or the topic that is named after it.
async fn check_path(parts: &mut Parts) -> Result<(), Problem> {
    let refused = |cause: String| Problem::new(400, "bad-name", "the path makes no sense", cause);
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let params = params.map_err(|error| refused(error.body_text()))?;
    for (key, value) in &params {
        if key == "name" {
            check_name(value).map_err(|error| refused(error.to_string()))?;
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if value.len() > NAME_BYTES || !value.chars().all(legal) || value.starts_with('.') {
            return Err(refused(format!("the {key} in it is not of letters, digits, `.`, `_` and `-`")));
        }
    }
    Ok(())
}

/// Lets a request through to its route, or says why not.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // Others wait here, before any of their bytes are taken; held until the answer is there.
    let turn = match gate.takes {
        Takes::Wasm if gate.check_role(gate.guard.caller(&parts.headers)).is_ok() => {
            let turn = Arc::clone(&gate.guard.uploads).acquire_owned();
            match tokio::time::timeout(gate.guard.upload_time, turn).await {
                Ok(turn) => Some(turn),
                Err(_) => {
                    return Problem::new(
                        429,
                        "too-many-uploads",
                        "the upload is not taken",
                        "too many others are under way",
                    )
                    .fix("try again later; api.uploads sets how many are taken at once")
                    .into_response();
                }
            }
        }
        _ => None,
    };
    let response = match gate.pass(&mut parts, body).await {
        Ok(request) => next.run(request).await,
        Err(problem) => {
            let asks = problem.status == 401;
            let mut response = problem.into_response();
            if asks {
                let scheme = HeaderValue::from_static("Bearer realm=\"pelton\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    };
    drop(turn);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::settings::Secret;

    #[test]
    fn a_host_is_open_to_others_only_with_a_token_or_a_voucher() {
        let starts = |listen: &str, token: bool, behind_loopback: bool| {
            let mut config = Config { listen: listen.parse().unwrap(), ..Config::default() };
            config.api.token = token.then(|| Secret("the-token-of-those-who-write".to_owned()));
            config.api.behind_loopback = behind_loopback;
            Guard::new(&config).is_ok()
        };
        for loopback in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(starts(loopback, false, false) && starts(loopback, true, false), "{loopback}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!starts(open, false, false), "{open}");
            assert!(starts(open, true, false) && starts(open, false, true), "{open}");
        }
    }
}
