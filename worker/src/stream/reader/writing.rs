//! Writes a shard's checkpoint beside the work: at most one write at a time.

use futures::future::BoxFuture;
use tracing::warn;

use crate::lease::table::LeaseError;
use crate::lease::table::held::Held;
use crate::metrics::Service;
use crate::stream::reader::{Ended, Reader};

/// The lease after the write, how many records the write covers, and its result.
pub(super) type Written = (Held, u64, Result<(), LeaseError>);
pub(super) type Writing = BoxFuture<'static, Written>;

impl Reader {
    /// Starts to write the checkpoint if it moved and no write is in progress.
    pub(super) fn start_writing(&mut self) {
        let settled = self.checkpoint.settled();
        let position = self.checkpoint.position().cloned();
        if let Some(position) = position
            && self.writing.is_none()
            && settled > self.written
            && self.guard.is_live()
        {
            let (leases, mut held) = (self.parts.leases.clone(), self.held.clone());
            self.writing = Some(Box::pin(async move {
                let written = leases.checkpoint(&mut held, &position).await;
                (held, settled, written)
            }));
        }
    }

    /// Handles the result of a checkpoint write; returns false if the lease is lost.
    pub(super) fn wrote(&mut self, (held, settled, written): (Held, u64, Result<(), LeaseError>)) -> bool {
        match written {
            Ok(()) => {
                (self.held, self.written) = (held, settled);
                true
            }
            Err(LeaseError::Lost) => false,
            Err(LeaseError::Fault(fault)) => {
                self.parts.metrics.failed(Service::Control, fault.class);
                warn!(shard = self.shard, error = %fault, "shard {}: not checkpointed, retrying: {fault}", self.shard);
                true
            }
        }
    }

    /// Reading has stopped and no records are in flight: the position covers every record that was read.
    pub(super) async fn drained(&mut self) -> Ended {
        self.start_writing();
        if let Some(writing) = self.writing.take() {
            let written = writing.await;
            if !self.wrote(written) {
                return Ended::Lost;
            }
        }
        Ended::Drained(self.held.clone())
    }
}
