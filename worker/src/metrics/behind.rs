//! How far the work of one lease is behind, as the metrics show it.
//!
//! The values are times, not ages: an age grows by itself when work stands still or a call gets no answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use statemachine::worklist::Worklist;

use crate::metrics::counts::Counts;

/// Nothing is waiting.
const NOTHING: i64 = i64::MAX;

/// Since when something has been waiting, in epoch seconds. At first, nothing is waiting.
#[derive(Debug)]
pub struct Since(AtomicI64);

impl Default for Since {
    fn default() -> Since {
        Since(AtomicI64::new(NOTHING))
    }
}

impl Since {
    /// Sets the time of what has been waiting longest.
    pub(crate) fn set(&self, since: Option<i64>) {
        self.0.store(since.unwrap_or(NOTHING), Ordering::Relaxed);
    }

    /// Sets the time unless something is waiting already: work that is taken up again is as far behind as it was.
    pub(crate) fn begin(&self, now: i64) {
        let _ = self.0.compare_exchange(NOTHING, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How long it has been waiting, in seconds; 0 if its time is in the future of this clock.
    pub(crate) fn age(&self, now: i64) -> i64 {
        now.saturating_sub(self.0.load(Ordering::Relaxed)).max(0)
    }
}

/// What is waiting in the work of one lease.
#[derive(Debug, Default)]
pub struct Behind {
    /// The time of the newest record read from a shard or, if no records follow, of the last read.
    pub(crate) reading: Since,
    /// The time of the oldest record in flight.
    pub(crate) settling: Since,
    /// The time of the oldest unverified decision of a bucket.
    pub(crate) unverified: Since,
    /// How many unverified decisions a bucket holds.
    unverified_count: AtomicI64,
    lists: [Since; Worklist::ALL.len()],
    /// What a bucket's worklists hold, as counted last.
    counts: Mutex<Counts>,
}

impl Behind {
    /// The longest overdue entry of a bucket's list or, if none is due, the last walk.
    pub(crate) fn list(&self, list: Worklist) -> &Since {
        &self.lists[list as usize]
    }

    /// Sets how many unverified decisions a bucket holds, and the time of the oldest.
    pub(crate) fn set_unverified(&self, count: i64, oldest: Option<i64>) {
        self.unverified_count.store(count, Ordering::Relaxed);
        self.unverified.set(oldest);
    }

    /// How many unverified decisions a bucket holds.
    pub(crate) fn unverified_count(&self) -> i64 {
        self.unverified_count.load(Ordering::Relaxed)
    }

    /// Replaces the counts of a bucket.
    pub(crate) fn counted(&self, counts: Counts) {
        *self.counts.lock().expect("no holder of the counts panics") = counts;
    }

    /// Adds the counts of a bucket to others.
    pub(crate) fn add_counts(&self, to: &mut Counts) {
        to.add(&self.counts.lock().expect("no holder of the counts panics"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_grows_old_by_itself() {
        let since = Since::default();
        assert_eq!(since.age(1_000), 0, "nothing waits");
        since.set(Some(990));
        assert_eq!((since.age(1_000), since.age(1_060)), (10, 70));
        assert_eq!(since.age(980), 0, "a clock that is behind the service's");
        since.begin(995);
        assert_eq!(since.age(1_000), 10, "it waits already");
        since.set(None);
        assert_eq!(since.age(2_000), 0);
        since.begin(995);
        assert_eq!(since.age(1_000), 5);
    }

    #[test]
    fn each_list_waits_by_itself() {
        let behind = Behind::default();
        for (at, list) in (1..).zip(Worklist::ALL) {
            behind.list(list).set(Some(at));
        }
        assert_eq!(Worklist::ALL.map(|list| behind.list(list).age(10)), [9, 8, 7, 6]);
    }
}
