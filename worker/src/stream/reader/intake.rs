//! What a poll brought: its records queue for their turn, and its failures are told.

use aws_sdk_dynamodbstreams::types::Record;
use tracing::{error, warn};

use crate::aws::fault::Fault;
use crate::lease::checkpoint::{SequenceNumber, Ticket};
use crate::stream::limits::Share;
use crate::stream::reader::Reader;
use crate::stream::reader::source::{Brought, made_at, stored};
use crate::stream::reader::superseded::superseded;
use crate::stream::service::service_of;
use crate::tasks::handled::Handled;
use crate::tasks::in_hand::Holding;
use crate::tasks::item::task_id;

/// A record that was read and is not handled yet.
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) record: Record,
    /// Its place among the records in flight.
    pub(super) place: Share,
    /// The task, if it is one's: the sweeper of this process leaves it alone.
    pub(super) holding: Option<Holding>,
}

impl Reader {
    /// Takes in the records of a page.
    pub(super) fn take_in(&mut self, brought: Brought) {
        let (records, mut share) = match brought {
            Brought::Page { records, share, .. } => (records, share),
            Brought::Gap(gap) => return self.tell(&gap),
            Brought::Unknown => {
                warn!(shard = self.shard, "shard {}: not found; retrying", self.shard);
                return;
            }
            Brought::Failed(fault) => return self.failed(&fault),
        };
        self.trouble.answered();
        let now = self.parts.clock.now().as_second();
        let superseded = superseded(&records);
        for (record, is_done) in records.into_iter().zip(superseded) {
            let Some(sequence_number) = record.dynamodb().and_then(|change| change.sequence_number()) else {
                error!(shard = self.shard, "shard {}: a record has no sequence number", self.shard);
                self.parts.metrics.record(Handled::Poison);
                continue;
            };
            if let Some((sent, stored)) = stored(&record) {
                self.parts.metrics.stored(sent, stored);
            }
            let sequence_number = SequenceNumber(sequence_number.to_owned());
            let ticket = self.checkpoint.deliver(sequence_number, made_at(&record).unwrap_or(now));
            if is_done {
                self.checkpoint.settle(ticket);
                self.parts.metrics.record(Handled::AlreadySettled);
                continue;
            }
            let bytes = record.dynamodb().and_then(|change| change.size_bytes()).unwrap_or(0);
            let place = share.split_record(usize::try_from(bytes).unwrap_or(0));
            let holding = task_id(&record).map(|id| self.parts.in_hand.take(id));
            self.waiting.push_back(Waiting { ticket, record, place, holding });
        }
        if self.turn.is_none() {
            self.begin(None);
        }
        self.behind.settling.set(self.checkpoint.oldest());
    }

    pub(super) fn failed(&mut self, fault: &Fault) {
        let shard = &self.shard;
        if self.trouble.failed(fault.class, &self.parts.metrics, service_of(fault)) {
            error!(shard, error = %fault, "shard {shard}: {fault}; reading pauses");
        } else {
            warn!(shard, error = %fault, "shard {shard}: {fault}; retrying");
        }
    }
}
