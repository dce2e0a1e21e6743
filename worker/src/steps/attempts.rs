//! The attempts at one call to a table: when to retry, when to hold, and when the fault is the record's own.
//!
//! If a call fails while other calls of this process succeed, the fault is its record's own; the record is given up
//! after a bounded number of such failures and a bounded time. If no other call succeeds, or the table throttles, the
//! fault is the table's: work is held, nothing is given up, and the metric is the alarm.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::fault::Class;
use crate::aws::retry;
use crate::tasks::table::TableError;

/// How long one record may fail by itself before the rest continues without it: the stream keeps records for 24 hours,
/// and the shard's checkpoint does not move meanwhile.
pub(crate) const RECORD_AGE: Duration = Duration::from_secs(300);
/// How often it must have failed by itself: a few failures may be a short problem of its partition.
const OWN_FAILURES: u32 = 10;

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same call after a pause.
    Again(Duration),
    /// Every call fails: the same call after the pause of a systemic fault.
    Hold,
    /// Only this record fails, for too long.
    GiveUp,
}

/// The attempts so far. Reads as "12 attempts over 305 s".
#[derive(Debug)]
pub(crate) struct Attempts {
    delays: backon::ExponentialBackoff,
    failures: u32,
    own_failures: u32,
    first_failure: Option<Instant>,
    /// How many writes the table had accepted or rejected when the last attempt failed.
    answered: u64,
}

impl Attempts {
    /// Before the first attempt; `answered` is [`crate::tasks::table::TaskTable::answered`].
    pub(crate) fn begin(answered: u64) -> Attempts {
        Attempts { delays: retry::table(), failures: 0, own_failures: 0, first_failure: None, answered }
    }

    /// A call on one item of the tasks table failed, and a retry may help.
    pub(crate) fn item_failed(&mut self, error: &TableError, answered: u64) -> Next {
        let is_answering_others = std::mem::replace(&mut self.answered, answered) != answered;
        let class = error.class();
        self.next(class, class == Class::Transient && is_answering_others)
    }

    /// A call on an item that all records share failed, and a retry may help: never the fault of one record.
    pub(crate) fn shared_failed(&mut self, error: &TableError) -> Next {
        self.next(error.class(), false)
    }

    fn next(&mut self, class: Class, is_own: bool) -> Next {
        self.failures = self.failures.saturating_add(1);
        let age = self.first_failure.get_or_insert_with(Instant::now).elapsed();
        if is_own {
            self.own_failures += 1;
            if self.own_failures >= OWN_FAILURES && age > RECORD_AGE {
                return Next::GiveUp;
            }
        }
        match (class, self.delays.next()) {
            (Class::Systemic, _) => Next::Hold,
            (Class::Throttled | Class::Transient | Class::Refused, Some(delay)) => Next::Again(delay),
            (Class::Throttled | Class::Transient | Class::Refused, None) if is_own => {
                Next::Again(retry::TABLE_CAP)
            }
            (Class::Throttled | Class::Transient | Class::Refused, None) => Next::Hold,
        }
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = self.first_failure.map_or(Duration::ZERO, |first| first.elapsed());
        write!(f, "{} attempts over {} s", self.failures, age.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::fault::{Fault, Resource};

    fn failed(class: Class) -> TableError {
        let on = Resource::Tasks("tasks".to_owned());
        Fault { operation: "UpdateItem", on, code: "told".to_owned(), class }.into()
    }

    /// Fails every five seconds for a time while other writes succeed as given; returns whether it was given up.
    async fn is_given_up(within_s: u64, class: Class, answered: impl Fn(u64) -> u64) -> bool {
        let mut attempts = Attempts::begin(answered(0));
        for second in (5..within_s).step_by(5) {
            tokio::time::advance(Duration::from_secs(5)).await;
            if attempts.item_failed(&failed(class), answered(second)) == Next::GiveUp {
                return true;
            }
        }
        false
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_alone_is_given_up_after_its_age() {
        assert!(!is_given_up(300, Class::Transient, |second| second).await);
        assert!(is_given_up(320, Class::Transient, |second| second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_with_all_others_is_never_given_up() {
        let hour = 3_600;
        assert!(!is_given_up(hour, Class::Transient, |_| 7).await, "no answer for anyone");
        assert!(!is_given_up(hour, Class::Transient, |second| second.min(40)).await, "none after the first");
        assert!(!is_given_up(hour, Class::Throttled, |second| second).await, "too fast is no record's fault");
        assert!(!is_given_up(hour, Class::Systemic, |second| second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_of_all_holds_and_one_of_a_record_does_not() {
        let (mut alone, mut together) = (Attempts::begin(0), Attempts::begin(0));
        let (mut last_alone, mut last_together) = (Next::GiveUp, Next::GiveUp);
        for attempt in 1..=11 {
            last_alone = alone.item_failed(&failed(Class::Transient), attempt);
            last_together = together.item_failed(&failed(Class::Transient), 0);
        }
        assert_eq!((last_alone, last_together), (Next::Again(retry::TABLE_CAP), Next::Hold));
        assert_eq!(alone.shared_failed(&failed(Class::Throttled)), Next::Hold);
        assert_eq!(alone.to_string(), "12 attempts over 0 s");
    }
}
