//! When a job that fails is held instead of filling its dead letters.

/// Bad records in a row after which a job is held that has never worked.
pub const MOST_BAD_AT_FIRST: u32 = 10;
/// Bad records in a row, without a good one between, after which a job is held that has worked.
pub const MOST_BAD: u32 = 100;

/// How many records in a row were bad.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streak {
    bad: u32,
    has_worked: bool,
}

impl Streak {
    /// A record, or more, was good.
    pub fn good(&mut self) {
        *self = Self { bad: 0, has_worked: true };
    }

    /// A record was bad; says whether that is one too many.
    pub fn bad(&mut self) -> bool {
        self.bad = self.bad.saturating_add(1);
        self.bad > if self.has_worked { MOST_BAD } else { MOST_BAD_AT_FIRST }
    }

    /// Whether the last record was good, or there was none.
    pub fn is_over(&self) -> bool {
        self.bad == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_has_worked_may_fail_for_longer() {
        let allowed = |streak: &mut Streak| (0..).take_while(|_| !streak.bad()).count();
        let mut streak = Streak::default();
        assert_eq!(allowed(&mut streak), MOST_BAD_AT_FIRST as usize);
        streak.good();
        assert_eq!(allowed(&mut streak), MOST_BAD as usize);
    }
}
