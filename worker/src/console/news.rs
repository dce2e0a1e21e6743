//! What has happened to a task since its page was loaded, in a sentence: the page shows it without being loaded again.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use serde::{Deserialize, Serialize};
use statemachine::status::Status;
use statemachine::task::Task;

use super::session::Session;
use super::terms::Terms;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::tasks::task_id;
use crate::plain_text::plain;

/// What the page shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    #[serde(default)]
    comments: usize,
}

/// What there is to say.
#[derive(Debug, Serialize)]
pub(super) struct News {
    /// The sentence; empty if there is nothing to say.
    text: String,
    /// That of the task now. If the page has another, something happened before its first event.
    etag: String,
}

/// `GET /console/tasks/{id}/news`.
pub(super) async fn news(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
    seen: Result<Query<Seen>, QueryRejection>,
) -> Result<Json<News>, Failure> {
    let id = task_id(id)?;
    let Query(Seen { comments }) = seen.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let task = state.task(&id).await?;
    let who = session.name.as_deref().or(caller.name()).unwrap_or_default();
    let terms = Terms::of(&state, &task, &caller, who);
    Ok(Json(News { text: sentence(&task, &terms, comments), etag: task.reviewed() }))
}

fn sentence(task: &Task, terms: &Terms, comments: usize) -> String {
    if let Some(decision) = &task.decision {
        let by: String = match &decision.rule {
            Some(rule) => format!("The rule {rule}"),
            None => decision.decided_by.clone().into(),
        };
        return format!("{} {} this task.", plain(&by), decision.outcome);
    }
    match (task.status, &terms.claim, &terms.first) {
        (Status::Expired, ..) => {
            "The workflow no longer waits: nothing was decided, and nothing can be.".to_owned()
        }
        (Status::Pending, ..) => "This task was returned to the rules.".to_owned(),
        (_, Some(claim), _) if !claim.is_mine => {
            format!("{} has claimed this task until {}.", claim.by, claim.until)
        }
        (_, _, Some(first)) => {
            format!("{} has approved this task; another person must approve it too.", first.by)
        }
        _ if task.comments.len() > comments => "There is a new comment.".to_owned(),
        // What has changed concerns nobody who looks at it: such as that people were told.
        _ => String::new(),
    }
}
