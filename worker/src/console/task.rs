//! One task: why the rules left it to a person, the order, and the form that decides it.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use rules::{Ended, Evaluation};
use statemachine::decision::MAX_REASON_CHARS;
use statemachine::status::Delivery;
use statemachine::task::Task;

use super::order::{self, Line, SHOWN_LINES, Value};
use super::page::{Frame, html};
use super::session::Session;
use super::terms::Terms;
use super::times::{between, moment};
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::tasks::task_id;
use crate::api::view::{DecisionView, TaskView};
use crate::plain_text::plain;

#[derive(Template)]
#[template(path = "task.html")]
struct TaskPage {
    frame: Frame,
    id: String,
    order_id: String,
    status: String,
    etag: String,
    received: String,
    left: String,
    until: String,
    workflow: String,
    why: Option<Why>,
    rules: Vec<RuleLine>,
    silent_rules: usize,
    facts: Vec<(String, Option<String>)>,
    shown: Vec<Line>,
    folded: Vec<Line>,
    has_order: bool,
    decided: Option<Decided>,
    history: Vec<String>,
    terms: Terms,
    error: String,
    reason: String,
    most_chars: usize,
}

/// Why a person has it.
#[derive(Debug)]
struct Why {
    code: String,
    reason: String,
    rule: String,
    at: String,
}

/// What a rule said.
#[derive(Debug)]
struct RuleLine {
    rule: String,
    /// `escalate`, `approve`, `reject` or `failed`; the class of its badge.
    outcome: &'static str,
    code: String,
    text: String,
    counts: bool,
}

/// What was decided.
#[derive(Debug)]
struct Decided {
    outcome: String,
    by: String,
    at: String,
    code: String,
    reason: String,
    delivery: &'static str,
}

/// What a person entered before, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Entered {
    pub(super) reason: String,
    pub(super) error: String,
}

/// `GET /console/tasks/{id}`.
pub(super) async fn task(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let task = state.task(&id).await?;
    show(&state, StatusCode::OK, Frame::new("inbox", &caller, &session), &caller, task, Entered::default())
}

/// A task's page.
pub(super) fn show(
    state: &ApiState,
    status: StatusCode,
    frame: Frame,
    caller: &Caller,
    task: Task,
    entered: Entered,
) -> Result<Response, Failure> {
    let now = state.clock.now();
    let terms = Terms::of(state, &task, caller, &frame.who);
    let task = TaskView::of_task(task);
    let masked = state.automation.rules.pin().masked_names();
    let mut shown = task.order.as_deref().map(|order| order::lines(order, &masked)).unwrap_or_default();
    let folded = shown.split_off(shown.len().min(SHOWN_LINES));
    let evaluation = task.evaluation.as_deref().and_then(|json| Evaluation::from_json(json.get()).ok());
    let verdicts = evaluation.as_ref().map(|evaluation| evaluation.verdicts.as_slice()).unwrap_or_default();
    let rules: Vec<RuleLine> = verdicts.iter().filter_map(RuleLine::of).collect();
    let facts = evaluation.as_ref().map(|evaluation| evaluation.facts.as_slice()).unwrap_or_default();
    let until = task.deadline.as_ref().and_then(|deadline| deadline.parse().ok());
    let page = TaskPage {
        frame,
        id: task.task_id.to_string(),
        order_id: plain(&task.order_id),
        status: task.status.to_string().to_lowercase(),
        etag: task.etag,
        received: moment(&task.received_at),
        left: until
            .map_or_else(String::new, |until| between(now, until).unwrap_or_else(|| "passed".to_owned())),
        until: task.deadline.as_deref().map(moment).unwrap_or_default(),
        workflow: plain(&task.transaction_id),
        why: task.escalation.map(|why| Why {
            code: plain(&why.code),
            reason: plain(&why.reason),
            rule: plain(&why.rule.unwrap_or_default()),
            at: moment(&why.at),
        }),
        silent_rules: verdicts.len() - rules.len(),
        rules,
        facts: facts.iter().map(|fact| (plain(&fact.path), fact.value.as_deref().map(plain))).collect(),
        has_order: task.order.is_some(),
        shown,
        folded,
        decided: task.decision.map(|decision| Decided::of(decision, task.delivery)),
        history: task
            .history
            .iter()
            .map(|given| {
                let (code, by) = (plain(&given.escalation.code), plain(&given.by));
                format!(
                    "{by} returned it to the rules at {}; it had been left to people as {code}",
                    moment(&given.at)
                )
            })
            .collect(),
        terms,
        error: entered.error,
        reason: entered.reason,
        most_chars: MAX_REASON_CHARS,
    };
    html(status, &page)
}

impl Decided {
    fn of(decision: DecisionView, answered: Option<Delivery>) -> Decided {
        let by: String = decision.decided_by.into();
        Decided {
            outcome: decision.outcome.to_string(),
            by: match decision.rule {
                Some(rule) => format!("the rule {}", plain(&rule)),
                None => plain(&by),
            },
            at: moment(&decision.decided_at),
            code: plain(&decision.code),
            reason: plain(&decision.reason),
            delivery: delivery(answered),
        }
    }
}

/// What became of a decision, in words.
pub(super) fn delivery(delivery: Option<Delivery>) -> &'static str {
    match delivery {
        Some(Delivery::Delivered) => "the workflow received it and continues",
        Some(Delivery::Due) | None => "stored; it is on its way to the workflow",
        Some(Delivery::Unverified) => {
            "stored; the workflow's token was already closed, and its history will show with which answer"
        }
        Some(Delivery::ClosedElsewhere) => "the workflow continued with another result than this decision",
        Some(Delivery::Undeliverable) => {
            "Step Functions rejected it permanently; an operator must end the workflow"
        }
    }
}

impl RuleLine {
    /// None for a rule that had nothing to say.
    fn of(verdict: &rules::RuleVerdict) -> Option<RuleLine> {
        let (outcome, code, text) = match &verdict.ended {
            Ended::Pass | Ended::Skipped => return None,
            Ended::Gave { outcome, code, text } => (outcome.as_str(), code.clone(), text.clone()),
            Ended::Failed { cause, text } => ("failed", cause.as_str().to_owned(), text.clone()),
        };
        let (rule, code, text) = (plain(&verdict.rule), plain(&code), plain(&text));
        Some(RuleLine { rule, outcome, code, text, counts: verdict.counts })
    }
}
