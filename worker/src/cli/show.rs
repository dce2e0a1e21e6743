//! Tasks as a person reads them in a terminal.

use rules::{Ended, Evaluation};
use serde_json::value::RawValue;

use super::render::{line, plain, spread, table};
use crate::api::lists::TaskPage;
use crate::api::view::{DecisionView, TaskView};

/// The longest reason in a list, in characters.
const REASON_CHARS: usize = 60;
/// The longest order id in a list, in characters.
const ORDER_CHARS: usize = 40;

/// A list, one task a line.
pub(super) fn list(page: &TaskPage) -> String {
    if page.tasks.is_empty() {
        return "no such tasks\n".to_owned();
    }
    let rows: Vec<[String; 5]> = page.tasks.iter().map(row).collect();
    let mut text = table(["TASK", "ORDER", "STATUS", "UNTIL", "WHY"], &rows);
    if page.cursor.is_some() {
        text.push_str("there are more; raise --limit, or list --all\n");
    }
    text
}

fn row(task: &TaskView) -> [String; 5] {
    let status = match task.delivery {
        Some(delivery) if !task.status.is_final() => format!("{} {}", task.status, delivery.as_str()),
        Some(_) | None => task.status.to_string(),
    };
    let why = match (&task.decision, &task.escalation) {
        (Some(decision), _) => format!("{}: {}", decision.code, decision.reason),
        (None, Some(escalation)) => format!("{}: {}", escalation.code, escalation.reason),
        (None, None) => String::new(),
    };
    let until = task.deadline.as_deref().unwrap_or("-");
    [
        task.task_id.to_string(),
        line(&task.order_id, ORDER_CHARS),
        status,
        until.to_owned(),
        line(&why, REASON_CHARS),
    ]
}

/// One task in full.
pub(super) fn task(task: &TaskView) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        text.push_str(&format!("{name:<10} {}\n", line(value, usize::MAX)));
    };
    field("task", task.task_id.as_str());
    field("order", &task.order_id);
    field("status", &format!("{}, ETag {}", task.status, task.etag));
    field("workflow", &task.transaction_id);
    field("started", &task.start_time);
    field("received", &task.received_at);
    field("until", task.deadline.as_deref().unwrap_or("the workflow gave none"));
    for given in &task.history {
        let (code, reason) = (&given.escalation.code, &given.escalation.reason);
        field("before", &format!("{code}: {reason}"));
        field("", &format!("returned to the rules by {} at {}", given.by, given.at));
    }
    if let Some(escalation) = &task.escalation {
        field("escalated", &format!("{}: {}", escalation.code, escalation.reason));
        field("", &by(escalation.rule.as_deref(), escalation.ruleset.as_deref(), &escalation.at));
    }
    if let Some(claim) = task.claim.as_ref().filter(|_| task.decision.is_none()) {
        field("claimed", &format!("by {} until {}", claim.by, claim.until));
    }
    for comment in &task.comments {
        field("comment", &format!("{}: {}", comment.by, comment.text));
        field("", &by(None, None, &comment.at));
    }
    if let Some(first) = &task.first_approval {
        field("approved", &format!("by {}, the first of two: {}: {}", first.by, first.code, first.reason));
        field("", &by(None, None, &first.at));
    } else if task.approvals.is_some() && task.decision.is_none() {
        field("approvals", "two people must approve it");
    }
    if let Some(decision) = &task.decision {
        field("decision", &decided(decision));
        field("", &by(decision.rule.as_deref(), decision.ruleset.as_deref(), &decision.decided_at));
    }
    if let Some(delivery) = task.delivery {
        field("delivery", delivery.as_str());
    }
    if let Some(shadow) = &task.shadow {
        text.push_str(&format!("{:<10} {}\n", "shadow", line(&shadowed(shadow), usize::MAX)));
    }
    if let Some(evaluation) = &task.evaluation {
        text.push_str(&evaluated(evaluation));
    }
    if let Some(order) = &task.order {
        text.push_str(&format!("\nwhat the workflow sent\n{}\n", indented(&pretty(order))));
    }
    text
}

fn decided(decision: &DecisionView) -> String {
    let who: String = decision.decided_by.clone().into();
    format!("{} by {who}: {}: {}", decision.outcome, decision.code, decision.reason)
}

fn by(rule: Option<&str>, ruleset: Option<&str>, at: &str) -> String {
    let rule = rule.map(|rule| format!("rule {rule}, ")).unwrap_or_default();
    let ruleset = ruleset.and_then(|sha256| sha256.get(..8)).map(|short| format!("ruleset {short}, "));
    format!("{rule}{}at {at}", ruleset.unwrap_or_default())
}

/// `escalate over-limit by tier-limit, ruleset 7f3a91c2, disagrees`.
fn shadowed(shadow: &RawValue) -> String {
    let Ok(note) = serde_json::from_str::<serde_json::Value>(shadow.get()) else {
        return shadow.get().to_owned();
    };
    let text = |name: &str| note[name].as_str().unwrap_or_default().to_owned();
    let by = match text("rule") {
        rule if rule.is_empty() => String::new(),
        rule => format!(" by {rule}"),
    };
    let agrees = if note["agrees"] == true { "agrees" } else { "disagrees" };
    let ruleset: String = text("ruleset").chars().take(8).collect();
    format!("{} {}{by}, ruleset {ruleset}, {agrees}", text("outcome"), text("code"))
}

fn evaluated(evaluation: &RawValue) -> String {
    let Ok(evaluation) = Evaluation::from_json(evaluation.get()) else {
        return format!("\nrules\n{}\n", indented(&pretty(evaluation)));
    };
    let rows: Vec<[String; 2]> = evaluation
        .verdicts
        .iter()
        .map(|rule| {
            let mode = if rule.counts { "" } else { " (only for the record)" };
            [format!("  {}{mode}", plain(&rule.rule)), line(&ended(&rule.ended), usize::MAX)]
        })
        .collect();
    let mut text = format!("\n{}", table(["rules", ""], &rows));
    let facts: Vec<[String; 2]> = evaluation
        .facts
        .iter()
        .map(|fact| {
            [format!("  {}", plain(&fact.path)), line(fact.value.as_deref().unwrap_or_default(), usize::MAX)]
        })
        .collect();
    text.push_str(&format!("\n{}", table(["facts that were read", ""], &facts)));
    if evaluation.truncated {
        text.push_str("  (shortened for storage)\n");
    }
    text
}

fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Pass => "pass".to_owned(),
        Ended::Skipped => "skipped".to_owned(),
        Ended::Gave { outcome, code, text } => format!("{} {code}: {text}", outcome.as_str()),
        Ended::Failed { cause, text } => format!("failed, {}: {text}", cause.as_str()),
    }
}

fn pretty(json: &RawValue) -> String {
    plain(&spread(json.get()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"{
        "taskId": "7a7816bf8f01cfea414140de5dae2223", "orderId": "o-1\u001b[2J", "startTime": "2026-11-22T10:00:00Z",
        "transactionId": "arn:aws:states:eu-west-1:1:execution:orders:e-1", "status": "ESCALATED", "delivery": null,
        "receivedAt": "2026-11-22T10:00:00.123Z", "deadline": "2026-11-22T10:02:00Z", "revision": 2, "etag": "94017b9ba36f29fd",
        "escalation": {"code": "high-amount", "reason": "1,200.00 is\nabove the limit of a silver customer: look at the last orders",
            "rule": "tier-limit", "ruleset": "7f3a91c2aa", "at": "2026-11-22T10:00:00.200Z"},
        "decision": null,
        "order": {"amount": 1200.00, "customer": {"tier": "silver"}},
        "evaluation": {"verdict": {"outcome": "escalate", "code": "high-amount", "text": "t", "rule": "tier-limit", "cause": null},
            "ruleset": "7f3a91c2aa", "engine": "e",
            "verdicts": [
                {"rule": "restricted-goods", "hash": "00", "counts": true, "ended": "pass"},
                {"rule": "tier-limit", "hash": "01", "counts": true, "ended": "gave", "outcome": "escalate", "code": "high-amount", "text": "1,200.00 is above"},
                {"rule": "new", "hash": "02", "counts": false, "ended": "failed", "cause": "rule-error", "text": "rules/new.rhai:3:4: no field x"}],
            "facts": [{"path": "order.amount", "value": "1200.00"}, {"path": "order.customer", "value": null}]}
    }"#;

    fn view() -> TaskView {
        serde_json::from_str(TASK).unwrap()
    }

    #[test]
    fn a_task_shows_why_and_what() {
        insta::assert_snapshot!(task(&view()));
    }

    #[test]
    fn a_task_shows_what_the_shadow_ruleset_said() {
        for (note, shown) in [
            (
                r#"{"outcome":"approve","code":"small","rule":"small-order","ruleset":"aabbccddee","agrees":false}"#,
                "shadow     approve small by small-order, ruleset aabbccdd, disagrees\n",
            ),
            (
                r#"{"outcome":"escalate","code":"no-rule-approved","rule":null,"ruleset":"aa","agrees":true}"#,
                "shadow     escalate no-rule-approved, ruleset aa, agrees\n",
            ),
        ] {
            let with = TASK.replace("\"decision\": null", &format!("\"decision\": null, \"shadow\": {note}"));
            let text = task(&serde_json::from_str::<TaskView>(&with).unwrap());
            assert!(text.contains(shown), "{text}");
        }
        assert!(!task(&view()).contains("shadow"));
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let decided: TaskView = serde_json::from_str(
            &TASK.replace("\"delivery\": null", "\"delivery\": \"DUE\"").replace(
                "\"decision\": null",
                r#""decision": {"id": "01", "outcome": "approved", "code": "decided-by-person", "reason": "fine",
                    "rule": null, "ruleset": null, "decidedBy": "Ada", "decidedAt": "2026-11-22T10:01:00.000Z"}"#,
            ),
        )
        .unwrap();
        let page = TaskPage { tasks: vec![view(), decided], cursor: Some("c".to_owned()) };
        insta::assert_snapshot!(list(&page));
        assert_eq!(list(&TaskPage { tasks: vec![], cursor: None }), "no such tasks\n");
    }
}
