//! A stretch of a shard that cannot be read: what it is, its note and metric, and where reading goes on.

use tracing::error;

use crate::aws::fault::{Class, Fault, Resource};
use crate::lease::checkpoint::SequenceNumber;
use crate::stream::reader::Reader;
use crate::stream::reader::source::{Brought, Gap, GapCause, Source};
use crate::stream::tail::Unreadable;

/// How many reads must not know a shard, and none know it, before anybody asks whether it is gone: a minute's worth of
/// failed polls. A question takes as long as many reads, and listings show the dead and lack the living.
const UNKNOWN_READS: u32 = 18;

impl Source {
    /// A stretch of the shard cannot be read. Never silent: a gap record, then what is left.
    pub(super) async fn unreadable(
        &mut self,
        what: Unreadable,
        after: Option<SequenceNumber>,
    ) -> Result<Brought, Fault> {
        let cause = match what {
            Unreadable::Trimmed => GapCause::Trimmed,
            Unreadable::NotFound => match self.gone().await? {
                Some(cause) => cause,
                None => return Ok(Brought::Unknown),
            },
        };
        if cause == GapCause::Trimmed && self.is_at_horizon {
            // The oldest record is trimmed as well: the same gap, longer.
            return Err(self.passing(what));
        }
        if !self.guard.is_live() {
            // The gap is the next holder's to note.
            return Err(self.passing(what));
        }
        let after = after.map_or_else(|| "TRIM_HORIZON".to_owned(), |after| after.0);
        let (control, now) = (&self.parts.control_table, self.parts.clock.now());
        control.note_gap(&self.stream, &self.shard, &after, cause.as_str(), now).await?;
        if cause == GapCause::Trimmed {
            self.tail.restart_at_horizon();
            self.is_at_horizon = true;
        }
        Ok(Brought::Gap(Gap { cause, after }))
    }

    /// Finds out what happened to a shard that reads do not find: that also happens right after a roll, and while a
    /// stream is not visible. Returns what is gone once that is proven, none while it may come back.
    async fn gone(&mut self) -> Result<Option<GapCause>, Fault> {
        self.not_found += 1;
        if self.not_found < UNKNOWN_READS {
            return Ok(None);
        }
        let discovery = &self.parts.discovery;
        match discovery.list(&self.stream).await {
            Ok(listing) if !listing.shards.is_empty() => Ok(Some(GapCause::ShardGone)),
            // An empty listing of a stream that had shards is a fault, not a fact, and so is the stream's absence
            // while it is still the table's latest stream.
            Ok(_) if discovery.is_latest(&self.stream).await? => Err(self.passing(Unreadable::NotFound)),
            Ok(_) => Ok(Some(GapCause::ShardGone)),
            Err(fault) if fault.code != "ResourceNotFoundException" => Err(fault),
            Err(_) if discovery.is_latest(&self.stream).await? => Err(self.passing(Unreadable::NotFound)),
            Err(_) => Ok(Some(GapCause::StreamGone)),
        }
    }

    /// The poll's error, if it does not prove that the shard is gone.
    fn passing(&self, what: Unreadable) -> Fault {
        let code = match what {
            Unreadable::Trimmed => "TrimmedDataAccessException",
            Unreadable::NotFound => "ResourceNotFoundException",
        };
        let on = Resource::Stream(self.stream.clone());
        Fault { operation: "GetRecords", on, code: code.to_owned(), class: Class::Transient }
    }
}

impl Reader {
    /// Logs and counts a recorded gap.
    pub(super) fn tell(&self, Gap { cause, after }: &Gap) {
        self.parts.metrics.gaps.inc();
        let (shard, cause_text) = (&self.shard, cause.as_str());
        error!(
            shard,
            stream = self.stream,
            after,
            cause = cause_text,
            "shard {shard}: records after {after} cannot be read ({cause_text}); the sweeper finds their tasks"
        );
    }
}
