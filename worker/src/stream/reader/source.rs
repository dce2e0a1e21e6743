//! The source of a reader: the pages of its shard as a stream, one poll after the other. It runs beside the records in
//! flight.

use std::sync::Arc;

use aws_sdk_dynamodbstreams::types::{OperationType, Record};
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use statemachine::task::attribute;
use tokio::time::sleep_until;

use crate::aws::fault::{Class, Fault};
use crate::lease::guard::Guard;
use crate::lease::plan::Position;
use crate::metrics::behind::Behind;
use crate::stream::limits::Share;
use crate::stream::reader::ReaderParts;
use crate::stream::reader::lag::Lag;
use crate::stream::reader::pace::Pace;
use crate::stream::tail::{Polled, Tail};

/// The shard between two polls.
pub(super) struct Source {
    pub(super) tail: Tail,
    pace: Pace,
    lag: Lag,
    pub(super) parts: ReaderParts,
    pub(super) guard: Guard,
    pub(super) stream: String,
    pub(super) shard: String,
    /// How many reads did not find the shard since the last page.
    pub(super) not_found: u32,
    /// A gap was recorded up to the oldest remaining record, and no page has arrived since.
    pub(super) is_at_horizon: bool,
}

/// The result of a poll.
pub(super) enum Brought {
    /// Records, perhaps none, with the share that they hold.
    Page { records: Vec<Record>, is_last: bool, share: Share },
    /// Records that can no longer be read, recorded in the control table.
    Gap(Gap),
    /// It is not known yet whether the shard still exists.
    Unknown,
    /// An error that says nothing about the shard.
    Failed(Fault),
}

/// Why the records of a gap can no longer be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapCause {
    Trimmed,
    ShardGone,
    StreamGone,
}

impl GapCause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            GapCause::Trimmed => "trimmed",
            GapCause::ShardGone => "shard gone",
            GapCause::StreamGone => "stream gone",
        }
    }
}

/// A part of the shard that can no longer be read.
pub(super) struct Gap {
    pub(super) cause: GapCause,
    /// The last record before the gap.
    pub(super) after: String,
}

impl Brought {
    /// Nothing follows: the shard was read to its end, or is gone.
    fn is_last(&self) -> bool {
        match self {
            Brought::Page { is_last, .. } => *is_last,
            Brought::Gap(Gap { cause, .. }) => match cause {
                GapCause::Trimmed => false,
                GapCause::ShardGone | GapCause::StreamGone => true,
            },
            Brought::Unknown | Brought::Failed(_) => false,
        }
    }
}

impl Source {
    pub(super) fn new(
        parts: ReaderParts,
        guard: Guard,
        (stream, shard): (&str, &str),
        position: &Position,
        behind: Arc<Behind>,
    ) -> Source {
        let lag = Lag::new(behind, parts.clock.now().as_second());
        Source {
            tail: Tail::new(parts.streams.clone(), stream, shard, position),
            pace: Pace::default(),
            lag,
            parts,
            guard,
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            not_found: 0,
            is_at_horizon: false,
        }
    }

    /// Every page until the shard ends. Each is requested when its poll is due and its records fit the limits. Dropping
    /// the stream loses nothing: the tail keeps the position, and a gap that is recorded twice replaces itself.
    pub(super) fn pages(self) -> BoxStream<'static, Brought> {
        let pages = stream::unfold(Some(self), async |source| {
            let mut source = source?;
            let brought = source.next().await;
            let is_last = brought.is_last();
            if is_last {
                source.lag.ended();
            }
            Some((brought, (!is_last).then_some(source)))
        });
        Box::pin(pages)
    }

    /// Waits until the poll is due and its page fits the limits, then polls. If records can no longer be read, it finds
    /// out why and records the gap.
    async fn next(&mut self) -> Brought {
        sleep_until(self.pace.next_poll()).await;
        let (granted, share) = self.parts.limits.page(self.pace.page()).await;
        let (records, is_last) = match self.tail.poll(granted).await {
            Polled::Page(records) => (records, false),
            Polled::LastPage(records) => (records, true),
            Polled::Unreadable { cause, after } => {
                drop(share);
                let brought = self.unreadable(cause, after).await.unwrap_or_else(Brought::Failed);
                self.pace.failed(match &brought {
                    Brought::Failed(fault) => fault.class,
                    Brought::Page { .. } | Brought::Gap(_) | Brought::Unknown => Class::Transient,
                });
                return brought;
            }
            Polled::Failed(fault) => {
                self.pace.failed(fault.class);
                return Brought::Failed(fault);
            }
        };
        (self.not_found, self.is_at_horizon) = (0, false);
        let newest = records.iter().filter_map(made_at).max();
        let is_at_end = self.lag.read(newest, self.parts.clock.now().as_second());
        self.pace.got(records.len(), granted, is_at_end);
        Brought::Page { records, is_last, share }
    }
}

/// When a new task's message was sent, and when the task was stored, in epoch seconds; none for other records.
pub(super) fn stored(record: &Record) -> Option<(i64, i64)> {
    if record.event_name() != Some(&OperationType::Insert) {
        return None;
    }
    let sent = record.dynamodb()?.new_image()?.get(attribute::RECEIVED_AT)?.as_s().ok()?;
    Some((sent.parse::<Timestamp>().ok()?.as_second(), made_at(record)?))
}

/// When the change in the record was made, in epoch seconds.
pub(super) fn made_at(record: &Record) -> Option<i64> {
    Some(record.dynamodb()?.approximate_creation_date_time()?.secs())
}
