//! The end of a shard: finds its children, then writes the end and the children's leases in one transaction.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::lease::lineage::Listed;
use crate::lease::table::LeaseError;
use crate::stream::reader::{Ended, Reader};

/// How often the children of an ended shard are requested before this is left to the next full listing.
const CHILD_ATTEMPTS: u32 = 10;
/// The pause between these requests, doubled each time from this up to [`CHILD_PAUSE_MOST`].
const CHILD_PAUSE: Duration = Duration::from_millis(100);
/// See [`CHILD_PAUSE`].
const CHILD_PAUSE_MOST: Duration = Duration::from_secs(1);

impl Reader {
    /// Every record of the shard is read and settled: find its children, then write both in one transaction.
    pub(super) async fn end(&mut self) -> Ended {
        let Some(children) = self.children().await else {
            // The next holder looks again, and has time to.
            return if self.guard.is_live() { self.drained().await } else { Ended::Lost };
        };
        let mut pause = CHILD_PAUSE;
        loop {
            if !self.guard.is_live() {
                return Ended::Lost;
            }
            match self.parts.leases.end(&mut self.held, &children).await {
                Ok(()) => return Ended::Shard,
                Err(LeaseError::Lost) => return Ended::Lost,
                Err(LeaseError::Fault(fault)) => self.failed(&fault),
            }
            sleep(pause).await;
            pause = (pause * 2).min(CHILD_PAUSE_MOST);
        }
    }

    /// The children that are visible; `None` if the reader is asked to drain or the lease ends first.
    async fn children(&mut self) -> Option<Vec<Listed>> {
        let mut pause = CHILD_PAUSE;
        for _ in 0..CHILD_ATTEMPTS {
            match self.parts.discovery.children(&self.stream, &self.shard).await {
                Ok(children) if !children.is_empty() => return Some(children),
                Ok(_) => {}
                Err(fault) if fault.code == "ResourceNotFoundException" => return Some(vec![]),
                Err(fault) => self.failed(&fault),
            }
            if timeout(pause, self.drain.cancelled()).await.is_ok() || !self.guard.is_live() {
                return None;
            }
            pause = (pause * 2).min(CHILD_PAUSE_MOST);
        }
        warn!(
            shard = self.shard,
            "shard {}: no children found; the next full listing will find them", self.shard
        );
        Some(vec![])
    }
}
