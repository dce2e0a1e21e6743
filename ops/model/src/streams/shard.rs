//! One shard: its records, its range of keys, and what readers may see of it so far.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::Rng as _;

use super::sequence::Sequence;
use crate::bucket::Bucket;
use crate::dynamodb::Item;
use crate::turn::Turn;

/// How long after a read a reader counts as active, in milliseconds.
const READER_WINDOW_MS: u64 = 1_000;

/// The hash range of a shard's keys, with both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Range {
    pub(super) fn holds(self, place: u64) -> bool {
        (self.first..=self.last).contains(&place)
    }

    /// Divides the range into equal pieces.
    pub(super) fn pieces(self, count: u64) -> Vec<Range> {
        let width = (self.last - self.first) / count.max(1);
        (0..count.max(1))
            .map(|number| Range {
                first: self.first + number * width + u64::from(number > 0),
                last: if number + 1 == count.max(1) { self.last } else { self.first + (number + 1) * width },
            })
            .collect()
    }
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: &'static str,
    pub(super) event_id: String,
    pub(super) keys: Item,
    pub(super) new: Option<Arc<Item>>,
    pub(super) bytes: usize,
    pub(super) by_ttl: bool,
}

/// A record with its position in the shard.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sequence: Sequence,
    pub(super) written_ms: u64,
    pub(super) visible_ms: u64,
    pub(super) record: Record,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) range: Range,
    pub(super) first: Sequence,
    /// The sequence number of the next record.
    pub(super) next: Sequence,
    pub(super) records: VecDeque<Kept>,
    /// How many records were trimmed: this is the position of the first one in `records`.
    pub(super) trimmed: u64,
    /// When it appears in listings.
    pub(super) listed_ms: u64,
    pub(super) closed_ms: Option<u64>,
    /// When readers and listings see that it is closed.
    pub(super) shown_closed_ms: u64,
    /// Whether a read finds it.
    pub(super) is_known: bool,
    pub(super) is_listed: bool,
    /// Recent readers, and when they read.
    readers: BTreeMap<String, u64>,
    pub(super) reads: Bucket,
}

/// A shard as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardView {
    /// Its id.
    pub id: String,
    /// Its parent's id.
    pub parent: Option<String>,
    /// Whether it still accepts records.
    pub is_open: bool,
    /// Whether a read finds it.
    pub is_known: bool,
    /// How many of its records were trimmed.
    pub trimmed: u64,
    /// The sequence numbers of the records it holds, in order.
    pub sequences: Vec<String>,
}

impl Shard {
    pub(super) fn new(
        parent: Option<String>,
        range: Range,
        first: Sequence,
        turn: &mut Turn<'_>,
        listing_ms: u64,
    ) -> Shard {
        Shard {
            // The form is `shardId-`, 20 digits of milliseconds, 8 hex digits (observed, not documented).
            id: format!("shardId-{:020}-{:08x}", turn.now_ms, turn.rng.random::<u32>()),
            parent,
            range,
            next: first.clone(),
            first,
            records: VecDeque::new(),
            trimmed: 0,
            listed_ms: turn.now_ms + listing_ms,
            closed_ms: None,
            shown_closed_ms: 0,
            is_known: true,
            is_listed: true,
            readers: BTreeMap::new(),
            reads: Bucket::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed_ms.is_none()
    }

    /// Returns whether readers can see that it is closed.
    pub(super) fn is_shown_closed(&self, now_ms: u64) -> bool {
        !self.is_open() && self.shown_closed_ms <= now_ms
    }

    /// Closes the shard to new records. Returns how long its children stay unlisted: they may appear before or after
    /// the shard shows as closed.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>) -> u64 {
        self.closed_ms = Some(turn.now_ms);
        self.shown_closed_ms = turn.now_ms + turn.rng.random_range(0..=turn.options.close_lag_ms);
        turn.rng.random_range(0..=turn.options.listing_lag_ms)
    }

    pub(super) fn append(&mut self, record: Record, turn: &mut Turn<'_>) {
        let lag_ms = turn.rng.random_range(0..=turn.options.stream_lag_ms);
        let last_ms = self.records.back().map_or(0, |kept| kept.visible_ms);
        let sequence = self.next.clone();
        self.next = sequence.later(turn.rng);
        self.records.push_back(Kept {
            sequence,
            written_ms: turn.now_ms,
            visible_ms: last_ms.max(turn.now_ms + lag_ms),
            record,
        });
    }

    /// The position after the last record.
    pub(super) fn end(&self) -> u64 {
        self.trimmed + self.records.len() as u64
    }

    /// The record at a position that has not been trimmed.
    pub(super) fn at(&self, position: u64) -> Option<&Kept> {
        self.records.get(usize::try_from(position.checked_sub(self.trimmed)?).ok()?)
    }

    /// Drops records written before a given time.
    pub(super) fn trim(&mut self, horizon_ms: u64) {
        while self.records.front().is_some_and(|kept| kept.written_ms < horizon_ms) {
            self.records.pop_front();
            self.trimmed += 1;
        }
    }

    pub(super) fn forget(&mut self, stays_listed: bool) {
        self.is_known = false;
        self.is_listed = stays_listed;
    }

    /// Admits a reader, unless there are already too many.
    pub(super) fn admit(&mut self, node: &str, now_ms: u64, max_readers: usize) -> bool {
        self.readers.retain(|_, last_ms| *last_ms + READER_WINDOW_MS > now_ms);
        if self.readers.len() >= max_readers && !self.readers.contains_key(node) {
            return false;
        }
        self.readers.insert(node.to_owned(), now_ms);
        true
    }

    pub(super) fn view(&self) -> ShardView {
        ShardView {
            id: self.id.clone(),
            parent: self.parent.clone(),
            is_open: self.is_open(),
            is_known: self.is_known,
            trimmed: self.trimmed,
            sequences: self.records.iter().map(|kept| kept.sequence.to_string()).collect(),
        }
    }
}
