//! What each process has received about the shards of a stream: a process that calls a shard missing must have received
//! a listing without it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Answer, Call};
use serde_json::Value as Json;

/// The longest time between a listing and a write that follows from it.
const FOLLOWS_MS: u64 = 120_000;

/// A process and a stream.
type Of = (String, String);

#[derive(Debug, Default)]
pub(crate) struct Listings {
    /// The shards in the pages of a listing that is in progress.
    begun: BTreeMap<Of, BTreeSet<String>>,
    /// Complete listings that were not empty, with their times.
    told: BTreeMap<Of, Vec<(u64, BTreeSet<String>)>>,
}

impl Listings {
    /// Notes that a response arrived at its caller.
    pub(crate) fn note_told(&mut self, call: &Call, answer: &Answer, now_ms: u64) {
        if call.operation != "DescribeStream" || !call.body["ShardFilter"].is_null() {
            return;
        }
        let Ok(answer) = answer else { return };
        let answer: Json = serde_json::from_str(answer).expect("the model responds in JSON");
        let description = &answer["StreamDescription"];
        let of = (call.node.to_string(), call.text("StreamArn").unwrap_or_default().to_owned());
        if call.text("ExclusiveStartShardId").is_none() {
            self.begun.remove(&of);
        }
        let begun = self.begun.entry(of.clone()).or_default();
        let shards = description["Shards"].as_array().into_iter().flatten();
        begun.extend(shards.filter_map(|shard| Some(shard["ShardId"].as_str()?.to_owned())));
        if description["LastEvaluatedShardId"].is_null() {
            let told = self.told.entry(of.clone()).or_default();
            told.retain(|(told_ms, _)| told_ms + FOLLOWS_MS >= now_ms);
            let shards = self.begun.remove(&of).unwrap_or_default();
            told.extend((!shards.is_empty()).then_some((now_ms, shards)));
        }
    }

    /// Returns whether a process recently received a complete, non-empty listing without this shard.
    pub(crate) fn lacked(&self, node: &str, stream: &str, shard: &str, now_ms: u64) -> bool {
        let told = self.told.get(&(node.to_owned(), stream.to_owned()));
        told.into_iter()
            .flatten()
            .any(|(told_ms, shards)| told_ms + FOLLOWS_MS >= now_ms && !shards.contains(shard))
    }
}
