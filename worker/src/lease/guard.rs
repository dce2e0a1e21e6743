//! The right to start a side effect for a lease: it ends by the clock, by a lost lease, or by the process.
//!
//! Only efficiency depends on it. A holder past its deadline does no harm, since each decision is written once; it
//! stops so that two holders do not do the same work for long.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Until when this process may act on its leases: moved on by each heartbeat that was seen to be written.
///
/// Once it has run out, others may hold the leases, and no later heartbeat brings them back: what was guarded before
/// stays dead, and only leases that are taken anew are live.
#[derive(Debug, Clone)]
pub struct Validity(Arc<Mutex<Until>>);

#[derive(Debug)]
struct Until {
    deadline: Instant,
    /// +1 each time it had run out.
    term: u64,
}

impl Validity {
    /// Valid until `deadline`, on the monotonic clock.
    pub fn until(deadline: Instant) -> Validity {
        Validity(Arc::new(Mutex::new(Until { deadline, term: 0 })))
    }

    /// Moves the deadline on; never back.
    pub fn extend(&self, deadline: Instant) {
        let mut until = self.lock();
        if Instant::now() >= until.deadline {
            until.term += 1;
        }
        until.deadline = deadline.max(until.deadline);
    }

    /// Not yet past.
    pub fn is_valid(&self) -> bool {
        Instant::now() < self.lock().deadline
    }

    /// Ends when it has run out.
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
        self.0.lock().expect("no holder of a deadline panics")
    }
}

/// Held by all work that a lease brought.
#[derive(Debug, Clone)]
pub struct Guard {
    validity: Validity,
    term: u64,
    lost: CancellationToken,
}

impl Guard {
    /// Live while `validity` is without a break, and until `lost` is cancelled.
    pub fn new(validity: Validity, lost: CancellationToken) -> Guard {
        let term = validity.lock().term;
        Guard { validity, term, lost }
    }

    /// A new side effect may start.
    pub fn is_live(&self) -> bool {
        let until = self.validity.lock();
        !self.lost.is_cancelled() && until.term == self.term && Instant::now() < until.deadline
    }

    /// Ends when the lease is known to be lost.
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
