//! The one worker that lists streams: rarely, every page, and only to add what the shards' own ends did not bring.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use statemachine::worklist::BUCKETS;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aws::Fault;
use crate::clock::Clock;
use crate::stream::discovery::Discovery;
use crate::stream::lease::{Lease, Position, Subject};
use crate::stream::lease_table::LeaseTable;
use crate::stream::lineage::{Change, sync};

/// Between two full listings. A roll brings its children by itself; this finds what it missed.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// After a listing that failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Lists while this worker is the discoverer.
#[derive(Debug, Clone)]
pub struct Discoverer {
    /// The streams.
    pub discovery: Discovery,
    /// The leases.
    pub leases: LeaseTable,
    /// The wall clock, for tombstones.
    pub clock: Clock,
    /// Set by the coordinator: this worker has the smallest name of the live ones.
    pub is_me: Arc<AtomicBool>,
    /// Woken when this worker becomes the discoverer, or a shard ended without visible children.
    pub wake: Arc<Notify>,
    /// Woken when leases were made.
    pub made: Arc<Notify>,
}

impl Discoverer {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // Whether woken or not: it is time.
                _ = timeout(pause, self.wake.notified()) => {}
            }
            pause = LIST_EVERY;
            if self.is_me.load(Ordering::Relaxed)
                && let Err(fault) = self.discover().await
            {
                warn!(error = %fault, "the listing of shards failed, nothing is concluded from it: {fault}");
                pause = AGAIN;
            }
        }
    }

    async fn discover(&self) -> Result<(), Fault> {
        let leases = self.leases.list().await?;
        for bucket in 0..BUCKETS {
            if leases.iter().all(|lease| lease.subject != Subject::Sweep(bucket)) {
                self.leases.create_sweep(bucket).await?;
                self.made.notify_one();
            }
        }
        let mut failed = None;
        for stream in self.streams(&leases).await? {
            // Each stream on its own: an old one that is gone must not hide the new one's shards.
            if let Err(fault) = self.sync(&stream, &leases, self.clock.now()).await {
                failed = Some(fault);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The table's stream, and every former one that is not read to its end.
    async fn streams(&self, leases: &[Lease]) -> Result<Vec<String>, Fault> {
        let latest = self.discovery.latest_stream().await?;
        if latest.is_none() {
            warn!("the tasks table has no stream: the sweeper alone finds new tasks");
        }
        let open = leases.iter().filter(|lease| lease.position != Position::End);
        let mut streams: Vec<String> = open
            .filter_map(|lease| match &lease.subject {
                Subject::Shard { stream, .. } => Some(stream.clone()),
                Subject::Sweep(_) => None,
            })
            .chain(latest)
            .collect();
        streams.sort();
        streams.dedup();
        Ok(streams)
    }

    async fn sync(&self, stream: &str, leases: &[Lease], now: Timestamp) -> Result<(), Fault> {
        let listing = self.discovery.list(stream).await?;
        for change in sync(stream, leases, &listing.shards, now.as_second()) {
            self.leases.apply(stream, &change, now.as_second()).await?;
            match &change {
                Change::Create { listed, parent_gone } => {
                    info!(stream, shard = listed.shard, parent_gone, "shard {}: new", listed.shard);
                    self.made.notify_one();
                }
                Change::Orphan(subject)
                | Change::Missing(subject)
                | Change::Found(subject)
                | Change::Forget(subject) => info!(?change, "lease {}: {change:?}", subject.key()),
            }
        }
        Ok(())
    }
}
