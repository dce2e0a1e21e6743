//! Whether a shard has been read to its end, or else how old the last read record is.

use std::sync::Arc;

use crate::metrics::behind::Behind;

/// This many empty pages in a row mean that no records follow; a single one may lie in the middle of a backlog.
const EMPTY_PAGES: u32 = 4;
/// A record younger than this, in seconds, means that few records follow.
const YOUNG_SECONDS: i64 = 10;

/// How far a shard has been read.
#[derive(Debug)]
pub(super) struct Lag {
    behind: Arc<Behind>,
    /// Empty pages in a row.
    empty: u32,
}

impl Lag {
    /// For a shard whose reading starts at `now`, in epoch seconds, or is as far behind as `behind` says already.
    pub(super) fn new(behind: Arc<Behind>, now: i64) -> Lag {
        behind.reading.begin(now);
        Lag { behind, empty: 0 }
    }

    /// Notes a page whose newest record has this time, or `None` for an empty page. Returns whether the shard has been
    /// read to its end, or nearly so.
    pub(super) fn read(&mut self, newest: Option<i64>, now: i64) -> bool {
        self.empty = if newest.is_some() { 0 } else { self.empty.saturating_add(1) };
        let is_at_end = self.empty >= EMPTY_PAGES;
        if let Some(since) = newest.or(is_at_end.then_some(now)) {
            self.behind.reading.set(Some(since));
        }
        is_at_end || newest.is_some_and(|newest| now - newest <= YOUNG_SECONDS)
    }

    /// Notes that there is nothing more to read.
    pub(super) fn ended(&self) {
        self.behind.reading.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_brings_no_page_falls_behind() {
        let behind = Arc::new(Behind::default());
        let mut lag = Lag::new(Arc::clone(&behind), 100);
        assert_eq!(behind.reading.age(160), 60, "also before the first page");
        assert!(lag.read(Some(193), 200), "a young record");
        assert_eq!(behind.reading.age(260), 67);
        lag.ended();
        assert_eq!(behind.reading.age(260), 0);
    }

    #[test]
    fn an_empty_page_in_a_backlog_is_not_its_end() {
        let behind = Arc::new(Behind::default());
        let mut lag = Lag::new(Arc::clone(&behind), 10_000);
        assert!(!lag.read(Some(2_800), 10_000));
        for second in 1..EMPTY_PAGES {
            assert!(!lag.read(None, 10_000 + i64::from(second)));
        }
        assert_eq!(behind.reading.age(10_003), 7_203);
        assert!(!lag.read(Some(3_000), 10_004) && !lag.read(None, 10_005));
        assert_eq!(behind.reading.age(10_005), 7_005);
        for second in 2..EMPTY_PAGES {
            assert!(!lag.read(None, 10_004 + i64::from(second)));
        }
        assert!(lag.read(None, 10_009), "no records follow");
        assert_eq!(behind.reading.age(10_009), 0);
    }
}
