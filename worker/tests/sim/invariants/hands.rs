//! What a process has read and not yet finished stays within its limit, counted from its calls alone.

use std::collections::BTreeMap;

use ops::model::Call;
use serde_json::Value as Json;

use crate::invariants::leases::Leases;
use crate::invariants::records::Records;
use crate::invariants::tasks::Tasks;

/// A node, a stream and a shard.
type Reader = (String, String, String);

/// A reader that gives its shard up lets go of what is not done in ten seconds, before the release is written.
const DRAIN_MS: u64 = 10_000;

/// Each reader's records, by their place in the shard.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    most: u64,
    /// The new tasks of the pages that were answered; whether an answer arrived is seen by the next iterator only.
    read: BTreeMap<Reader, BTreeMap<u64, String>>,
    /// Where each reader goes on, and when it last polled: what lies before has arrived.
    arrived: BTreeMap<Reader, (u64, u64)>,
}

/// The reader and its place, as an iterator of the model says it.
fn place(call: &Call) -> Option<(Reader, u64)> {
    let mut parts = call.text("ShardIterator")?.split('|');
    let (stream, shard, at) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    Some(((call.node.to_string(), stream.to_owned(), shard.to_owned()), at))
}

impl Hands {
    /// A process has at most so many records in hand.
    pub(crate) fn new(most: u32) -> Hands {
        Hands { most: most.into(), ..Hands::default() }
    }

    /// A page was answered.
    pub(crate) fn note_read(&mut self, call: &Call, answer: &Json) {
        let Some((reader, first)) = place(call) else { return };
        let read = self.read.entry(reader).or_default();
        for (at, record) in (first..).zip(answer["Records"].as_array().into_iter().flatten()) {
            let image = &record["dynamodb"]["NewImage"];
            let id = image["taskId"]["S"].as_str().unwrap_or_default();
            if record["eventName"] == "INSERT" && !image["taskToken"]["S"].is_null() {
                read.insert(at, id.to_owned());
            }
        }
    }

    /// A call was sent: if it asks for records, they must fit beside those in hand.
    pub(crate) fn check(
        &mut self,
        call: &Call,
        leases: &Leases,
        (tasks, records): (&Tasks, &Records),
        wrong: &mut Vec<String>,
    ) {
        if call.operation == "GetShardIterator" {
            // A reader begins, perhaps since all of its process's leases were lost: the others say where they are.
            self.read.retain(|(node, ..), _| **node != *call.node);
            self.arrived.retain(|(node, ..), _| **node != *call.node);
        }
        let Some((reader, at)) = place(call) else { return };
        let node = reader.0.clone();
        self.arrived.insert(reader, (at, call.sent_ms));
        let is_open = |id: &String| {
            !records.is_kept(id) && tasks.get(id).is_some_and(|seen| seen.now.is_some() && !seen.has_outcome)
        };
        let mine = self.arrived.iter().filter(|((of, stream, shard), (_, polled_ms))| {
            // Who lost a lease has let its records go.
            *of == node && leases.is_held(stream, shard, &node) && call.sent_ms < polled_ms + DRAIN_MS
        });
        let count_of = |(reader, (at, _)): (&Reader, &(u64, u64))| {
            let read = self.read.get(reader);
            read.map_or(0, |read| read.range(..at).filter(|(_, id)| is_open(id)).count() as u64)
        };
        let in_hand: u64 = mine.map(count_of).sum();
        let asked = call.body["Limit"].as_u64().unwrap_or(1_000);
        if in_hand + asked > self.most {
            let most = self.most;
            wrong.push(format!("{node}: asks for {asked} records with {in_hand} in hand, at most {most}"));
        }
    }
}
