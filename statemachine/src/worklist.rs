//! The lists a task stands in: the `list` key of the `worklist` index.
//!
//! Each open list and each day is spread over [`BUCKETS`] keys by the task's id, so that no status is one hot partition.

use crate::status::{Delivery, State, Status};
use crate::token::TaskId;

/// How many keys each list is spread over.
pub const BUCKETS: u8 = 16;
/// `listAt` of an escalated task without a deadline: this long after it was escalated, and then again and again, the
/// sweeper asks whether its workflow still waits, in seconds.
pub const ASK_AFTER_SECONDS: i64 = 6 * 3_600;
/// The same the first time for a task that was escalated more than [`PENDING_GRACE_SECONDS`] after it was received: the
/// event of its workflow's end may have come and gone before it was stored.
pub const ASK_LATE_SECONDS: i64 = 5 * 60;
/// `listAt` of a new task: this long after it was received, the sweeper looks at it, in seconds. The stream normally
/// brings it within one.
pub const PENDING_GRACE_SECONDS: i64 = 60;

/// The lists of open tasks; each is walked by `listAt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Worklist {
    /// No rule has answered yet. `listAt`: received plus [`PENDING_GRACE_SECONDS`].
    Pending,
    /// Waits for a person. `listAt`: the deadline; without one, when it is asked about
    /// next.
    Escalated,
    /// A stored decision to be sent. `listAt`: the next attempt.
    Due,
    /// A closed answer to be verified in the execution's history. `listAt`: the next attempt.
    Verify,
}

impl Worklist {
    /// Every list, in the order a task meets them.
    pub const ALL: [Worklist; 4] = [Worklist::Pending, Worklist::Escalated, Worklist::Due, Worklist::Verify];

    /// The list that a task in this state stands in; none once it is settled.
    pub fn of(state: State) -> Option<Worklist> {
        match (state.status, state.delivery) {
            (Status::Approved | Status::Rejected | Status::Expired | Status::Failed, _) => None,
            (Status::Pending, None) => Some(Worklist::Pending),
            (Status::Escalated, None) => Some(Worklist::Escalated),
            (Status::Pending | Status::Escalated, Some(Delivery::Unverified)) => Some(Worklist::Verify),
            (Status::Pending | Status::Escalated, Some(_)) => Some(Worklist::Due),
        }
    }

    /// The list's name in its keys.
    pub fn name(self) -> &'static str {
        match self {
            Worklist::Pending => "PENDING",
            Worklist::Escalated => "ESCALATED",
            Worklist::Due => "DUE",
            Worklist::Verify => "VERIFY",
        }
    }

    /// The key of one bucket.
    pub fn key(self, bucket: u8) -> String {
        key(self.name(), bucket)
    }

    /// The key a task has in this list.
    pub fn key_of(self, id: &TaskId) -> String {
        self.key(id.bucket())
    }
}

/// The key of a settled task: the day it settled (`2026-11-22`, UTC) and its bucket.
pub fn settled_key(day: &str, id: &TaskId) -> String {
    key(day, id.bucket())
}

/// The key of one bucket of a named list: `2026-11-22#07`.
pub fn key(name: &str, bucket: u8) -> String {
    format!("{name}#{bucket:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_documented_ones() {
        let id = TaskId::parse("7a7816bf8f01cfea414140de5dae2223").unwrap();
        assert_eq!(Worklist::Pending.key_of(&id), "PENDING#07");
        assert_eq!(settled_key("2026-11-22", &id), "2026-11-22#07");
        assert!(id.bucket() < BUCKETS);
    }
}
