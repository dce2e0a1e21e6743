//! A task as callers see it. A separate type, so that the token cannot leak.

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use statemachine::decision::{DecidedBy, Decision, Outcome};
use statemachine::status::{Delivery, Status};
use statemachine::task::{Comment, Escalation, FirstApproval, GivenBack, Task, reviewed};
use statemachine::token::{TaskId, TaskToken};
use utoipa::ToSchema;

use crate::shapes::{self, TaskStatus};
use crate::tasks::list::ListedTask;

/// A task, as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// 32 hex digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub task_id: TaskId,
    /// The business key.
    pub order_id: String,
    /// When the workflow started waiting, as it wrote it.
    pub start_time: String,
    /// The execution's ARN.
    pub transaction_id: String,
    /// Where the task is in its life.
    #[schema(value_type = TaskStatus)]
    pub status: Status,
    /// How far a stored decision has come.
    #[schema(value_type = Option<shapes::Delivery>)]
    pub delivery: Option<Delivery>,
    /// RFC 3339 in UTC.
    pub received_at: String,
    /// When the workflow stops waiting, RFC 3339 in UTC; none if it did not say.
    pub deadline: Option<String>,
    /// Grows with each change.
    pub revision: i64,
    /// What a decision is about, for `If-Match`: the `ETag` without its quotes. Claims and comments do not change it.
    #[serde(default)]
    pub etag: String,
    /// Why the rules left it to a person.
    #[schema(value_type = Option<shapes::Escalation>)]
    pub escalation: Option<Escalation>,
    /// How many people must approve it, if more than one. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<i64>,
    /// The first of two approvals. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_approval: Option<FirstApprovalView>,
    /// Who looks after it. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimView>,
    /// What people wrote about it, oldest first. Only for a single task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<shapes::Comment>)]
    pub comments: Vec<Comment>,
    /// What was decided.
    pub decision: Option<DecisionView>,
    /// The escalations that were returned to the rules, oldest first. Only for a single task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<shapes::GivenBack>)]
    pub history: Vec<GivenBack>,
    /// What the workflow passed, as it arrived. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub order: Option<Box<RawValue>>,
    /// What each rule said and which facts it read. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub evaluation: Option<Box<RawValue>>,
    /// What the shadow ruleset would have said. Only for a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub shadow: Option<Box<RawValue>>,
}

/// The first of two approvals, as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = FirstApproval)]
#[serde(rename_all = "camelCase")]
pub struct FirstApprovalView {
    /// A person's name.
    pub by: String,
    /// The words for the second person.
    pub reason: String,
    /// How the worker knows the name, as a decision's code.
    pub code: String,
    /// RFC 3339 in UTC.
    pub at: String,
}

/// Who looks after a task, as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Claim)]
pub struct ClaimView {
    /// A person's name.
    pub by: String,
    /// When the claim ends by itself, or was ended: RFC 3339 in UTC.
    pub until: String,
}

/// A stored decision, as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Decision)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// A ULID; the workflow's answer carries it as `decisionId`.
    pub id: String,
    /// Approved or rejected.
    #[schema(value_type = shapes::Outcome)]
    pub outcome: Outcome,
    /// A stable kebab-case name.
    pub code: String,
    /// The words for people.
    pub reason: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The ruleset's SHA-256.
    pub ruleset: Option<String>,
    /// `rule`, or a person's name.
    #[schema(value_type = String)]
    pub decided_by: DecidedBy,
    /// RFC 3339 in UTC.
    pub decided_at: String,
}

impl TaskView {
    /// A task as a list shows it.
    pub fn of_listed(task: ListedTask) -> TaskView {
        let etag = reviewed(task.status, task.delivery, task.escalation.as_ref(), task.decision.as_ref());
        TaskView {
            task_id: task.id,
            order_id: task.order_id,
            start_time: task.start_time,
            transaction_id: task.transaction_id,
            status: task.status,
            delivery: task.delivery,
            received_at: task.received_at,
            deadline: task.deadline.and_then(time_text),
            revision: task.revision,
            etag,
            escalation: task.escalation,
            approvals: None,
            first_approval: None,
            claim: None,
            comments: Vec::new(),
            decision: task.decision.map(DecisionView::of),
            history: Vec::new(),
            order: None,
            evaluation: None,
            shadow: None,
        }
    }

    /// A task with everything that a person may see.
    pub fn of_task(mut task: Task) -> TaskView {
        let token = &task.token;
        let order = task.order.take().map(|order| json(&order.text(), token));
        let evaluation = task.evaluation.take().map(|stored| match stored.text() {
            Ok(text) => json(&text, token),
            // Edited by hand. The decision stands without it.
            Err(damaged) => json(&damaged.to_string(), token),
        });
        let shadow = task.shadow.take().map(|text| json(&text, token));
        // It may have been stored before tokens were removed from it.
        if let Some(escalation) = &mut task.escalation {
            strike(token, [&mut escalation.code, &mut escalation.reason]);
        }
        if let Some(decision) = &mut task.decision {
            strike(token, [&mut decision.code, &mut decision.reason]);
        }
        for given in &mut task.history {
            strike(token, [&mut given.escalation.code, &mut given.escalation.reason]);
        }
        let history = std::mem::take(&mut task.history);
        let approvals = task.approvals;
        let first_approval = task.first_approval.take().map(|first| {
            let FirstApproval { subject: _, by, reason, code, at } = first;
            FirstApprovalView { by, reason, code, at }
        });
        let claim = task
            .claim
            .take()
            .and_then(|claim| time_text(claim.until).map(|until| ClaimView { by: claim.by, until }));
        let comments = std::mem::take(&mut task.comments);
        let listed = TaskView::of_listed(task.into());
        TaskView { order, evaluation, shadow, history, approvals, first_approval, claim, comments, ..listed }
    }
}

impl DecisionView {
    fn of(decision: Decision) -> DecisionView {
        let Decision { id, outcome, code, reason, rule, ruleset, decided_by, decided_at, payload: _ } =
            decision;
        DecisionView { id, outcome, code, reason, rule, ruleset, decided_by, decided_at }
    }
}

/// Stored JSON text as JSON; a text that is not JSON becomes a JSON string.
///
/// A workflow that passes its whole context object passes the token with it: it is struck out.
fn json(text: &str, token: &TaskToken) -> Box<RawValue> {
    let text = token.strike_json(text).into_owned();
    RawValue::from_string(text.clone()).unwrap_or_else(|_| {
        let quoted = serde_json::to_string(&text).expect("a string always serialises");
        RawValue::from_string(quoted).expect("a serialised string is JSON")
    })
}

fn strike(token: &TaskToken, texts: [&mut String; 2]) {
    for text in texts.into_iter().filter(|text| token.is_in(text)) {
        *text = token.strike(text).into_owned();
    }
}

/// Epoch seconds as RFC 3339; none beyond the calendar's end.
fn time_text(epoch_seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(epoch_seconds).ok().map(|time| time.to_string())
}

/// The `ETag` of what was reviewed.
pub(super) fn etag(reviewed: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{reviewed}\"")).expect("digits in quotes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use statemachine::compact::Compact;
    use statemachine::message::Message;
    use statemachine::task::ReceivedAt;

    const TOKEN: &str = "AAAAKgAAAAIAAAAA/secret+token==";

    fn task(order: &str) -> Task {
        let body = format!(
            r#"{{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"{TOKEN}","startTime":"t","orderId":"o-1","order":{order},"timeoutSeconds":120}}"#
        );
        let received_at =
            ReceivedAt { text: "2026-11-22T10:00:00.123Z".to_owned(), epoch_seconds: 1_795_341_600 };
        Task::new(Message::parse(&body).unwrap(), received_at, None)
    }

    #[test]
    fn a_view_never_shows_the_token() {
        let mut task = task(&format!(r#"{{"context":{{"Task":{{"Token":"{TOKEN}"}}}},"amount":1.50}}"#));
        let evaluation = format!(r#"{{"facts":[{{"path":"order.context","value":"{TOKEN}"}}]}}"#).repeat(9);
        task.evaluation = Some(Compact::of(evaluation));
        let json = serde_json::to_string(&TaskView::of_task(task)).unwrap();
        assert!(!json.contains(TOKEN), "{json}");
        // Amounts keep their digits.
        assert!(json.contains(r#""amount":1.50"#), "{json}");
    }

    #[test]
    fn a_view_reads_back() {
        let view = TaskView::of_task(task(r#"{"amount":1.50}"#));
        let json = serde_json::to_string(&view).unwrap();
        let read: TaskView = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.deadline.as_deref(), Some("2026-11-22T10:02:00Z"));
    }

    #[test]
    fn a_stored_text_that_is_no_json_is_shown_as_text() {
        let mut task = task("1");
        task.order = Some("{not json".to_owned().into());
        assert_eq!(TaskView::of_task(task).order.unwrap().get(), r#""{not json""#);
    }
}
