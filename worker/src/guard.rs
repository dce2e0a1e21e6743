//! The right to start a side effect for a lease: it ends by the clock, by a lost lease, or by the process.
//!
//! Only efficiency depends on it. A holder past its deadline does no harm, since each decision is written once; it
//! stops so that two holders do not do the same work for long.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Until when this process may act on its leases: moved on by each heartbeat that was seen to be written.
#[derive(Debug, Clone)]
pub struct Validity(Arc<Mutex<Instant>>);

impl Validity {
    /// Valid until `deadline`, on the monotonic clock.
    pub fn until(deadline: Instant) -> Validity {
        Validity(Arc::new(Mutex::new(deadline)))
    }

    /// Moves the deadline on; never back.
    pub fn extend(&self, deadline: Instant) {
        let mut until = self.lock();
        *until = deadline.max(*until);
    }

    /// Not yet past.
    pub fn is_valid(&self) -> bool {
        Instant::now() < *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().expect("no holder of a deadline panics")
    }
}

/// Held by all work that a lease brought.
#[derive(Debug, Clone)]
pub struct Guard {
    validity: Validity,
    lost: CancellationToken,
}

impl Guard {
    /// Live while `validity` is, and until `lost` is cancelled.
    pub fn new(validity: Validity, lost: CancellationToken) -> Guard {
        Guard { validity, lost }
    }

    /// A new side effect may start.
    pub fn is_live(&self) -> bool {
        !self.lost.is_cancelled() && self.validity.is_valid()
    }

    /// Ends when the lease is known to be lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}
