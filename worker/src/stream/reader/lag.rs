//! How far a shard's reading is behind: what it read last, and how long ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// So many empty pages in a row say that nothing follows; one alone may lie in the middle of a backlog.
const EMPTY_PAGES: u32 = 4;

/// The lag of one shard, in seconds, as others see it.
#[derive(Debug)]
pub(super) struct Lag {
    shown: Arc<AtomicI64>,
    /// The age of the newest record that came, then; 0 once nothing follows it.
    age: i64,
    /// When that was.
    since: Instant,
    /// Empty pages since.
    empty: u32,
}

impl Lag {
    pub(super) fn new(shown: Arc<AtomicI64>) -> Lag {
        Lag { shown, age: 0, since: Instant::now(), empty: EMPTY_PAGES }
    }

    /// A page came, its newest record this old; none on an empty one.
    pub(super) fn read(&mut self, age: Option<i64>) {
        self.empty = if age.is_some() { 0 } else { self.empty.saturating_add(1) };
        let is_at_end = self.empty >= EMPTY_PAGES;
        if let Some(age) = age.or(is_at_end.then_some(0)) {
            (self.age, self.since) = (age.max(0), Instant::now());
        }
        self.show();
    }

    /// Shows the lag as it is now: while no page comes, it grows with time.
    pub(super) fn show(&self) {
        let stood = i64::try_from(self.since.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.shown.store(self.age.saturating_add(stood), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_brings_no_page_falls_behind() {
        let shown = Arc::new(AtomicI64::new(0));
        let mut lag = Lag::new(Arc::clone(&shown));
        lag.read(Some(7));
        tokio::time::advance(Duration::from_secs(60)).await;
        lag.show();
        assert_eq!(shown.load(Ordering::Relaxed), 67);
        lag.read(Some(-3));
        assert_eq!(shown.load(Ordering::Relaxed), 0, "a clock that is behind the service's");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_page_in_a_backlog_is_not_its_end() {
        let shown = Arc::new(AtomicI64::new(0));
        let mut lag = Lag::new(Arc::clone(&shown));
        lag.read(Some(7_200));
        for _ in 1..EMPTY_PAGES {
            tokio::time::advance(Duration::from_secs(1)).await;
            lag.read(None);
        }
        assert_eq!(shown.load(Ordering::Relaxed), 7_199 + i64::from(EMPTY_PAGES));
        lag.read(Some(7_000));
        lag.read(None);
        assert_eq!(shown.load(Ordering::Relaxed), 7_000);
        for _ in 1..EMPTY_PAGES {
            lag.read(None);
        }
        assert_eq!(shown.load(Ordering::Relaxed), 0, "nothing follows");
    }
}
