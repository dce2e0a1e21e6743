//! The discoverer: the one worker that lists streams. It lists rarely and reads every page, only to find shards that
//! the readers of ended shards did not find.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use statemachine::worklist::BUCKETS;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::aws::fault::Fault;
use crate::clock::Clock;
use crate::control::table::ControlTable;
use crate::lease::guard::Validity;
use crate::lease::lineage::{Change, ORPHAN_SECONDS, forget_former, sync};
use crate::lease::plan::{Lease, Subject};
use crate::lease::table::LeaseTable;
use crate::metrics::Metrics;
use crate::metrics::trouble::Trouble;
use crate::stream::discovery::{Discovery, Latest, Listing, StreamOff};
use crate::stream::service::service_of;

/// The time between two full listings. A shard that ends brings its own children; this finds those that were missed.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The pause after a failed listing.
const AGAIN: Duration = Duration::from_secs(5);
/// The pause after a listing that lacked the parent of a shard: slightly more than [`ORPHAN_SECONDS`].
const SECOND_LOOK: Duration = Duration::from_secs(ORPHAN_SECONDS.cast_unsigned() + 1);

/// New leases are announced in groups of this size, because each worker then reads all leases.
const MADE_AT_ONCE: u32 = 32;

/// The result of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Every shard was listed with its parent.
    Whole,
    /// The parent of a shard is neither listed nor known.
    ParentsMissing,
}

/// Lists the streams while this worker is the discoverer.
#[derive(Debug, Clone)]
pub struct Discoverer {
    /// Lists the streams and their shards.
    pub discovery: Discovery,
    /// The leases.
    pub leases: LeaseTable,
    /// Stores gap records.
    pub control_table: ControlTable,
    /// The wall clock, for tombstones.
    pub clock: Clock,
    /// Counts failed listings.
    pub metrics: Metrics,
    /// Set by the coordinator: whether this worker has the smallest name of the live workers.
    pub is_me: watch::Receiver<bool>,
    /// Until when this worker may act.
    pub validity: Validity,
    /// Notified when a shard ended and no children were visible.
    pub wake: Arc<Notify>,
    /// Notified when leases were created.
    pub made: Arc<Notify>,
}

impl Discoverer {
    /// Lists while it is this worker's turn, until it is dropped or the coordinator has stopped.
    pub async fn run(self) {
        let (mut mine, mut others) = (self.is_me.clone(), self.is_me.clone());
        let mut noted = None;
        while mine.wait_for(|is_me| *is_me).await.is_ok() {
            if !self.validity.is_valid() {
                // Another worker may be listing already, even before this worker's coordinator says so.
                if timeout(AGAIN, others.wait_for(|is_me| !*is_me)).await.is_ok_and(|turn| turn.is_err()) {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                // Stops in the middle of a listing too: the rate limit for listings allows one worker.
                turn = others.wait_for(|is_me| !*is_me) => if turn.is_err() { return },
                () = self.validity.ended() => {}
                () = self.list(&mut noted) => {}
            }
            // The next discoverer shows it.
            self.metrics.stream_enabled.set(None);
        }
    }

    /// Lists again and again. `noted` is the last stream that was reported as a replacement: until that stream has
    /// leases, each listing finds it again.
    async fn list(&self, noted: &mut Option<String>) {
        let mut trouble = Trouble::default();
        loop {
            let listed = self.discover(noted).await;
            if listed.is_ok() {
                trouble.answered();
            }
            let pause = match listed {
                Ok(Look::Whole) => LIST_EVERY,
                Ok(Look::ParentsMissing) => SECOND_LOOK,
                Err(fault) => {
                    trouble.failed(fault.class, &self.metrics, service_of(&fault));
                    warn!(error = %fault, "a listing failed: {fault}; no shard is treated as gone; retrying in 5 s");
                    AGAIN
                }
            };
            // It does not matter whether it was notified or the pause is over: list again.
            let _ = timeout(pause, self.wake.notified()).await;
        }
    }

    async fn discover(&self, noted: &mut Option<String>) -> Result<Look, Fault> {
        let (leases, unreadable) = self.leases.list_whole().await?;
        for seen in unreadable {
            let key = &seen.key;
            if let Some(newer) = seen.newer() {
                error!(lease = key, error = %newer, "lease {key}: left to the workers that know it: {newer}");
                continue;
            }
            match Subject::parse(key) {
                Some(subject) => {
                    error!(
                        lease = key,
                        "lease {key}: cannot be read, perhaps because it was edited by hand; recreating it"
                    );
                    self.leases.remove(&subject, &seen).await?;
                }
                None => error!(
                    lease = key,
                    "lease {key}: the key names neither a shard nor a bucket; delete the item"
                ),
            }
        }
        let is_there = |bucket| leases.iter().any(|lease| lease.subject == Subject::Sweep(bucket));
        let missing: Vec<u8> = (0..BUCKETS).filter(|bucket| !is_there(*bucket)).collect();
        for bucket in &missing {
            self.leases.create_sweep(*bucket).await?;
        }
        if !missing.is_empty() {
            self.made.notify_one();
        }
        let (mut look, mut failed) = (Look::Whole, None);
        let Latest { arn: latest, mut off } = self.discovery.latest_stream().await?;
        if let Some(latest) = &latest {
            self.note_replaced(latest, &leases, noted).await?;
        }
        for stream in streams(latest.as_deref(), &leases) {
            // Each stream separately: an old stream that is gone must not hide the shards of the new one.
            match self.look_at(stream, latest.as_deref(), &leases, &mut off).await {
                Ok(Look::Whole) => {}
                Ok(Look::ParentsMissing) => look = Look::ParentsMissing,
                Err(fault) => failed = Some(fault),
            }
        }
        self.tell_off(off.as_ref());
        failed.map_or(Ok(look), Err)
    }

    /// Shows whether new tasks come from the stream; with each listing, since each minute without it delays tasks.
    fn tell_off(&self, off: Option<&StreamOff>) {
        self.metrics.stream_enabled.set(Some(i64::from(off.is_none())));
        if let Some(off) = off {
            error!("{off}: new tasks wait up to a minute for the sweeper; enable the stream with NEW_IMAGE");
        }
    }

    /// Reports that the table has a new stream: neither stream contains the writes between the two.
    async fn note_replaced(
        &self,
        latest: &str,
        leases: &[Lease],
        noted: &mut Option<String>,
    ) -> Result<(), Fault> {
        let known: BTreeSet<&str> = leases.iter().filter_map(|lease| lease.subject.stream()).collect();
        let Some(former) = known.last().filter(|_| !known.contains(latest)) else { return Ok(()) };
        if noted.as_deref() == Some(latest) {
            return Ok(());
        }
        self.control_table.note_gap(latest, "all", former, "stream replaced", self.clock.now()).await?;
        *noted = Some(latest.to_owned());
        self.metrics.gaps.inc();
        error!(
            stream = latest,
            former,
            "stream {latest} replaced {former}; the sweeper finds the tasks that were stored in between"
        );
        Ok(())
    }

    async fn look_at(
        &self,
        stream: &str,
        latest: Option<&str>,
        leases: &[Lease],
        off: &mut Option<StreamOff>,
    ) -> Result<Look, Fault> {
        let now = self.clock.now();
        let listing = self.discovery.list_what_is_there(stream).await;
        if latest == Some(stream) && listing.is_disabled {
            off.get_or_insert(StreamOff::Ending);
        }
        if latest == Some(stream) || !listing.is_gone() {
            return self.sync(stream, leases, listing, now).await;
        }
        // This is expected: a stream disappears one day after it ended. Its readers record what they did not read.
        for change in forget_former(stream, latest, leases, now.as_second()) {
            self.leases.apply(stream, &change, now.as_second()).await?;
            info!(?change, "former stream {stream}: {change:?}");
        }
        Ok(Look::Whole)
    }

    async fn sync(
        &self,
        stream: &str,
        leases: &[Lease],
        listing: Listing,
        now: Timestamp,
    ) -> Result<Look, Fault> {
        let (mut look, mut made) = (Look::Whole, 0_u32);
        for change in sync(stream, leases, &listing.shards, now.as_second()) {
            // An incomplete listing proves what it contains, but not that anything is missing.
            let is_proven = matches!(change, Change::Create { parent_missing: false, .. } | Change::Found(_));
            if listing.lacks.is_some() && !is_proven {
                continue;
            }
            self.leases.apply(stream, &change, now.as_second()).await?;
            match &change {
                Change::Create { listed, parent_missing } => {
                    info!(stream, shard = listed.shard, parent_missing, "shard {}: new", listed.shard);
                    if *parent_missing {
                        look = Look::ParentsMissing;
                    }
                    made += 1;
                    if made.is_multiple_of(MADE_AT_ONCE) {
                        self.made.notify_one();
                    }
                }
                Change::ParentMissing(subject) => {
                    info!(?change, "lease {}: {change:?}", subject.key());
                    look = Look::ParentsMissing;
                }
                Change::ParentFound(subject)
                | Change::Orphan(subject)
                | Change::Missing(subject)
                | Change::Found(subject)
                | Change::Forget(subject) => info!(?change, "lease {}: {change:?}", subject.key()),
            }
        }
        if made > 0 {
            self.made.notify_one();
        }
        listing.lacks.map_or(Ok(look), Err)
    }
}

/// The table's current stream, and every former one that still has leases.
fn streams<'a>(latest: Option<&'a str>, leases: &'a [Lease]) -> BTreeSet<&'a str> {
    leases.iter().filter_map(|lease| lease.subject.stream()).chain(latest).collect()
}

#[cfg(test)]
mod tests;
