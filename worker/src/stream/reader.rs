//! One shard under one lease: read, hand out, checkpoint, end.
//!
//! Records of a shard need no order among themselves: a task has one INSERT, and its decision write decides
//! everything. Only the checkpoint has an order, and it moves over settled records without a gap.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::Record;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::aws::{Class, Fault};
use crate::control_table::ControlTable;
use crate::guard::Guard;
use crate::metrics::{Handled, Service};
use crate::pipeline::Pipeline;
use crate::stream::checkpoint::{Checkpoint, SequenceNumber, Ticket};
use crate::stream::discovery::Discovery;
use crate::stream::lease::Subject;
use crate::stream::lease_table::{Held, LeaseError, LeaseTable};
use crate::stream::limits::{Limits, PAGE_RECORDS, Share};
use crate::stream::tail::{Polled, Tail, Unreadable};

/// While records come: four polls a second a shard, as AWS's own pollers do.
const BUSY_POLL: Duration = Duration::from_millis(250);
/// The longest pause of an idle shard, reached by doubling.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// How many records an idle shard asks for; after a full page the next is as large as the API allows.
const SMALL_PAGE: u32 = 100;
/// How often a moved checkpoint is written, unless [`CHECKPOINT_RECORDS`] come first. A crash replays this much.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// See [`CHECKPOINT_EVERY`].
const CHECKPOINT_RECORDS: u64 = 500;
/// How often the children of an ended shard are asked for before a full listing must find them.
const CHILD_ATTEMPTS: u32 = 10;
/// Pauses between those, doubling from this to [`IDLE_POLL`].
const CHILD_PAUSE: Duration = Duration::from_millis(100);

/// How long a shard that listings show and reads do not know is asked for again: listings may show the dead.
const LISTED_BUT_UNKNOWN: Duration = Duration::from_secs(60);

/// Everything a reader works with; one per process.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The steps of a record.
    pub pipeline: Arc<Pipeline>,
    /// The stream.
    pub streams: Client,
    /// Its shape.
    pub discovery: Discovery,
    /// The leases.
    pub leases: LeaseTable,
    /// Gap and poison records.
    pub control: ControlTable,
    /// The process's limits.
    pub limits: Limits,
}

/// How a reader's work ended.
#[derive(Debug)]
pub enum Ended {
    /// The shard is read to its end, and written so.
    Shard,
    /// Asked to drain: everything in hand is settled and checkpointed; the lease is still held.
    Drained(Held),
    /// The lease is someone else's.
    Lost,
}

/// Reads one shard until it ends, or `drain` asks to stop, or the lease is lost.
pub struct Reader {
    parts: Parts,
    held: Held,
    guard: Guard,
    drain: CancellationToken,
    /// Age of the newest record read, in seconds.
    lag: Arc<AtomicI64>,
    stream: String,
    shard: String,
    checkpoint: Checkpoint,
    /// Since when reads do not know the shard.
    not_found_since: Option<Instant>,
    /// How many settled records the written checkpoint covers.
    written: u64,
    /// The checkpoint write under way: at most one, beside the work and not before it.
    writing: Option<Writing>,
    in_work: FuturesUnordered<BoxFuture<'static, (Ticket, Handled)>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.shard)
    }
}

type Writing = BoxFuture<'static, (Held, u64, Result<(), LeaseError>)>;

/// One poll with the place it holds, and the tail handed back.
struct Fetched {
    tail: Tail,
    polled: Polled,
    share: Share,
    granted: u32,
}

impl Reader {
    /// A reader for a held lease of a shard.
    ///
    /// # Panics
    ///
    /// When the lease is not a shard's.
    pub fn new(
        parts: Parts,
        held: Held,
        guard: Guard,
        drain: CancellationToken,
        lag: Arc<AtomicI64>,
    ) -> Reader {
        let Subject::Shard { stream, shard } = held.subject.clone() else { panic!("a reader reads a shard") };
        Reader {
            parts,
            held,
            guard,
            drain,
            lag,
            stream,
            shard,
            checkpoint: Checkpoint::default(),
            not_found_since: None,
            written: 0,
            writing: None,
            in_work: FuturesUnordered::new(),
        }
    }

    /// Works until the end; see [`Ended`].
    pub async fn run(mut self) -> Ended {
        let shard = self.shard.clone();
        info!(shard, position = ?self.held.position, "shard {shard}: reading");
        let ended = self.read().await;
        info!(
            shard,
            "shard {shard}: {}",
            match ended {
                Ended::Shard => "read to its end",
                Ended::Drained(_) => "drained",
                Ended::Lost => "lease lost",
            }
        );
        ended
    }

    async fn read(&mut self) -> Ended {
        let tail = Tail::new(self.parts.streams.clone(), &self.stream, &self.shard, &self.held.position);
        let mut pace = Pace::default();
        let mut fetch = Some(fetch(tail, self.parts.limits.clone(), pace.next_poll(), pace.page()));
        let mut ended = false;
        let mut ticks = interval(CHECKPOINT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (guard, drain) = (self.guard.clone(), self.drain.clone());
        loop {
            if self.in_work.is_empty() && fetch.is_none() && self.writing.is_none() {
                return if ended { self.end().await } else { self.drained().await };
            }
            tokio::select! {
                // A lost lease ends everything; a drain stops reading; finished work goes before new work, so that
                // what is in hand shrinks first; the checkpoint is due once a second at most.
                biased;
                () = guard.lost() => return Ended::Lost,
                () = drain.cancelled(), if fetch.is_some() => fetch = None,
                Some((ticket, handled)) = self.in_work.next() => {
                    if handled == Handled::LeaseLost {
                        // The record is not settled, so the position can never pass it: the next holder repeats it.
                        return Ended::Lost;
                    }
                    self.parts.pipeline.metrics.record(handled);
                    self.checkpoint.settle(ticket);
                    if self.checkpoint.settled() - self.written >= CHECKPOINT_RECORDS {
                        self.start_writing();
                    }
                }
                written = wait_for(&mut self.writing), if self.writing.is_some() => {
                    self.writing = None;
                    if !self.wrote(written) {
                        return Ended::Lost;
                    }
                }
                fetched = wait_for(&mut fetch), if fetch.is_some() => {
                    fetch = None;
                    let Fetched { mut tail, polled, share, granted } = fetched;
                    match self.take_in(polled, share, granted, &mut pace, &mut tail).await {
                        Next::Poll => {
                            let limits = self.parts.limits.clone();
                            fetch = Some(self::fetch(tail, limits, pace.next_poll(), pace.page()));
                        }
                        Next::End => ended = true,
                    }
                }
                _ = ticks.tick() => self.start_writing(),
            }
        }
    }

    /// Hands a page's records out; says whether another poll follows.
    async fn take_in(
        &mut self,
        polled: Polled,
        mut share: Share,
        granted: u32,
        pace: &mut Pace,
        tail: &mut Tail,
    ) -> Next {
        let (records, next) = match polled {
            Polled::Page(records) => (records, Next::Poll),
            Polled::LastPage(records) => (records, Next::End),
            Polled::Unreadable { cause, after } => {
                drop(share);
                return self.unreadable(cause, after, tail, pace).await;
            }
            Polled::Failed(fault) => {
                drop(share);
                self.failed(&fault);
                pace.failed(fault.class);
                return Next::Poll;
            }
        };
        self.not_found_since = None;
        pace.got(records.len(), granted);
        self.note_lag(&records);
        for record in records {
            let Some(sequence_number) = record.dynamodb().and_then(|change| change.sequence_number()) else {
                error!(shard = self.shard, "shard {}: a record without a sequence number", self.shard);
                self.parts.pipeline.metrics.record(Handled::Poison);
                continue;
            };
            let ticket = self.checkpoint.deliver(SequenceNumber(sequence_number.to_owned()));
            let bytes = record.dynamodb().and_then(|change| change.size_bytes()).unwrap_or(0);
            let place = share.split_record(usize::try_from(bytes).unwrap_or(0));
            let (pipeline, guard) = (Arc::clone(&self.parts.pipeline), self.guard.clone());
            self.in_work.push(Box::pin(async move {
                let handled = pipeline.handle(&record, &guard).await;
                drop(place);
                (ticket, handled)
            }));
        }
        next
    }

    fn note_lag(&self, records: &[Record]) {
        let newest = records
            .iter()
            .filter_map(|record| record.dynamodb()?.approximate_creation_date_time())
            .map(aws_smithy_types::DateTime::secs)
            .max();
        let age = newest.map_or(0, |newest| self.parts.pipeline.clock.now().as_second() - newest);
        self.lag.store(age.max(0), Ordering::Relaxed);
    }

    /// A stretch of the shard cannot be read. Never silent: a gap record and a metric, then what is left.
    async fn unreadable(
        &mut self,
        cause: Unreadable,
        after: Option<SequenceNumber>,
        tail: &mut Tail,
        pace: &mut Pace,
    ) -> Next {
        let cause = match cause {
            Unreadable::Trimmed => "trimmed",
            Unreadable::NotFound => {
                // Also answered right after a listing, or for a stream that is just not seen yet: ask first.
                match self.parts.discovery.list(&self.stream).await {
                    // An empty listing of a stream that had shards is a fault, not a fact.
                    Ok(listing)
                        if (listing.shards.is_empty()
                            || listing.shards.iter().any(|listed| listed.shard == self.shard))
                            && self.not_found_since.get_or_insert_with(Instant::now).elapsed()
                                < LISTED_BUT_UNKNOWN =>
                    {
                        pace.failed(Class::Transient);
                        return Next::Poll;
                    }
                    Ok(_) => "shard gone",
                    Err(fault) if fault.code == "ResourceNotFoundException" => "stream gone",
                    Err(fault) => {
                        self.failed(&fault);
                        pace.failed(fault.class);
                        return Next::Poll;
                    }
                }
            }
        };
        let after_text = after.map_or_else(|| "TRIM_HORIZON".to_owned(), |after| after.0);
        let (control, now) = (&self.parts.control, self.parts.pipeline.clock.now());
        if let Err(fault) = control.note_gap(&self.stream, &self.shard, &after_text, cause, now).await {
            self.failed(&fault);
            pace.failed(fault.class);
            return Next::Poll;
        }
        self.parts.pipeline.metrics.gaps.inc();
        error!(
            shard = self.shard,
            stream = self.stream,
            after = after_text,
            cause,
            "shard {}: records after {after_text} cannot be read ({cause}); the sweeper finds their tasks",
            self.shard
        );
        if cause == "trimmed" {
            tail.restart_at_horizon();
            return Next::Poll;
        }
        Next::End
    }

    fn failed(&self, fault: &Fault) {
        let shard = &self.shard;
        match fault.class {
            Class::Systemic | Class::Refused => {
                self.parts.pipeline.metrics.systemic_fault(Service::Stream);
                error!(shard, error = %fault, "shard {shard}: {fault}; reading pauses");
            }
            Class::Throttled | Class::Transient => {
                warn!(shard, error = %fault, "shard {shard}: {fault}; again")
            }
        }
    }

    /// Starts to write the checkpoint if it moved and no write is under way.
    fn start_writing(&mut self) {
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

    /// Takes the result of a checkpoint write in; false when the lease is lost.
    fn wrote(&mut self, (held, settled, written): (Held, u64, Result<(), LeaseError>)) -> bool {
        match written {
            Ok(()) => {
                (self.held, self.written) = (held, settled);
                true
            }
            Err(LeaseError::Lost) => false,
            Err(LeaseError::Fault(fault)) => {
                warn!(shard = self.shard, error = %fault, "shard {}: not checkpointed: {fault}", self.shard);
                true
            }
        }
    }

    /// Nothing in work and no more reading: the position covers all that was read.
    async fn drained(&mut self) -> Ended {
        self.start_writing();
        if let Some(writing) = self.writing.take() {
            let written = writing.await;
            if !self.wrote(written) {
                return Ended::Lost;
            }
        }
        Ended::Drained(self.held.clone())
    }

    /// The shard is read and settled to its end: find its children, then write both in one transaction.
    async fn end(&mut self) -> Ended {
        let children = self.children().await;
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

    async fn children(&mut self) -> Vec<crate::stream::lineage::Listed> {
        let mut pause = CHILD_PAUSE;
        for _ in 0..CHILD_ATTEMPTS {
            match self.parts.discovery.children(&self.stream, &self.shard).await {
                Ok(children) if !children.is_empty() => return children,
                Ok(_) => {}
                Err(fault) if fault.code == "ResourceNotFoundException" => return vec![],
                Err(fault) => self.failed(&fault),
            }
            if timeout(pause, self.drain.cancelled()).await.is_ok() || !self.guard.is_live() {
                break;
            }
            pause = (pause * 2).min(IDLE_POLL);
        }
        warn!(shard = self.shard, "shard {}: no children seen; the next full listing finds them", self.shard);
        vec![]
    }
}

enum Next {
    Poll,
    End,
}

type Fetch = BoxFuture<'static, Fetched>;

/// Waits for the poll's time and for a place, then polls. Dropping it loses nothing: the position is the tail's.
fn fetch(mut tail: Tail, limits: Limits, at: Instant, page: u32) -> Fetch {
    Box::pin(async move {
        sleep_until(at).await;
        let (granted, share) = limits.page(page).await;
        let polled = tail.poll(granted).await;
        Fetched { tail, polled, share, granted }
    })
}

async fn wait_for<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// When to poll next, and for how much.
#[derive(Debug)]
struct Pace {
    pause: Duration,
    full: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { pause: Duration::ZERO, full: false }
    }
}

impl Pace {
    fn next_poll(&self) -> Instant {
        Instant::now() + self.pause
    }

    fn page(&self) -> u32 {
        if self.full { PAGE_RECORDS } else { SMALL_PAGE }
    }

    fn got(&mut self, records: usize, granted: u32) {
        self.full = records >= granted as usize;
        self.pause = if records > 0 { BUSY_POLL } else { (self.pause * 2).clamp(BUSY_POLL, IDLE_POLL) };
    }

    fn failed(&mut self, class: Class) {
        let longest = match class {
            Class::Throttled | Class::Transient => IDLE_POLL * 4,
            Class::Systemic | Class::Refused => IDLE_POLL * 10,
        };
        self.pause = (self.pause * 2).clamp(BUSY_POLL, longest);
    }
}
