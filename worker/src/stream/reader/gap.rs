//! A stretch of a shard that cannot be read: what it is, its note and metric, and where reading goes on.

use tracing::error;

use crate::aws::{Class, Fault};
use crate::stream::checkpoint::SequenceNumber;
use crate::stream::reader::pace::Pace;
use crate::stream::reader::{Next, Reader};
use crate::stream::tail::{Tail, Unreadable};

/// How many reads must not know a shard, and none know it, before anybody asks whether it is gone: a minute's worth of
/// failed polls. A question takes as long as many reads, and listings show the dead and lack the living.
const UNKNOWN_READS: u32 = 18;

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
            Unreadable::NotFound => match self.gone().await {
                Ok(Some(cause)) => cause,
                Ok(None) => {
                    let code = "ResourceNotFoundException".to_owned();
                    self.failed(&Fault { operation: "GetRecords", code, class: Class::Transient });
                    pace.failed(Class::Transient);
                    return Next::Poll;
                }
                Err(fault) => {
                    self.failed(&fault);
                    pace.failed(fault.class);
                    return Next::Poll;
                }
            },
        };
        if !self.guard.is_live() {
            // The gap is the next holder's to note.
            pace.failed(Class::Transient);
            return Next::Poll;
        }
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
            // A service that calls the horizon trimmed too must not fill the table with gap records.
            pace.failed(Class::Transient);
            return Next::Poll;
        }
        Next::End
    }

    /// Asks what became of a shard that reads do not know: they answer so right after a roll too, and for a stream that
    /// is just not seen. Says what is gone once that is proven, none while it may come back.
    async fn gone(&mut self) -> Result<Option<&'static str>, Fault> {
        self.not_found += 1;
        if self.not_found < UNKNOWN_READS {
            return Ok(None);
        }
        let discovery = &self.parts.discovery;
        match discovery.list(&self.stream).await {
            Ok(listing) if !listing.shards.is_empty() => Ok(Some("shard gone")),
            // An empty listing of a stream that had shards is a fault, not a fact, and so is the stream's absence,
            // while the table still calls it its own.
            Ok(_) if discovery.is_latest(&self.stream).await? => Ok(None),
            Ok(_) => Ok(Some("shard gone")),
            Err(fault) if fault.code != "ResourceNotFoundException" => Err(fault),
            Err(_) if discovery.is_latest(&self.stream).await? => Ok(None),
            Err(_) => Ok(Some("stream gone")),
        }
    }
}
