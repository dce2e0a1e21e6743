//! A token bucket for one API: how many calls a second this process may make.
//!
//! The configured rate is the fleet's; each process takes its share by the number of workers alive.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// One API's bucket. Holds up to a second's worth of calls.
#[derive(Debug)]
pub struct Budget {
    fleet_rate: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Live workers the rate is shared by.
    workers: u32,
    /// When the bucket was last empty, shifted by each call taken: calls may go ahead of it by no more than now.
    next: Instant,
}

impl Budget {
    /// `fleet_rate` calls a second, over the whole fleet.
    pub fn new(fleet_rate: u32) -> Budget {
        Budget {
            fleet_rate: f64::from(fleet_rate),
            state: Mutex::new(State { workers: 1, next: Instant::now() }),
        }
    }

    /// Shares the rate with this many workers, this one included.
    pub fn share(&self, workers: usize) {
        self.lock().workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
    }

    /// Waits for this process's turn. Dropping the future gives nothing back: the next caller waits a little longer.
    pub async fn take(&self) {
        let turn = self.reserve();
        sleep_until(turn).await;
    }

    fn reserve(&self) -> Instant {
        let mut state = self.lock();
        let interval = Duration::from_secs_f64(f64::from(state.workers) / self.fleet_rate);
        // An idle bucket fills for at most a second.
        let earliest = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        let turn = state.next.max(earliest);
        state.next = turn + interval;
        turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of a bucket panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_held_and_shared() {
        let budget = Budget::new(10);
        let start = Instant::now();
        for _ in 0..30 {
            budget.take().await;
        }
        let alone = start.elapsed();
        assert!(alone >= Duration::from_millis(1_900) && alone <= Duration::from_millis(3_000), "{alone:?}");
        budget.share(4);
        let start = Instant::now();
        for _ in 0..30 {
            budget.take().await;
        }
        let shared = start.elapsed();
        assert!(
            shared >= Duration::from_millis(11_000) && shared <= Duration::from_millis(12_500),
            "{shared:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_bucket_holds_one_second() {
        let budget = Budget::new(10);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let start = Instant::now();
        for _ in 0..11 {
            budget.take().await;
        }
        assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
        for _ in 0..10 {
            budget.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }
}
