//! How far a shard's reading is behind: what it read last, and how long ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// The lag of one shard, in seconds, as others see it.
#[derive(Debug)]
pub(super) struct Lag {
    shown: Arc<AtomicI64>,
    /// The age of the newest record of the last page when it came; 0 for an empty one.
    age: i64,
    /// When the last page came.
    since: Instant,
}

impl Lag {
    pub(super) fn new(shown: Arc<AtomicI64>) -> Lag {
        Lag { shown, age: 0, since: Instant::now() }
    }

    /// A page came, its newest record this old.
    pub(super) fn read(&mut self, age: i64) {
        (self.age, self.since) = (age.max(0), Instant::now());
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
        lag.read(7);
        tokio::time::advance(Duration::from_secs(60)).await;
        lag.show();
        assert_eq!(shown.load(Ordering::Relaxed), 67);
        lag.read(-3);
        assert_eq!(
            shown.load(Ordering::Relaxed),
            0,
            "an empty page, or a clock that is behind the service's"
        );
    }
}
