//! One shard under one lease: read, hand out, checkpoint, end.
//!
//! Records of a shard need no order among themselves: a task has one INSERT, and its decision write decides
//! everything. Only the checkpoint has an order, and it moves over settled records without a gap.

mod gap;
mod lag;
mod pace;
mod shard_end;
mod writing;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::Record;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::aws::Fault;
use crate::control_table::ControlTable;
use crate::guard::Guard;
use crate::metrics::{Handled, Service};
use crate::pipeline::Pipeline;
use crate::stream::checkpoint::{Checkpoint, SequenceNumber, Ticket};
use crate::stream::discovery::Discovery;
use crate::stream::lease::Subject;
use crate::stream::lease_table::{Held, LeaseTable};
use crate::stream::limits::{Limits, Share};
use crate::stream::reader::lag::Lag;
use crate::stream::reader::pace::Pace;
use crate::stream::reader::writing::Writing;
use crate::stream::tail::{Polled, Tail};
use crate::stream::trouble::Trouble;

/// How often a moved checkpoint is written, unless [`CHECKPOINT_RECORDS`] come first. A crash replays this much.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// See [`CHECKPOINT_EVERY`].
const CHECKPOINT_RECORDS: u64 = 500;

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
    lag: Lag,
    trouble: Trouble,
    stream: String,
    shard: String,
    checkpoint: Checkpoint,
    /// How many reads since the last page did not know the shard.
    not_found: u32,
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
            lag: Lag::new(lag),
            trouble: Trouble::default(),
            stream,
            shard,
            checkpoint: Checkpoint::default(),
            not_found: 0,
            written: 0,
            writing: None,
            in_work: FuturesUnordered::new(),
        }
    }

    /// Works until the end; see [`Ended`].
    pub async fn run(mut self) -> Ended {
        let shard = self.shard.clone();
        info!(shard, position = ?self.held.position, "shard {shard}: reading");
        let guard = self.guard.clone();
        let ended = tokio::select! {
            // A lost lease ends everything, whatever is waited for.
            biased;
            () = guard.lost() => Ended::Lost,
            ended = self.read() => ended,
        };
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
        let drain = self.drain.clone();
        loop {
            if self.in_work.is_empty() && fetch.is_none() && self.writing.is_none() {
                return if ended { self.end().await } else { self.drained().await };
            }
            tokio::select! {
                // A drain stops reading; finished work goes before new work, so that what is in hand shrinks first; the
                // checkpoint is due once a second at most.
                biased;
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
                _ = ticks.tick() => {
                    if fetch.is_some() {
                        self.lag.show();
                    }
                    self.start_writing();
                }
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
        self.not_found = 0;
        self.trouble.answered();
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

    fn note_lag(&mut self, records: &[Record]) {
        let newest = records
            .iter()
            .filter_map(|record| record.dynamodb()?.approximate_creation_date_time())
            .map(aws_smithy_types::DateTime::secs)
            .max();
        let age = newest.map_or(0, |newest| self.parts.pipeline.clock.now().as_second() - newest);
        self.lag.read(age);
    }

    fn failed(&mut self, fault: &Fault) {
        let shard = &self.shard;
        if self.trouble.counts(fault.class) {
            self.parts.pipeline.metrics.systemic_fault(Service::Stream);
            error!(shard, error = %fault, "shard {shard}: {fault}; reading pauses");
        } else {
            warn!(shard, error = %fault, "shard {shard}: {fault}; again");
        }
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
