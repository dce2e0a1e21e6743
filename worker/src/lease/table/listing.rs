//! Applies a listing: the discoverer creates, marks and deletes leases. It does not hold them, so no fence is used:
//! each write has its own condition.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{END, START, key};
use super::{LeaseTable, Unreadable};
use crate::aws::attribute::{names, number, text};
use crate::aws::fault::Fault;
use crate::lease::lineage::{Change, Listed};
use crate::lease::plan::Subject;

/// An item without an epoch is not a lease yet: it is completed.
const ABSENT: &str = "attribute_not_exists(#epoch)";

impl LeaseTable {
    /// Applies what a listing changes.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be applied; the next listing finds out.
    pub async fn apply(&self, stream: &str, change: &Change, now: i64) -> Result<(), Fault> {
        let (subject, set, condition, values) = match change {
            Change::Create { listed, parent_missing } => {
                let (mut set, mut values) = creation(listed);
                if *parent_missing {
                    set.push_str(", #parentMissingSince = :now");
                    values.push((":now", number(now)));
                }
                (subject_of(stream, listed), set, ABSENT, values)
            }
            Change::ParentMissing(subject) => {
                let set = "SET #parentMissingSince = if_not_exists(#parentMissingSince, :now)".to_owned();
                (subject.clone(), set, "attribute_exists(#pk)", vec![(":now", number(now))])
            }
            Change::ParentFound(subject) => {
                let set = "REMOVE #parentMissingSince".to_owned();
                (subject.clone(), set, "attribute_exists(#pk)", vec![])
            }
            Change::Orphan(subject) => {
                let values = vec![(":yes", AttributeValue::Bool(true))];
                (subject.clone(), "SET #parentGone = :yes".to_owned(), "attribute_exists(#pk)", values)
            }
            Change::Missing(subject) => {
                let values = vec![(":now", number(now))];
                let set = "SET #missingSince = if_not_exists(#missingSince, :now)".to_owned();
                (subject.clone(), set, "attribute_exists(#pk)", values)
            }
            Change::Found(subject) => {
                (subject.clone(), "REMOVE #missingSince".to_owned(), "attribute_exists(#pk)", vec![])
            }
            Change::Forget(subject) => return self.forget(subject).await,
        };
        self.update(&subject, &set, condition, values).await.map(drop)
    }

    /// Creates the lease of one bucket of the worklists, unless there is one.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be there.
    pub async fn create_sweep(&self, bucket: u8) -> Result<(), Fault> {
        let set = "SET #epoch = :epoch, #counter = :zero, #position = :start";
        let values = [(":epoch", first_epoch()), (":zero", number(0)), (":start", text(START))];
        self.update(&Subject::Sweep(bucket), set, ABSENT, values).await.map(drop)
    }

    /// Removes an item that cannot be read, whichever worker holds it: the lease is recreated with other epochs. An
    /// item without an epoch stays, to be completed, and so does the item of a newer version. It is removed only as it was seen: a later write by another worker
    /// stays, even if this deletion arrives a second time.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be gone.
    pub async fn remove(&self, subject: &Subject, seen: &Unreadable) -> Result<(), Fault> {
        if seen.newer().is_some() || !seen.item.contains_key("epoch") {
            return Ok(());
        }
        let read = [("#epoch", ":epoch"), ("#counter", ":counter"), ("#position", ":position")];
        let (mut conditions, mut values) = (vec![], vec![]);
        for (name, placeholder) in read {
            match seen.item.get(&name[1..]) {
                Some(value) => {
                    conditions.push(format!("{name} = {placeholder}"));
                    values.push((placeholder, value.clone()));
                }
                None => conditions.push(format!("attribute_not_exists({name})")),
            }
        }
        self.delete(subject, &conditions.join(" AND "), values).await
    }

    async fn forget(&self, subject: &Subject) -> Result<(), Fault> {
        self.delete(subject, "#position = :end", [(":end", text(END))]).await
    }

    async fn delete(
        &self,
        subject: &Subject,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<(), Fault> {
        let mut request = self
            .control_table
            .client
            .delete_item()
            .table_name(&self.control_table.name)
            .set_key(Some(key(subject)))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])));
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Already gone, by a retry whose first response was lost or by another discoverer; or not of that kind.
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(Fault::of("DeleteItem", self.control_table.resource(), &error)),
            },
        }
    }
}

/// An upsert that changes nothing if the lease exists.
pub(super) fn creation(listed: &Listed) -> (String, Vec<(&'static str, AttributeValue)>) {
    let mut set = "SET #epoch = if_not_exists(#epoch, :epoch), #counter = if_not_exists(#counter, :zero), \
                   #position = if_not_exists(#position, :start)"
        .to_owned();
    let mut values = vec![(":epoch", first_epoch()), (":zero", number(0)), (":start", text(START))];
    if let Some(parent) = &listed.parent {
        set.push_str(", #parent = :parent");
        values.push((":parent", text(parent)));
    }
    (set, values)
}

/// The first epoch of a new lease: random, so that if a lease is deleted by hand and recreated, no late write of its
/// former holder passes the fence.
fn first_epoch() -> AttributeValue {
    number(i64::from(fastrand::u32(..)))
}

pub(super) fn subject_of(stream: &str, listed: &Listed) -> Subject {
    Subject::Shard { stream: stream.to_owned(), shard: listed.shard.clone() }
}
