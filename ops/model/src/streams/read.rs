//! GetShardIterator and GetRecords: the position of a reader, and the records it receives
//! (API_streams_GetShardIterator, API_streams_GetRecords, DynamoDB API reference).

use serde::{Deserialize, Serialize};

use super::sequence::Sequence;
use super::shard::{Kept, Shard};
use super::{Streams, not_found};
use crate::dynamodb::Item;
use crate::events::Change;
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

/// The lifetime of an iterator: 15 minutes.
const ITERATOR_LIFE_MS: u64 = 15 * 60_000;
/// A page ends at this many records, or at [`MAX_PAGE_BYTES`].
const MAX_RECORDS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct IteratorRequest {
    stream_arn: String,
    shard_id: String,
    shard_iterator_type: IteratorKind,
    sequence_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum IteratorKind {
    TrimHorizon,
    Latest,
    AtSequenceNumber,
    AfterSequenceNumber,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RecordsRequest {
    shard_iterator: String,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorAnswer {
    shard_iterator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RecordsAnswer<'a> {
    records: Vec<RecordAnswer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordAnswer<'a> {
    #[serde(rename = "eventID")]
    event_id: &'a str,
    event_name: &'static str,
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'static str,
    dynamodb: StreamRecord<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_identity: Option<Identity>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamRecord<'a> {
    /// Rounded down to the second.
    approximate_creation_date_time: u64,
    keys: &'a Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<&'a Item>,
    sequence_number: String,
    size_bytes: usize,
    stream_view_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    principal_id: &'static str,
    #[serde(rename = "Type")]
    kind: &'static str,
}

/// The contents of an iterator's text.
struct Position {
    arn: String,
    shard_id: String,
    position: u64,
    issued_ms: u64,
}

impl Position {
    fn text(&self) -> String {
        format!("{}|{}|{}|{}", self.arn, self.shard_id, self.position, self.issued_ms)
    }

    fn read(text: &str) -> Option<Position> {
        let mut parts = text.split('|');
        let (arn, shard_id) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let (position, issued_ms) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Position { arn, shard_id, position, issued_ms })
    }
}

impl Streams {
    pub(super) fn get_shard_iterator(&mut self, request: &IteratorRequest, turn: &Turn<'_>) -> Answer {
        let shard = self.known_shard(&request.stream_arn, &request.shard_id)?;
        let sequence = request.sequence_number.as_deref().map(|text| {
            Sequence::parse(text).ok_or_else(|| Service::Streams.validation("Invalid SequenceNumber"))
        });
        let position = match (&request.shard_iterator_type, sequence.transpose()?) {
            (IteratorKind::TrimHorizon, None) => shard.trimmed,
            (IteratorKind::Latest, None) => shard.end(),
            (IteratorKind::AtSequenceNumber, Some(sequence)) => position(shard, &sequence, false)?,
            (IteratorKind::AfterSequenceNumber, Some(sequence)) => position(shard, &sequence, true)?,
            _ => {
                return Err(Service::Streams
                    .validation("Invalid combination of ShardIteratorType and SequenceNumber"));
            }
        };
        let iterator = Position {
            arn: request.stream_arn.clone(),
            shard_id: request.shard_id.clone(),
            position,
            issued_ms: turn.now_ms,
        };
        success(&IteratorAnswer { shard_iterator: iterator.text() })
    }

    pub(super) fn get_records(&mut self, request: &RecordsRequest, turn: &mut Turn<'_>) -> Answer {
        let iterator = Position::read(&request.shard_iterator)
            .ok_or_else(|| Service::Streams.validation("Invalid ShardIterator"))?;
        if request.limit.is_some_and(|limit| limit == 0 || limit > MAX_RECORDS) {
            return Err(Service::Streams.validation(&format!(
                "1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value between 1 and {MAX_RECORDS}"
            )));
        }
        let (max_readers, rate) = (turn.options.readers_per_shard, turn.options.get_records);
        let shard = self.known_shard(&iterator.arn, &iterator.shard_id)?;
        if !shard.admit(turn.node, turn.now_ms, max_readers) || !shard.reads.take(rate, turn.now_ms) {
            return Err(Service::Streams.throttled());
        }
        if iterator.issued_ms + ITERATOR_LIFE_MS < turn.now_ms {
            return Err(ServiceError::new(
                Service::Streams,
                "ExpiredIteratorException",
                "Iterator expired. The iterator was created at an earlier time.",
            ));
        }
        if iterator.position < shard.trimmed {
            return Err(trimmed());
        }
        let records = page(shard, iterator.position, request.limit, turn);
        let next = iterator.position + records.len() as u64;
        turn.changes.push(Change::Read {
            stream_arn: iterator.arn.clone(),
            shard_id: iterator.shard_id.clone(),
            sequences: records.iter().map(|kept| kept.sequence.to_string()).collect(),
        });
        let is_end = next == shard.end() && shard.is_shown_closed(turn.now_ms);
        // The last page of a closed shard may contain records, or an empty page follows them.
        let ends_here = is_end && (records.is_empty() || !turn.happens(turn.options.empty_last_page_percent));
        let following = Position { position: next, issued_ms: turn.now_ms, ..iterator };
        success(&RecordsAnswer {
            records: records.into_iter().map(answer).collect(),
            next_shard_iterator: (!ends_here).then(|| following.text()),
        })
    }

    fn known_shard(&mut self, arn: &str, shard_id: &str) -> Result<&mut Shard, ServiceError> {
        let stream = self
            .streams
            .get_mut(arn)
            .ok_or_else(|| not_found(&format!("Requested resource not found: Stream: {arn} not found")))?;
        let shard = stream.shards.iter_mut().find(|shard| shard.id == shard_id && shard.is_known);
        shard.ok_or_else(|| {
            not_found(&format!("Requested resource not found: Shard does not exist: {shard_id} in {arn}"))
        })
    }
}

fn trimmed() -> ServiceError {
    ServiceError::new(
        Service::Streams,
        "TrimmedDataAccessException",
        "The operation attempted to read past the oldest stream record in a shard.",
    )
}

/// The position of the first record at a sequence number, or after it.
fn position(shard: &Shard, sequence: &Sequence, after: bool) -> Result<u64, ServiceError> {
    let first = shard.records.front().map_or(&shard.next, |kept| &kept.sequence);
    // A trimmed record cannot be told from one that never existed.
    if sequence < first && (shard.trimmed > 0 || *sequence < shard.first) {
        return Err(trimmed());
    }
    let before = shard
        .records
        .partition_point(|kept| if after { kept.sequence <= *sequence } else { kept.sequence < *sequence });
    Ok(shard.trimmed + before as u64)
}

/// The records from a position on. A page may be empty although more records follow.
fn page<'s>(shard: &'s Shard, from: u64, limit: Option<usize>, turn: &mut Turn<'_>) -> Vec<&'s Kept> {
    if turn.happens(turn.options.empty_page_percent) {
        return Vec::new();
    }
    let mut records = Vec::new();
    let mut bytes = 0;
    while let Some(kept) = shard.at(from + records.len() as u64) {
        bytes += kept.record.bytes;
        let is_full = records.len() == limit.unwrap_or(MAX_RECORDS) || bytes > MAX_PAGE_BYTES;
        if kept.visible_ms > turn.now_ms || (is_full && !records.is_empty()) {
            break;
        }
        records.push(kept);
    }
    records
}

fn answer(kept: &Kept) -> RecordAnswer<'_> {
    let Kept { sequence, written_ms, record, .. } = kept;
    RecordAnswer {
        event_id: &record.event_id,
        event_name: record.name,
        event_version: "1.1",
        event_source: "aws:dynamodb",
        aws_region: "us-east-1",
        dynamodb: StreamRecord {
            approximate_creation_date_time: written_ms / 1_000,
            keys: &record.keys,
            new_image: record.new.as_deref(),
            sequence_number: sequence.to_string(),
            size_bytes: record.bytes,
            stream_view_type: "NEW_IMAGE",
        },
        user_identity: record
            .by_ttl
            .then_some(Identity { principal_id: "dynamodb.amazonaws.com", kind: "Service" }),
    }
}
