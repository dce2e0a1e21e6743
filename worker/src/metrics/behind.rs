//! How far the work of one lease is behind, as the metrics show it.
//!
//! Times, not ages: work that stands still, or a call that nobody answers, grows old without anybody's help.

use std::sync::atomic::{AtomicI64, Ordering};

use statemachine::worklist::Worklist;

/// Nothing waits.
const NOTHING: i64 = i64::MAX;

/// Since when something waits, in epoch seconds. Nothing does at first.
#[derive(Debug)]
pub struct Since(AtomicI64);

impl Default for Since {
    fn default() -> Since {
        Since(AtomicI64::new(NOTHING))
    }
}

impl Since {
    /// From now on this is what waits the longest.
    pub(crate) fn set(&self, since: Option<i64>) {
        self.0.store(since.unwrap_or(NOTHING), Ordering::Relaxed);
    }

    /// How long it waits, in seconds; 0 for what was made in the future of this clock.
    pub(crate) fn age(&self, now: i64) -> i64 {
        now.saturating_sub(self.0.load(Ordering::Relaxed)).max(0)
    }
}

/// What waits in one lease's work.
#[derive(Debug, Default)]
pub struct Behind {
    /// The newest record read of a shard; once nothing follows it, the last look.
    pub(crate) reading: Since,
    /// The oldest record in hand.
    pub(crate) settling: Since,
    lists: [Since; Worklist::ALL.len()],
}

impl Behind {
    /// The entry of a bucket's list that is due the longest; while none is, the last walk.
    pub(crate) fn list(&self, list: Worklist) -> &Since {
        &self.lists[list as usize]
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
        since.set(None);
        assert_eq!(since.age(2_000), 0);
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
