//! What the worklists hold, as their holders count it: for metrics, and for `countersign status` of the whole fleet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statemachine::worklist::Worklist;
use utoipa::ToSchema;

/// A deadline within this many seconds counts as soon.
pub const SOON_SECONDS: i64 = 3_600;

/// The tasks of some buckets. Every task stands in one bucket, and every bucket has one holder, so the counts of all
/// holders add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// When the oldest of them was counted, in epoch seconds.
    pub at: i64,
    /// How many buckets these are.
    pub buckets: u32,
    /// The open tasks of each worklist.
    pub open: Lists,
    /// When the next workflow of an undecided task stops waiting, in epoch seconds.
    pub next_deadline: Option<i64>,
    /// Undecided tasks whose workflow stops waiting within an hour, or has.
    pub due_soon: u64,
    /// Tasks that wait for a person, by the rule that left them to one; without a rule, by the code in brackets.
    pub escalated_by: BTreeMap<String, u64>,
    /// The tasks that settled on this day.
    pub today: Settled,
    /// Some worklist has more tasks than a count reads: the numbers are lower bounds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// The open tasks of each worklist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenLists)]
#[serde(rename_all = "UPPERCASE", default)]
#[expect(missing_docs, reason = "each is the worklist of that name")]
pub struct Lists {
    pub pending: Open,
    pub escalated: Open,
    pub due: Open,
    pub verify: Open,
}

/// The open tasks of one worklist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenList)]
#[serde(rename_all = "camelCase", default)]
pub struct Open {
    /// How many.
    pub tasks: u64,
    /// When the oldest was received, in epoch seconds.
    pub oldest: Option<i64>,
}

/// The tasks that settled on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SettledToday)]
#[serde(rename_all = "camelCase", default)]
pub struct Settled {
    /// The day, in UTC: `2026-11-22`.
    pub day: String,
    /// Decided by the rules.
    pub automatic: u64,
    /// Decided by people.
    pub people: u64,
    /// Expired undecided.
    pub expired: u64,
    /// Decided, but the workflow went on with another result.
    pub elsewhere: u64,
    /// Their answer was rejected permanently.
    pub failed: u64,
    /// More settled than are counted yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl Lists {
    /// One list.
    pub fn of(&self, list: Worklist) -> &Open {
        match list {
            Worklist::Pending => &self.pending,
            Worklist::Escalated => &self.escalated,
            Worklist::Due => &self.due,
            Worklist::Verify => &self.verify,
        }
    }

    /// One list, to count in.
    pub(crate) fn of_mut(&mut self, list: Worklist) -> &mut Open {
        match list {
            Worklist::Pending => &mut self.pending,
            Worklist::Escalated => &mut self.escalated,
            Worklist::Due => &mut self.due,
            Worklist::Verify => &mut self.verify,
        }
    }
}

impl Counts {
    /// Adds the counts of other buckets.
    pub fn add(&mut self, other: &Counts) {
        if other.buckets == 0 {
            return;
        }
        self.at = if self.buckets == 0 { other.at } else { self.at.min(other.at) };
        self.buckets += other.buckets;
        for list in Worklist::ALL {
            let (open, more) = (self.open.of_mut(list), other.open.of(list));
            open.tasks += more.tasks;
            open.oldest = least(open.oldest, more.oldest);
        }
        self.next_deadline = least(self.next_deadline, other.next_deadline);
        self.due_soon += other.due_soon;
        for (rule, tasks) in &other.escalated_by {
            *self.escalated_by.entry(rule.clone()).or_default() += tasks;
        }
        self.today.add(&other.today);
        self.partial |= other.partial;
    }
}

impl Settled {
    /// Adds the tasks of other buckets. Of two days the later counts: a bucket that was counted before midnight says
    /// nothing of today.
    pub(crate) fn add(&mut self, other: &Settled) {
        if other.day > self.day {
            *self = Settled { day: other.day.clone(), ..Settled::default() };
        }
        if other.day == self.day {
            self.automatic += other.automatic;
            self.people += other.people;
            self.expired += other.expired;
            self.elsewhere += other.elsewhere;
            self.failed += other.failed;
            self.partial |= other.partial;
        }
    }
}

/// The lesser of two times, if there are any.
pub(crate) fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(at: i64, tasks: u64, oldest: Option<i64>, day: &str) -> Counts {
        let mut counts =
            Counts { at, buckets: 1, due_soon: tasks, next_deadline: oldest, ..Counts::default() };
        *counts.open.of_mut(Worklist::Escalated) = Open { tasks, oldest };
        counts.escalated_by.insert("limits".to_owned(), tasks);
        counts.today = Settled { day: day.to_owned(), automatic: tasks, ..Settled::default() };
        counts
    }

    #[test]
    fn buckets_add_up() {
        let mut all = Counts::default();
        all.add(&counts(20, 2, Some(100), "2026-11-22"));
        all.add(&Counts::default());
        all.add(&counts(10, 3, Some(90), "2026-11-22"));
        all.add(&counts(30, 0, None, "2026-11-22"));
        assert_eq!((all.at, all.buckets, all.due_soon, all.next_deadline), (10, 3, 5, Some(90)));
        assert_eq!(all.open.escalated, Open { tasks: 5, oldest: Some(90) });
        assert_eq!((all.escalated_by["limits"], all.today.automatic), (5, 5));
    }

    #[test]
    fn yesterday_is_not_today() {
        let mut all = Counts::default();
        all.add(&counts(1, 4, None, "2026-11-22"));
        all.add(&counts(1, 1, None, "2026-11-23"));
        all.add(&counts(1, 8, None, "2026-11-22"));
        assert_eq!((all.today.day.as_str(), all.today.automatic), ("2026-11-23", 1));
    }

    #[test]
    fn an_older_worker_s_counts_are_read_as_far_as_they_go() {
        let read: Counts =
            serde_json::from_str(r#"{"at":5,"buckets":2,"open":{"DUE":{"tasks":1}},"new":7}"#).unwrap();
        assert_eq!((read.at, read.buckets, read.open.due.tasks, read.due_soon), (5, 2, 1, 0));
    }
}
