//! The records that a process has read and not yet finished stay within its limits. This is computed from its calls
//! only.

use std::collections::BTreeMap;

use model::{Answer, Call};
use serde_json::Value as Json;
use worker::config::Worker;

use crate::invariants::leases::Leases;
use crate::invariants::records::Records;
use crate::invariants::shard_of;
use crate::invariants::tasks::Tasks;

/// A node, a stream and a shard.
type Reader = (String, String, String);

/// A reader that gives up its shard drops its unfinished records within ten seconds, before the release is written.
const DRAIN_MS: u64 = 10_000;
/// The space that a page needs before it is requested, in KiB: the largest response of GetRecords.
const PAGE_KIB: u64 = 1_024;

/// The records of each reader, by their position in the shard.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    most: u64,
    most_kib: u64,
    lease_ms: u64,
    /// The new tasks in the pages that were answered. Only the next poll shows whether a response arrived.
    read: BTreeMap<Reader, BTreeMap<u64, Record>>,
    polled: BTreeMap<Reader, Polled>,
    /// The last heartbeat of each node: its counter, and when it was first sent.
    beats: BTreeMap<String, (String, u64)>,
    /// Until when each node may act.
    valid_until: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Record {
    task: String,
    kib: u64,
}

/// The last poll of a reader.
#[derive(Debug)]
struct Polled {
    /// The position where it continues: the records before it have arrived.
    at: u64,
    sent_ms: u64,
    /// The epoch of its lease.
    epoch: i64,
}

/// The reader and its position, from an iterator of the model.
fn place(call: &Call) -> Option<(Reader, u64)> {
    let mut parts = call.text("ShardIterator")?.split('|');
    let (stream, shard, at) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    Some(((call.node.to_string(), stream.to_owned(), shard.to_owned()), at))
}

/// The counter in a heartbeat.
fn beat(call: &Call) -> Option<&str> {
    let item = &call.body["Item"];
    item["counter"]["N"].as_str().filter(|_| call.operation == "PutItem" && item["pk"]["S"] == "worker")
}

impl Hands {
    /// Creates the check from the limits of a process.
    pub(crate) fn new(worker: &Worker) -> Hands {
        Hands {
            most: worker.in_flight_records.into(),
            most_kib: u64::from(worker.in_flight_mib) << 10,
            lease_ms: worker.lease_ms,
            ..Hands::default()
        }
    }

    /// Notes that a page was answered.
    pub(crate) fn note_read(&mut self, call: &Call, answer: &Json) {
        let Some((reader, first)) = place(call) else { return };
        let read = self.read.entry(reader).or_default();
        for (at, record) in (first..).zip(answer["Records"].as_array().into_iter().flatten()) {
            let change = &record["dynamodb"];
            let task = change["NewImage"]["taskId"]["S"].as_str().unwrap_or_default().to_owned();
            if record["eventName"] == "INSERT" && !change["NewImage"]["taskToken"]["S"].is_null() {
                let kib = change["SizeBytes"].as_u64().unwrap_or(0).div_ceil(1_024);
                read.insert(at, Record { task, kib });
            }
        }
    }

    /// Notes that a write of a lease was rejected: its reader may have dropped its records.
    pub(crate) fn note_refused(&mut self, call: &Call, write: &Json) {
        if let Some((stream, shard)) = write["Key"]["sk"]["S"].as_str().and_then(shard_of) {
            self.forget(&(call.node.to_string(), stream.to_owned(), shard.to_owned()));
        }
    }

    /// Notes that a response arrived. A node whose heartbeat was written too late has dropped all its records.
    pub(crate) fn note_told(&mut self, call: &Call, answer: &Answer, now_ms: u64) {
        let Some(counter) = beat(call).filter(|_| answer.is_ok()) else { return };
        let node = call.node.to_string();
        let sent_ms = match self.beats.get(&node) {
            Some((sent, sent_ms)) if sent == counter => *sent_ms,
            Some(_) | None => return,
        };
        let before_ms = self.valid_until.insert(node.clone(), sent_ms + self.lease_ms * 9 / 10);
        if before_ms.is_some_and(|before_ms| before_ms <= now_ms) {
            self.read.retain(|(of, ..), _| *of != node);
            self.polled.retain(|(of, ..), _| *of != node);
        }
    }

    fn forget(&mut self, reader: &Reader) {
        self.read.remove(reader);
        self.polled.remove(reader);
    }

    /// Notes that a call was sent: if it requests records, they must fit beside those in flight.
    pub(crate) fn check(
        &mut self,
        call: &Call,
        leases: &Leases,
        (tasks, records): (&Tasks, &Records),
        wrong: &mut Vec<String>,
    ) {
        let node = call.node.to_string();
        if let Some(counter) = beat(call) {
            let sent = self.beats.entry(node.clone()).or_default();
            if sent.0 != counter {
                *sent = (counter.to_owned(), call.sent_ms);
            }
        }
        if call.operation == "GetShardIterator" {
            self.check_start(call, leases);
        }
        let Some((reader, at)) = place(call) else { return };
        let epoch = leases.epoch(&reader.1, &reader.2);
        self.polled.insert(reader, Polled { at, sent_ms: call.sent_ms, epoch });
        let is_open = |record: &&Record| {
            let seen = tasks.get(&record.task);
            !records.is_kept(&record.task) && seen.is_some_and(|seen| seen.now.is_some() && !seen.has_outcome)
        };
        let is_mine = |((of, stream, shard), polled): (&Reader, &Polled)| {
            // A node that lost a lease has dropped its records, even if it holds the lease again.
            *of == node
                && leases.is_held(stream, shard, &node)
                && leases.epoch(stream, shard) == polled.epoch
                && call.sent_ms < polled.sent_ms + DRAIN_MS
        };
        let mine = self.polled.iter().filter(|(reader, polled)| is_mine((reader, polled)));
        let in_hand = mine.filter_map(|(reader, polled)| Some(self.read.get(reader)?.range(..polled.at)));
        let (mut count, mut kib) = (0, 0);
        for record in in_hand.flatten().map(|(_, record)| record).filter(is_open) {
            count += 1;
            kib += record.kib;
        }
        let asked = call.body["Limit"].as_u64().unwrap_or(1_000);
        if count + asked > self.most || kib + PAGE_KIB.min(self.most_kib) > self.most_kib {
            let (most, most_kib) = (self.most, self.most_kib);
            wrong.push(format!(
                "{node}: requests {asked} records with {count} of {most} in flight, {kib} KiB of {most_kib}"
            ));
        }
    }

    /// A reader starts, or starts again at the oldest record: the records that it read before may not have arrived. A
    /// reader that continues after its last record still has all of them in flight.
    fn check_start(&mut self, call: &Call, leases: &Leases) {
        let (Some(stream), Some(shard)) = (call.text("StreamArn"), call.text("ShardId")) else { return };
        let reader = (call.node.to_string(), stream.to_owned(), shard.to_owned());
        let is_same =
            self.polled.get(&reader).is_some_and(|polled| polled.epoch == leases.epoch(stream, shard));
        if !is_same || call.text("ShardIteratorType") == Some("TRIM_HORIZON") {
            self.forget(&reader);
        }
    }
}
