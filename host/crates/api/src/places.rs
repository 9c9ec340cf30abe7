//! Who gives way to whom. Connections have places of three kinds, each with a bound of its own, so that no kind can
//! take what another needs:
//!
//! - *open*: whoever has not shown that it may call: a handshake, a head that is not there yet, a connection that is
//!   kept for the next request, and requests that anybody may send, such as `/livez`. Nobody waits for such a place:
//!   where all are taken the oldest connection that has sent no head gives way, first of the address that has the most;
//! - *requests* of those who may call; where all are taken, one whose client does not read its answer gives way, or one
//!   whose body is not there yet, else the new one is refused. No address has more than three quarters of them;
//! - *streams* of events, of which an address with more than others gives the oldest.
//!
//! What answers wait to be read is bounded for all requests together.

mod bounds;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::peer::Peer;
pub use bounds::Bounds;
pub(crate) use bounds::Full;
use pelton_model::sync::lock;

/// How long an answer lies unread until its connection gives way to another.
const UNREAD: Duration = Duration::from_secs(1);
/// How often it is told that connections gave way.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a connection has its place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing that asks for a token.
    Open,
    /// A request of somebody who may send it.
    Request,
    /// A stream of events.
    Stream,
}

/// Since when a client leaves unread what is there for it.
#[derive(Debug, Default)]
pub(crate) struct Stall(Mutex<Option<Instant>>);

impl Stall {
    pub(crate) fn begin(&self) {
        lock(&self.0).get_or_insert_with(Instant::now);
    }

    pub(crate) fn end(&self) {
        *lock(&self.0) = None;
    }

    fn is_long(&self) -> bool {
        lock(&self.0).is_some_and(|since| since.elapsed() >= UNREAD)
    }
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    kind: Kind,
    /// Grows with each change of the place, so that the smallest is the oldest.
    turn: u64,
    /// Whether a request has come whose answer is not sent yet.
    asked: bool,
    /// Whether it has shown once that it may call.
    known: bool,
    /// Whether the body of its request is waited for.
    waits: bool,
    /// Bytes of its answer.
    unread: usize,
    stall: Arc<Stall>,
    leave: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    peers: HashMap<Peer, usize>,
    unread: usize,
    gave_way: GaveWay,
}

/// Connections that gave way since that was told last.
#[derive(Debug, Default)]
struct GaveWay {
    count: usize,
    told: Option<Instant>,
}

impl Taken {
    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn count(&self, kind: Kind) -> usize {
        self.entries.values().filter(|entry| entry.kind == kind).count()
    }

    fn count_of(&self, kind: Kind, peer: Peer) -> usize {
        self.entries.values().filter(|entry| entry.kind == kind && entry.peer == peer).count()
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(count) = self.peers.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&entry.peer);
            }
        }
        self.unread -= entry.unread;
        Some(entry)
    }

    /// Ends the connection that has to give way first: of the lowest rank, of the address that has the most, the
    /// oldest.
    fn evict(&mut self, rank: impl Fn(&Entry) -> Option<u8>) -> bool {
        let load = |peer: &Peer| self.peers.get(peer).copied().unwrap_or_default();
        let ranked = self.entries.iter().filter_map(|(id, entry)| {
            let rank = rank(entry)?;
            Some(((rank, Reverse(load(&entry.peer)), entry.turn), *id))
        });
        let Some((_, id)) = ranked.min() else { return false };
        let Some(entry) = self.remove(id) else { return false };
        // Its task ends with it, now or as soon as it is there.
        entry.leave.notify_one();
        self.gave_way.count += 1;
        let due = self.gave_way.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if due {
            tracing::warn!(
                "too many connections to the API: {} gave way to new ones, the last of {}, which had {}",
                self.gave_way.count,
                entry.peer,
                self.peers.get(&entry.peer).copied().unwrap_or_default() + 1
            );
            self.gave_way = GaveWay { count: 0, told: Some(Instant::now()) };
        }
        true
    }

    /// Makes room among those that have shown nothing: who has sent no head goes before who has, and who never could
    /// call before who could.
    fn keep_open_within(&mut self, bound: usize) {
        while self.count(Kind::Open) > bound {
            let rank = |entry: &Entry| match (entry.kind, entry.asked, entry.known) {
                (Kind::Open, false, false) => Some(0),
                (Kind::Open, false, true) => Some(1),
                (Kind::Open, true, _) => Some(2),
                _ => None,
            };
            if !self.evict(rank) {
                break;
            }
        }
    }
}

/// The places of all connections.
#[derive(Debug)]
pub(crate) struct Places {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

impl Places {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, taken: Mutex::default() })
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A place for a new connection, which is there at once.
    pub(crate) fn enter(self: &Arc<Self>, address: SocketAddr) -> Entered {
        let (peer, stall, leave) = (Peer::of(address), Arc::new(Stall::default()), Arc::new(Notify::new()));
        let mut taken = lock(&self.taken);
        taken.keep_open_within(self.bounds.open.saturating_sub(1));
        let turn = taken.turn();
        let entry = Entry {
            peer,
            kind: Kind::Open,
            turn,
            asked: false,
            known: false,
            waits: false,
            unread: 0,
            stall: Arc::clone(&stall),
            leave: Arc::clone(&leave),
        };
        taken.entries.insert(turn, entry);
        *taken.peers.entry(peer).or_default() += 1;
        drop(taken);
        Entered(Arc::new(Place { id: turn, address, places: Arc::clone(self), stall, leave }))
    }
}

/// Gives a place back when its connection ends.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Place>);

impl std::ops::Deref for Entered {
    type Target = Arc<Place>;

    fn deref(&self) -> &Arc<Place> {
        &self.0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.0.places.taken).remove(self.0.id);
    }
}

/// The place of one connection. Each request has it among its extensions.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    /// The other end.
    pub(crate) address: SocketAddr,
    places: Arc<Places>,
    pub(crate) stall: Arc<Stall>,
    leave: Arc<Notify>,
}

impl Place {
    /// Completes once the connection has to end, for the sake of others.
    pub(crate) async fn gives_way(&self) {
        self.leave.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        let mut taken = lock(&self.places.taken);
        let turn = taken.turn();
        if let Some(entry) = taken.entries.get_mut(&self.id) {
            entry.turn = turn;
            change(entry);
        }
    }

    /// The head of a request is there.
    pub(crate) fn asked(&self) {
        self.change(|entry| entry.asked = true);
    }

    /// Its caller may send the request.
    pub(crate) fn request(&self) -> Result<(), Full> {
        let bound = self.places.bounds.requests;
        let mut taken = lock(&self.places.taken);
        let peer = Peer::of(self.address);
        let share = bound - bound / 4;
        let idle = |entry: &Entry| match entry.kind {
            Kind::Request if entry.stall.is_long() => Some(0),
            Kind::Request if entry.waits => Some(1),
            _ => None,
        };
        let of_peer = |entry: &Entry| idle(entry).filter(|_| entry.peer == peer);
        if taken.count_of(Kind::Request, peer) >= share && !taken.evict(of_peer) {
            return Err(Full::Share(share));
        }
        if taken.count(Kind::Request) >= bound && !taken.evict(idle) {
            return Err(Full::Requests(bound));
        }
        if let Some(entry) = taken.entries.get_mut(&self.id) {
            (entry.kind, entry.known) = (Kind::Request, true);
        }
        Ok(())
    }

    /// Whether the body of its request is waited for, which nobody else has to wait for.
    pub(crate) fn waits(&self, waits: bool) {
        self.change(|entry| entry.waits = waits);
    }

    /// Ends the connection, whose client does not keep up.
    pub(crate) fn let_go(&self) {
        self.leave.notify_one();
    }

    /// Its answer is a stream of events.
    pub(crate) fn stream(&self) -> Result<(), Full> {
        let bound = self.places.bounds.streams;
        let mut taken = lock(&self.places.taken);
        let peer = Peer::of(self.address);
        if taken.count(Kind::Stream) >= bound {
            let mine = taken.count_of(Kind::Stream, peer);
            let mut of: HashMap<Peer, usize> = HashMap::new();
            let streams = taken.entries.values().filter(|entry| entry.kind == Kind::Stream);
            streams.for_each(|entry| *of.entry(entry.peer).or_default() += 1);
            let most = of.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > mine + 1);
            let rank = |entry: &Entry| match entry.kind {
                Kind::Stream if entry.stall.is_long() => Some(0),
                Kind::Stream if most.is_some_and(|(peer, _)| entry.peer == peer) => Some(1),
                _ => None,
            };
            if !taken.evict(rank) {
                return Err(Full::Streams(bound));
            }
        }
        if let Some(entry) = taken.entries.get_mut(&self.id) {
            entry.kind = Kind::Stream;
        }
        Ok(())
    }

    /// Its answer has so many bytes. One that is larger than all that may be there is sent where there is no other.
    pub(crate) fn answer(&self, bytes: usize) -> Result<(), Full> {
        let bound = self.places.bounds.unread;
        let mut taken = lock(&self.places.taken);
        if taken.entries.get(&self.id).is_none_or(|entry| entry.kind == Kind::Open) {
            return Ok(());
        }
        while taken.unread > 0 && taken.unread.saturating_add(bytes) > bound {
            if !taken.evict(|entry| (entry.unread > 0 && entry.stall.is_long()).then_some(0)) {
                return Err(Full::Unread(taken.unread));
            }
        }
        if let Some(entry) = taken.entries.get_mut(&self.id) {
            entry.unread += bytes;
            taken.unread += bytes;
        }
        Ok(())
    }

    /// All of its answer is with the connection, which is open to the next request.
    pub(crate) fn answered(&self) {
        let mut taken = lock(&self.places.taken);
        let turn = taken.turn();
        let Some(entry) = taken.entries.get_mut(&self.id) else { return };
        let unread = std::mem::take(&mut entry.unread);
        (entry.kind, entry.asked, entry.waits, entry.turn) = (Kind::Open, false, false, turn);
        taken.unread -= unread;
        taken.keep_open_within(self.places.bounds.open);
    }

    /// What the place is for, as long as it is there.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> Option<Kind> {
        lock(&self.places.taken).entries.get(&self.id).map(|entry| entry.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Bounds = Bounds { open: 3, requests: 4, streams: 2, unread: 100 };

    fn from(address: &str) -> SocketAddr {
        format!("{address}:1").parse().unwrap()
    }

    fn kinds<'a>(places: impl IntoIterator<Item = &'a Entered>) -> Vec<Option<Kind>> {
        places.into_iter().map(|entered| entered.kind()).collect()
    }

    /// Lets its client have left its answer unread for long.
    fn stalls(place: &Place) {
        *lock(&place.stall.0) = Instant::now().checked_sub(UNREAD);
    }

    #[tokio::test]
    async fn the_oldest_without_a_head_gives_way_first() {
        let places = Places::new(FEW);
        let all: Vec<_> = (0..3).map(|_| places.enter(from("10.0.0.1"))).collect();
        all[0].asked();
        let new = places.enter(from("10.0.0.1"));
        assert_eq!(kinds(&all), [Some(Kind::Open), None, Some(Kind::Open)]);
        all[1].gives_way().await;
        let newer = places.enter(from("10.0.0.1"));
        assert_eq!(kinds(&all), [Some(Kind::Open), None, None]);
        // A request that anybody may send goes last, but it goes: its client may read nothing of the answer.
        new.asked();
        newer.asked();
        let newest = places.enter(from("10.0.0.1"));
        assert_eq!(kinds(&all), [None; 3]);
        assert_eq!(kinds([&new, &newer, &newest]), [Some(Kind::Open); 3]);
    }

    #[test]
    fn an_address_with_many_gives_way_before_one_with_few_and_who_could_call_after_others() {
        let places = Places::new(FEW);
        let calm = places.enter(from("10.0.0.1"));
        let flood: Vec<_> = (0..9).map(|_| places.enter(from("10.0.0.2"))).collect();
        assert!(calm.kind().is_some() && kinds(&flood[..7]) == [None; 7], "{flood:?}");
        drop((calm, flood));

        let known = places.enter(from("10.0.0.2"));
        known.asked();
        known.request().unwrap();
        known.answered();
        let flood: Vec<_> = (0..9).map(|_| places.enter(from("10.0.0.2"))).collect();
        assert!(known.kind().is_some(), "{flood:?}");
        let more: Vec<_> = flood.into_iter().chain((0..9).map(|_| places.enter(from("10.0.0.3")))).collect();
        assert!(known.kind().is_some(), "{more:?}");
        drop((known, more));
        assert!(lock(&places.taken).peers.is_empty() && lock(&places.taken).entries.is_empty());
    }

    #[test]
    fn requests_are_refused_where_all_are_under_way_and_read() {
        let places = Places::new(Bounds { open: 9, ..FEW });
        let all: Vec<_> = (0..4).map(|i| places.enter(from(&format!("10.0.0.{}", i / 2)))).collect();
        all.iter().for_each(|place| place.request().unwrap());
        let new = places.enter(from("10.0.0.3"));
        assert_eq!(new.request(), Err(Full::Requests(4)));
        stalls(&all[2]);
        assert_eq!((new.request(), all[2].kind()), (Ok(()), None));
        new.answered();
        let newer = places.enter(from("10.0.0.4"));
        assert_eq!((newer.request(), new.kind()), (Ok(()), Some(Kind::Open)));
        // A body that does not come is not waited for by others.
        assert_eq!(new.request(), Err(Full::Requests(4)));
        all[3].waits(true);
        assert_eq!((new.request(), all[3].kind()), (Ok(()), None));
        newer.waits(true);
        newer.waits(false);
        assert_eq!(places.enter(from("10.0.0.5")).request(), Err(Full::Requests(4)));
    }

    #[test]
    fn no_address_has_all_requests() {
        let places = Places::new(Bounds { open: 9, ..FEW });
        let all: Vec<_> = (0..4).map(|_| places.enter(from("10.0.0.1"))).collect();
        all[..3].iter().for_each(|place| place.request().unwrap());
        assert_eq!(all[3].request(), Err(Full::Share(3)));
        assert_eq!(places.enter(from("10.0.0.2")).request(), Ok(()));
        stalls(&all[1]);
        assert_eq!((all[3].request(), all[1].kind()), (Ok(()), None));
    }

    #[test]
    fn a_stream_is_taken_from_who_reads_nothing_or_has_more() {
        let places = Places::new(Bounds { open: 9, streams: 3, ..FEW });
        let all: Vec<_> = (0..5).map(|_| places.enter(from("10.0.0.1"))).collect();
        all[..3].iter().for_each(|place| place.stream().unwrap());
        assert_eq!(all[3].stream(), Err(Full::Streams(3)));
        let other = places.enter(from("10.0.0.2"));
        assert_eq!((other.stream(), all[0].kind()), (Ok(()), None), "three against none");
        let another = places.enter(from("10.0.0.2"));
        assert_eq!(another.stream(), Err(Full::Streams(3)), "two against one");
        stalls(&all[2]);
        assert_eq!((all[4].stream(), all[2].kind()), (Ok(()), None));
    }

    #[test]
    fn what_waits_to_be_read_is_bounded() {
        let places = Places::new(Bounds { open: 9, ..FEW });
        let all: Vec<_> = (0..3).map(|_| places.enter(from("10.0.0.1"))).collect();
        all.iter().for_each(|place| place.request().unwrap());
        assert_eq!(all[0].answer(1000), Ok(()), "where there is no other");
        assert_eq!(all[1].answer(1), Err(Full::Unread(1000)));
        all[0].answered();
        assert_eq!((all[1].answer(60), all[2].answer(60)), (Ok(()), Err(Full::Unread(60))));
        stalls(&all[1]);
        assert_eq!((all[2].answer(60), all[1].kind()), (Ok(()), None));
        assert_eq!(lock(&places.taken).unread, 60);
        drop(all);
        assert_eq!(lock(&places.taken).unread, 0);
    }
}
