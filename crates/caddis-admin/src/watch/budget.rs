//! How much of a processor a kind of work may take: after each piece of it comes a rest that is as many times longer.

use std::time::{Duration, Instant};

/// One kind of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// How many times longer a rest is than the work before it.
    rest: u32,
    /// No rest is longer: work that took so long has mostly waited for others.
    longest: Duration,
    until: Option<Instant>,
}

impl Budget {
    pub(super) const fn new(rest: u32, longest: Duration) -> Budget {
        Budget {
            rest,
            longest,
            until: None,
        }
    }

    /// Work that began at `start` is done.
    pub(super) fn spent(&mut self, start: Instant) {
        self.spent_at(start, Instant::now());
    }

    fn spent_at(&mut self, start: Instant, now: Instant) {
        let worked = now.saturating_duration_since(start);
        let rest = worked.saturating_mul(self.rest).min(self.longest);
        self.until = now.checked_add(rest);
    }

    /// How long the rest still is; `None`: it is over.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.remaining_at(Instant::now())
    }

    fn remaining_at(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_rest_follows_work_and_is_in_proportion_to_it() {
        let start = Instant::now();
        let mut budget = Budget::new(100, Duration::from_secs(10));
        assert_eq!(budget.remaining_at(start), None);
        budget.spent_at(start, start + MILLISECOND);
        assert_eq!(
            budget.remaining_at(start + MILLISECOND),
            Some(100 * MILLISECOND)
        );
        assert_eq!(
            budget.remaining_at(start + 51 * MILLISECOND),
            Some(50 * MILLISECOND)
        );
        assert_eq!(budget.remaining_at(start + 101 * MILLISECOND), None);
    }

    #[test]
    fn no_rest_is_for_ever() {
        let start = Instant::now();
        let mut budget = Budget::new(u32::MAX, Duration::from_secs(10));
        let end = start + Duration::from_secs(3600);
        budget.spent_at(start, end);
        assert_eq!(budget.remaining_at(end), Some(Duration::from_secs(10)));
    }
}
