//! Who may call, and with what: everything that is checked before a handler sees a request.
//!
//! - `site`, for every request: a page of another site has no business here. The `Host` must be an address, `localhost`
//!   or a name that is set, so that no other name can be bound to this port (DNS rebinding); an `Origin` must be this
//!   host; what a browser marks as coming from elsewhere is refused unless somebody just opens the page.
//! - `gate`, for each route of the table: how often its address has shown a wrong token, the caller's role, a
//!   [place](crate::places), names in the path, the content type, and the body, which is read here, within its size and
//!   time. A change goes on to its end from here, also where the client goes away, and is in the audit.
//!
//! Tokens are kept as digests and compared in constant time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::audit::{Change, Who};
use crate::failures::Failures;
use crate::peer::Peer;
use crate::places::{Full, Place};
use crate::problem::{self, Problem};
pub use crate::role::Role;
use crate::route::{Route, Takes};
use crate::start_error::StartError;
use crate::tokens::Tokens;
use pelton_model::cause::Because as _;
use pelton_model::name::check_name;
use pelton_model::settings::Config;

/// Largest JSON body: the parameters of a job, escaped.
const JSON_BYTES: usize = 8 << 20;
/// Larger ones have their turn among the uploads, so that those that are read at once are small.
const SMALL_BYTES: usize = 1 << 20;
/// Changes that are under way at once, also those whose clients have gone.
const CHANGES: usize = 128;
/// Longest part of a path that stands for something.
const NAME_BYTES: usize = 255;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The role that a request has shown to have, among its extensions; `None` where it has shown none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) Option<Role>);

/// What a request shows of its caller.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Role(Role),
    /// No token.
    Nothing,
    /// A token that is none of the host's.
    Wrong,
    /// A token that is not looked at for so long, after too many wrong ones.
    TooMany(Duration),
}

impl Shown {
    fn role(self) -> Option<Role> {
        match self {
            Self::Role(role) => Some(role),
            Self::Nothing | Self::Wrong | Self::TooMany(_) => None,
        }
    }
}

/// Who may call, and how much a caller may take.
#[derive(Debug)]
pub struct Guard {
    tokens: Tokens,
    failures: Failures,
    /// Whether it speaks TLS itself.
    is_secure: bool,
    hosts: Vec<String>,
    read_time: Duration,
    upload_time: Duration,
    upload_bytes: usize,
    uploads: Arc<Semaphore>,
    changes: Arc<Semaphore>,
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
        anyhow::ensure!(config.api.failed_tokens > 0, "api.failed_tokens is 0; it must be at least 1");
        Ok(Self {
            tokens,
            failures: Failures::new(config.api.failed_tokens),
            is_secure: config.api.tls_cert_file.is_some(),
            hosts: config.api.hosts.iter().map(|name| name.to_ascii_lowercase()).collect(),
            read_time: config.api.read_time,
            upload_time: config.api.upload_time,
            upload_bytes: config.api.upload_mib.saturating_mul(1 << 20),
            uploads: Arc::new(Semaphore::new(config.api.uploads.min(Semaphore::MAX_PERMITS))),
            changes: Arc::new(Semaphore::new(CHANGES)),
        })
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

    /// What the request shows of its caller. A wrong token counts against its address, and one of an address that has
    /// no try left is not looked at.
    fn caller(&self, headers: &HeaderMap, place: &Place) -> Shown {
        if !self.tokens.are_set() {
            return Shown::Role(Role::Write);
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let Some((_, token)) = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Shown::Nothing;
        };
        let (peer, now) = (Peer::of(place.address), Instant::now());
        if let Err(wait) = self.failures.check(peer, now) {
            return Shown::TooMany(wait);
        }
        match self.tokens.role(token.trim()) {
            Some(role) => Shown::Role(role),
            None => {
                if self.failures.failed(peer, now) {
                    tracing::warn!(
                        target: "audit",
                        { audit.from = %place.address },
                        "audit: too many wrong tokens: others of this address are answered 429 for now"
                    );
                }
                Shown::Wrong
            }
        }
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
            let (scheme, authority) = origin.split_once("://").unwrap_or_default();
            // Without TLS of its own it may stand behind a proxy that has it.
            let is_own_scheme = scheme == "https" || !self.is_secure;
            if !authority.eq_ignore_ascii_case(host.as_str()) || !is_own_scheme {
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
    /// What the audit calls the change that the route makes; `None` where it makes none.
    verb: Option<Arc<str>>,
}

impl Gate {
    pub(crate) fn new(guard: &Arc<Guard>, route: &Route) -> Self {
        let verb = (route.method != Method::GET).then(|| Arc::from(route.verb()));
        Self { guard: Arc::clone(guard), role: route.role, takes: route.takes, verb }
    }

    fn check_role(&self, caller: Shown) -> Result<(), Problem> {
        match (self.role, caller) {
            (None, _) => Ok(()),
            (Some(_), Shown::TooMany(wait)) => {
                let cause = "too many requests with a wrong token came from its address";
                Err(Problem::new(429, "too-many-failures", "the request is not allowed", cause)
                    .fix(
                        "use the right token after the time that the header Retry-After tells; api.failed_tokens sets \
                          how many wrong ones are answered in a minute",
                    )
                    .retry_after(wait))
            }
            (Some(_), Shown::Nothing | Shown::Wrong) => {
                Err(Problem::new(401, "no-token", "the request is not allowed", "this host asks for a token").fix(
                    "send `Authorization: Bearer TOKEN`; client commands take it from PELTON_TOKEN or --token-file",
                ))
            }
            (Some(Role::Write), Shown::Role(Role::Read)) => {
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
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let announced = announced(headers);
        let (limit, time) = match self.takes {
            // What does not say how long it is has no turn.
            Takes::Json if announced.is_none() => (SMALL_BYTES, self.guard.read_time),
            Takes::Json => (JSON_BYTES, self.guard.read_time),
            Takes::Wasm => (self.guard.upload_bytes, self.guard.upload_time),
        };
        let too_large = || {
            let problem =
                Problem::new(413, "too-large", "the body is not taken", format!("it is larger than {limit} bytes"));
            if self.takes == Takes::Wasm { problem.fix("api.upload_mib sets the limit") } else { problem }
        };
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        match tokio::time::timeout(time, axum::body::to_bytes(body, limit)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if is_over_limit(&error) => Err(too_large()),
            Ok(Err(error)) => Err(Problem::new(400, "bad-request", "the body broke off", error.to_string())),
            Err(_) => {
                Err(Problem::new(408, "too-slow", "the body is not taken", format!("it did not come within {time:?}")))
            }
        }
    }

    /// Waits for the turn of an upload or another large body, before any of its bytes are taken.
    async fn turn(&self, headers: &HeaderMap) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let is_small = announced(headers).is_none_or(|length| length <= SMALL_BYTES as u64);
        if self.takes != Takes::Wasm && is_small {
            return Ok(None);
        }
        let turn = Arc::clone(&self.guard.uploads).acquire_owned();
        match tokio::time::timeout(self.guard.upload_time, turn).await {
            Ok(turn) => Ok(turn.ok()),
            Err(_) => {
                let cause = "too many others are under way";
                Err(Problem::new(429, "too-many-uploads", "the upload is not taken", cause)
                    .fix("try again later; api.uploads sets how many are taken at once"))
            }
        }
    }

    /// The body, read within its size and time.
    async fn pass(&self, parts: &mut Parts, body: Body) -> Result<Bytes, Problem> {
        check_path(parts).await?;
        let has_body = parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
            || parts.headers.contains_key(header::TRANSFER_ENCODING);
        if matches!(parts.method, Method::GET | Method::HEAD) || !has_body && parts.method == Method::DELETE {
            return Ok(Bytes::new());
        }
        self.check_type(&parts.headers)?;
        self.read(&parts.headers, body).await
    }

    /// A change as the audit knows it before its body is read. Who has no token at all is not in the audit, since there
    /// may be any number of those.
    fn change(&self, caller: Shown, place: &Place, job: Option<&str>) -> Option<Change> {
        let who = match caller {
            Shown::Role(_) if !self.guard.tokens.are_set() => Who::Anybody,
            Shown::Role(role) => Who::Token(role),
            Shown::Wrong => Who::Nobody,
            Shown::Nothing | Shown::TooMany(_) => return None,
        };
        self.verb.as_deref().map(|verb| Change::new(who, place.address, verb, job))
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

/// How long a body says that it is.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The job that a path names.
async fn job(parts: &mut Parts) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    params.iter().find_map(|(key, value)| (key == "name").then(|| value.to_owned()))
}

/// Lets a request through to its route, or says why not.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(place) = parts.extensions.get::<Arc<Place>>().cloned() else {
        return Problem::new(500, "internal", "the host failed", "the request came by no connection").into_response();
    };
    let caller = gate.guard.caller(&parts.headers, &place);
    parts.extensions.insert(Caller(caller.role()));
    let change = gate.change(caller, &place, job(&mut parts).await.as_deref());
    let admitted = async {
        gate.check_role(caller)?;
        if gate.role.is_some() {
            place.request()?;
        }
        place.waits(true);
        let turn = gate.turn(&parts.headers).await?;
        let body = gate.pass(&mut parts, body).await?;
        place.waits(false);
        // Only now, so that nobody who sends slowly holds one.
        let slot = gate.verb.as_ref().map(|_| Arc::clone(&gate.guard.changes).try_acquire_owned());
        let slot = slot.transpose().map_err(|_| Full::Requests(CHANGES))?;
        Ok::<_, Problem>(((turn, slot), body))
    };
    let (held, body) = match admitted.await {
        Ok(admitted) => admitted,
        Err(problem) => return refused(problem, change),
    };
    let change = change.map(|change| if gate.takes == Takes::Json { change.with(&body) } else { change });
    let request = Request::from_parts(parts, Body::from(body));
    let Some(change) = change else { return next.run(request).await };
    // Whoever has asked for it may go away meanwhile.
    let whole = tokio::spawn(async move {
        let response = problem::told(request, next).await;
        change.became(&response);
        drop(held);
        response
    });
    whole
        .await
        .unwrap_or_else(|error| Problem::new(500, "internal", "the host failed", error.to_string()).into_response())
}

fn refused(problem: Problem, change: Option<Change>) -> Response {
    let asks = problem.status == 401;
    let mut response = problem.into_response();
    if asks {
        let scheme = HeaderValue::from_static("Bearer realm=\"pelton\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    if let Some(change) = change {
        change.became(&response);
    }
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
