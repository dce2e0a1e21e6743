//! How far in the future the entries of a worklist may be, and the unverified decisions that one walk counts.

use statemachine::worklist::{ASK_AFTER_SECONDS, PENDING_GRACE_SECONDS, Worklist};

use crate::aws::retry;
use crate::clock::MOST_WRONG_SECONDS;
use crate::metrics::behind::Behind;
use crate::tasks::table::Entry;

/// How far in the future an entry may be, in seconds. Nothing is deferred for longer, except a person's task until its
/// deadline. An entry beyond was written by a wrong clock or by hand, and is taken up. `age` is the decision's.
pub(super) fn longest_wait_seconds(list: Worklist, age: i64) -> i64 {
    let most = match list {
        Worklist::Pending => PENDING_GRACE_SECONDS,
        Worklist::Escalated => ASK_AFTER_SECONDS,
        Worklist::Due => retry::PUT_OFF_MOST_SECONDS,
        Worklist::Verify => retry::verify_again_most_seconds(age),
    };
    // The clocks of the worker that deferred it and of the one that walks may both be wrong by this much.
    most + 2 * i64::from(MOST_WRONG_SECONDS)
}

/// Whether an unverified decision of the time `decided`, listed at `at`, is rightly left for a later check.
pub(super) fn waits(at: i64, decided: i64, now: i64) -> bool {
    at > now && at - now <= longest_wait_seconds(Worklist::Verify, now - decided)
}

/// The unverified decisions of a bucket, as one walk counts them.
#[derive(Debug, Default)]
pub(super) struct Unverified {
    count: i64,
    oldest: Option<i64>,
}

impl Unverified {
    pub(super) fn note(&mut self, entry: &Entry) {
        self.count += 1;
        self.oldest = self.oldest.into_iter().chain(entry.decided).min();
    }

    /// Shows the totals, after the last entry.
    pub(super) fn show(&self, behind: &Behind) {
        behind.set_unverified(self.count, self.oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_decision_may_stand_a_day_ahead_and_a_young_one_may_not() {
        let (day, now) = (retry::OLD_SECONDS, 10_000_000);
        assert!(waits(now + 600, now, now) && !waits(now + 7_200, now, now));
        assert!(waits(now + day, now - day, now) && !waits(now + 2 * day, now - day, now));
        assert!(!waits(now, now, now), "it is due");
    }
}
