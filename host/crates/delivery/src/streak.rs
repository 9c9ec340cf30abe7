//! When what fails one record after the other is held, instead of filling the dead letters: a job, or a sink.

/// Bad ones in a row after which what has never worked is held.
pub const MOST_BAD_AT_FIRST: u32 = 10;
/// Bad ones in a row, without a good one between, after which what has worked is held, unless a setting says otherwise.
pub const MOST_BAD: u32 = 100;

/// How many records in a row were bad, or had bad outputs.
#[derive(Debug, Clone, Copy)]
pub struct Streak {
    bad: u32,
    /// The last of them.
    last: Option<(i32, i64)>,
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
        Self { bad: 0, last: None, has_worked: false, most }
    }

    /// One, or more, was good.
    pub fn good(&mut self) {
        *self = Self { bad: 0, last: None, has_worked: true, most: self.most };
    }

    /// One was bad, of the record with this partition and offset; says whether that is one too many. Such a one is held
    /// and tried again, so it is not counted; nor is a further one of the same record, which says nothing about others.
    pub fn bad(&mut self, record: (i32, i64)) -> bool {
        if self.last == Some(record) {
            return false;
        }
        let most = if self.has_worked { self.most } else { self.most.min(MOST_BAD_AT_FIRST) };
        let is_too_many = self.most > 0 && self.bad >= most;
        if !is_too_many {
            self.bad = self.bad.saturating_add(1);
            self.last = Some(record);
        }
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
        let allowed = |streak: &mut Streak| (0..1000).take_while(|&n| !streak.bad((0, n))).count();
        let mut streak = Streak::default();
        assert_eq!(allowed(&mut streak), MOST_BAD_AT_FIRST as usize);
        streak.good();
        assert_eq!(allowed(&mut streak), MOST_BAD as usize);
        assert!(streak.bad((1, 0)) && streak.bad((1, 0)), "until a good one comes");
        assert_eq!(streak.length(), MOST_BAD);
        assert_eq!(allowed(&mut Streak::new(3)), 3);
        assert_eq!(allowed(&mut Streak::new(0)), 1000, "never");
    }

    #[test]
    fn a_record_counts_once_however_much_is_made_of_it() {
        let mut streak = Streak::default();
        assert!((0..1000).all(|_| !streak.bad((0, 7))));
        assert_eq!(streak.length(), 1);
        assert!(!streak.bad((1, 7)));
        assert_eq!(streak.length(), 2);
    }
}
