//! The declaration of each operation of the API. The routes cannot be written without one.

use axum::http::StatusCode;

use super::automation::{Automation, SwitchBody};
use super::batch::{BatchBody, BatchResults};
use super::claims::{ClaimBody, CommentBody};
use super::events::After;
use super::lists::{ListParams, TaskPage};
use super::log_level::{LevelBody, LevelView};
use super::me::Me;
use super::operation::Operation;
use super::problem::ProblemType::{
    Conflict, Damaged, Expired, NoSuchRuleset, NoSuchTask, NotClaimed, NotCommented, NotReconsidered,
    OwnRequest, Raced, TooEarly,
};
use super::reconsider::ReconsiderBody;
use super::rulesets::{RulesetView, Rulesets};
use super::status::Status;
use super::tasks::DecisionBody;
use super::view::TaskView;
use crate::steps::story::Story;

pub(super) fn livez() -> Operation {
    let live = "The process serves requests";
    Operation::new("livez", "Whether the process serves requests").answers_text(StatusCode::OK, live)
}

pub(super) fn readyz() -> Operation {
    Operation::new("readyz", "Whether the process may receive work")
        .answers_text(StatusCode::OK, "It may")
        .answers_text(StatusCode::SERVICE_UNAVAILABLE, "It starts or drains; the text says what it waits for")
}

pub(super) fn openapi() -> Operation {
    Operation::new("getOpenapi", "Show this document").answers_object(StatusCode::OK, "This document")
}

pub(super) fn me() -> Operation {
    Operation::new("getMe", "Show who the caller is").answers::<Me>(StatusCode::OK, "The caller")
}

pub(super) fn status() -> Operation {
    Operation::new("getStatus", "Show what this worker and its fleet do")
        .answers::<Status>(StatusCode::OK, "The worker and its fleet")
}

pub(super) fn events() -> Operation {
    Operation::new("getEvents", "Stream the changes among the tasks that wait for people, for five minutes")
        .with::<After>()
        .answers_events(StatusCode::OK, "The events `waiting`, `tasks` and `reload`, with ids and counts")
}

pub(super) fn list_tasks() -> Operation {
    Operation::new("listTasks", "List tasks")
        .with::<ListParams>()
        .answers::<TaskPage>(StatusCode::OK, "One page of tasks")
        .fails(&[Damaged])
}

pub(super) fn decide_batch() -> Operation {
    Operation::new("decideBatch", "Decide many tasks, each by itself")
        .takes::<BatchBody>()
        .answers::<BatchResults>(StatusCode::OK, "The result of each decision")
}

/// An operation on one task.
fn on_task(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary).fails(&[NoSuchTask, Damaged])
}

pub(super) fn get_task() -> Operation {
    on_task("getTask", "Show a task").answers_task::<TaskView>(StatusCode::OK, "The task")
}

pub(super) fn get_story() -> Operation {
    on_task("getTaskStory", "Tell what happened to a task, when, and on which worker")
        .answers::<Story>(StatusCode::OK, "The story")
}

pub(super) fn decide() -> Operation {
    on_task("decideTask", "Approve or reject a task. Sending the same decision again succeeds")
        .if_match()
        .takes::<DecisionBody>()
        .answers_task::<TaskView>(StatusCode::OK, "The workflow received the decision")
        .answers_task::<TaskView>(
            StatusCode::ACCEPTED,
            "The decision is stored and its delivery continues, or it is the first of two approvals",
        )
        .fails(&[Conflict, TooEarly, OwnRequest, Expired])
}

pub(super) fn claim() -> Operation {
    on_task("claimTask", "Claim a task for half an hour")
        .takes::<ClaimBody>()
        .answers_task::<TaskView>(StatusCode::OK, "The claimed task")
        .fails(&[NotClaimed])
}

pub(super) fn release() -> Operation {
    on_task("releaseTask", "End the caller's claim")
        .takes::<ClaimBody>()
        .answers_task::<TaskView>(StatusCode::OK, "The task")
        .fails(&[NotClaimed])
}

pub(super) fn comment() -> Operation {
    on_task("commentTask", "Add a comment to a task")
        .takes::<CommentBody>()
        .answers_task::<TaskView>(StatusCode::OK, "The task with the comment")
        .fails(&[NotCommented])
}

pub(super) fn reconsider() -> Operation {
    on_task("reconsiderTask", "Return a task to the rules")
        .takes::<ReconsiderBody>()
        .answers_task::<TaskView>(StatusCode::OK, "The task, which the rules decide again")
        .fails(&[NotReconsidered])
}

pub(super) fn list_rulesets() -> Operation {
    Operation::new("listRulesets", "List what was published, by whom and why")
        .answers::<Rulesets>(StatusCode::OK, "The active ruleset and the history")
        .fails(&[Damaged])
}

pub(super) fn get_ruleset() -> Operation {
    Operation::new("getRuleset", "Show the files of a ruleset, by its SHA-256 or the start of it")
        .answers::<RulesetView>(StatusCode::OK, "The ruleset")
        .fails(&[NoSuchRuleset, Damaged])
}

pub(super) fn get_automation() -> Operation {
    Operation::new("getAutomation", "Show whether rules decide")
        .answers::<Automation>(StatusCode::OK, "Whether rules decide")
}

/// An operation on the switch of automatic decisions.
fn switch(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary)
        .takes::<SwitchBody>()
        .answers::<Automation>(StatusCode::OK, "Whether rules decide now")
        .fails(&[Raced, Damaged])
}

pub(super) fn pause() -> Operation {
    switch("pauseAutomation", "Stop automatic decisions in the whole fleet")
}

pub(super) fn resume() -> Operation {
    switch("resumeAutomation", "Let rules decide again")
}

pub(super) fn get_log_level() -> Operation {
    Operation::new("getLogLevel", "Show the worker's log level")
        .answers::<LevelView>(StatusCode::OK, "The level")
}

pub(super) fn set_log_level() -> Operation {
    Operation::new("setLogLevel", "Change the worker's log level for a limited time")
        .takes::<LevelBody>()
        .answers::<LevelView>(StatusCode::OK, "The level now")
}
