//! A stretch of a shard that cannot be read: what it is, its note and metric, and where reading goes on.

use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

use crate::aws::Class;
use crate::stream::checkpoint::SequenceNumber;
use crate::stream::reader::pace::Pace;
use crate::stream::reader::{Next, Reader};
use crate::stream::tail::{Tail, Unreadable};

/// How long a shard that listings show and reads do not know is asked for again: listings may show the dead.
const LISTED_BUT_UNKNOWN: Duration = Duration::from_secs(60);

impl Reader {
    /// A stretch of the shard cannot be read. Never silent: a gap record and a metric, then what is left.
    pub(super) async fn unreadable(
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
}
