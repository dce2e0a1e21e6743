//! What a reader reads from: one poll of its shard after the other, each a future of its own beside the work in hand.

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
    /// How many reads since the last page did not know the shard.
    pub(super) not_found: u32,
    /// A gap was noted up to the oldest record that is left, and no page came since.
    pub(super) is_at_horizon: bool,
}

/// What one poll came to.
pub(super) enum Brought {
    /// Records, perhaps none, with the place they hold.
    Page { records: Vec<Record>, is_last: bool, share: Share, granted: u32 },
    /// A stretch that cannot be read: noted in the control table.
    Gap(Gap),
    /// The shard may be gone, or not: that takes longer.
    Unknown,
    /// No answer that says anything of the shard.
    Failed(Fault),
}

/// Why a stretch cannot be read.
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

/// A stretch that cannot be read.
pub(super) struct Gap {
    pub(super) cause: GapCause,
    /// The last record before it.
    pub(super) after: String,
}

/// A poll under way, which hands the source back.
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

    /// Waits for the poll's time and for a place, then polls, and asks and notes what becomes of a stretch that cannot
    /// be read. Dropping it loses nothing: the position is the tail's, and what was noted is noted again in its place.
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
