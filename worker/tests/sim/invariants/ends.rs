//! What each node knows and sends about the end of a shard: the children in its responses, and an end that has no
//! response yet.

use std::collections::{BTreeMap, BTreeSet};

use model::{Call, Event};

use crate::invariants::answer;

/// The longest time between a response and its consequence, in milliseconds.
const TOLD_MS: u64 = 150;
/// How long one attempt of a call lasts, in milliseconds: a crash after that interrupts no call.
const ATTEMPT_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The children that a node has received, by node and parent, and when.
    told: BTreeMap<(String, String), (u64, BTreeSet<String>)>,
    /// When a node sent the end of a shard for which it has no response yet.
    sent: BTreeMap<String, u64>,
}

fn is_end(call: &Call) -> bool {
    call.operation == "TransactWriteItems"
}

impl Ends {
    /// Notes that a call was sent. Returns whether it is a shard's end that follows one whose response did not arrive.
    pub(crate) fn note_sent(&mut self, call: &Call) -> bool {
        is_end(call) && self.sent.insert(call.node.to_string(), call.sent_ms).is_some()
    }

    /// Notes that a response arrived.
    pub(crate) fn note_answered(&mut self, call: &Call) {
        if is_end(call) {
            self.sent.remove(&*call.node);
        }
    }

    /// Notes that a node was killed. Returns whether that was between a shard's end and its response.
    pub(crate) fn note_crash(&mut self, node: &str, now_ms: u64) -> bool {
        self.sent.remove(node).is_some_and(|sent_ms| now_ms < sent_ms + ATTEMPT_MS)
    }

    /// Notes the response to a listing of a shard's children.
    pub(crate) fn note_children(&mut self, call: &Call, event: &Event) {
        let parent = call.body["ShardFilter"]["ShardId"].as_str().unwrap_or_default().to_owned();
        let shards = answer(event)["StreamDescription"]["Shards"].as_array().cloned();
        let children = shards.into_iter().flatten();
        let children = children.filter_map(|shard| Some(shard["ShardId"].as_str()?.to_owned()));
        let told = self.told.entry((call.node.to_string(), parent)).or_default();
        if call.text("ExclusiveStartShardId").is_none() {
            told.1.clear();
        }
        told.0 = event.at_ms;
        told.1.extend(children);
    }

    /// The children that a node has just received: a node acts on a response immediately, and pauses after a lost one.
    pub(crate) fn told(&self, node: &str, shard: &str, at_ms: u64) -> Option<&BTreeSet<String>> {
        let (told_ms, children) = self.told.get(&(node.to_owned(), shard.to_owned()))?;
        (at_ms <= told_ms + TOLD_MS).then_some(children)
    }
}
