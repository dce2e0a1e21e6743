//! Which workers are alive, by their heartbeats' movement on this process's own monotonic clock. No wall clock.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::control::table::Heartbeat;

/// The heartbeats as this process saw them move.
#[derive(Debug, Default)]
pub struct Fleet {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    counter: i64,
    moved: Instant,
    leaving: bool,
}

impl Fleet {
    /// Notes what the table shows now. A heartbeat that is seen for the first time counts as moving.
    pub fn note(&mut self, beats: &[Heartbeat], now: Instant) {
        self.seen.retain(|worker, _| beats.iter().any(|beat| beat.worker == *worker));
        for beat in beats {
            let seen = self.seen.entry(beat.worker.clone()).or_insert(Seen {
                counter: beat.counter,
                moved: now,
                leaving: beat.leaving,
            });
            if seen.counter != beat.counter {
                (seen.counter, seen.moved) = (beat.counter, now);
            }
            seen.leaving = beat.leaving;
        }
    }

    /// Workers whose heartbeat moved within `lease`, sorted; they hold what they hold. `now` is when the heartbeats
    /// were asked for last: what was written since is not known.
    pub fn alive(&self, lease: Duration, now: Instant) -> Vec<String> {
        self.select(|seen| now.duration_since(seen.moved) < lease)
    }

    /// Alive, and not leaving: they may take more.
    pub fn live(&self, lease: Duration, now: Instant) -> Vec<String> {
        self.select(|seen| now.duration_since(seen.moved) < lease && !seen.leaving)
    }

    /// Workers whose heartbeat has stood still for `long`: their items can go.
    pub fn dead(&self, long: Duration, now: Instant) -> Vec<String> {
        self.select(|seen| now.duration_since(seen.moved) >= long)
    }

    fn select(&self, is: impl Fn(&Seen) -> bool) -> Vec<String> {
        self.seen.iter().filter(|(_, seen)| is(seen)).map(|(worker, _)| worker.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_dies_by_standing_still_and_not_by_any_clock_of_its_own() {
        let lease = Duration::from_secs(10);
        let beat = |counter, leaving| Heartbeat {
            worker: "w1".to_owned(),
            counter,
            leaving,
            ruleset: String::new(),
        };
        let mut fleet = Fleet::default();
        fleet.note(&[beat(5, false)], Instant::now());
        tokio::time::advance(Duration::from_secs(9)).await;
        fleet.note(&[beat(6, false)], Instant::now());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(fleet.live(lease, Instant::now()), ["w1"]);
        fleet.note(&[beat(6, true)], Instant::now());
        assert_eq!(
            (fleet.live(lease, Instant::now()).len(), fleet.alive(lease, Instant::now()).len()),
            (0, 1)
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(fleet.alive(lease, Instant::now()).len(), 0);
        assert_eq!(fleet.dead(lease, Instant::now()), ["w1"]);
        let asked = Instant::now();
        tokio::time::advance(lease * 2).await;
        fleet.note(&[beat(7, false)], Instant::now());
        assert_eq!(fleet.live(lease, asked), ["w1"], "it moved after the question");
        fleet.note(&[], Instant::now());
        assert_eq!(fleet.dead(lease, Instant::now()).len(), 0);
    }
}
