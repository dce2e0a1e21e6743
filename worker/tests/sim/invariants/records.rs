//! A position never passes a record that has no outcome or was not read; every gap is recorded.

use std::collections::{BTreeMap, BTreeSet};

use model::World;
use statemachine::status::{Delivery, Status};

use crate::invariants::leases::Leases;
use crate::invariants::tasks::Tasks;
use crate::invariants::{Moved, Read};
use crate::windows::Windows;

/// A sequence number in the order of its shard: first by length, then by digits.
pub(crate) type Place = (usize, String);

pub(crate) fn place(sequence: &str) -> Place {
    (sequence.len(), sequence.to_owned())
}

type ShardKey = (String, String);

/// Every record that any node has read.
#[derive(Debug, Default)]
pub(crate) struct Records {
    shards: BTreeMap<ShardKey, BTreeMap<Place, Record>>,
    /// The position of each shard that was last checked.
    passed: BTreeMap<ShardKey, Place>,
    /// For each shard, the last record that was trimmed before anybody read it, while no gap is recorded for it.
    gaps_owed: BTreeMap<ShardKey, Place>,
    /// Shards whose gap is recorded and that nobody has read since. The gap extends to the next record, whatever is
    /// trimmed until then.
    open_gaps: BTreeSet<ShardKey>,
    /// Shards with a recorded gap, or with a gap that nobody can see.
    gaps: BTreeSet<ShardKey>,
    /// What is quarantined: records by sequence number, tasks by id.
    poison: BTreeSet<String>,
    by_node: BTreeMap<String, BTreeSet<(ShardKey, Place)>>,
}

#[derive(Debug)]
struct Record {
    /// The id of the new task in the record, if it contains one.
    new_task: Option<String>,
    is_malformed: bool,
}

impl Records {
    pub(crate) fn note_read(&mut self, read: &Read<'_>, tasks: &Tasks, windows: &mut Windows) {
        let key = (read.stream.to_owned(), read.shard.to_owned());
        self.open_gaps.remove(&key);
        let shard = self.shards.entry(key.clone()).or_default();
        let mine = self.by_node.entry(read.node.to_owned()).or_default();
        for record in read.answer["Records"].as_array().into_iter().flatten() {
            let change = &record["dynamodb"];
            let place = place(change["SequenceNumber"].as_str().unwrap_or_default());
            let image = &change["NewImage"];
            let id = image["taskId"]["S"].as_str().unwrap_or_default().to_owned();
            let is_malformed = record["eventName"] != "REMOVE" && image["taskToken"]["S"].is_null();
            let is_new = record["eventName"] == "INSERT" && !is_malformed;
            let settled = tasks.get(&id).is_some_and(|seen| seen.has_outcome);
            let again = shard
                .insert(place.clone(), Record { new_task: is_new.then_some(id), is_malformed })
                .is_some();
            if again && is_new && settled {
                windows.hit(5);
            }
            if is_new {
                mine.insert((key.clone(), place));
            }
        }
    }

    /// Returns whether any node has read this record.
    pub(crate) fn is_read(&self, stream: &str, shard: &str, sequence: &str) -> bool {
        let read = self.shards.get(&(stream.to_owned(), shard.to_owned()));
        read.is_some_and(|read| read.contains_key(&place(sequence)))
    }

    pub(crate) fn note_gap(&mut self, stream: &str, shard: &str) {
        let key = (stream.to_owned(), shard.to_owned());
        self.gaps_owed.remove(&key);
        self.open_gaps.insert(key.clone());
        self.gaps.insert(key);
    }

    /// Notes that records were trimmed or a shard became unknown. If they were never read, a gap must be recorded.
    pub(crate) fn note_trim(&mut self, stream: &str, shard: &str, sequences: &[String]) {
        let key = (stream.to_owned(), shard.to_owned());
        if self.open_gaps.contains(&key) {
            return;
        }
        let read = self.shards.get(&key);
        let is_unread = |sequence: &String| read.is_none_or(|read| !read.contains_key(&place(sequence)));
        if let Some(last) = sequences.iter().rfind(|sequence| is_unread(sequence)) {
            self.gaps_owed.insert(key, place(last));
        }
    }

    pub(crate) fn note_poison(&mut self, key: &str) {
        self.poison.insert(key.to_owned());
    }

    /// A task that rejects every write is quarantined, and its record is settled.
    pub(crate) fn is_kept(&self, task: &str) -> bool {
        self.poison.contains(task)
    }

    /// Checks a position that was written.
    pub(crate) fn check_watermark(
        &mut self,
        world: &World,
        moved: &Moved,
        tasks: &Tasks,
        windows: &mut Windows,
        wrong: &mut Vec<String>,
    ) {
        let key = (moved.stream.clone(), moved.shard.clone());
        let shard = &moved.shard;
        let to = if moved.to == "SHARD_END" { (usize::MAX, String::new()) } else { place(&moved.to) };
        if self.gaps_owed.get(&key).is_some_and(|lost| to >= *lost) {
            wrong.push(format!(
                "shard {shard}: moved past records that were trimmed, without recording a gap"
            ));
        }
        let from = self.passed.get(&key).cloned().unwrap_or_default();
        let read = self.shards.entry(key.clone()).or_default();
        let views = world.shards(&moved.stream);
        // Records that are no longer in the shard were trimmed, and are checked as a gap.
        if let Some(view) = views.iter().find(|view| view.id == *shard && view.is_known) {
            for sequence in &view.sequences {
                let at = place(sequence);
                if at > from && at <= to && !read.contains_key(&at) {
                    wrong.push(format!(
                        "shard {shard}: moved to {} past {sequence}, which nobody read",
                        moved.to
                    ));
                }
            }
        }
        let is_noted = self.gaps.contains(&key);
        let is_kept = |sequence: &String| {
            views.iter().any(|view| view.id == *shard && view.is_known && view.sequences.contains(sequence))
        };
        for (at, record) in read.iter().filter(|(at, _)| **at > from && **at <= to) {
            let lacks = match &record.new_task {
                Some(id) => !tasks.get(id).is_some_and(|seen| seen.has_outcome) && !self.poison.contains(id),
                None => record.is_malformed && !self.poison.contains(&at.1),
            };
            // Records that were trimmed after their reader died belong to a gap, once it is recorded.
            if lacks && (is_kept(&at.1) || !is_noted) {
                let task = record.new_task.as_deref().unwrap_or("no task");
                wrong.push(format!(
                    "shard {shard}: moved to {} past {} ({task}), which has no outcome",
                    moved.to, at.1
                ));
            }
        }
        let has_outcome = |record: &Record| {
            record.new_task.as_ref().is_some_and(|id| tasks.get(id).is_some_and(|seen| seen.has_outcome))
        };
        let mut after = read.iter().filter(|(at, _)| **at > to);
        if after.next().is_some_and(|(_, record)| record.new_task.is_some() && !has_outcome(record))
            && after.any(|(_, record)| has_outcome(record))
        {
            windows.hit(8);
        }
        self.passed.insert(key, to.max(from));
    }

    /// The lease was removed or moved back by hand: its shard is checked again, from the oldest remaining record.
    pub(crate) fn forget(&mut self, stream: &str, shard: &str) {
        self.passed.remove(&(stream.to_owned(), shard.to_owned()));
        self.excuse(stream, shard);
    }

    /// From now on, the shard is read from the oldest remaining record: nothing shows whether any records were trimmed.
    pub(crate) fn excuse(&mut self, stream: &str, shard: &str) {
        self.note_gap(stream, shard);
    }

    /// Counts the windows in which a node died, by the records that it had read.
    pub(crate) fn count_windows_of(
        &mut self,
        node: &str,
        tasks: &Tasks,
        leases: &Leases,
        windows: &mut Windows,
    ) {
        for ((stream, shard), at) in self.by_node.remove(node).unwrap_or_default() {
            let position = leases.position(&stream, &shard);
            if position == "SHARD_END" || (position != "TRIM_HORIZON" && place(position) >= at) {
                continue;
            }
            let record = self.shards.get(&(stream, shard)).and_then(|read| read.get(&at));
            let Some(seen) = record.and_then(|record| tasks.get(record.new_task.as_deref()?)) else {
                continue;
            };
            let Some(task) = &seen.now else { continue };
            let window = match (task.delivery, task.status) {
                (None, Status::Pending) => 0,
                (Some(Delivery::Due), _) if seen.is_sent() => 4,
                (Some(Delivery::Due), _) => 2,
                (
                    Some(
                        Delivery::Unverified
                        | Delivery::Delivered
                        | Delivery::ClosedElsewhere
                        | Delivery::Undeliverable,
                    ),
                    _,
                )
                | (
                    None,
                    Status::Escalated
                    | Status::Approved
                    | Status::Rejected
                    | Status::Expired
                    | Status::Failed,
                ) => 5,
            };
            windows.hit(window);
        }
    }
}
