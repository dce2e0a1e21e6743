//! The end of a shard: its children are found, and both are written in one transaction.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::lease::lineage::Listed;
use crate::lease::table::LeaseError;
use crate::stream::reader::pace::IDLE_POLL;
use crate::stream::reader::{Ended, Reader};

/// How often the children of an ended shard are asked for before a full listing must find them.
const CHILD_ATTEMPTS: u32 = 10;
/// Pauses between those, doubling from this to [`IDLE_POLL`].
const CHILD_PAUSE: Duration = Duration::from_millis(100);

impl Reader {
    /// The shard is read and settled to its end: find its children, then write both in one transaction.
    pub(super) async fn end(&mut self) -> Ended {
        let Some(children) = self.children().await else {
            // The next holder asks again, and has the time to.
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
            pause = (pause * 2).min(IDLE_POLL);
        }
    }

    /// The children as far as they are seen; none when a drain, or the lease's end, comes first.
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
            pause = (pause * 2).min(IDLE_POLL);
        }
        warn!(shard = self.shard, "shard {}: no children seen; the next full listing finds them", self.shard);
        Some(vec![])
    }
}
