//! From a task to a decision, or to the reason why a person must decide. No I/O.

use std::borrow::Cow;

use rules::{Evaluation, Ruleset, TaskFacts, Verdict};
use statemachine::decision::{DecidedBy, Draft, MAX_REASON_CHARS, Outcome};
use statemachine::task::{Escalation, Task};

use crate::metrics::Shadowed;

/// The result of the rules, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleAnswer {
    /// Write it, then tell the workflow.
    Decide(Draft),
    /// Write it, and leave the task to a person.
    Escalate(Escalation),
}

/// The order as rules may see it. A workflow that passes its whole context object also passes the token: the token is
/// removed, so that no reason, code or explanation can quote it.
pub fn order(task: &Task) -> Option<Cow<'_, str>> {
    task.order_text().map(|order| match order {
        Cow::Borrowed(order) => task.token.strike_json(order),
        Cow::Owned(order) => Cow::Owned(task.token.strike_json(&order).into_owned()),
    })
}

/// The facts of a task with this [`order`], as its rules see them.
pub fn facts<'t>(task: &'t Task, order: Option<&'t str>) -> TaskFacts<'t> {
    TaskFacts {
        order,
        order_id: &task.order_id,
        start_time: &task.start_time,
        transaction_id: &task.transaction_id,
        received_at: &task.received_at,
    }
}

/// What the shadow ruleset would have said of a task, and whether its outcome is the same.
pub fn shadow(ruleset: &Ruleset, facts: &TaskFacts<'_>, active: &Evaluation) -> (Shadowed, String) {
    let evaluation = ruleset.evaluate(facts);
    let shadowed = Shadowed { active: active.verdict.outcome(), shadow: evaluation.verdict.outcome() };
    let note = serde_json::json!({
        "ruleset": ruleset.sha256(),
        "agrees": shadowed.active == shadowed.shadow,
        "outcome": shadowed.shadow.as_str(),
        "code": evaluation.verdict.code(),
        "rule": evaluation.verdict.rule(),
    });
    (shadowed, note.to_string())
}

/// Turns an evaluation into an answer. A rule's failure is an escalation: no path leads from an error to an approval.
///
/// `id` is the decision's ULID and `now` its RFC 3339 time; both only label the answer.
pub fn answer(evaluation: &Evaluation, id: String, now: String) -> RuleAnswer {
    let draft = |outcome, code: &str, text: &str, rule: Option<&str>| {
        RuleAnswer::Decide(Draft {
            id,
            outcome,
            code: code.to_owned(),
            reason: text.to_owned(),
            rule: rule.map(str::to_owned),
            ruleset: Some(evaluation.ruleset.to_string()),
            decided_by: DecidedBy::Rule,
            decided_at: now.clone(),
        })
    };
    match &evaluation.verdict {
        Verdict::Approve { code, text, rule } => draft(Outcome::Approved, code, text, rule.as_deref()),
        Verdict::Reject { code, text, rule } => draft(Outcome::Rejected, code, text, Some(rule)),
        Verdict::Escalate { code, text, rule, cause: _ } => RuleAnswer::Escalate(Escalation {
            code: code.clone(),
            reason: text.chars().take(MAX_REASON_CHARS).collect(),
            rule: rule.clone(),
            ruleset: Some(evaluation.ruleset.to_string()),
            at: now,
        }),
    }
}
