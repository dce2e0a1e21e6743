//! Leases and checkpoints in the control table.
//!
//! Every write of a holder is fenced by owner, epoch and counter. After each failed condition the current item
//! (`ALL_OLD`) shows whether this write, or another one of this holder, was applied although its response was lost: a
//! lease that is still held is never given up because of a lost response.

pub mod held;
mod item;
mod listing;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use statemachine::format::Newer;

use crate::aws::attribute::{check_format, number, text, text_of};
use crate::aws::fault::Fault;
use crate::control::table::{ControlTable, SK};
use crate::lease::checkpoint::SequenceNumber;
use crate::lease::lineage::Listed;
use crate::lease::plan::{Lease, Position, Subject};
use crate::lease::table::held::{FENCE, Held, fence_values};
use crate::lease::table::item::{END, read_lease};
use crate::lease::table::listing::{creation, subject_of};
use crate::lease::table::write::{Applied, canceled_by_condition};

const PARTITION: &str = "lease";

/// A fenced write found another holder: stop the work, because the lease belongs to another worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Another worker holds it, or its item is gone.
    #[error("the lease is no longer held")]
    Lost,
    /// The call failed; repeating it finds out.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An item in a lease's place that cannot be read, as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// Its sort key.
    pub key: String,
    item: HashMap<String, AttributeValue>,
}

impl Unreadable {
    /// Why it must be left as it is, if a newer version wrote it.
    pub fn newer(&self) -> Option<Newer> {
        check_format(&self.item).err()
    }
}

/// The leases of the control table.
#[derive(Debug, Clone)]
pub struct LeaseTable {
    control_table: ControlTable,
    me: String,
}

impl LeaseTable {
    /// Leases for the worker `me`: a name that no other process, past or present, has.
    pub fn new(control_table: ControlTable, me: &str) -> LeaseTable {
        LeaseTable { control_table, me: me.to_owned() }
    }

    /// Every lease.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read.
    pub async fn list(&self) -> Result<Vec<Lease>, Fault> {
        Ok(self.list_whole().await?.0)
    }

    /// Every lease, and the items in a lease's place that cannot be read: they were edited by hand, or a newer version
    /// wrote them.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read.
    pub async fn list_whole(&self) -> Result<(Vec<Lease>, Vec<Unreadable>), Fault> {
        let (mut leases, mut unreadable) = (vec![], vec![]);
        for item in self.control_table.query(PARTITION).await? {
            match read_lease(&item) {
                Some(lease) => leases.push(lease),
                None => {
                    unreadable.extend(text_of(&item, SK).map(|key| Unreadable { key, item }));
                }
            }
        }
        Ok((leases, unreadable))
    }

    /// Takes a lease as it was seen; fails if it was written since.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] when another was faster.
    pub async fn take(&self, seen: &Lease) -> Result<Held, LeaseError> {
        let (epoch, counter) = (seen.epoch + 1, seen.counter + 1);
        let held = Held {
            subject: seen.subject.clone(),
            position: seen.position.clone(),
            me: self.me.clone(),
            epoch,
            counter,
        };
        let set = "SET #owner = :me, #epoch = :epoch, #counter = :counter REMOVE #target";
        let condition = "#epoch = :seenEpoch AND #counter = :seenCounter";
        let values = [
            (":me", text(&self.me)),
            (":epoch", number(epoch)),
            (":counter", number(counter)),
            (":seenEpoch", number(seen.epoch)),
            (":seenCounter", number(seen.counter)),
        ];
        match self.update(&seen.subject, set, condition, values).await? {
            Applied::Now => Ok(held),
            Applied::Otherwise(Some(lease))
                if lease.owner.as_ref() == Some(&self.me)
                    && lease.epoch == epoch
                    && lease.counter == counter =>
            {
                Ok(held)
            }
            Applied::Otherwise(_) => Err(LeaseError::Lost),
        }
    }

    /// The leases that this worker holds, by a consistent read of the table.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read.
    pub async fn mine(&self) -> Result<Vec<Held>, Fault> {
        let items = self.control_table.query_consistently(PARTITION).await?;
        Ok(items.iter().filter_map(read_lease).filter_map(|lease| self.held(lease)).collect())
    }

    /// A lease that was seen to be this worker's; none when it is another's. If the reading was stale, the first write
    /// fails.
    pub fn held(&self, seen: Lease) -> Option<Held> {
        let Lease { subject, owner, epoch, counter, position, .. } = seen;
        let me = owner.filter(|owner| *owner == self.me)?;
        Some(Held { subject, position, me, epoch, counter })
    }

    /// Stores how far a held lease has come.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] when it is no longer held.
    pub async fn checkpoint(&self, held: &mut Held, position: &SequenceNumber) -> Result<(), LeaseError> {
        let set = "SET #position = :position, #counter = :next";
        let extra = [(":position", text(&position.0))];
        let position = Position::After(position.clone());
        let me = held.me.clone();
        let is_written = |seen: &Lease| seen.owner.as_ref() == Some(&me) && seen.position == position;
        self.fenced(held, set, extra, is_written).await?;
        held.position = position;
        Ok(())
    }

    /// Releases a held lease by a write, so that no worker has to wait for an expiry.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] when it is no longer held.
    pub async fn release(&self, held: &mut Held, target: Option<&str>) -> Result<(), LeaseError> {
        let is_written = |seen: &Lease| seen.owner.is_none();
        match target {
            Some(target) => {
                let set = "SET #target = :target, #counter = :next REMOVE #owner";
                self.fenced(held, set, [(":target", text(target))], is_written).await
            }
            None => self.fenced(held, "SET #counter = :next REMOVE #owner", [], is_written).await,
        }
    }

    /// Closes a shard that was read to its end: its tombstone and its children's leases in one transaction, so that
    /// no crash can leave the end without the children.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] when it is no longer held.
    ///
    /// # Panics
    ///
    /// When the lease is not a shard's: only shards end.
    pub async fn end(&self, held: &mut Held, children: &[Listed]) -> Result<(), LeaseError> {
        let Subject::Shard { stream, .. } = &held.subject else { panic!("only shards end") };
        let set = "SET #position = :position, #counter = :next REMOVE #owner, #target";
        let values = fence_values(held, [(":position", text(END))]);
        let end = self.transact_update(&held.subject, set, Some(FENCE), values);
        let create = children.iter().map(|child| {
            let (set, values) = creation(child);
            self.transact_update(&subject_of(stream, child), &set, None, values)
        });
        let writes: Vec<TransactWriteItem> = std::iter::once(end).chain(create).collect();
        let answer =
            self.control_table.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        match answer {
            Ok(_) => {}
            Err(error) => match canceled_by_condition(&error) {
                Some(Some(lease)) if lease.position == Position::End && lease.epoch == held.epoch => {}
                Some(Some(lease)) if held.is_behind(&lease) => {
                    held.counter = lease.counter;
                    return Box::pin(self.end(held, children)).await;
                }
                Some(_) => return Err(LeaseError::Lost),
                None => {
                    return Err(Fault::of("TransactWriteItems", self.control_table.resource(), &error).into());
                }
            },
        }
        held.position = Position::End;
        held.counter += 1;
        Ok(())
    }

    /// Writes under the fence. `is_written` tells from the current lease whether this write was applied.
    async fn fenced<const N: usize>(
        &self,
        held: &mut Held,
        set: &str,
        extra: [(&'static str, AttributeValue); N],
        is_written: impl Fn(&Lease) -> bool,
    ) -> Result<(), LeaseError> {
        loop {
            let values = fence_values(held, extra.clone());
            let next = held.counter + 1;
            match self.update(&held.subject, set, FENCE, values).await? {
                Applied::Now => {}
                Applied::Otherwise(Some(lease))
                    if lease.epoch == held.epoch && lease.counter == next && is_written(&lease) => {}
                // Continues from there. The loop ends: each turn needs another late write of this holder.
                Applied::Otherwise(Some(lease)) if held.is_behind(&lease) => {
                    held.counter = lease.counter;
                    continue;
                }
                Applied::Otherwise(_) => return Err(LeaseError::Lost),
            }
            held.counter = next;
            return Ok(());
        }
    }
}
