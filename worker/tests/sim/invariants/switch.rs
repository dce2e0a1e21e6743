//! Rules decide only while the control item says so, by everybody's own reading of it.

use std::collections::BTreeMap;

use model::{Call, Item, Value};

use crate::scene::TASKS;

/// How soon every worker follows.
const FOLLOWED_MS: u64 = 2_000;
/// How long the SDK goes on with a write that was begun in time; see `rights`.
const SDK_TRIES_MS: u64 = 13_000;

/// The switch as the table has it.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    /// Since when no rule may decide, if it may not.
    held_since_ms: Option<u64>,
    /// When the first attempt at each decision was sent.
    begun: BTreeMap<String, u64>,
}

impl Switch {
    /// The item was written, or deleted: once there was one, its absence allows nothing.
    pub(crate) fn note_item(&mut self, item: Option<&Item>, at_ms: u64) {
        let is_on = item.is_some_and(|item| {
            let has_revision = matches!(
                item.get("revision"),
                Some(Value::N(revision)) if revision.to_string().parse::<i64>().is_ok_and(|number| number > 0)
            );
            has_revision && !item.contains_key("paused")
        });
        self.held_since_ms = if is_on { None } else { self.held_since_ms.or(Some(at_ms)) };
    }

    pub(crate) fn is_on(&self) -> bool {
        self.held_since_ms.is_none()
    }

    /// A call was sent: none may begin to store a rule's decision, or give a task back, long after the switch was off.
    pub(crate) fn check(&mut self, call: &Call, wrong: &mut Vec<String>) {
        let values = &call.body["ExpressionAttributeValues"];
        let decision = &values[":decision"]["M"];
        let id = match () {
            () if decision["decidedBy"]["S"] == "rule" => decision["id"]["S"].as_str(),
            () if !values[":history"].is_null() => call.body["Key"]["taskId"]["S"].as_str(),
            () => None,
        };
        let Some(id) = id.filter(|_| call.operation == "UpdateItem" && call.is_on_table(TASKS)) else {
            return;
        };
        let begun_ms = *self.begun.entry(id.to_owned()).or_insert(call.sent_ms);
        if begun_ms != call.sent_ms && call.sent_ms <= begun_ms + SDK_TRIES_MS {
            return;
        }
        self.begun.insert(id.to_owned(), call.sent_ms);
        if let Some(since_ms) = self.held_since_ms.filter(|since_ms| since_ms + FOLLOWED_MS < call.sent_ms) {
            let late_ms = call.sent_ms - since_ms;
            let node = &call.node;
            wrong.push(format!(
                "{node}: a rule decided, or got a task back, {late_ms} ms after it no longer might"
            ));
        }
    }
}
