//! The log lines of a task's steps. Each has the `step`, the worker and the times that the task stores, so that one search
//! of the fleet's logs for a `task.id` tells what `countersign tasks story` tells.

use statemachine::decision::Decision;
use statemachine::task::{Step, Task};
use statemachine::worklist::Worklist;
use tracing::{info, warn};

use crate::clock::ms_text;

/// Who took a step, since when, and when it was stored.
struct Took {
    worker: Option<String>,
    since: Option<String>,
    at: Option<String>,
    how: Option<String>,
}

fn took(step: Option<&Step>) -> Took {
    Took {
        worker: step.map(|step| step.worker.clone()),
        since: step.and_then(|step| ms_text(step.since_ms)),
        at: step.and_then(|step| ms_text(step.at_ms?)),
        how: step.and_then(|step| step.how.clone()),
    }
}

/// **D** stored a decision.
pub(super) fn decided(task: &Task, decision: &Decision) {
    let Took { worker, since, .. } = took(task.steps.decided.as_ref());
    let by: String = decision.decided_by.clone().into();
    info!(
        task.id = %task.id, order.id = task.order_id, workflow = task.transaction_id, traceparent = task.traceparent,
        step = "decided", worker, since, at = decision.decided_at, outcome = %decision.outcome, code = decision.code,
        rule = decision.rule, ruleset = decision.ruleset, decided_by = by, decision.id = decision.id,
        "task {}: decided by {by}, {}, {}", task.id, decision.outcome, decision.code
    );
}

/// The task was left to a person.
pub(super) fn escalated(task: &Task) {
    let Took { worker, since, .. } = took(task.steps.escalated.as_ref());
    let Some(escalation) = &task.escalation else { return };
    info!(
        task.id = %task.id, order.id = task.order_id, workflow = task.transaction_id, traceparent = task.traceparent,
        step = "escalated", worker, since, at = escalation.at, outcome = "escalated", code = escalation.code,
        rule = escalation.rule, ruleset = escalation.ruleset, reason = escalation.reason,
        "task {}: escalated, {}", task.id, escalation.code
    );
}

/// A person returned the task to the rules.
pub(super) fn returned(task: &Task) {
    let Some(given) = task.history.last() else { return };
    info!(
        task.id = %task.id, order.id = task.order_id, step = "returned", at = given.at,
        code = given.escalation.code, by = given.by,
        "task {}: returned to the rules by {}, round {}", task.id, given.by, task.round
    );
}

/// The token was found closed.
pub(super) fn unverified(task: &Task, decision: &Decision) {
    let Took { worker, since, at, .. } = took(task.steps.unverified.as_ref());
    warn!(
        task.id = %task.id, order.id = task.order_id, decision.id = decision.id,
        step = "unverified", worker, since, at,
        "task {}: its token was closed when decision {} was sent; checking the execution's history until it shows \
         whose answer closed it: now, then after growing delays, and daily once the decision is a day old",
        task.id, decision.id
    );
}

/// **M**: how the decision ended.
pub(super) fn settled(task: &Task, decision: &Decision, latency_ms: i64) {
    let Took { worker, since, at, how } = took(task.steps.settled.as_ref());
    let by: String = decision.decided_by.clone().into();
    info!(
        task.id = %task.id, order.id = task.order_id, workflow = task.transaction_id, traceparent = task.traceparent,
        step = "settled", worker, since, at, how,
        outcome = %decision.outcome, status = %task.status, delivery = task.delivery.map(|d| d.as_str()),
        code = decision.code, reason = decision.reason, rule = decision.rule, ruleset = decision.ruleset,
        decided_by = by, decision.id = decision.id, latency_ms,
        "task {}: {} by {by}, {}", task.id, decision.outcome, task.status
    );
}

/// The workflow stopped waiting before anybody decided.
pub(super) fn expired(task: &Task, proof: &str) {
    let Took { worker, since, at, how } = took(task.steps.settled.as_ref());
    info!(
        task.id = %task.id, order.id = task.order_id, workflow = task.transaction_id, traceparent = task.traceparent,
        step = "expired", worker, since, at, how, outcome = "expired", proof,
        "task {}: expired undecided, {proof}", task.id
    );
}

/// The next attempt comes later, from the task's worklist.
pub(super) fn deferred(task: &Task, list: Worklist, seconds: i64, worker: &str) {
    info!(
        task.id = %task.id, order.id = task.order_id, step = "deferred", worker, list = list.name(),
        "task {}: the next attempt comes in {seconds} s, from its worklist", task.id
    );
}

/// This worker may no longer act on what it had in hand.
pub(super) fn handed_over(task: &Task, worker: &str) {
    info!(
        task.id = %task.id, order.id = task.order_id, step = "handed-over", worker,
        "task {}: left to the next holder of its lease", task.id
    );
}
