//! A task to a decision, or to the reason why a person must take it. No I/O.

use rules::{Ruleset, TaskFacts, Verdict};
use statemachine::decision::{DecidedBy, Draft, MAX_REASON_CHARS, Outcome};
use statemachine::task::{Escalation, Task};

/// What the rules came to, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Write it, then tell the workflow.
    Decide(Draft),
    /// Write it, and leave the task to a person.
    Escalate(Escalation),
}

/// Evaluates `ruleset` on `task`. A rule's failure is an escalation: no path leads from an error to an approval.
///
/// `id` is the decision's ULID and `now` its RFC 3339 time; both only label the answer. The second value is the
/// evaluation as it is stored beside it.
pub fn decide(ruleset: &Ruleset, task: &Task, id: String, now: String) -> (Answer, String) {
    let evaluation = ruleset.evaluate(&TaskFacts {
        order: task.order.as_deref(),
        order_id: &task.order_id,
        start_time: &task.start_time,
        transaction_id: &task.transaction_id,
        received_at: &task.received_at,
    });
    let draft = |outcome, code: &str, text: &str, rule: Option<&str>| {
        Answer::Decide(Draft {
            id,
            outcome,
            code: code.to_owned(),
            reason: text.to_owned(),
            rule: rule.map(str::to_owned),
            ruleset: Some(ruleset.sha256().to_owned()),
            decided_by: DecidedBy::Rule,
            decided_at: now.clone(),
        })
    };
    let answer = match &evaluation.verdict {
        Verdict::Approve { code, text, rule } => draft(Outcome::Approved, code, text, rule.as_deref()),
        Verdict::Reject { code, text, rule } => draft(Outcome::Rejected, code, text, Some(rule)),
        Verdict::Escalate { code, text, rule, cause: _ } => Answer::Escalate(Escalation {
            code: code.clone(),
            reason: text.chars().take(MAX_REASON_CHARS).collect(),
            rule: rule.clone(),
            ruleset: Some(ruleset.sha256().to_owned()),
            at: now,
        }),
    };
    (answer, evaluation.to_json())
}
