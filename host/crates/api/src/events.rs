//! What changes, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): jobs with
//! their states and counts, and the lines of a job's log. Each event is encoded once for all streams, and a stream
//! holds one of them and nothing more, however long it lasts and however slowly its client reads.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::watch;

use crate::context::Context;
use crate::feed::event;
use crate::places::Place;
use crate::problem::{Problem, Query};
use crate::types::LogLines;
use pelton_model::log::JobLog;

/// Most lines of a log in one answer.
const MOST_LINES: usize = 1000;
/// How often a comment says that the stream is there, where nothing else does.
pub(crate) const ALIVE_EVERY: Duration = Duration::from_secs(15);
pub(crate) const ALIVE: &[u8] = b":\n\n";
/// What a client is told last that reads too slowly.
const TOO_SLOW: &[u8] = b": this stream ends, for its events came faster than they were read; ask again\n\n";

pub(crate) fn stream_of<E: Into<BoxError>>(events: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

/// Jobs and files: all at once, then whatever has changed.
pub(crate) async fn events(
    State(context): State<Context>,
    Extension(place): Extension<Arc<Place>>,
) -> Result<Response, Problem> {
    place.stream()?;
    let (first, reader) = context.feed.subscribe(&place);
    let events = stream::unfold((Some(first), Some(reader)), |(first, reader)| async move {
        let mut reader = reader?;
        let (event, reader) = match first {
            Some(first) => (first, Some(reader)),
            None => match tokio::time::timeout(ALIVE_EVERY, reader.next()).await {
                Ok(Some(event)) => (event, Some(reader)),
                Ok(None) => (Bytes::from_static(TOO_SLOW), None),
                Err(_) => (Bytes::from_static(ALIVE), Some(reader)),
            },
        };
        Some((Ok::<_, Infallible>(event), (None, reader)))
    });
    Ok(stream_of(events))
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
    Extension(place): Extension<Arc<Place>>,
) -> Result<Response, Problem> {
    let log = context.jobs.log(&name)?;
    let limit = query.limit.unwrap_or(MOST_LINES).min(MOST_LINES);
    if !query.follow {
        let lines = log.since(query.since, limit).into_iter().map(|kept| kept.line.clone()).collect();
        return Ok(Json(LogLines { lines }).into_response());
    }
    place.stream()?;
    Ok(stream_of(follow(&log, query.since, limit, ALIVE_EVERY)))
}

fn follow(
    log: &Arc<JobLog>,
    since: u64,
    limit: usize,
    alive_every: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    struct Follow {
        /// Weak, so that the stream ends with the job.
        log: Weak<JobLog>,
        last: watch::Receiver<u64>,
        since: u64,
    }
    let last = log.watch();
    // Of those that are there only the last ones; then whatever comes.
    let newest = *last.borrow();
    let first = log.since(since, limit).first().map(|kept| kept.line.seq - 1);
    let since = first.unwrap_or_else(|| since.max(newest));
    let start = Follow { log: Arc::downgrade(log), last, since };
    stream::unfold(start, move |mut at| async move {
        loop {
            at.last.mark_unchanged();
            if let Some(kept) = at.log.upgrade()?.after(at.since) {
                let seq = kept.line.seq;
                let missed = seq - at.since - 1;
                at.since = seq;
                let mut event = kept.encoded(|line| event("log", Some(seq), line));
                if missed > 0 {
                    let told = format!(": {missed} lines came faster than they were read, and are left out\n\n");
                    event = [told.as_bytes(), &event].concat().into();
                }
                return Some((Ok(event), at));
            }
            match tokio::time::timeout(alive_every, at.last.changed()).await {
                // Its sender goes with the log.
                Ok(changed) => changed.ok()?,
                Err(_) => return Some((Ok(Bytes::from_static(ALIVE)), at)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    fn log() -> Arc<JobLog> {
        let log = Arc::new(JobLog::default());
        log.add(tracing::Level::INFO, "job", "one");
        log
    }

    #[tokio::test]
    async fn a_followed_log_ends_with_its_job() {
        let log = log();
        let mut lines = Box::pin(follow(&log, 0, 10, ALIVE_EVERY));
        assert!(lines.next().await.is_some());
        log.add(tracing::Level::INFO, "job", "two");
        assert!(lines.next().await.is_some());
        let waiting = tokio::spawn(async move { lines.next().await.is_none() });
        drop(log);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn all_who_follow_share_the_bytes_and_who_is_slow_is_told_what_it_missed() {
        let log = log();
        let (mut one, mut other) =
            (Box::pin(follow(&log, 0, 10, ALIVE_EVERY)), Box::pin(follow(&log, 0, 10, ALIVE_EVERY)));
        let (first, second) = (one.next().await.unwrap().unwrap(), other.next().await.unwrap().unwrap());
        assert!(first.starts_with(b"event: log\ndata: {\"seq\":1,"), "{first:?}");
        assert_eq!(first.as_ptr(), second.as_ptr());
        for i in 0..1010 {
            log.add(tracing::Level::INFO, "job", i.to_string());
        }
        let next = one.next().await.unwrap().unwrap();
        assert!(
            next.starts_with(b": 10 lines came faster than they were read, and are left out\n\nevent: log"),
            "{next:?}"
        );
        let next = one.next().await.unwrap().unwrap();
        assert!(next.starts_with(b"event: log\ndata: {\"seq\":13,"), "{next:?}");
    }

    #[tokio::test]
    async fn who_wants_the_last_lines_gets_those_and_what_comes() {
        let log = log();
        log.add(tracing::Level::INFO, "job", "two");
        let mut last = Box::pin(follow(&log, 0, 1, ALIVE_EVERY));
        let mut none = Box::pin(follow(&log, 0, 0, ALIVE_EVERY));
        let next = last.next().await.unwrap().unwrap();
        assert!(next.starts_with(b"event: log\ndata: {\"seq\":2,"), "{next:?}");
        log.add(tracing::Level::INFO, "job", "three");
        for stream in [&mut last, &mut none] {
            let next = stream.next().await.unwrap().unwrap();
            assert!(next.starts_with(b"event: log\ndata: {\"seq\":3,"), "{next:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_stream_says_that_it_is_there() {
        let log = log();
        let mut lines = Box::pin(follow(&log, 1, 10, Duration::from_millis(10)));
        assert_eq!(lines.next().await.unwrap().unwrap(), ALIVE);
    }
}
