//! Who lost the right to act for its leases starts nothing for them any more.

use std::collections::{BTreeMap, BTreeSet};

use ops::model::{Call, Service};
use serde_json::Value as Json;
use statemachine::task::Task;
use statemachine::token::TaskToken;

use crate::invariants::leases::is_of;
use crate::invariants::tasks::Tasks;
use crate::scene::TASKS;

/// How long the SDK goes on with a write that was begun in time: three attempts of five seconds and two pauses, of
/// which the last begins this late.
const SDK_TRIES_MS: u64 = 13_000;
/// How long after a queue gave a closed execution to a worker it may act on that by the message's own right: an
/// answer may be on its way for 25 s, a message has 20 s, and then the SDK's attempts.
const MESSAGE_MS: u64 = 25_000 + 20_000 + SDK_TRIES_MS;

/// Each worker's right to act, and what it may do without one.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    lease_ms: u64,
    /// When each worker's heartbeat was last written; also of those whose heartbeat is gone.
    beats: BTreeMap<String, u64>,
    /// The tasks that people asked a node to decide.
    asked: BTreeSet<(String, String)>,
    /// The closed executions that a node was told of, and when.
    told: BTreeMap<(String, String), u64>,
}

impl Rights {
    pub(crate) fn new(lease_ms: u64) -> Rights {
        Rights { lease_ms, ..Rights::default() }
    }

    pub(crate) fn note_beat(&mut self, worker: &str, at_ms: u64) {
        self.beats.insert(worker.to_owned(), at_ms);
    }

    /// A person asked a node to decide a task: for that it needs no lease.
    pub(crate) fn note_asked(&mut self, node: &str, task: &str) {
        self.asked.insert((node.to_owned(), task.to_owned()));
    }

    /// A queue answered a node: it needs no lease for the executions that are said to be closed.
    pub(crate) fn note_received(&mut self, node: &str, answer: &Json, at_ms: u64) {
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let event: Json =
                message["Body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
            if let Some(execution) = event["executionArn"].as_str() {
                self.told.insert((node.to_owned(), execution.to_owned()), at_ms);
            }
        }
    }

    /// A call was sent: if only a holder of a lease makes it, its right to act must not have ended.
    pub(crate) fn check(&self, call: &Call, tasks: &Tasks, wrong: &mut Vec<String>) {
        let beat = self.beats.iter().find(|(worker, _)| is_of(worker, &call.node));
        let Some((worker, beat_ms)) = beat else { return };
        let late_ms = call.sent_ms.saturating_sub(beat_ms + self.lease_ms * 9 / 10);
        // The callbacks' client tries once.
        let most_ms = if call.service == Service::StepFunctions { 0 } else { SDK_TRIES_MS };
        if late_ms > most_ms && self.is_holders(call, tasks) {
            let operation = &call.operation;
            wrong.push(format!("{worker}: {operation} {late_ms} ms after its right to act ended"));
        }
    }

    fn is_holders(&self, call: &Call, tasks: &Tasks) -> bool {
        let values = &call.body["ExpressionAttributeValues"];
        match call.operation.as_str() {
            "TransactWriteItems" => true,
            "UpdateItem" if !call.is_on_table(TASKS) => !values[":position"].is_null(),
            "UpdateItem" if values[":decision"]["M"]["decidedBy"]["S"] == "rule" => true,
            "UpdateItem" if !values[":escalation"].is_null() => true,
            "UpdateItem" => {
                let id = call.body["Key"]["taskId"]["S"].as_str().unwrap_or_default();
                values[":decision"].is_null() && self.has_no_other_right(call, id, tasks)
            }
            "SendTaskSuccess" | "SendTaskFailure" => {
                let token = TaskToken::new(call.text("taskToken").unwrap_or_default().to_owned());
                token.is_ok_and(|token| self.has_no_other_right(call, token.task_id().as_str(), tasks))
            }
            _ => false,
        }
    }

    /// Neither a person nor the end of the execution made the node act on the task.
    fn has_no_other_right(&self, call: &Call, id: &str, tasks: &Tasks) -> bool {
        let Some(Task { transaction_id, .. }) = tasks.get(id).and_then(|seen| seen.now.as_ref()) else {
            return false;
        };
        let node = call.node.to_string();
        let told = self.told.get(&(node.clone(), transaction_id.clone()));
        !self.asked.contains(&(node, id.to_owned()))
            && told.is_none_or(|told_ms| call.sent_ms > told_ms + MESSAGE_MS)
    }
}
