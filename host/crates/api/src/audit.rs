//! The audit: a line of the log, of the source `audit`, for each change that somebody asked the API for: who, from
//! where, what, and what became of it. Nothing in it moves a cursor or begins a line of its own.

use std::net::SocketAddr;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::problem::Code;
use crate::role::Role;
use crate::types::dead_letters::{Purged, Redriven};
use crate::types::{Applied, Done, JobView, ShadowReport, Sought, Uploaded};

/// Most characters of what a client says.
const LONGEST: usize = 128;

/// What a change is about, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    job: Option<String>,
    version: Option<u32>,
    digest: Option<String>,
}

/// What the answer to a change says it was about.
pub(crate) trait Told {
    fn subject(&self) -> Subject;
}

impl Told for JobView {
    fn subject(&self) -> Subject {
        Subject { job: Some(self.name.clone()), version: Some(self.version), digest: Some(self.digest.clone()) }
    }
}

impl Told for Done {
    fn subject(&self) -> Subject {
        self.job.subject()
    }
}

impl Told for Applied {
    fn subject(&self) -> Subject {
        Subject { job: Some(self.name.clone()), ..Subject::default() }
    }
}

impl Told for Uploaded {
    fn subject(&self) -> Subject {
        Subject { digest: Some(self.digest.clone()), ..Subject::default() }
    }
}

impl Told for ShadowReport {
    fn subject(&self) -> Subject {
        Subject { digest: Some(self.digest.clone()), ..Subject::default() }
    }
}

impl Told for Redriven {
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

impl Told for Purged {
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

impl Told for Sought {
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// The answer to a change, in JSON.
#[derive(Debug)]
pub(crate) struct Changed<T>(pub(crate) T);

impl<T: Told + Serialize> IntoResponse for Changed<T> {
    fn into_response(self) -> Response {
        let subject = self.0.subject();
        let mut response = Json(self.0).into_response();
        response.extensions_mut().insert(subject);
        response
    }
}

/// What a request says of itself, whatever else is in its body.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    name: Option<String>,
    available: Option<String>,
    digest: Option<String>,
    to: Option<u32>,
    by: Option<String>,
    /// Of an apply, which has a submit within.
    job: Option<Box<Asked>>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// Somebody with this token.
    Token(Role),
    /// Somebody whose token is none of the host's.
    Nobody,
    /// Whoever reaches the host, since it has no token.
    Anybody,
}

impl Who {
    fn text(self) -> &'static str {
        match self {
            Self::Token(Role::Write) => "write",
            Self::Token(Role::Read) => "read",
            Self::Nobody => "nobody",
            Self::Anybody => "anybody",
        }
    }
}

/// A change that is asked for.
#[derive(Debug)]
pub(crate) struct Change {
    who: Who,
    from: SocketAddr,
    verb: Box<str>,
    subject: Subject,
    /// Who the client says it is.
    by: Option<String>,
}

impl Change {
    /// Of the job that is named in the path.
    pub(crate) fn new(who: Who, from: SocketAddr, verb: &str, job: Option<&str>) -> Self {
        let subject = Subject { job: job.map(str::to_owned), ..Subject::default() };
        Self { who, from, verb: verb.into(), subject, by: None }
    }

    /// With what its body says.
    pub(crate) fn with(mut self, body: &[u8]) -> Self {
        let mut asked: Asked = serde_json::from_slice(body).unwrap_or_default();
        if let Some(job) = asked.job.take() {
            asked = *job;
        }
        let Asked { name, available, digest, to, by, .. } = asked;
        let Subject { job, .. } = self.subject;
        self.subject = Subject { job: job.or(name).or(available), version: to, digest };
        self.by = by;
        self
    }

    /// Writes the line.
    pub(crate) fn became(self, response: &Response) {
        let said = response.extensions().get::<Subject>().cloned().unwrap_or_default();
        let code = response.extensions().get::<Code>().map(|Code(code)| clean(code));
        let job = said.job.or(self.subject.job).map(|job| clean(&job));
        let version = said.version.or(self.subject.version);
        let digest = said.digest.or(self.subject.digest).map(|digest| clean(&digest));
        let (by, status) = (self.by.map(|by| clean(&by)), response.status().as_u16());
        let (who, from, verb) = (self.who.text(), self.from, &*self.verb);
        tracing::info!(
            target: "audit",
            {
                audit.who = who,
                audit.from = %from,
                audit.verb = verb,
                audit.by = by.as_deref(),
                job.name = job.as_deref(),
                job.version = version,
                job.digest = digest.as_deref(),
                audit.status = status,
                audit.code = code.as_deref(),
            },
            "audit: {verb}: {status}"
        );
    }
}

/// A text of a client, of one line and without what a terminal would obey; of a long one the beginning.
fn clean(text: &str) -> String {
    let kept: String = text.chars().take(LONGEST).collect();
    let mut cleaned = kept.escape_debug().to_string();
    if kept.len() < text.len() {
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::problem::Problem;

    /// What is written to the log meanwhile.
    fn logged(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let same = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || same.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let written = lines.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    fn change() -> Change {
        Change::new(Who::Token(Role::Write), "10.0.0.1:5".parse().unwrap(), "reload", Some("alerts"))
    }

    #[test]
    fn it_says_who_from_where_what_and_what_became_of_it() {
        let report = Subject { job: None, version: Some(3), digest: Some("abc".to_owned()) };
        let mut response = Json(1).into_response();
        response.extensions_mut().insert(report);
        let line =
            logged(|| change().with(br#"{"digest": "asked", "by": "me@here", "force": true}"#).became(&response));
        let told = [
            r#"audit: reload: 200 audit.who="write" audit.from=10.0.0.1:5 audit.verb="reload" audit.by="me@here""#,
            r#"job.name="alerts" job.version=3 job.digest="abc" audit.status=200"#,
        ];
        assert!(line.contains(&told.join(" ")), "{line}");
        let problem = Problem::new(409, "would-drop", "title", "cause").into_response();
        let apply = Change::new(Who::Nobody, "10.0.0.1:5".parse().unwrap(), "apply", None);
        let line =
            logged(|| apply.with(br#"{"job": {"name": "alerts", "by": "me"}, "dry_run": true}"#).became(&problem));
        assert!(line.contains(r#"audit.by="me" job.name="alerts" audit.status=409"#), "{line}");
        let line = logged(|| change().with(br#"{"digest": "asked"}"#).became(&problem));
        assert!(line.contains(r#"job.digest="asked" audit.status=409 audit.code="would-drop""#), "{line}");
    }

    #[test]
    fn no_client_writes_a_line_of_it() {
        let body = serde_json::json!({
            "name": "a\nINFO audit: cancel: 200\u{1b}[2J",
            "by": "x\u{202e}\u{2028}\r\t\u{9b}y",
            "digest": "d".repeat(10_000),
        });
        let response = Problem::new(400, "bad-request", "title", "cause").into_response();
        let change = Change::new(Who::Anybody, "[::1]:5".parse().unwrap(), "submit", None);
        let line = logged(|| change.with(body.to_string().as_bytes()).became(&response));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.trim_end().chars().all(|c| !c.is_control() && !"\u{202e}\u{2028}".contains(c)), "{line:?}");
        assert!(line.len() < 1000 && line.contains("\\nINFO audit"), "{line}");
        // What is no JSON, or other JSON, says nothing.
        for body in [&b"{"[..], b"", b"[1]", br#"{"name": 7}"#, b"\xff\xfe"] {
            let line = logged(|| change_of_nothing().with(body).became(&response));
            assert!(line.contains("audit.status=400") && !line.contains("job.name"), "{line}");
        }
    }

    fn change_of_nothing() -> Change {
        Change::new(Who::Nobody, "[::1]:5".parse().unwrap(), "submit", None)
    }
}
