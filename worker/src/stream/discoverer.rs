//! The one worker that lists streams: rarely, every page, and only to add what the shards' own ends did not bring.

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
use crate::stream::discovery::{Discovery, Listing};
use crate::stream::service::service_of;

/// Between two full listings. A roll brings its children by itself; this finds what it missed.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// After a listing that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// After a listing that lacked the parent of a shard: a little more than [`ORPHAN_SECONDS`].
const SECOND_LOOK: Duration = Duration::from_secs(ORPHAN_SECONDS.cast_unsigned() + 1);

/// New leases are told in such groups: each look at the leases reads them all.
const MADE_AT_ONCE: u32 = 32;

/// What a listing showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Every shard with its parent.
    Whole,
    /// A shard whose parent is neither listed nor known.
    ParentsMissing,
}

/// Lists while this worker is the discoverer.
#[derive(Debug, Clone)]
pub struct Discoverer {
    /// The streams.
    pub discovery: Discovery,
    /// The leases.
    pub leases: LeaseTable,
    /// Gap records.
    pub control_table: ControlTable,
    /// The wall clock, for tombstones.
    pub clock: Clock,
    /// For listings that fail.
    pub metrics: Metrics,
    /// Set by the coordinator: this worker has the smallest name of the live ones.
    pub is_me: watch::Receiver<bool>,
    /// Until when this worker may act.
    pub validity: Validity,
    /// Woken when a shard ended without visible children.
    pub wake: Arc<Notify>,
    /// Woken when leases were made.
    pub made: Arc<Notify>,
}

impl Discoverer {
    /// Lists while it is this worker's turn, until dropped or the coordinator is gone.
    pub async fn run(self) {
        let (mut mine, mut others) = (self.is_me.clone(), self.is_me.clone());
        let mut noted = None;
        while mine.wait_for(|is_me| *is_me).await.is_ok() {
            if !self.validity.is_valid() {
                // Others may list by now, even before this worker's coordinator says so.
                if timeout(AGAIN, others.wait_for(|is_me| !*is_me)).await.is_ok_and(|turn| turn.is_err()) {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                // In the middle of a listing too: the budget of the listings is for one worker.
                turn = others.wait_for(|is_me| !*is_me) => if turn.is_err() { return },
                () = self.validity.ended() => {}
                () = self.list(&mut noted) => {}
            }
        }
    }

    /// One listing after the other, for ever. `noted` is the stream that was told last to replace another: each listing
    /// finds it so until it has leases.
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
                    warn!(error = %fault, "a listing failed, nothing is concluded from what it lacks: {fault}");
                    AGAIN
                }
            };
            // Whether woken or not: it is time.
            let _ = timeout(pause, self.wake.notified()).await;
        }
    }

    async fn discover(&self, noted: &mut Option<String>) -> Result<Look, Fault> {
        let (leases, unreadable) = self.leases.list_whole().await?;
        for seen in unreadable {
            let key = &seen.key;
            match Subject::parse(key) {
                Some(subject) => {
                    error!(lease = key, "lease {key}: cannot be read, somebody's edit; it is made anew");
                    self.leases.remove(&subject, &seen).await?;
                }
                None => error!(lease = key, "lease {key}: names no shard and no bucket; delete the item"),
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
        let latest = self.discovery.latest_stream().await?;
        match &latest {
            Some(latest) => self.note_replaced(latest, &leases, noted).await?,
            None => warn!("the tasks table has no stream: the sweeper alone finds new tasks"),
        }
        for stream in streams(latest.as_deref(), &leases) {
            // Each stream on its own: an old one that is gone must not hide the new one's shards.
            match self.look_at(stream, latest.as_deref(), &leases).await {
                Ok(Look::Whole) => {}
                Ok(Look::ParentsMissing) => look = Look::ParentsMissing,
                Err(fault) => failed = Some(fault),
            }
        }
        failed.map_or(Ok(look), Err)
    }

    /// The table has another stream than the one that was read: what was written between the two is in neither.
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
            "stream {latest} replaces {former}; the sweeper finds the tasks that were stored between the two"
        );
        Ok(())
    }

    async fn look_at(&self, stream: &str, latest: Option<&str>, leases: &[Lease]) -> Result<Look, Fault> {
        let now = self.clock.now();
        let listing = self.discovery.list_what_is_there(stream).await;
        if latest == Some(stream) || !listing.is_gone() {
            return self.sync(stream, leases, listing, now).await;
        }
        // Nobody's fault: a day after a stream ended there is none. Its readers note what they did not read.
        for change in forget_former(stream, latest, leases, now.as_second()) {
            self.leases.apply(stream, &change, now.as_second()).await?;
            info!(?change, "of a former stream: {change:?}");
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
            // From a part follows only what is there, never what is not.
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

/// The table's stream, and every former one of which anything is left.
fn streams<'a>(latest: Option<&'a str>, leases: &'a [Lease]) -> BTreeSet<&'a str> {
    leases.iter().filter_map(|lease| lease.subject.stream()).chain(latest).collect()
}

#[cfg(test)]
mod tests;
