//! When what fails one record after the other is held, instead of filling the dead letters: a job, or a sink.

/// Bad ones in a row after which what has never worked is held.
pub const MOST_BAD_AT_FIRST: u32 = 10;
/// Bad ones in a row, without a good one between, after which what has worked is held, unless a setting says otherwise.
pub const MOST_BAD: u32 = 100;

/// How many in a row were bad.
#[derive(Debug, Clone, Copy)]
pub struct Streak {
    bad: u32,
    has_worked: bool,
    most: u32,
}

impl Default for Streak {
    fn default() -> Self {
        Self::new(MOST_BAD)
    }
}

impl Streak {
    /// One that is too long after `most`, or never with 0.
    pub fn new(most: u32) -> Self {
        Self { bad: 0, has_worked: false, most }
    }

    /// One, or more, was good.
    pub fn good(&mut self) {
        *self = Self { bad: 0, has_worked: true, most: self.most };
    }

    /// One was bad; says whether that is one too many. Such a one is held and tried again, so it is not counted.
    pub fn bad(&mut self) -> bool {
        let most = if self.has_worked { self.most } else { self.most.min(MOST_BAD_AT_FIRST) };
        let is_too_many = self.most > 0 && self.bad >= most;
        self.bad = self.bad.saturating_add(u32::from(!is_too_many));
        is_too_many
    }

    /// How many were bad since the last good one, without those that were too many.
    pub fn length(&self) -> u32 {
        self.bad
    }

    /// Whether so many were bad that it is no longer one here and there.
    pub fn is_long(&self) -> bool {
        self.bad >= MOST_BAD_AT_FIRST
    }

    /// Whether the last one was good, or there was none.
    pub fn is_over(&self) -> bool {
        self.bad == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_worked_may_fail_for_longer() {
        let allowed = |streak: &mut Streak| (0..1000).take_while(|_| !streak.bad()).count();
        let mut streak = Streak::default();
        assert_eq!(allowed(&mut streak), MOST_BAD_AT_FIRST as usize);
        streak.good();
        assert_eq!(allowed(&mut streak), MOST_BAD as usize);
        assert!(streak.bad() && streak.bad(), "until a good one comes");
        assert_eq!(streak.length(), MOST_BAD);
        assert_eq!(allowed(&mut Streak::new(3)), 3);
        assert_eq!(allowed(&mut Streak::new(0)), 1000, "never");
    }
}
