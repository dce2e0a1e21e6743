//! A held lease and the fence of its writes.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::attribute::{number, text};
use crate::lease::plan::{Lease, Position, Subject};

/// The condition of every write of a holder; its values are [`fence_values`].
pub(super) const FENCE: &str = "#owner = :me AND #epoch = :epoch AND #counter = :counter";

/// A lease that this process holds, with the fence of its next write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is for.
    pub subject: Subject,
    /// How far it was when it was taken, then as last written.
    pub position: Position,
    pub(super) me: String,
    pub(super) epoch: i64,
    pub(super) counter: i64,
}

impl Held {
    /// How often the lease has changed hands, this holder included.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The lease is still held, but an earlier write of this holder, whose response was lost, has moved the fence.
    pub(super) fn is_behind(&self, seen: &Lease) -> bool {
        seen.owner.as_ref() == Some(&self.me) && seen.epoch == self.epoch && seen.counter > self.counter
    }
}

pub(super) fn fence_values<const N: usize>(
    held: &Held,
    extra: [(&'static str, AttributeValue); N],
) -> Vec<(&'static str, AttributeValue)> {
    let fence = [
        (":me", text(&held.me)),
        (":epoch", number(held.epoch)),
        (":counter", number(held.counter)),
        (":next", number(held.counter + 1)),
    ];
    fence.into_iter().chain(extra).collect()
}
