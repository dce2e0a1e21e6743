//! A lease as an item of the control table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::PARTITION;
use crate::aws::attribute::{check_format, counter_of, number_of, text, text_of};
use crate::control::table::{PK, SK};
use crate::lease::checkpoint::SequenceNumber;
use crate::lease::plan::{Lease, Position, Subject};

/// The position before the first record.
pub(super) const START: &str = "TRIM_HORIZON";
/// The position of a shard that is read to its end.
pub(super) const END: &str = "SHARD_END";

/// The key of a lease's item.
pub(super) fn key(subject: &Subject) -> HashMap<String, AttributeValue> {
    HashMap::from([(PK.to_owned(), text(PARTITION)), (SK.to_owned(), text(&subject.key()))])
}

/// Reads a lease; none when it cannot be read, or a newer version wrote it.
pub(super) fn read_lease(item: &HashMap<String, AttributeValue>) -> Option<Lease> {
    check_format(item).ok()?;
    let flag = |name| item.get(name).and_then(|flag| flag.as_bool().ok()).copied().unwrap_or(false);
    Some(Lease {
        subject: Subject::parse(&text_of(item, SK)?)?,
        parent: text_of(item, "parent"),
        owner: text_of(item, "owner"),
        target: text_of(item, "target"),
        epoch: counter_of(item, "epoch")?,
        counter: counter_of(item, "counter")?,
        position: match text_of(item, "position")?.as_str() {
            START => Position::TrimHorizon,
            END => Position::End,
            sequence_number => Position::After(SequenceNumber(sequence_number.to_owned())),
        },
        parent_gone: flag("parentGone"),
        parent_missing_since: number_of(item, "parentMissingSince"),
        missing_since: number_of(item, "missingSince"),
    })
}
