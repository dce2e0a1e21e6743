//! The source of a reader: polls its shard, one poll after the other. Each poll is a separate future that runs beside
//! the records in flight.

use aws_sdk_dynamodbstreams::types::Record;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use crate::aws::fault::Fault;
use crate::lease::guard::Guard;
use crate::lease::plan::Position;
use crate::stream::limits::Share;
use crate::stream::reader::ReaderParts;
use crate::stream::tail::{Polled, Tail};

/// The shard between two polls.
pub(super) struct Source {
    pub(super) tail: Tail,
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
    Page { records: Vec<Record>, is_last: bool, share: Share, granted: u32 },
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

/// A poll in progress, which returns the source when it is done.
pub(super) type Fetch = BoxFuture<'static, (Source, Brought)>;

impl Source {
    pub(super) fn new(
        parts: ReaderParts,
        guard: Guard,
        stream: &str,
        shard: &str,
        position: &Position,
    ) -> Source {
        Source {
            tail: Tail::new(parts.streams.clone(), stream, shard, position),
            parts,
            guard,
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            not_found: 0,
            is_at_horizon: false,
        }
    }

    /// Waits until the poll is due and its page fits the limits, then polls. If records can no longer be read, it finds
    /// out why and records the gap. Dropping the future loses nothing: the tail keeps the position, and a gap that is
    /// recorded twice replaces itself.
    pub(super) fn fetch(mut self, at: Instant, page: u32) -> Fetch {
        Box::pin(async move {
            sleep_until(at).await;
            let (granted, share) = self.parts.limits.page(page).await;
            let (records, is_last) = match self.tail.poll(granted).await {
                Polled::Page(records) => (records, false),
                Polled::LastPage(records) => (records, true),
                Polled::Unreadable { cause, after } => {
                    drop(share);
                    let brought = self.unreadable(cause, after).await.unwrap_or_else(Brought::Failed);
                    return (self, brought);
                }
                Polled::Failed(fault) => return (self, Brought::Failed(fault)),
            };
            (self.not_found, self.is_at_horizon) = (0, false);
            (self, Brought::Page { records, is_last, share, granted })
        })
    }
}
