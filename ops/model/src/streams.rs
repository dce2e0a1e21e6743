//! DynamoDB Streams: current and former streams of each table, and changes of their shards.

mod describe;
mod read;
mod sequence;
mod shard;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng as _;

use self::sequence::Sequence;
pub use self::shard::ShardView;
use self::shard::{Range, Record, Shard};
use super::bucket::Bucket;
use super::dynamodb::{Item, Key, KeySchema, item_bytes};
use super::turn::Turn;
use super::wire::{Answer, Call, Service, ServiceError};

/// How long records are kept: 24 hours (DynamoDB Streams, developer guide).
const RETENTION_MS: u64 = 24 * 3_600_000;

/// All streams, by ARN.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<String, Stream>,
    describes: Bucket,
}

#[derive(Debug)]
struct Stream {
    label: String,
    table: String,
    key: KeySchema,
    is_enabled: bool,
    /// In the order of creation.
    shards: Vec<Shard>,
}

/// One change of an item, to be added to the stream.
pub(super) struct Written<'a> {
    pub(super) key: &'a Key,
    pub(super) keys: Item,
    pub(super) old: Option<Arc<Item>>,
    pub(super) new: Option<Arc<Item>>,
    pub(super) by_ttl: bool,
}

fn not_found(message: &str) -> ServiceError {
    ServiceError::new(Service::Streams, "ResourceNotFoundException", message)
}

impl Streams {
    /// Answers a call.
    ///
    /// # Panics
    ///
    /// If the model does not support the operation.
    pub(super) fn answer(&mut self, call: &Call, turn: &mut Turn<'_>) -> Answer {
        self.streams.values_mut().for_each(|stream| stream.expire(turn));
        match call.operation.as_str() {
            "DescribeStream" => self.describe_stream(call.request()?, turn),
            "GetShardIterator" => self.get_shard_iterator(&call.request()?, turn),
            "GetRecords" => self.get_records(&call.request()?, turn),
            "ListStreams" => self.list_streams(&call.request()?),
            other => panic!("the model of DynamoDB Streams does not support {other}"),
        }
    }

    /// Creates a stream for a table and returns its ARN.
    pub(super) fn open(&mut self, table: &str, key: KeySchema, turn: &mut Turn<'_>) -> String {
        let label = label_of(turn.now_ms);
        let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/{label}");
        let count = u64::from(turn.options.shards.max(1));
        let width = u64::MAX / count;
        let mut stream = Stream { label, table: table.to_owned(), key, is_enabled: true, shards: Vec::new() };
        for number in 0..count {
            let last = if number + 1 == count { u64::MAX } else { (number + 1) * width - 1 };
            let first = Sequence::random(turn.rng);
            stream.shards.push(Shard::new(None, Range { first: number * width, last }, first, turn, 0));
        }
        let old = self.streams.insert(arn.clone(), stream);
        assert!(old.is_none(), "stream {arn} already exists: wait a millisecond before enabling it again");
        arn
    }

    /// Disables a stream: its open shards close; their records can be read until they are trimmed.
    pub(super) fn disable(&mut self, arn: &str, turn: &mut Turn<'_>) {
        let stream = self.stream_mut(arn);
        stream.is_enabled = false;
        for shard in stream.shards.iter_mut().filter(|shard| shard.is_open()) {
            shard.close(turn);
        }
    }

    /// Adds the record of a change.
    pub(super) fn append(&mut self, arn: &str, written: Written<'_>, turn: &mut Turn<'_>) {
        let stream = self.stream_mut(arn);
        let place = place_of(written.key);
        let shard = stream.shards.iter_mut().find(|shard| shard.is_open() && shard.range.holds(place));
        let shard = shard.expect("the open shards of an enabled stream cover every key");
        let name = match (&written.old, &written.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let bytes = item_bytes(&written.keys) + written.new.as_deref().map_or(0, item_bytes);
        let event_id = format!("{:032x}", turn.rng.random::<u128>());
        shard.append(
            Record { name, event_id, keys: written.keys, new: written.new, bytes, by_ttl: written.by_ttl },
            turn,
        );
    }

    /// Closes an open shard and divides its keys among `pieces` children.
    ///
    /// # Panics
    ///
    /// If the shard is not open.
    pub(super) fn split(
        &mut self,
        arn: &str,
        shard_id: &str,
        pieces: u64,
        turn: &mut Turn<'_>,
    ) -> Vec<String> {
        let stream = self.stream_mut(arn);
        let parent = stream.open_shard(shard_id);
        let (range, after, listing_ms) = (parent.range, parent.next.clone(), parent.close(turn));
        let parent_id = parent.id.clone();
        let ranges = range.pieces(pieces);
        let mut children = Vec::new();
        for range in ranges {
            let first = after.later(turn.rng);
            let child = Shard::new(Some(parent_id.clone()), range, first, turn, listing_ms);
            children.push(child.id.clone());
            stream.shards.push(child);
        }
        children
    }

    /// Closes two adjacent open shards and creates one child, which names the first as its parent: the API has only one
    /// field for it (Shard, API reference).
    ///
    /// # Panics
    ///
    /// If either is not open, or if they are not adjacent.
    pub(super) fn merge(&mut self, arn: &str, shards: [&str; 2], turn: &mut Turn<'_>) -> String {
        let stream = self.stream_mut(arn);
        let mut ranges = Vec::new();
        let mut after = None;
        for shard_id in shards {
            let parent = stream.open_shard(shard_id);
            ranges.push(parent.range);
            after = after.max(Some(parent.next.clone()));
            parent.close(turn);
        }
        let [left, right] = [ranges[0].min(ranges[1]), ranges[0].max(ranges[1])];
        assert!(left.last.checked_add(1) == Some(right.first), "shards {shards:?} are not adjacent");
        let first = after.expect("both parents have a next sequence number").later(turn.rng);
        let range = Range { first: left.first, last: right.last };
        let child = Shard::new(Some(shards[0].to_owned()), range, first, turn, 0);
        stream.shards.push(child);
        stream.shards[stream.shards.len() - 1].id.clone()
    }

    /// Drops the records of a shard that are older than an age, as AWS may do at any time after 24 hours.
    pub(super) fn trim(&mut self, arn: &str, shard_id: &str, older_than_ms: u64, now_ms: u64) {
        self.stream_mut(arn).shard_mut(shard_id).trim(now_ms.saturating_sub(older_than_ms));
    }

    /// Makes a shard unknown to reads. It may stay listed or not: both have been observed on AWS.
    pub(super) fn forget(&mut self, arn: &str, shard_id: &str, stays_listed: bool) {
        self.stream_mut(arn).shard_mut(shard_id).forget(stays_listed);
    }

    /// Every shard of a stream, listed or not.
    pub(super) fn view(&self, arn: &str) -> Vec<ShardView> {
        self.streams.get(arn).into_iter().flat_map(|stream| stream.shards.iter().map(Shard::view)).collect()
    }

    /// The newest stream of a table: its ARN and label.
    pub(super) fn latest_of(&self, table: &str) -> Option<(&str, &str)> {
        let mut of_table = self.streams.iter().filter(|(_, stream)| stream.table == table);
        of_table.next_back().map(|(arn, stream)| (arn.as_str(), stream.label.as_str()))
    }

    fn stream_mut(&mut self, arn: &str) -> &mut Stream {
        self.streams.get_mut(arn).expect("the test names a stream that exists")
    }
}

impl Stream {
    fn shard_mut(&mut self, shard_id: &str) -> &mut Shard {
        let shard = self.shards.iter_mut().find(|shard| shard.id == shard_id);
        shard.unwrap_or_else(|| panic!("no shard {shard_id}"))
    }

    fn open_shard(&mut self, shard_id: &str) -> &mut Shard {
        let shard = self.shard_mut(shard_id);
        assert!(shard.is_open(), "shard {shard_id} is already closed");
        shard
    }

    /// Trims records older than the retention, and removes closed shards that are empty and old enough.
    fn expire(&mut self, turn: &Turn<'_>) {
        let Some(horizon_ms) = turn.now_ms.checked_sub(RETENTION_MS) else { return };
        for shard in &mut self.shards {
            shard.trim(horizon_ms);
            if shard.closed_ms.is_some_and(|closed_ms| closed_ms < horizon_ms) {
                shard.forget(turn.options.lists_dead_shards);
            }
        }
    }
}

/// The position of a key among the shards: FNV-1a over the text of the partition key.
fn place_of(key: &Key) -> u64 {
    super::events::fnv(format!("{:?}", key.hash).as_bytes(), super::events::FNV_START)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The label of a stream, such as `2026-11-22T00:00:00.000`.
fn label_of(now_ms: u64) -> String {
    let text = super::clock::rfc3339(now_ms);
    text.trim_end_matches('Z').to_owned()
}
