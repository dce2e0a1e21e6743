//! What a person is told is what is stored.

use std::collections::BTreeMap;

use statemachine::decision::{DecidedBy, Decision};
use statemachine::status::{Delivery, Status};
use worker::steps::person::{Request, Response};

use crate::invariants::tasks::Tasks;

/// How often each person asked for each task.
#[derive(Debug, Default)]
pub(crate) struct People(BTreeMap<(String, String), u32>);

fn key(request: &Request) -> (String, String) {
    (request.id.as_str().to_owned(), request.by.clone())
}

impl People {
    pub(crate) fn note_asked(&mut self, request: &Request) {
        *self.0.entry(key(request)).or_default() += 1;
    }

    /// A person is told what came of a request.
    pub(crate) fn check(
        &self,
        request: &Request,
        response: &Response,
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
            Response::Settled(_) => {
                let payload = task.decision.as_ref().map(|stored| &stored.payload);
                is_theirs && payload.is_some_and(|payload| seen.accepted.contains(payload))
            }
            Response::Due(told) => is_theirs && told.decision == task.decision,
            Response::Conflict(told) => {
                let is_other = !is_theirs || task.delivery == Some(Delivery::Undeliverable);
                is_other && told.decision.is_some() && told.decision == task.decision
            }
            Response::Expired(_) => task.status == Status::Expired,
            Response::Changed(_) => request.if_revision.is_none_or(|revision| revision != task.revision),
            Response::NotFound => false,
            // An earlier request of the same person may have stored it.
            Response::Unavailable(_) => {
                !task.decision.as_ref().is_some_and(is_by) || self.0.get(&key(request)) != Some(&1)
            }
            Response::Unknown => true,
        };
        if !is_true {
            let (state, stored) = (task.state(), task.decision.as_ref().map(|stored| &stored.decided_by));
            let told = name(response);
            wrong.push(format!("task {id}: {by} was told {told}, and it is {state:?} by {stored:?}"));
        }
    }
}

fn name(response: &Response) -> &'static str {
    match response {
        Response::Settled(_) => "that it is settled",
        Response::Due(_) => "that it is stored",
        Response::Conflict(_) => "that another decided",
        Response::Expired(_) => "that it is too late",
        Response::Changed(_) => "that it changed",
        Response::NotFound => "that there is none",
        Response::Unavailable(_) => "that nothing is stored",
        Response::Unknown => "that nobody knows",
    }
}
