//! How often an address may try tokens: whoever guesses is slowed down, and nobody elsewhere notices. What is kept of
//! addresses is bounded, however many there are.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::peer::Peer;
use pelton_model::sync::lock;

/// Addresses that are kept; beyond them the one that failed the longest ago is forgotten.
const ADDRESSES: usize = 4096;
/// In this time an address gets back all the tries that it may have.
const REFILL: Duration = Duration::from_secs(60);

/// Tries of one address.
#[derive(Debug, Clone, Copy)]
struct Tries {
    /// How many it had left when it failed last.
    left: f64,
    failed: Instant,
}

/// Failed tokens by address.
#[derive(Debug)]
pub(crate) struct Failures {
    most: f64,
    of: Mutex<HashMap<Peer, Tries>>,
}

impl Failures {
    /// So many tries in a minute for each address.
    pub(crate) fn new(most: usize) -> Self {
        // Exact for any number that people write.
        Self { most: most as f64, of: Mutex::default() }
    }

    fn left(&self, tries: &Tries, now: Instant) -> f64 {
        let since = now.saturating_duration_since(tries.failed).as_secs_f64();
        (tries.left + since * self.most / REFILL.as_secs_f64()).min(self.most)
    }

    /// Whether a token of this address is looked at; else how long it has to wait.
    pub(crate) fn check(&self, peer: Peer, now: Instant) -> Result<(), Duration> {
        let Some(tries) = lock(&self.of).get(&peer).copied() else { return Ok(()) };
        let left = self.left(&tries, now);
        if left >= 1.0 { Ok(()) } else { Err(REFILL.mul_f64(((1.0 - left) / self.most).clamp(0.0, 1.0))) }
    }

    /// A token of this address was wrong; says whether it has no try left now.
    pub(crate) fn failed(&self, peer: Peer, now: Instant) -> bool {
        let mut of = lock(&self.of);
        if of.len() >= ADDRESSES && !of.contains_key(&peer) {
            let oldest = of.iter().min_by_key(|(_, tries)| tries.failed).map(|(peer, _)| *peer);
            oldest.map(|oldest| of.remove(&oldest));
        }
        let before = of.get(&peer).map_or(self.most, |tries| self.left(tries, now));
        let left = (before - 1.0).max(0.0);
        of.insert(peer, Tries { left, failed: now });
        before >= 1.0 && left < 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::of((std::net::Ipv4Addr::from_bits(number), 1).into())
    }

    #[test]
    fn who_guesses_waits_and_others_do_not() {
        let failures = Failures::new(20);
        let (guesser, other, now) = (peer(1), peer(2), Instant::now());
        let emptied: Vec<_> = (0..25).filter(|_| failures.failed(guesser, now)).collect();
        assert_eq!(emptied, [19], "that is said once");
        let wait = failures.check(guesser, now).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(3), "{wait:?}");
        assert_eq!(failures.check(other, now), Ok(()));
        // Another try after the wait, and only one.
        let later = now + wait + Duration::from_millis(1);
        assert_eq!(failures.check(guesser, later), Ok(()));
        assert!(failures.failed(guesser, later));
        assert!(failures.check(guesser, later).is_err());
        // All of them after a minute, and no more than that.
        let later = later + REFILL * 100;
        assert_eq!((0..25).filter(|_| failures.failed(guesser, later)).collect::<Vec<_>>(), [19]);
    }

    #[test]
    fn who_fails_now_and_then_never_waits() {
        let (failures, mut now) = (Failures::new(20), Instant::now());
        for _ in 0..1000 {
            assert_eq!(failures.check(peer(1), now), Ok(()));
            failures.failed(peer(1), now);
            now += Duration::from_secs(15);
        }
    }

    #[test]
    fn any_number_of_addresses_takes_the_same_memory_and_the_last_are_known() {
        let (failures, mut now) = (Failures::new(1), Instant::now());
        for number in 0..20_000 {
            failures.failed(peer(number), now);
            now += Duration::from_micros(1);
        }
        assert_eq!(lock(&failures.of).len(), ADDRESSES);
        assert!(failures.check(peer(19_999), now).is_err());
        assert_eq!(failures.check(peer(0), now), Ok(()));
    }
}
