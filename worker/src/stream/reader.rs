//! Reads one shard under one lease: poll, hand out records, checkpoint, end.
//!
//! The records of a shard need no order among themselves: a task has only one INSERT, and the conditional write of its
//! decision resolves every race. Only the checkpoint has an order: it moves over settled records without a gap.

mod gap;
mod intake;
mod lag;
mod pace;
mod shard_end;
mod source;
mod superseded;
mod writing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::Clock;
use crate::control::table::ControlTable;
use crate::lease::checkpoint::{Checkpoint, Ticket};
use crate::lease::guard::Guard;
use crate::lease::plan::Subject;
use crate::lease::table::LeaseTable;
use crate::lease::table::held::Held;
use crate::metrics::Metrics;
use crate::metrics::behind::Behind;
use crate::metrics::trouble::Trouble;
use crate::steps::pipeline::Pipeline;
use crate::stream::discovery::Discovery;
use crate::stream::limits::Limits;
use crate::stream::reader::intake::Waiting;
use crate::stream::reader::source::{Brought, Source};
use crate::stream::reader::writing::Writing;
use crate::tasks::handled::Handled;
use crate::tasks::in_hand::InHand;

/// How often the checkpoint is written if it moved, unless [`CHECKPOINT_RECORDS`] records settle first. After a crash,
/// this much is replayed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// See [`CHECKPOINT_EVERY`].
const CHECKPOINT_RECORDS: u64 = 500;

/// The parts that every reader of a process shares.
#[derive(Debug, Clone)]
pub struct ReaderParts {
    /// Handles a record.
    pub pipeline: Arc<Pipeline>,
    /// The metrics.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// The client for DynamoDB Streams.
    pub streams: Client,
    /// Lists the streams and their shards.
    pub discovery: Discovery,
    /// The leases.
    pub leases: LeaseTable,
    /// Stores gap records and quarantined records.
    pub control_table: ControlTable,
    /// The limits of the process.
    pub limits: Limits,
    /// The tasks whose records are in hand.
    pub in_hand: InHand,
}

/// How the work of a reader ended.
#[derive(Debug)]
pub enum Ended {
    /// The shard was read to its end, and its lease says so.
    Shard,
    /// The reader was asked to drain: all its records are settled and checkpointed, and it still holds the lease.
    Drained(Held),
    /// Another worker holds the lease.
    Lost,
}

/// Reads one shard until the shard ends, `drain` is cancelled, or the lease is lost.
pub struct Reader {
    parts: ReaderParts,
    held: Held,
    guard: Guard,
    drain: CancellationToken,
    behind: Arc<Behind>,
    trouble: Trouble,
    stream: String,
    shard: String,
    checkpoint: Checkpoint,
    /// How many settled records the last written checkpoint covers.
    written: u64,
    /// The checkpoint write in progress. There is at most one, and it runs beside the work instead of delaying it.
    writing: Option<Writing>,
    /// The records that were read and wait for their turn, in order.
    waiting: VecDeque<Waiting>,
    /// The next turn, while records wait for it.
    turn: Option<BoxFuture<'static, OwnedSemaphorePermit>>,
    in_work: FuturesUnordered<BoxFuture<'static, (Ticket, Handled)>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.shard)
    }
}

impl Reader {
    /// Creates a reader for a held lease of a shard.
    ///
    /// # Panics
    ///
    /// If the lease is not for a shard.
    pub fn new(
        parts: ReaderParts,
        held: Held,
        guard: Guard,
        drain: CancellationToken,
        behind: Arc<Behind>,
    ) -> Reader {
        let Subject::Shard { stream, shard } = held.subject.clone() else { panic!("a reader reads a shard") };
        Reader {
            parts,
            held,
            guard,
            drain,
            behind,
            trouble: Trouble::default(),
            stream,
            shard,
            checkpoint: Checkpoint::default(),
            written: 0,
            writing: None,
            waiting: VecDeque::new(),
            turn: None,
            in_work: FuturesUnordered::new(),
        }
    }

    /// Reads until the end; see [`Ended`].
    pub async fn run(mut self) -> Ended {
        let shard = self.shard.clone();
        info!(shard, position = ?self.held.position, "shard {shard}: reading");
        let guard = self.guard.clone();
        let ended = tokio::select! {
            // A lost lease ends everything, whatever the reader is waiting for.
            biased;
            () = guard.lost() => Ended::Lost,
            ended = self.read() => ended,
        };
        // Empty unless the lease was lost: then the records in flight are dropped here, and the next holder handles
        // them again.
        for _ in 0..self.in_work.len() + self.waiting.len() {
            self.parts.metrics.record(Handled::LeaseLost);
        }
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
        let (parts, guard) = (self.parts.clone(), self.guard.clone());
        let shard = (self.stream.as_str(), self.shard.as_str());
        let source = Source::new(parts, guard, shard, &self.held.position, Arc::clone(&self.behind));
        // None once reading has stopped: the room that a poll has reserved is given back at once.
        let mut pages = Some(source.pages());
        let mut ended = false;
        let mut ticks = interval(CHECKPOINT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = self.drain.clone();
        loop {
            if self.is_idle() && pages.is_none() {
                return if ended { self.end().await } else { self.drained().await };
            }
            tokio::select! {
                // A drain stops reading, and leaves what waits to the next holder. Finished work comes before new work,
                // so that fewer records are in flight. The checkpoint comes last: it is due at most once a second.
                biased;
                () = drain.cancelled(), if pages.is_some() || !self.waiting.is_empty() => {
                    ended &= self.waiting.is_empty();
                    (pages, self.turn) = (None, None);
                    self.waiting.clear();
                }
                Some((ticket, handled)) = self.in_work.next() => {
                    self.parts.metrics.record(handled);
                    if handled == Handled::LeaseLost {
                        // The record is not settled, so the position can never pass it: the next holder handles it
                        // again.
                        return Ended::Lost;
                    }
                    self.checkpoint.settle(ticket);
                    self.behind.settling.set(self.checkpoint.oldest());
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
                turn = wait_for(&mut self.turn), if self.turn.is_some() => self.begin(Some(turn)),
                brought = next(&mut pages), if pages.is_some() => match brought {
                    Some(brought) => self.take_in(brought),
                    None => (pages, ended) = (None, true),
                },
                _ = ticks.tick() => self.start_writing(),
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_work.is_empty() && self.writing.is_none()
    }

    /// Starts to handle the records that wait, as far as there are turns, beginning with the one in hand.
    fn begin(&mut self, mut turn: Option<OwnedSemaphorePermit>) {
        self.turn = None;
        while !self.waiting.is_empty() {
            let Some(turn) = turn.take().or_else(|| self.parts.limits.try_turn()) else {
                self.turn = Some(Box::pin(self.parts.limits.clone().turn()));
                return;
            };
            let Some(Waiting { ticket, record, place, holding }) = self.waiting.pop_front() else { return };
            let (pipeline, guard) = (Arc::clone(&self.parts.pipeline), self.guard.clone());
            self.in_work.push(Box::pin(async move {
                let handled = pipeline.handle(&record, &guard).await;
                drop((place, turn, holding));
                (ticket, handled)
            }));
        }
    }
}

async fn wait_for<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The next page of a shard that is still read.
async fn next(pages: &mut Option<BoxStream<'static, Brought>>) -> Option<Brought> {
    match pages {
        Some(pages) => pages.next().await,
        None => std::future::pending().await,
    }
}
