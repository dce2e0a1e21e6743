//! What each node knows and sends of a shard's end: the children it was told of, and an end that has no answer.

use std::collections::{BTreeMap, BTreeSet};

use ops::model::{Call, Event};

use crate::invariants::answer;

/// How long after an answer its consequence may come, in milliseconds.
const TOLD_MS: u64 = 150;
/// How long one attempt of a call lasts, in milliseconds: a crash after it meets no call.
const ATTEMPT_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Children that a node was told of, by node and parent, and when.
    told: BTreeMap<(String, String), (u64, BTreeSet<String>)>,
    /// When a node sent a shard's end that it has no answer to.
    sent: BTreeMap<String, u64>,
}

fn is_end(call: &Call) -> bool {
    call.operation == "TransactWriteItems"
}

impl Ends {
    /// A call was sent. Says whether it is an end after one whose answer did not arrive.
    pub(crate) fn note_sent(&mut self, call: &Call) -> bool {
        is_end(call) && self.sent.insert(call.node.to_string(), call.sent_ms).is_some()
    }

    /// An answer arrived.
    pub(crate) fn note_answered(&mut self, call: &Call) {
        if is_end(call) {
            self.sent.remove(&*call.node);
        }
    }

    /// A node was killed. Says whether that was between an end and its answer.
    pub(crate) fn note_crash(&mut self, node: &str, now_ms: u64) -> bool {
        self.sent.remove(node).is_some_and(|sent_ms| now_ms < sent_ms + ATTEMPT_MS)
    }

    /// A listing of the children of a shard was answered.
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

    /// The children that a node was told of just now: an answer that arrived is acted on at once; after a lost one there
    /// is a pause.
    pub(crate) fn told(&self, node: &str, shard: &str, at_ms: u64) -> Option<&BTreeSet<String>> {
        let (told_ms, children) = self.told.get(&(node.to_owned(), shard.to_owned()))?;
        (at_ms <= told_ms + TOLD_MS).then_some(children)
    }
}
