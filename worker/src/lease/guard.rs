//! The right to start a side effect under a lease. It ends when its time runs out, when the lease is lost, or when the
//! process stops.
//!
//! Only efficiency depends on it. A holder past its deadline does no harm, since each decision is written only once. It
//! stops so that two holders do not do the same work for long.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Until when this process may act on its leases. Each heartbeat that was confirmed as written extends it.
///
/// Once it has run out, other workers may take the leases, and no later heartbeat brings them back: older guards stay
/// dead, and only leases that are taken again are live.
#[derive(Debug, Clone)]
pub struct Validity(Arc<Mutex<Until>>);

#[derive(Debug)]
struct Until {
    deadline: Instant,
    /// Incremented each time the validity had run out.
    term: u64,
}

impl Validity {
    /// Creates a validity that ends at `deadline`, on the monotonic clock.
    pub fn until(deadline: Instant) -> Validity {
        Validity(Arc::new(Mutex::new(Until { deadline, term: 0 })))
    }

    /// Extends the deadline; never moves it back.
    pub fn extend(&self, deadline: Instant) {
        let mut until = self.lock();
        if Instant::now() >= until.deadline {
            until.term += 1;
        }
        until.deadline = deadline.max(until.deadline);
    }

    /// Whether the deadline has not passed yet.
    pub fn is_valid(&self) -> bool {
        Instant::now() < self.lock().deadline
    }

    /// Completes when the validity has run out.
    pub async fn ended(&self) {
        loop {
            let deadline = self.lock().deadline;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Until> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }
}

/// Held by all work under a lease.
#[derive(Debug, Clone)]
pub struct Guard {
    validity: Validity,
    term: u64,
    lost: CancellationToken,
}

impl Guard {
    /// Creates a guard that is live while `validity` lasts without a break, until `lost` is cancelled.
    pub fn new(validity: Validity, lost: CancellationToken) -> Guard {
        let term = validity.lock().term;
        Guard { validity, term, lost }
    }

    /// Whether a new side effect may start.
    pub fn is_live(&self) -> bool {
        let until = self.validity.lock();
        !self.lost.is_cancelled() && until.term == self.term && Instant::now() < until.deadline
    }

    /// Completes when the lease is known to be lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_deadline() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let validity = Validity::until(start + second);
        let extended = async {
            tokio::time::sleep(second / 2).await;
            validity.extend(start + second * 3);
        };
        tokio::join!(extended, validity.ended());
        assert_eq!(start.elapsed(), second * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_heartbeat_does_not_revive_old_work() {
        let second = Duration::from_secs(1);
        let validity = Validity::until(Instant::now() + second);
        let old = Guard::new(validity.clone(), CancellationToken::new());
        validity.extend(Instant::now() + second * 2);
        assert!(old.is_live(), "extended in time");
        tokio::time::advance(second * 3).await;
        assert!(!old.is_live() && !validity.is_valid());
        validity.extend(Instant::now() + second);
        assert!(validity.is_valid());
        assert!(!old.is_live(), "others may have taken the lease meanwhile");
        assert!(Guard::new(validity, CancellationToken::new()).is_live());
    }
}
