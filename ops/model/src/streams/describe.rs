//! DescribeStream and ListStreams: shards page by page, in an order that callers cannot rely on
//! (API_streams_DescribeStream, API_streams_ListStreams, DynamoDB API reference).

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::shard::Shard;
use super::{Streams, not_found};
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

/// The most shards in a page.
const MAX_SHARDS: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeRequest {
    stream_arn: String,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ShardFilter {
    #[serde(rename = "Type")]
    kind: FilterKind,
    shard_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FilterKind {
    ChildShards,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListRequest {
    table_name: Option<String>,
}

impl Streams {
    pub(super) fn describe_stream(&mut self, request: DescribeRequest, turn: &mut Turn<'_>) -> Answer {
        if !self.describes.take(turn.options.describe_stream, turn.now_ms) {
            return Err(ServiceError::new(Service::Streams, "ThrottlingException", "Rate exceeded"));
        }
        if request.limit.is_some_and(|limit| limit == 0 || limit > MAX_SHARDS) {
            return Err(Service::Streams.validation(&format!(
                "1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value between 1 and {MAX_SHARDS}"
            )));
        }
        let (arn, now_ms) = (&request.stream_arn, turn.now_ms);
        let stream = self
            .streams
            .get(arn)
            .ok_or_else(|| not_found(&format!("Requested resource not found: Stream: {arn} not found")))?;
        let mut shards: Vec<&Shard> = stream
            .shards
            .iter()
            .filter(|shard| shard.is_listed && shard.listed_ms <= now_ms)
            .filter(|shard| match &request.shard_filter {
                Some(ShardFilter { kind: FilterKind::ChildShards, shard_id }) => {
                    shard.parent.as_ref() == Some(shard_id)
                }
                None => true,
            })
            .collect();
        // Sorted by the random end of the id: stable from page to page, and different from the order of creation.
        shards.sort_by_key(|shard| place(&shard.id));
        if let Some(start) = &request.exclusive_start_shard_id {
            shards.retain(|shard| place(&shard.id) > place(start));
        }
        let page = request.limit.unwrap_or(MAX_SHARDS).min(turn.options.describe_page.max(1));
        let last = shards.get(page - 1).filter(|_| shards.len() > page).map(|shard| shard.id.clone());
        let mut description = json!({
            "StreamArn": arn,
            "StreamLabel": stream.label,
            "StreamStatus": if stream.is_enabled { "ENABLED" } else { "DISABLED" },
            "StreamViewType": "NEW_IMAGE",
            "TableName": stream.table,
            "KeySchema": key_schema(stream),
            "Shards": shards.iter().take(page).map(|shard| listed(shard, now_ms)).collect::<Vec<_>>(),
        });
        if let Some(last) = last {
            description["LastEvaluatedShardId"] = json!(last);
        }
        success(&json!({ "StreamDescription": description }))
    }

    pub(super) fn list_streams(&self, request: &ListRequest) -> Answer {
        let streams: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| request.table_name.as_ref().is_none_or(|table| *table == stream.table))
            .map(|(arn, stream)| {
                json!({ "StreamArn": arn, "StreamLabel": stream.label, "TableName": stream.table })
            })
            .collect();
        success(&json!({ "Streams": streams }))
    }
}

fn place(shard_id: &str) -> (&str, &str) {
    shard_id.rsplit_once('-').map_or((shard_id, ""), |(start, end)| (end, start))
}

fn key_schema(stream: &super::Stream) -> Vec<Json> {
    let kinds = ["HASH", "RANGE"];
    let attributes = stream.key.attributes().zip(kinds);
    attributes.map(|(attribute, kind)| json!({ "AttributeName": attribute.name, "KeyType": kind })).collect()
}

fn listed(shard: &Shard, now_ms: u64) -> Json {
    let mut listed = json!({
        "ShardId": shard.id,
        "SequenceNumberRange": { "StartingSequenceNumber": shard.first.to_string() },
    });
    if shard.is_shown_closed(now_ms) {
        let last = shard.records.back().map_or(&shard.first, |kept| &kept.sequence);
        listed["SequenceNumberRange"]["EndingSequenceNumber"] = json!(last.to_string());
    }
    if let Some(parent) = &shard.parent {
        listed["ParentShardId"] = json!(parent);
    }
    listed
}
