//! What changes of jobs and files, for all streams of events together: looked at once, encoded once, and kept in one
//! queue, bounded in events and bytes, from which each stream takes the next. A stream that is behind all of it ends at
//! once, so that whatever the streams hold is in that queue, or was just now.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pelton_control::Jobs;
use pelton_model::sync::lock;
use tokio::sync::watch;

use crate::places::Place;
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
    readers: BTreeMap<u64, Behind>,
    subscribed: u64,
    /// Tells streams the number of the last event; there while a task looks for news, which it does as long as there is
    /// a stream.
    last: Option<watch::Sender<u64>>,
}

/// Up to where a reader has taken events, and its connection.
#[derive(Debug)]
struct Behind {
    taken: u64,
    place: Arc<Place>,
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
            None => Next::Gone,
        }
    }
}

/// The next event of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Event(Bytes),
    /// Nothing has changed since.
    NotYet,
    /// It is no longer kept.
    Gone,
}

/// What a stream has taken of a feed.
#[derive(Debug)]
pub(crate) struct Reader {
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    number: u64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.feed.state).readers.remove(&self.number);
    }
}

impl Reader {
    /// The next event, once there is one; `None` where the reader is behind all that is kept.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.last.mark_unchanged();
            {
                let mut state = lock(&self.feed.state);
                let State { events, readers, .. } = &mut *state;
                let behind = readers.get_mut(&self.number)?;
                match events.after(behind.taken) {
                    Next::Event(event) => {
                        behind.taken += 1;
                        return Some(event);
                    }
                    Next::Gone => return None,
                    Next::NotYet => {}
                }
            }
            // Its sender is there as long as a reader is.
            self.last.changed().await.ok()?;
        }
    }
}

impl Feed {
    pub(crate) fn new(jobs: Arc<Jobs>) -> Self {
        Self { jobs, state: Mutex::default() }
    }

    /// Everything as it is, as the first event of a stream, and the events that follow.
    pub(crate) fn subscribe(self: &Arc<Self>, place: &Arc<Place>) -> (Bytes, Reader) {
        let mut state = lock(&self.state);
        let last = match &state.last {
            Some(last) => last.subscribe(),
            None => {
                state.look(&self.jobs);
                tokio::spawn(Arc::clone(self).tell());
                state.last.insert(watch::Sender::new(0)).subscribe()
            }
        };
        let State { told, whole, events, readers, subscribed, .. } = &mut *state;
        let first = whole.get_or_insert_with(|| event("jobs", None, &told.whole())).clone();
        *subscribed += 1;
        readers.insert(*subscribed, Behind { taken: events.last, place: Arc::clone(place) });
        (first, Reader { feed: Arc::clone(self), last, number: *subscribed })
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
            if state.readers.is_empty() {
                // No number is given twice: a reader that was let go may be there still.
                *state = State { subscribed: state.subscribed, ..State::default() };
                return;
            }
            if let Some(news) = state.look(&self.jobs) {
                state.push(event("jobs", None, &news));
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

    /// Gives an event to the streams, and lets those go whose next one is no longer kept.
    fn push(&mut self, event: Bytes) {
        let number = self.events.push(event);
        let oldest = number - self.events.kept.len() as u64;
        self.readers.retain(|_, Behind { taken, place }| {
            let keeps_up = *taken >= oldest;
            if !keeps_up {
                let (address, unread) = (place.address, number - *taken);
                tracing::info!("a client of the API, {address}, is let go: it left {unread} events unread");
                place.let_go();
            }
            keeps_up
        });
        if let Some(last) = &self.last {
            last.send_replace(number);
        }
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
    use crate::places::{Bounds, Places};

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
        assert_eq!((next(0), next(3)), (Next::Gone, Next::Gone));
        assert_eq!((next(4), next(19), next(20)), (Next::Event("5".into()), Next::Event("20".into()), Next::NotYet));
        // Few that are large are as many as are kept.
        for _ in 0..20 {
            queue.push(Bytes::from(vec![0; BYTES / 4]));
        }
        assert_eq!(queue.kept.len(), 4);
        queue.push(Bytes::from(vec![0; BYTES * 2]));
        assert_eq!((queue.kept.len(), queue.bytes, queue.after(39)), (1, BYTES * 2, Next::Gone));
    }

    #[tokio::test]
    async fn who_is_behind_is_let_go_and_who_reads_is_not() {
        let places = Places::new(Bounds::within(1024));
        let [deaf, reading] = ["10.0.0.1:1", "10.0.0.2:1"].map(|address| places.enter(address.parse().unwrap()));
        let mut state = State::default();
        for (number, place) in [(1, &deaf), (2, &reading)] {
            state.readers.insert(number, Behind { taken: 0, place: Arc::clone(place) });
        }
        for number in 1..=40_u64 {
            state.push(Bytes::from(number.to_string()));
            state.readers.get_mut(&2).unwrap().taken = number;
            assert_eq!(state.readers.contains_key(&1), number <= EVENTS as u64, "{number}");
        }
        deaf.gives_way().await;
        let still = tokio::time::timeout(Duration::from_millis(20), reading.gives_way()).await;
        assert!(still.is_err(), "who reads is let go");
    }

    #[test]
    fn an_event_is_written_as_the_standard_has_it() {
        let written = event("log", Some(7), &serde_json::json!({"message": "two\nlines"}));
        assert_eq!(written, "event: log\ndata: {\"message\":\"two\\nlines\"}\nid: 7\n\n");
    }
}
