//! What people decided of the tasks that the rules left to them lately, whether the rules would decide the same now, and
//! what they could learn.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use rules::Ruleset;
use rules::agreement::{Agreement, Asked, Proposal, Reviewed, Study};
use rules::backtest::StoredTask;
use tokio::task::spawn_blocking;

use super::lately::{self, Searched};
use super::page::{Frame, html};
use super::session::Session;
use super::times::seconds;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::plain_text::plain;
use crate::tasks::list::{Details, ListedTask};
use crate::tasks::reviewed;

/// The most tasks that are studied.
const MOST_TASKS: usize = 500;

#[derive(Template)]
#[template(path = "agreement.html")]
struct AgreementPage {
    frame: Frame,
    label: String,
    /// How many settled tasks were read, and since which day.
    read: usize,
    since: String,
    /// How many of them were left to people.
    studied: usize,
    asked: Vec<Row>,
    /// How many of these tasks the rules would decide now, of those how many people decided, and of those how many alike.
    would_decide: [u64; 3],
    otherwise: Vec<Otherwise>,
    proposals: Vec<Proposed>,
    notes: Vec<String>,
}

/// Why people were asked, and what they decided.
struct Row {
    code: String,
    rule: String,
    tasks: u64,
    approved: u64,
    rejected: u64,
    expired: u64,
    wait: String,
}

/// A task that a person decided, and that the rules would decide otherwise.
struct Otherwise {
    href: String,
    order: String,
    person: &'static str,
    rules: &'static str,
    rule: String,
}

/// What the rules could learn.
struct Proposed {
    answer: &'static str,
    condition: String,
    code: String,
    tasks: u64,
    same: u64,
    /// At 95 % confidence people agree in so many of a hundred tasks.
    sure: u64,
    files: Vec<(String, String)>,
    by_hand: String,
}

/// `GET /console/rules/agreement`.
pub(super) async fn agreement(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
) -> Result<Response, Failure> {
    // Those that were left to people.
    let mut tasks: Vec<ListedTask> = vec![];
    let Searched { read, since } = lately::search(&state, |page| {
        tasks.extend(page.into_iter().filter(|task| task.escalation.is_some()));
        tasks.len() < MOST_TASKS
    })
    .await?;
    let mut details = state.task_list.details(tasks.iter().map(|task| task.id.clone()).collect()).await?;
    let tasks: Vec<Reviewed> = tasks
        .into_iter()
        .map(|task| {
            let details = details.remove(&task.id).unwrap_or_default();
            reviewed_of(task, details)
        })
        .collect();
    let (ruleset, studied) = (state.automation.rules.pin(), tasks.len());
    let label = plain(&ruleset.label());
    // On a thread of its own: each task is evaluated.
    let agreement = spawn_blocking(move || study(&ruleset, &tasks)).await;
    let agreement = agreement.map_err(|_| Failure::Internal("a study panicked".to_owned()))?;
    let Agreement { asked, candidate, proposals, notes, .. } = agreement;
    let page = AgreementPage {
        frame: Frame::new("rules", &caller, &session),
        label,
        read,
        since,
        studied,
        asked: asked.into_iter().map(Row::of).collect(),
        would_decide: [candidate.newly_decided, candidate.people_decided, candidate.same],
        otherwise: candidate
            .disagreements
            .into_iter()
            .map(|task| Otherwise {
                href: format!("/console/tasks/{}", task.task_id),
                order: plain(&task.order_id),
                person: task.person.as_str(),
                rules: task.ruleset.as_str(),
                rule: plain(&task.rule.unwrap_or_default()),
            })
            .collect(),
        proposals: proposals.into_iter().map(Proposed::of).collect(),
        notes: notes.iter().map(|note| plain(note)).collect(),
    };
    html(StatusCode::OK, &page)
}

fn study(ruleset: &Arc<Ruleset>, tasks: &[Reviewed]) -> Agreement {
    let mut study = Study::new(ruleset);
    for task in tasks {
        study.add(task);
    }
    study.finish()
}

fn reviewed_of(task: ListedTask, details: Details) -> Reviewed {
    let end = reviewed::end(Some(task.status), task.decision);
    Reviewed {
        task: StoredTask {
            task_id: task.id.to_string(),
            order: details.order.map(|order| order.get().to_owned()),
            order_id: task.order_id,
            start_time: task.start_time,
            transaction_id: task.transaction_id,
            received_at: task.received_at,
        },
        escalation: task.escalation.map(reviewed::escalation),
        end,
    }
}

impl Row {
    fn of(asked: Asked) -> Row {
        Row {
            code: plain(&asked.code),
            rule: plain(&asked.rule.unwrap_or_default()),
            tasks: asked.tasks,
            approved: asked.approved,
            rejected: asked.rejected,
            expired: asked.expired,
            wait: asked.median_wait_seconds.map(seconds).unwrap_or_default(),
        }
    }
}

impl Proposed {
    fn of(proposal: Proposal) -> Proposed {
        let files = proposal.draft.map(|draft| draft.files).unwrap_or_default();
        Proposed {
            answer: proposal.answer.as_str(),
            condition: plain(&proposal.condition),
            code: plain(&proposal.code),
            tasks: proposal.tasks,
            same: proposal.same,
            sure: proposal.agreement_permille / 10,
            files: files.into_iter().map(|(path, text)| (plain(&path), plain(&text))).collect(),
            by_hand: plain(&proposal.by_hand.unwrap_or_default()),
        }
    }
}
