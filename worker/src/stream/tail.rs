//! One shard's records, page by page: the iterator, its expiry, and how each error is handled.

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use tokio::time::Instant;

use crate::aws::fault::{Class, Fault, Resource};
use crate::lease::checkpoint::SequenceNumber;
use crate::lease::plan::Position;

/// The result of one poll.
#[derive(Debug)]
pub enum Polled {
    /// A page, perhaps empty: an empty page does not mean that nothing follows.
    Page(Vec<Record>),
    /// The shard's last page; it may contain records too.
    LastPage(Vec<Record>),
    /// The position is older than the stream keeps, or the shard is gone. `after` is the last record that was read.
    Unreadable {
        /// Trimmed, or not found.
        cause: Unreadable,
        /// The last record read; none from the start.
        after: Option<SequenceNumber>,
    },
    /// The call failed; the position is kept.
    Failed(Fault),
}

/// Why a position cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// `TrimmedDataAccessException`: the shard is there, the position is past the stream's 24 hours.
    Trimmed,
    /// `ResourceNotFoundException`: the shard or the stream is not known, temporarily or permanently.
    NotFound,
}

/// Reads one shard from a position.
#[derive(Debug)]
pub struct Tail {
    client: Client,
    stream: String,
    shard: String,
    /// The last record read, not the last settled: a new iterator must not return records in flight again.
    read: Option<SequenceNumber>,
    /// The next iterator, with the time of its response.
    iterator: Option<(String, Instant)>,
}

/// DynamoDB Streams drops an iterator after 15 minutes (GetShardIterator, API reference); a minute is kept back.
const ITERATOR_LIFE: std::time::Duration = std::time::Duration::from_secs(14 * 60);

impl Tail {
    /// Starts after a lease's position.
    pub fn new(client: Client, stream: &str, shard: &str, position: &Position) -> Tail {
        let read = match position {
            Position::After(record) => Some(record.clone()),
            Position::TrimHorizon | Position::End => None,
        };
        Tail { client, stream: stream.to_owned(), shard: shard.to_owned(), read, iterator: None }
    }

    /// Forgets the position: the next poll starts at the oldest remaining record.
    pub fn restart_at_horizon(&mut self) {
        (self.read, self.iterator) = (None, None);
    }

    /// Reads the next page of at most `limit` records.
    pub async fn poll(&mut self, limit: u32) -> Polled {
        let iterator = match self.iterator.take() {
            Some((iterator, since)) if since.elapsed() < ITERATOR_LIFE => iterator,
            Some(_) | None => match self.new_iterator().await {
                Ok(iterator) => iterator,
                Err(fault) => return self.failed(fault, None),
            },
        };
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let request = self.client.get_records().shard_iterator(&iterator).limit(limit);
        match request.send().await {
            Ok(answer) => {
                let records = answer.records.unwrap_or_default();
                let last = records.iter().rev().find_map(|record| record.dynamodb()?.sequence_number());
                if let Some(last) = last {
                    self.read = Some(SequenceNumber(last.to_owned()));
                }
                match answer.next_shard_iterator {
                    Some(next) => {
                        self.iterator = Some((next, Instant::now()));
                        Polled::Page(records)
                    }
                    None => Polled::LastPage(records),
                }
            }
            Err(error) => self.failed(
                Fault::of("GetRecords", Resource::Stream(self.stream.clone()), &error),
                Some(iterator),
            ),
        }
    }

    fn failed(&mut self, fault: Fault, iterator: Option<String>) -> Polled {
        let unreadable = |cause| Polled::Unreadable { cause, after: self.read.clone() };
        match (fault.code.as_str(), fault.class) {
            // A new iterator after the last record read. Not an empty page: nothing was read.
            ("ExpiredIteratorException", _) => Polled::Failed(Fault { class: Class::Transient, ..fault }),
            ("TrimmedDataAccessException", _) => unreadable(Unreadable::Trimmed),
            ("ResourceNotFoundException", _) => unreadable(Unreadable::NotFound),
            (_, Class::Throttled | Class::Transient | Class::Systemic) => {
                self.iterator = iterator.map(|iterator| (iterator, Instant::now()));
                Polled::Failed(fault)
            }
            (_, Class::Refused) => Polled::Failed(fault),
        }
    }

    async fn new_iterator(&self) -> Result<String, Fault> {
        let kind = match self.read {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let request = self
            .client
            .get_shard_iterator()
            .stream_arn(&self.stream)
            .shard_id(&self.shard)
            .shard_iterator_type(kind)
            .set_sequence_number(self.read.as_ref().map(|read| read.0.clone()));
        let answer = request
            .send()
            .await
            .map_err(|error| Fault::of("GetShardIterator", Resource::Stream(self.stream.clone()), &error))?;
        answer.shard_iterator.ok_or_else(|| {
            Fault::unreadable("GetShardIterator", Resource::Stream(self.stream.clone()), "an iterator")
        })
    }
}
