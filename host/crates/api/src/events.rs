//! What changes, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): jobs with
//! their states and counts, and the lines of a job's log. A stream holds what it sent last and nothing more, however
//! long it lasts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::watch;

use crate::context::Context;
use crate::problem::{Problem, Query};
use crate::types::{Available, JobView, JobsEvent, LogLines};
use pelton_model::log::JobLog;

/// How often jobs are looked at for a stream, and at least after a change of the files.
const EVERY: Duration = Duration::from_millis(500);
const SOONEST: Duration = Duration::from_millis(50);
/// Most lines of a log in one answer.
const MOST_LINES: usize = 1000;

/// What a stream of jobs has sent.
#[derive(Default)]
struct Sent {
    jobs: BTreeMap<String, JobView>,
    available: Option<Vec<Available>>,
    began: bool,
}

impl Sent {
    /// What has changed since, if anything.
    fn next(&mut self, jobs: Vec<JobView>, available: Vec<Available>) -> Option<JobsEvent> {
        let gone: Vec<_> =
            self.jobs.keys().filter(|name| !jobs.iter().any(|job| job.name == **name)).cloned().collect();
        gone.iter().for_each(|name| drop(self.jobs.remove(name)));
        let changed: Vec<_> = jobs.into_iter().filter(|job| self.jobs.get(&job.name) != Some(job)).collect();
        self.jobs.extend(changed.iter().map(|job| (job.name.clone(), job.clone())));
        let available = (self.available.as_ref() != Some(&available)).then_some(available);
        if available.is_some() {
            self.available.clone_from(&available);
        }
        let is_news = !self.began || !changed.is_empty() || !gone.is_empty() || available.is_some();
        self.began = true;
        is_news.then_some(JobsEvent { jobs: changed, gone, available })
    }
}

/// Jobs and files: all at once, then whatever has changed.
pub(crate) async fn events(State(context): State<Context>) -> impl IntoResponse {
    let files = context.jobs.files();
    let stream = stream::unfold((context, files, Sent::default()), |(context, mut files, mut sent)| async move {
        loop {
            if sent.began {
                tokio::time::sleep(SOONEST).await;
                // Its sender is there as long as the jobs are.
                let _ = tokio::time::timeout(EVERY - SOONEST, files.changed()).await;
            }
            files.mark_unchanged();
            let list = context.list();
            if let Some(event) = sent.next(list.jobs, list.available) {
                return Some((event_of("jobs", &event), (context, files, sent)));
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn event_of(name: &str, data: &impl serde::Serialize) -> Result<Event, Infallible> {
    // Plain data has no map with keys that JSON can't have.
    Ok(Event::default().event(name).json_data(data).unwrap_or_default())
}

/// Which lines of a log.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogQuery {
    /// Only lines with a greater number.
    since: u64,
    /// Most lines, the last ones.
    limit: Option<usize>,
    /// Whether to go on with the lines that come, as server-sent events of the name `log`.
    follow: bool,
}

/// The lines of a job's log: those there are, or, followed, those and all that come, until the job is cancelled.
pub(crate) async fn logs(
    State(context): State<Context>,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let log = context.jobs.log(&name)?;
    let limit = query.limit.unwrap_or(MOST_LINES).min(MOST_LINES);
    if !query.follow {
        return Ok(Json(LogLines { lines: log.since(query.since, limit) }).into_response());
    }
    Ok(Sse::new(follow(log, query.since, limit)).keep_alive(KeepAlive::default()).into_response())
}

fn follow(log: Arc<JobLog>, since: u64, limit: usize) -> impl Stream<Item = Result<Event, Infallible>> {
    struct Follow {
        /// Weak, so that the stream ends with the job.
        log: std::sync::Weak<JobLog>,
        last: watch::Receiver<u64>,
        lines: std::vec::IntoIter<super::types::LogLine>,
        since: u64,
        limit: usize,
    }
    let lines = Vec::new().into_iter();
    let start = Follow { last: log.watch(), log: Arc::downgrade(&log), lines, since, limit };
    stream::unfold(start, |mut at| async move {
        loop {
            if let Some(line) = at.lines.next() {
                at.since = line.seq;
                let event = event_of("log", &line).map(|event| event.id(line.seq.to_string()));
                return Some((event, at));
            }
            at.last.mark_unchanged();
            let lines = at.log.upgrade()?.since(at.since, at.limit);
            if lines.is_empty() {
                // Its sender goes with the log.
                at.last.changed().await.ok()?;
            }
            at.lines = lines.into_iter();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_are_sent() {
        let mut sent = Sent::default();
        assert_eq!(sent.next(vec![], vec![]).map(|event| event.available), Some(Some(vec![])));
        assert!(sent.next(vec![], vec![]).is_none());
        let file = Available { file: "a.wasm".to_owned(), ..Available::default() };
        assert_eq!(sent.next(vec![], vec![file.clone()]).unwrap().available, Some(vec![file.clone()]));
        assert!(sent.next(vec![], vec![file]).is_none());
    }

    #[tokio::test]
    async fn a_followed_log_ends_with_its_job() {
        use futures_util::StreamExt;
        let log = Arc::new(JobLog::default());
        log.add(tracing::Level::INFO, "job", "one");
        let mut lines = Box::pin(follow(Arc::clone(&log), 0, 10));
        assert!(lines.next().await.is_some());
        log.add(tracing::Level::INFO, "job", "two");
        assert!(lines.next().await.is_some());
        let waiting = tokio::spawn(async move { lines.next().await.is_none() });
        drop(log);
        assert!(waiting.await.unwrap());
    }
}
