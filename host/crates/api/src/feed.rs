//! What changes of jobs and files, for all streams of events together: looked at once, encoded once, and kept in one
//! queue, bounded in events and bytes, from which each stream takes the next. A stream that is behind all of it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pelton_control::Jobs;
use pelton_model::sync::lock;
use tokio::sync::watch;

use crate::types::{Available, JobView, JobsEvent};

/// How often jobs are looked at, and at least after a change of the files.
const EVERY: Duration = Duration::from_millis(500);
const SOONEST: Duration = Duration::from_millis(50);
/// Events that wait for the slowest reader: some seconds of a job that changes all the time.
const EVENTS: usize = 16;
/// Their bytes. One larger event waits alone.
const BYTES: usize = 16 << 20;

/// What has been told.
#[derive(Debug, Default)]
struct Told {
    jobs: BTreeMap<String, JobView>,
    available: Option<Vec<Available>>,
}

impl Told {
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
        let is_news = !changed.is_empty() || !gone.is_empty() || available.is_some();
        is_news.then_some(JobsEvent { jobs: changed, gone, available })
    }

    /// All of it, for who has been told nothing yet.
    fn whole(&self) -> JobsEvent {
        let (jobs, available) = (self.jobs.values().cloned().collect(), self.available.clone());
        JobsEvent { jobs, gone: Vec::new(), available: Some(available.unwrap_or_default()) }
    }
}

/// Jobs and files as they change.
#[derive(Debug)]
pub(crate) struct Feed {
    jobs: Arc<Jobs>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    told: Told,
    /// All of it, encoded, until something changes.
    whole: Option<Bytes>,
    events: Queue,
    /// Tells streams the number of the last event; there while a task looks for news, which it does as long as there is
    /// a stream.
    last: Option<watch::Sender<u64>>,
}

/// The last events, encoded.
#[derive(Debug, Default)]
struct Queue {
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// The number of the last one.
    last: u64,
}

impl Queue {
    fn push(&mut self, event: Bytes) -> u64 {
        self.bytes += event.len();
        self.kept.push_back(event);
        self.last += 1;
        while self.kept.len() > EVENTS || (self.bytes > BYTES && self.kept.len() > 1) {
            self.bytes -= self.kept.pop_front().map_or(0, |event| event.len());
        }
        self.last
    }

    /// The event after that of this number.
    fn after(&self, number: u64) -> Next {
        let behind = usize::try_from(self.last.saturating_sub(number)).unwrap_or(usize::MAX);
        match self.kept.len().checked_sub(behind) {
            Some(at) => self.kept.get(at).map_or(Next::NotYet, |event| Next::Event(event.clone())),
            None => Next::Gone(behind),
        }
    }
}

/// The next event of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Event(Bytes),
    /// Nothing has changed since.
    NotYet,
    /// It is no longer kept; the stream is so many behind.
    Gone(usize),
}

/// What a stream has taken of a feed.
#[derive(Debug)]
pub(crate) struct Reader {
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    taken: u64,
}

impl Reader {
    /// The next event, once there is one; else, by how many the reader is behind what is kept.
    pub(crate) async fn next(&mut self) -> Result<Bytes, usize> {
        loop {
            self.last.mark_unchanged();
            match lock(&self.feed.state).events.after(self.taken) {
                Next::Event(event) => {
                    self.taken += 1;
                    return Ok(event);
                }
                Next::Gone(behind) => return Err(behind),
                Next::NotYet => {}
            }
            // Its sender is there as long as a reader is.
            if self.last.changed().await.is_err() {
                return Err(0);
            }
        }
    }
}

impl Feed {
    pub(crate) fn new(jobs: Arc<Jobs>) -> Self {
        Self { jobs, state: Mutex::default() }
    }

    /// Everything as it is, as the first event of a stream, and the events that follow.
    pub(crate) fn subscribe(self: &Arc<Self>) -> (Bytes, Reader) {
        let mut state = lock(&self.state);
        let last = match &state.last {
            Some(last) => last.subscribe(),
            None => {
                state.look(&self.jobs);
                tokio::spawn(Arc::clone(self).tell());
                state.last.insert(watch::Sender::new(0)).subscribe()
            }
        };
        let State { told, whole, events, .. } = &mut *state;
        let first = whole.get_or_insert_with(|| event("jobs", None, &told.whole())).clone();
        let taken = events.last;
        (first, Reader { feed: Arc::clone(self), last, taken })
    }

    /// Tells news to the streams, until there is none left.
    async fn tell(self: Arc<Self>) {
        let mut files = self.jobs.files();
        loop {
            files.mark_unchanged();
            tokio::time::sleep(SOONEST).await;
            // Its sender is there as long as the jobs are.
            let _ = tokio::time::timeout(EVERY - SOONEST, files.changed()).await;
            let mut state = lock(&self.state);
            if state.last.as_ref().is_none_or(|last| last.receiver_count() == 0) {
                *state = State::default();
                return;
            }
            if let Some(news) = state.look(&self.jobs) {
                let number = state.events.push(event("jobs", None, &news));
                state.last.as_ref().map(|last| last.send_replace(number));
            }
        }
    }
}

impl State {
    fn look(&mut self, jobs: &Jobs) -> Option<JobsEvent> {
        let news = self.told.next(jobs.list(), jobs.available());
        if news.is_some() {
            self.whole = None;
        }
        news
    }
}

/// A server-sent event with data in JSON.
pub(crate) fn event(name: &str, id: Option<u64>, data: &impl serde::Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    // Plain data has no map with keys that JSON can't have; and JSON of one line has no line breaks.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n");
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_are_told() {
        let mut told = Told::default();
        assert_eq!(told.next(vec![], vec![]).map(|event| event.available), Some(Some(vec![])));
        assert!(told.next(vec![], vec![]).is_none());
        let file = Available { file: "a.wasm".to_owned(), ..Available::default() };
        assert_eq!(told.next(vec![], vec![file.clone()]).unwrap().available, Some(vec![file.clone()]));
        assert!(told.next(vec![], vec![file.clone()]).is_none());
        assert_eq!(told.whole().available, Some(vec![file]));
    }

    #[test]
    fn who_is_behind_all_that_is_kept_is_told_so_and_nobody_else() {
        let mut queue = Queue::default();
        assert_eq!(queue.after(0), Next::NotYet);
        for number in 1..=20 {
            assert_eq!(queue.push(Bytes::from(number.to_string())), number);
        }
        let next = |number| queue.after(number);
        assert_eq!((next(0), next(3)), (Next::Gone(20), Next::Gone(17)));
        assert_eq!((next(4), next(19), next(20)), (Next::Event("5".into()), Next::Event("20".into()), Next::NotYet));
        // Few that are large are as many as are kept.
        for _ in 0..20 {
            queue.push(Bytes::from(vec![0; BYTES / 4]));
        }
        assert_eq!(queue.kept.len(), 4);
        queue.push(Bytes::from(vec![0; BYTES * 2]));
        assert_eq!((queue.kept.len(), queue.bytes, queue.after(39)), (1, BYTES * 2, Next::Gone(2)));
    }

    #[test]
    fn an_event_is_written_as_the_standard_has_it() {
        let written = event("log", Some(7), &serde_json::json!({"message": "two\nlines"}));
        assert_eq!(written, "event: log\ndata: {\"message\":\"two\\nlines\"}\nid: 7\n\n");
    }
}
