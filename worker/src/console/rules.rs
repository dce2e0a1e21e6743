//! The rules: what decides, what looks on, what was published when and why, and what they say of an order.

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Extension, Form, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use rules::Ruleset;
use rules::backtest::StoredTask;
use rules::explain::explain;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::highlight::{self, Part};
use super::page::{Frame, html};
use super::session::Session;
use super::sign_in::bad_form;
use super::times::moment;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::clock;
use crate::control::difference::differences;
use crate::control::rule_store::{Event, Line};
use crate::plain_text::plain;

/// How many changes are listed.
const SHOWN_CHANGES: usize = 50;
/// The most lines of a file that are shown, and of a difference.
const SHOWN_LINES: usize = 2_000;

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    frame: Frame,
    label: String,
    sha256: String,
    /// Which place the shown ruleset has: `decides`, `looks on`, or none.
    place: &'static str,
    shadow: Option<(String, String)>,
    files: Vec<(String, Vec<Vec<Part>>)>,
    changes: Vec<Change>,
    are_more: bool,
    order: String,
    error: String,
    said: Option<Said>,
}

#[derive(Template)]
#[template(path = "rules_diff.html")]
struct DifferencePage {
    frame: Frame,
    from: String,
    to: String,
    /// The class of each line, and the line.
    lines: Vec<(&'static str, String)>,
}

/// A line of the history.
struct Change {
    at: String,
    what: &'static str,
    by: String,
    message: String,
    ruleset: String,
    /// The beginning of its SHA-256.
    short: String,
    /// The parameters of the difference to the one before.
    difference: String,
}

/// What the rules say of an order.
struct Said {
    /// The class of the badge.
    outcome: &'static str,
    code: String,
    rule: String,
    text: String,
    explanation: String,
}

/// The parameters of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The beginning of a published SHA-256; the one that decides unless given.
    #[serde(default)]
    version: String,
}

/// The parameters of a difference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    from: String,
    to: String,
}

/// The fields of the form.
#[derive(Debug, Deserialize)]
pub(super) struct Trial {
    order: String,
    #[serde(default)]
    version: String,
    form_token: String,
}

/// `GET /console/rules`.
pub(super) async fn rules(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Which { version }) = which.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let ruleset = wanted(&state, &version).await?;
    let page = page(&state, Frame::new("rules", &caller, &session), &ruleset).await?;
    html(StatusCode::OK, &page)
}

/// `POST /console/rules`: what the rules say of an order that the person has typed. Nothing is stored, and nothing is read
/// that the person did not send.
pub(super) async fn try_order(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    form: Result<Form<Trial>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(Trial { order, version, form_token }) = form.map_err(|rejection| bad_form(&rejection))?;
    session.check_form(&form_token)?;
    let ruleset = wanted(&state, &version).await?;
    let mut page = page(&state, Frame::new("rules", &caller, &session), &ruleset).await?;
    let status = match serde_json::from_str::<Box<RawValue>>(&order) {
        Ok(raw) => {
            page.said = Some(said(&state, ruleset, raw).await?);
            StatusCode::OK
        }
        Err(error) => {
            page.error = format!("This is not JSON: {error}.");
            StatusCode::UNPROCESSABLE_ENTITY
        }
    };
    page.order = order;
    html(status, &page)
}

/// `GET /console/rules/difference`.
pub(super) async fn difference(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    between: Result<Query<Between>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Between { from, to }) = between.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let (old, new) = (wanted(&state, &from).await?, wanted(&state, &to).await?);
    let text = differences(old.files(), new.files());
    let class = |line: &str| match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => "file",
        [b'@', ..] => "place",
        [b'+', ..] => "added",
        [b'-', ..] => "removed",
        _ => "",
    };
    let page = DifferencePage {
        frame: Frame::new("rules", &caller, &session),
        from: plain(&old.label()),
        to: plain(&new.label()),
        lines: text.lines().take(SHOWN_LINES).map(|line| (class(line), plain(line))).collect(),
    };
    html(StatusCode::OK, &page)
}

/// The published ruleset that begins so, or the one that decides.
async fn wanted(state: &ApiState, version: &str) -> Result<std::sync::Arc<Ruleset>, Failure> {
    let active = state.automation.rules.pin();
    if active.sha256().starts_with(version) {
        return Ok(active);
    }
    let shadow = state.automation.rules.pin_shadow().filter(|shadow| shadow.sha256().starts_with(version));
    if let Some(shadow) = shadow {
        return Ok(shadow);
    }
    let sha256 = state.control_table.find_ruleset(version).await?;
    Ok(std::sync::Arc::new(state.control_table.load_ruleset(&sha256).await?))
}

async fn page(state: &ApiState, frame: Frame, ruleset: &Ruleset) -> Result<RulesPage, Failure> {
    let mut history = state.control_table.history().await?;
    history.reverse();
    let (active, shadow) = (state.automation.rules.pin(), state.automation.rules.pin_shadow());
    let is_shadow = shadow.as_ref().is_some_and(|shadow| shadow.sha256() == ruleset.sha256());
    let files = ruleset.files().iter().map(|(path, content)| {
        let text = plain(&String::from_utf8_lossy(content));
        let mut lines = highlight::lines(path, &text);
        lines.truncate(SHOWN_LINES);
        (plain(path), lines)
    });
    Ok(RulesPage {
        frame,
        label: plain(&ruleset.label()),
        sha256: ruleset.sha256().to_owned(),
        place: match (active.sha256() == ruleset.sha256(), is_shadow) {
            (true, _) => "decides",
            (false, true) => "looks on",
            (false, false) => "",
        },
        shadow: shadow.map(|shadow| (plain(&shadow.label()), shadow.sha256().to_owned())),
        files: files.collect(),
        are_more: history.len() > SHOWN_CHANGES,
        changes: history.iter().take(SHOWN_CHANGES).map(Change::of).collect(),
        order: String::new(),
        error: String::new(),
        said: None,
    })
}

/// On a thread of its own: a rule may use up its whole time.
async fn said(
    state: &ApiState,
    ruleset: std::sync::Arc<Ruleset>,
    order: Box<RawValue>,
) -> Result<Said, Failure> {
    let now = clock::text(state.clock.now());
    let task = StoredTask {
        order: Some(order.get().to_owned()),
        order_id: "tried".to_owned(),
        start_time: now.clone(),
        received_at: now,
        ..StoredTask::default()
    };
    let explained = spawn_blocking(move || explain(&ruleset, &task.facts())).await;
    let explanation = explained.map_err(|_| Failure::Internal("an evaluation panicked".to_owned()))?;
    let verdict = &explanation.evaluation.verdict;
    Ok(Said {
        outcome: verdict.outcome().as_str(),
        code: plain(verdict.code()),
        rule: plain(verdict.rule().unwrap_or_default()),
        text: plain(verdict.text()),
        explanation: plain(&explanation.to_string()),
    })
}

impl Change {
    fn of(line: &Line) -> Change {
        let difference = match (&line.before, &line.ruleset) {
            (Some(before), Some(ruleset)) if before != ruleset => format!("from={before}&to={ruleset}"),
            _ => String::new(),
        };
        Change {
            at: moment(&line.at),
            what: match line.event {
                Event::Publish => "published",
                Event::Rollback => "rolled back",
                Event::Shadow => "looks on",
                Event::Unshadow => "looks on no longer",
                Event::Pause => "paused",
                Event::Resume => "resumed",
            },
            by: plain(&line.by),
            message: plain(&line.message),
            short: line.ruleset.as_deref().and_then(|sha256| sha256.get(..8)).unwrap_or_default().to_owned(),
            ruleset: line.ruleset.clone().unwrap_or_default(),
            difference,
        }
    }
}
