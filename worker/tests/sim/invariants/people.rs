//! What a person is told is what is stored.

use std::collections::BTreeMap;

use statemachine::decision::{DecidedBy, Decision};
use statemachine::status::{Delivery, Status};
use statemachine::token::TaskId;
use worker::steps::person::{PersonDecision, PersonOutcome};
use worker::steps::reconsider::Reconsidered;

use crate::invariants::tasks::Tasks;
use crate::scene;

/// How often each person asked for each task.
#[derive(Debug, Default)]
pub(crate) struct People(BTreeMap<(String, String), u32>);

fn key(request: &PersonDecision) -> (String, String) {
    (request.id.as_str().to_owned(), request.by.clone())
}

impl People {
    pub(crate) fn note_asked(&mut self, request: &PersonDecision) {
        *self.0.entry(key(request)).or_default() += 1;
    }

    /// A person is told what came of a request.
    pub(crate) fn check(
        &self,
        request: &PersonDecision,
        response: &PersonOutcome,
        tasks: &Tasks,
        wrong: &mut Vec<String>,
    ) {
        let (id, by) = (&request.id, &request.by);
        let Some(seen) = tasks.get(id.as_str()).filter(|seen| !seen.was_deleted()) else { return };
        let Some(task) = &seen.now else { return };
        let person = DecidedBy::Person(by.clone());
        let is_by = |decision: &Decision| decision.decided_by == person;
        let is_theirs =
            task.decision.as_ref().is_some_and(|stored| is_by(stored) && stored.outcome == request.outcome);
        let is_true = match response {
            PersonOutcome::Settled(_) => {
                let payload = task.decision.as_ref().map(|stored| &stored.payload);
                is_theirs && payload.is_some_and(|payload| seen.accepted.contains(payload))
            }
            PersonOutcome::FirstApproved(told) => {
                let is_by = told.first_approval.as_ref().is_some_and(|first| first.by == *by);
                is_by && told.decision.is_none() && told.first_approval == task.first_approval
            }
            PersonOutcome::OwnRequest(_) => {
                let (requester, _) = scene::asks(task.order_text().as_deref());
                requester.is_some_and(|requester| requester.eq_ignore_ascii_case(by))
            }
            // It was read a while ago, and may have been left to people since.
            PersonOutcome::TooEarly(told) => told.status == Status::Pending && told.decision.is_none(),
            PersonOutcome::Due(told) => is_theirs && told.decision == task.decision,
            PersonOutcome::Conflict(told) => {
                let is_other = !is_theirs || task.delivery == Some(Delivery::Undeliverable);
                is_other && told.decision.is_some() && told.decision == task.decision
            }
            PersonOutcome::Expired(_) => task.status == Status::Expired,
            PersonOutcome::Changed(_) => {
                request.if_reviewed.as_ref().is_none_or(|reviewed| *reviewed != task.reviewed())
            }
            PersonOutcome::NotFound => false,
            // An earlier request of the same person may have stored it.
            PersonOutcome::Unavailable(_) => {
                let first = task.first_approval.as_ref().is_some_and(|first| first.by == *by);
                let is_stored = first || task.decision.as_ref().is_some_and(is_by);
                !is_stored || self.0.get(&key(request)) != Some(&1)
            }
            PersonOutcome::Unknown => true,
        };
        if !is_true {
            let (state, stored) = (task.state(), task.decision.as_ref().map(|stored| &stored.decided_by));
            let told = name(response);
            wrong.push(format!(
                "task {id}: the response to {by} was {told}, but the task is {state:?} by {stored:?}"
            ));
        }
    }
}

/// A person is told what came of giving a task back to the rules.
pub(crate) fn check_given_back(
    id: &TaskId,
    by: &str,
    response: Option<Reconsidered>,
    tasks: &Tasks,
    wrong: &mut Vec<String>,
) {
    let Some(seen) = tasks.get(id.as_str()).filter(|seen| !seen.was_deleted()) else { return };
    let Some(task) = &seen.now else { return };
    let is_true = match response {
        Some(Reconsidered::GivenBack(told)) => {
            let is_theirs = told.history.last().is_some_and(|given| given.by == by);
            is_theirs && told.round >= 1 && told.round <= task.round
        }
        // It was read a while ago, and may have changed since.
        Some(Reconsidered::Refused(..) | Reconsidered::Unknown) | None => true,
        Some(Reconsidered::NotFound) => false,
    };
    if !is_true {
        let state = task.state();
        wrong.push(format!("task {id}: {by} was told that it is given back, and it is {state:?}"));
    }
}

fn name(response: &PersonOutcome) -> &'static str {
    match response {
        PersonOutcome::Settled(_) => "that it is settled",
        PersonOutcome::Due(_) => "that it is stored",
        PersonOutcome::FirstApproved(_) => "that it waits for a second approval",
        PersonOutcome::OwnRequest(_) => "that it is their own request",
        PersonOutcome::TooEarly(_) => "that it is too early",
        PersonOutcome::Conflict(_) => "that another decided",
        PersonOutcome::Expired(_) => "that it is too late",
        PersonOutcome::Changed(_) => "that it changed",
        PersonOutcome::NotFound => "that there is none",
        PersonOutcome::Unavailable(_) => "that nothing is stored",
        PersonOutcome::Unknown => "unknown",
    }
}
