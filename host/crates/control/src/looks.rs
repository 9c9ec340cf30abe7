//! Those who look into topics: so many at once, as each has a client of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// How many look at once.
const MOST_LOOKS: usize = 16;

/// Counts those who look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looks(Arc<AtomicUsize>);

/// One who looks, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Looks);

impl Looks {
    /// Lets one more look, until what is given is dropped.
    pub(crate) fn enter(&self) -> Result<Turn, Error> {
        let enter = |looks: usize| (looks < MOST_LOOKS).then_some(looks + 1);
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter) {
            Ok(_) => Ok(Turn(self.clone())),
            Err(most) => Err(Error::TooManyLooks(most)),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_look_at_once() {
        let looks = Looks::default();
        let turns: Vec<_> = (0..MOST_LOOKS).map(|_| looks.enter().unwrap()).collect();
        let refused = looks.enter().unwrap_err();
        assert!(matches!(refused, Error::TooManyLooks(MOST_LOOKS)), "{refused}");
        drop(turns);
        looks.enter().unwrap();
    }
}
