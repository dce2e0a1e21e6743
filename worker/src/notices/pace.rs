//! How many events a worker publishes: one for each task as long as they are few, and one for all once they are many.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The most events for one task each that a worker publishes within [`PERIOD`].
const SINGLE: usize = 10;
/// See [`SINGLE`]; and how long tasks are gathered for the next event while they are many.
const PERIOD: Duration = Duration::from_secs(60);
/// How long tasks are gathered while they are few.
const FEW: Duration = Duration::from_secs(1);

/// What was published lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    events: VecDeque<Instant>,
    are_many: bool,
}

impl Pace {
    /// How long to gather before the next look.
    pub(super) fn gather(&self) -> Duration {
        if self.are_many { PERIOD } else { FEW }
    }

    /// Whether so many tasks are to be told in one event.
    pub(super) fn gathers(&mut self, tasks: usize) -> bool {
        let now = Instant::now();
        while self.events.front().is_some_and(|at| now.duration_since(*at) >= PERIOD) {
            self.events.pop_front();
        }
        self.are_many = self.events.len() + tasks > SINGLE;
        self.are_many
    }

    /// Notes an event.
    pub(super) fn put(&mut self) {
        self.events.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_tasks_are_told_one_by_one_and_many_together() {
        let mut pace = Pace::default();
        for _ in 0..SINGLE {
            assert!(!pace.gathers(1));
            pace.put();
        }
        assert_eq!(pace.gather(), FEW);
        assert!(pace.gathers(1), "the eleventh within a minute");
        assert_eq!(pace.gather(), PERIOD);
        tokio::time::advance(PERIOD).await;
        assert!(!pace.gathers(SINGLE) && pace.gathers(SINGLE + 1));
    }
}
