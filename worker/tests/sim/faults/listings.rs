//! Faults in the listings of DescribeStream.

use model::{Call, Fault, Matcher};
use serde_json::Value as Json;

use super::Kind;

/// A key that sorts before every shard: the page after it is the first one.
const BEFORE_ALL: &str = "shardId-";

fn is_first(call: &Call) -> bool {
    call.text("ExclusiveStartShardId").is_none()
}

fn asks_for_children(call: &Call) -> bool {
    !call.body["ShardFilter"].is_null()
}

fn listing() -> Matcher {
    Matcher::operation("DescribeStream")
}

/// A page without shards. The other pages follow it, if there is a key.
fn without_shards(last: Option<&str>) -> Fault {
    let description =
        serde_json::json!({ "StreamStatus": "ENABLED", "Shards": [], "LastEvaluatedShardId": last });
    Fault::Forged(serde_json::json!({ "StreamDescription": description }).to_string())
}

/// Only a shard that is nobody's parent: two listings that lack a parent prove that it is gone, and nothing could show
/// otherwise.
fn lack_an_open_shard(answer: &mut Json) {
    let Some(shards) = answer["StreamDescription"]["Shards"].as_array_mut() else { return };
    let is_leaf = |shard: &Json| {
        shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null()
            && shards.iter().all(|other| other["ParentShardId"] != shard["ShardId"])
    };
    if let Some(leaf) = shards.iter().position(is_leaf) {
        shards.remove(leaf);
    }
}

pub(super) const KINDS: &[Kind] = &[
    ("empty listing", 0.3, 30.0, |_| (listing().when(is_first), without_shards(None))),
    ("listing begins with an empty page", 0.3, 40.0, |_| {
        (listing().when(is_first), without_shards(Some(BEFORE_ALL)))
    }),
    ("listing begins again", 0.3, 20.0, |_| {
        let again = |answer: &mut Json| {
            answer["StreamDescription"]["LastEvaluatedShardId"] = BEFORE_ALL.into();
        };
        (listing(), Fault::altered(again))
    }),
    ("listing lacks an open shard", 0.3, 30.0, |_| {
        (listing().when(|call| !asks_for_children(call)), Fault::altered(lack_an_open_shard))
    }),
    ("children unlisted", 0.3, 80.0, |_| {
        (listing().when(|call| asks_for_children(call) && is_first(call)), without_shards(None))
    }),
];
