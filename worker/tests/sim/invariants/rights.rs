//! A worker that has lost the right to act on its leases starts no more work for them.

use std::collections::{BTreeMap, BTreeSet};

use model::{Call, Service};
use serde_json::Value as Json;
use statemachine::task::Task;
use statemachine::token::TaskToken;

use crate::invariants::leases::is_of;
use crate::invariants::tasks::Tasks;
use crate::scene::TASKS;

/// How long the SDK may continue with a write that started in time: three attempts of five seconds and two pauses; the
/// last attempt starts this late.
const SDK_TRIES_MS: u64 = 13_000;
/// How long a worker may act on a closed execution after the queue delivered its message: the response may take 25 s, a
/// message has 20 s, and then come the SDK's attempts.
const MESSAGE_MS: u64 = 25_000 + 20_000 + SDK_TRIES_MS;

/// The right of each worker to act, and what it may do without that right.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    lease_ms: u64,
    /// When each worker's heartbeat was last written, including workers whose heartbeat is gone.
    beats: BTreeMap<String, u64>,
    /// The tasks that people asked a node to decide.
    asked: BTreeSet<(String, String)>,
    /// The closed executions in messages that a node received, and when.
    told: BTreeMap<(String, String), u64>,
}

impl Rights {
    pub(crate) fn new(lease_ms: u64) -> Rights {
        Rights { lease_ms, ..Rights::default() }
    }

    pub(crate) fn note_beat(&mut self, worker: &str, at_ms: u64) {
        self.beats.insert(worker.to_owned(), at_ms);
    }

    /// Notes that a person asked a node to decide a task, for which the node needs no lease.
    pub(crate) fn note_asked(&mut self, node: &str, task: &str) {
        self.asked.insert((node.to_owned(), task.to_owned()));
    }

    /// Notes that a queue answered a node, which needs no lease for the executions that the messages report as closed.
    pub(crate) fn note_received(&mut self, node: &str, answer: &Json, at_ms: u64) {
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let event: Json =
                message["Body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
            if let Some(execution) = event["executionArn"].as_str() {
                self.told.insert((node.to_owned(), execution.to_owned()), at_ms);
            }
        }
    }

    /// Notes that a call was sent. If only the holder of a lease makes such calls, its right to act must not have
    /// ended.
    pub(crate) fn check(&self, call: &Call, tasks: &Tasks, wrong: &mut Vec<String>) {
        let beat = self.beats.iter().find(|(worker, _)| is_of(worker, &call.node));
        let Some((worker, beat_ms)) = beat else { return };
        let late_ms = call.sent_ms.saturating_sub(beat_ms + self.lease_ms * 9 / 10);
        // The client for callbacks makes one attempt.
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
            // Telling people needs no lease.
            "UpdateItem" if is_mark(call) => false,
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

    /// Returns whether neither a person nor the end of the execution made the node act on the task.
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

/// Whether it notes that people were told of the task.
fn is_mark(call: &Call) -> bool {
    call.text("UpdateExpression").is_some_and(|update| update.contains("ublishedAt"))
}
