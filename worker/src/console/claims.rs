//! The forms that claim a task, release it, and comment on it.

use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use statemachine::token::TaskId;

use super::session::Session;
use super::sign_in::bad_form;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::claims::{CommentBody, claimed, commented, released};
use crate::api::error::Failure;
use crate::api::tasks::task_id;

/// The fields of the forms.
#[derive(Debug, Deserialize)]
pub(super) struct NoteForm {
    #[serde(default)]
    text: String,
    form_token: String,
}

/// `POST /console/tasks/{id}/claim`.
pub(super) async fn claim(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NoteForm>, FormRejection>,
) -> Result<Response, Failure> {
    let (id, _) = checked(&session, id, form)?;
    claimed(&state, &caller, id.clone(), session.name.as_deref()).await?;
    Ok(back(&id))
}

/// `POST /console/tasks/{id}/release`.
pub(super) async fn release(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NoteForm>, FormRejection>,
) -> Result<Response, Failure> {
    let (id, _) = checked(&session, id, form)?;
    released(&state, &caller, id.clone(), session.name.as_deref()).await?;
    Ok(back(&id))
}

/// `POST /console/tasks/{id}/comments`.
pub(super) async fn comment(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NoteForm>, FormRejection>,
) -> Result<Response, Failure> {
    let (id, form) = checked(&session, id, form)?;
    // Browsers send the lines of a text with CR LF.
    let body = CommentBody { text: form.text.replace("\r\n", "\n"), by: session.name.clone() };
    commented(&state, &caller, id.clone(), &body).await?;
    Ok(back(&id))
}

/// `GET` of the forms' addresses: a browser that opens the address of a form's answer again gets the task.
pub(super) async fn address(id: Result<Path<String>, PathRejection>) -> Result<Response, Failure> {
    Ok(back(&task_id(id)?))
}

fn checked(
    session: &Session,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NoteForm>, FormRejection>,
) -> Result<(TaskId, NoteForm), Failure> {
    let id = task_id(id)?;
    let Form(form) = form.map_err(|rejection| bad_form(&rejection))?;
    session.check_form(&form.form_token)?;
    Ok((id, form))
}

/// A page that was loaded by GET can be loaded again without doing anything again.
fn back(id: &TaskId) -> Response {
    Redirect::to(&format!("/console/tasks/{id}")).into_response()
}
