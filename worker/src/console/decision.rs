//! The form that decides a task. It decides what its page showed: if the task has changed, nothing is decided.

use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use statemachine::decision::Outcome;

use super::page::Frame;
use super::problem::sentence;
use super::session::Session;
use super::sign_in::bad_form;
use super::task::{Entered, show};
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::limits::Place;
use crate::api::tasks::{DecisionBody, decided, task_id};

/// The fields of the form.
#[derive(Debug, Deserialize)]
pub(super) struct DecisionForm {
    outcome: Outcome,
    #[serde(default)]
    reason: String,
    etag: String,
    form_token: String,
}

/// `POST /console/tasks/{id}/decision`.
pub(super) async fn decide(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<DecisionForm>, FormRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Form(form) = form.map_err(|rejection| bad_form(&rejection))?;
    session.check_form(&form.form_token)?;
    // Browsers send the lines of a text with CR LF.
    let reason = form.reason.replace("\r\n", "\n");
    let body = DecisionBody { outcome: form.outcome, reason: reason.clone(), by: session.name.clone() };
    match decided(&state, place, &caller, id.clone(), Some(form.etag), body).await {
        // A page that was loaded by GET can be loaded again without deciding again.
        Ok(_) => Ok(Redirect::to(&format!("/console/tasks/{id}")).into_response()),
        Err(Failure::Invalid(error)) => {
            let error = sentence(&error);
            let task = state.task(&id).await?;
            let frame = Frame::new("inbox", &caller, &session);
            show(&state, StatusCode::UNPROCESSABLE_ENTITY, frame, &caller, task, Entered { reason, error })
        }
        Err(failure) => Err(failure),
    }
}

/// `GET /console/tasks/{id}/decision`: a browser that opens the address of a form's answer again gets the task.
pub(super) async fn address(id: Result<Path<String>, PathRejection>) -> Result<Redirect, Failure> {
    Ok(Redirect::to(&format!("/console/tasks/{}", task_id(id)?)))
}
