//! A token bucket for one API: how many calls a second this process may make.
//!
//! The configured rate is for the whole fleet; each process takes an equal share of it, by the number of live workers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync;
use tokio::time::{Instant, sleep_until};

use crate::config::Budgets;

/// How much a bucket holds: the calls of this time.
const BUCKET: Duration = Duration::from_secs(1);

/// The bucket of one API. It holds at most one second's worth of calls.
#[derive(Debug)]
pub struct RateLimit {
    fleet_rate: f64,
    /// Waiting callers queue here in order. Only the first one waits for time, so a caller that gives up delays no
    /// other.
    queue: sync::Mutex<()>,
    /// Callers that let the others go first queue here, and only the first of them queues there.
    behind: sync::Mutex<()>,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

/// One caller in a limit's queue.
struct Waiting<'l>(&'l AtomicUsize);

impl<'l> Waiting<'l> {
    fn begin(count: &'l AtomicUsize) -> Waiting<'l> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct State {
    /// The number of workers that share the rate.
    workers: u32,
    /// When the next call may be made. The further this lies in the past, the more calls may follow at once.
    next: Instant,
}

impl RateLimit {
    /// Creates a bucket of `fleet_rate` calls a second for the whole fleet.
    pub fn new(fleet_rate: u32) -> RateLimit {
        RateLimit {
            fleet_rate: f64::from(fleet_rate),
            queue: sync::Mutex::default(),
            behind: sync::Mutex::default(),
            waiting: AtomicUsize::default(),
            state: Mutex::new(State { workers: 1, next: Instant::now() }),
        }
    }

    /// Shares the rate among this many workers, including this one.
    pub fn share(&self, workers: usize) {
        self.lock().workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
    }

    /// This process's share of the rate, in calls a second.
    pub fn capacity(&self) -> f64 {
        self.fleet_rate / f64::from(self.lock().workers)
    }

    /// How many calls could be made at once now.
    pub fn level(&self) -> f64 {
        let state = self.lock();
        let filled = Instant::now().saturating_duration_since(state.next).min(BUCKET);
        (filled.as_secs_f64() * self.fleet_rate / f64::from(state.workers)).floor()
    }

    /// How many callers wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a turn, behind the callers that are already waiting.
    pub async fn take(&self) {
        self.take_interval().await;
    }

    /// As [`RateLimit::take`]; returns how long the bucket takes to gain what was taken.
    async fn take_interval(&self) -> Duration {
        let _waiting = Waiting::begin(&self.waiting);
        let _first = self.queue.lock().await;
        loop {
            match self.take_if_due() {
                Ok(interval) => return interval,
                Err(turn) => sleep_until(turn).await,
            }
        }
    }

    /// As [`RateLimit::take`]; the turn is given back if it is not used.
    pub async fn first_turn(&self) -> Turn<'_> {
        let interval = self.take_interval().await;
        Turn { limit: self, interval, taken: Instant::now() }
    }

    /// Waits for a turn that may turn out not to be needed, behind all callers of [`RateLimit::take`].
    pub async fn turn(&self) -> Turn<'_> {
        let waiting = Waiting::begin(&self.waiting);
        let _first = self.behind.lock().await;
        drop(waiting);
        self.first_turn().await
    }

    /// Takes a turn if one is free now and nobody is waiting for it.
    pub fn try_take(&self) -> bool {
        self.queue.try_lock().is_ok_and(|_first| self.take_if_due().is_ok())
    }

    /// Takes a call from the bucket and returns its interval, or returns when the bucket will hold one.
    fn take_if_due(&self) -> Result<Duration, Instant> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.next > now {
            return Err(state.next);
        }
        let interval = self.interval(&state);
        // An idle bucket fills for at most a second.
        let earliest = now.checked_sub(BUCKET).unwrap_or(now);
        state.next = state.next.max(earliest) + interval;
        Ok(interval)
    }

    /// From one call to the next.
    fn interval(&self, state: &State) -> Duration {
        Duration::from_secs_f64(f64::from(state.workers) / self.fleet_rate)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }
}

/// Permission to make one call, for a second. It is given back when it is dropped unused.
#[derive(Debug)]
pub struct Turn<'l> {
    limit: &'l RateLimit,
    /// What was taken: since then the rate may be shared among more workers or fewer.
    interval: Duration,
    taken: Instant,
}

impl Turn<'_> {
    /// The call is made now. A turn that was kept for longer than the bucket keeps one is void, and another one is waited
    /// for: otherwise the turns of a slow table would all be used at once when it answers.
    pub async fn use_up(self) {
        let turn = match self.taken.elapsed() > BUCKET {
            true => {
                let limit = self.limit;
                drop(self);
                limit.first_turn().await
            }
            false => self,
        };
        std::mem::forget(turn);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // What a bucket gained longer ago is lost, used or not.
        if self.taken.elapsed() <= BUCKET {
            let mut state = self.limit.lock();
            state.next = state.next.checked_sub(self.interval).unwrap_or(state.next);
        }
    }
}

/// The rate limits of this worker's calls, each its share of the fleet's rate.
#[derive(Debug)]
pub struct RateLimits {
    /// `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
    pub send_task: RateLimit,
    /// `DescribeExecution`.
    pub describe_execution: RateLimit,
    /// `GetExecutionHistory`.
    pub execution_history: RateLimit,
    /// Worklist entries that the sweeper processes.
    pub sweep: RateLimit,
}

impl RateLimits {
    /// Creates the configured rate limits, for an account's quotas in this region.
    pub fn new(config: &Budgets, region: &str) -> RateLimits {
        RateLimits {
            send_task: RateLimit::new(config.send_task_in(region)),
            describe_execution: RateLimit::new(config.describe_execution),
            execution_history: RateLimit::new(config.execution_history),
            sweep: RateLimit::new(config.sweep),
        }
    }

    /// Shares every rate among this many workers, including this one.
    pub fn share(&self, workers: usize) {
        let RateLimits { send_task, describe_execution, execution_history, sweep } = self;
        for limit in [send_task, describe_execution, execution_history, sweep] {
            limit.share(workers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_held_and_shared() {
        let rate = RateLimit::new(10);
        let start = Instant::now();
        for _ in 0..30 {
            rate.take().await;
        }
        let alone = start.elapsed();
        assert!(alone >= Duration::from_millis(1_900) && alone <= Duration::from_millis(3_000), "{alone:?}");
        rate.share(4);
        let start = Instant::now();
        for _ in 0..30 {
            rate.take().await;
        }
        let shared = start.elapsed();
        assert!(
            shared >= Duration::from_millis(11_000) && shared <= Duration::from_millis(12_500),
            "{shared:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn turns_that_were_kept_too_long_are_not_used_all_at_once() {
        let rate = RateLimit::new(4);
        let mut kept = vec![];
        for _ in 0..20 {
            kept.push(rate.turn().await);
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let start = Instant::now();
        for turn in kept {
            turn.use_up().await;
        }
        assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_is_given_back_whatever_the_share_is_then() {
        let rate = RateLimit::new(4);
        while rate.try_take() {}
        let turn = rate.turn().await;
        rate.share(4);
        drop(turn);
        assert!(rate.try_take(), "one");
        assert!(!rate.try_take(), "and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_turn_is_given_back_and_the_others_go_first() {
        let rate = RateLimit::new(1);
        while rate.try_take() {}
        let start = Instant::now();
        for _ in 0..100 {
            drop(rate.turn().await);
        }
        assert!(start.elapsed() <= Duration::from_secs(1), "one turn, {:?}", start.elapsed());
        let order = Mutex::new(Vec::new());
        let unsure = async |name| {
            rate.turn().await.use_up().await;
            order.lock().unwrap().push(name);
        };
        let sure = async {
            rate.take().await;
            order.lock().unwrap().push("sure");
        };
        futures::join!(unsure("first"), unsure("second"), unsure("third"), sure);
        // The first one had the turn that was given back, and the second waited already when the sure one came.
        assert_eq!(*order.lock().unwrap(), ["first", "second", "sure", "third"]);
        assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_and_who_waits_is_shown() {
        let rate = RateLimit::new(10);
        rate.share(2);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!((rate.capacity(), rate.level(), rate.waiting()), (5.0, 5.0, 0));
        rate.take().await;
        assert_eq!(rate.level(), 4.0);
        let queue = futures::future::join_all((0..20).map(|_| rate.take()));
        assert!(tokio::time::timeout(Duration::from_millis(1), queue).await.is_err());
        assert_eq!(rate.waiting(), 0, "who gave up does not wait");
        let queue = futures::future::join_all((0..20).map(|_| rate.take()));
        let look = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            (rate.level(), rate.waiting())
        };
        assert_eq!(futures::join!(queue, look).1, (0.0, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_costs_the_others_nothing() {
        let rate = RateLimit::new(1);
        while rate.try_take() {}
        let waiting = futures::future::join_all((0..100).map(|_| rate.take()));
        assert!(tokio::time::timeout(Duration::from_millis(10), waiting).await.is_err());
        let start = Instant::now();
        rate.take().await;
        assert!(start.elapsed() <= Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(!rate.try_take(), "one call a second");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_bucket_holds_one_second() {
        let rate = RateLimit::new(10);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let start = Instant::now();
        for _ in 0..11 {
            rate.take().await;
        }
        assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
        for _ in 0..10 {
            rate.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }
}
