//! Pausing and resuming: a page that says what it means, and the form that does it.

use askama::Template;
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use statemachine::decision::MAX_REASON_CHARS;

use super::page::{Frame, html};
use super::problem::sentence;
use super::session::Session;
use super::sign_in::bad_form;
use super::times::moment;
use crate::api::ApiState;
use crate::api::automation::{Automation, SwitchBody, get, switched};
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::control::history::Event;
use crate::plain_text::plain;

#[derive(Template)]
#[template(path = "switch.html")]
struct SwitchPage {
    frame: Frame,
    is_running: bool,
    /// What the person saw when the page was loaded.
    seen: String,
    paused: Option<(String, String, String)>,
    held: String,
    reason: String,
    error: String,
    most_chars: usize,
}

/// The fields of the form.
#[derive(Debug, Deserialize)]
pub(super) struct SwitchForm {
    pause: bool,
    #[serde(default)]
    reason: String,
    seen: String,
    form_token: String,
}

/// `GET /console/automation/switch`.
pub(super) async fn page(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
) -> Result<Response, Failure> {
    let Json(now) = get(State(state)).await?;
    html(StatusCode::OK, &shown(Frame::new("automation", &caller, &session), now, String::new(), ""))
}

/// `POST /console/automation/switch`.
pub(super) async fn switch(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    form: Result<Form<SwitchForm>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(form) = form.map_err(|rejection| bad_form(&rejection))?;
    session.check_form(&form.form_token)?;
    let Json(now) = get(State(state.clone())).await?;
    let frame = Frame::new("automation", &caller, &session);
    if seen(&now) != form.seen {
        let error = "Somebody else changed the switch since this page was loaded: nothing was changed.";
        return html(StatusCode::PRECONDITION_FAILED, &shown(frame, now, form.reason, error));
    }
    let event = if form.pause { Event::Pause } else { Event::Resume };
    // Browsers send the lines of a text with CR LF.
    let reason = form.reason.replace("\r\n", "\n");
    let body = SwitchBody { reason: reason.clone(), by: session.name.clone() };
    match switched(&state, &caller, event, body).await {
        Ok(_) => Ok(Redirect::to("/console/automation").into_response()),
        Err(Failure::Invalid(error)) => {
            let page = shown(frame, now, reason, &sentence(&error));
            html(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(failure) => Err(failure),
    }
}

/// What the switch was, for the form: another pause is another state.
fn seen(now: &Automation) -> String {
    match (&now.paused, &now.held) {
        (Some(paused), _) => format!("paused {}", paused.at),
        (None, Some(_)) => "held".to_owned(),
        (None, None) => "running".to_owned(),
    }
}

fn shown(frame: Frame, now: Automation, reason: String, error: &str) -> SwitchPage {
    SwitchPage {
        frame,
        is_running: now.running,
        seen: seen(&now),
        paused: now.paused.map(|paused| (plain(&paused.by), moment(&paused.at), plain(&paused.reason))),
        held: plain(&now.held.unwrap_or_default()),
        reason,
        error: error.to_owned(),
        most_chars: MAX_REASON_CHARS,
    }
}
