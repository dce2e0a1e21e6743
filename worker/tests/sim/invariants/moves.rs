//! A status moves as the lifecycle says, and for a reason that is true.

use model::World;
use statemachine::decision::{DecidedBy, Decision, Outcome};
use statemachine::status::{Event, Status};
use statemachine::task::Task;

use crate::invariants::tasks::{Seen, waits};
use crate::scene;

impl Seen {
    /// A task was written by a call or by time.
    pub(super) fn check_move(&self, world: &World, old: &Task, new: &Task, wrong: &mut Vec<String>) {
        let id = &new.id;
        if new.revision != old.revision + 1 {
            wrong.push(format!("task {id}: revision {} after {}", new.revision, old.revision));
        }
        let is_given_back = (old.status, new.status) == (Status::Escalated, Status::Pending);
        if new.round != old.round + i64::from(is_given_back) {
            wrong.push(format!("task {id}: round {} after {}", new.round, old.round));
        }
        if old.first_approval.is_some() && new.first_approval != old.first_approval {
            wrong.push(format!("task {id}: its first approval changed"));
        }
        if old.state() == new.state() {
            return;
        }
        let Some(event) = Event::ALL.into_iter().find(|event| old.state().after(*event) == Ok(new.state()))
        else {
            wrong.push(format!("task {id}: moved from {:?} to {:?}", old.state(), new.state()));
            return;
        };
        let stored = new.decision.as_ref();
        let took_ours = stored.is_some_and(|stored| self.accepted.contains(&stored.payload));
        match event {
            Event::DecidedByRule(_) | Event::DecidedByPerson(_) => check_decided(old, new, wrong),
            Event::FirstApproved => {
                let first = new.first_approval.as_ref().map(|first| first.by.as_str()).unwrap_or_default();
                check_requester(old, first, wrong);
            }
            Event::Accepted if !took_ours => {
                wrong.push(format!("task {id}: settled, but its workflow never took the answer"));
            }
            Event::ProvenClosedElsewhere if took_ours => {
                wrong.push(format!("task {id}: written off, but its workflow took the answer"));
            }
            Event::ProvenClosedElsewhere | Event::ProvenGone if waits(world, new) => {
                wrong.push(format!("task {id}: expired, but its workflow waits"));
            }
            Event::Refused if !self.is_refused => {
                wrong.push(format!("task {id}: failed, but nobody refused its answer for good"));
            }
            Event::Escalated if is_decided_by_rules(new) => {
                wrong.push(format!("task {id}: left to a person, though its ruleset decides it"));
            }
            Event::GivenBack
                if new.history.last().map(|given| &given.escalation) != old.escalation.as_ref() =>
            {
                wrong.push(format!(
                    "task {id}: given back, and its history does not say why it was escalated"
                ));
            }
            Event::GivenBack
            | Event::Escalated
            | Event::Accepted
            | Event::FoundClosed
            | Event::ProvenClosedElsewhere
            | Event::Refused
            | Event::ProvenGone => {}
        }
    }
}

/// A rule decided what its ruleset says, before the task was left to people, or a person under four eyes.
fn check_decided(old: &Task, new: &Task, wrong: &mut Vec<String>) {
    let (id, Some(stored)) = (&new.id, &new.decision) else { return };
    let Decision { outcome, code, ruleset, decided_by, .. } = stored;
    if let DecidedBy::Person(by) = decided_by {
        return check_four_eyes(old, by, *outcome, wrong);
    }
    if old.status == Status::Escalated {
        wrong.push(format!("task {id}: a rule decided what was left to a person"));
    }
    let ruleset = ruleset.as_deref().unwrap_or_default();
    if scene::decides(ruleset, new.order_text().as_deref()) != Some((*outcome, code)) {
        wrong.push(format!("task {id}: {outcome} as {code}, which its ruleset does not say"));
    }
}

/// A person decided: not their own request, and not alone where two must approve.
fn check_four_eyes(old: &Task, by: &str, outcome: Outcome, wrong: &mut Vec<String>) {
    check_requester(old, by, wrong);
    let (_, needs_two) = scene::asks(old.order_text().as_deref());
    if outcome == Outcome::Approved && (needs_two || old.approvals.is_some()) {
        let another = old.first_approval.as_ref().is_some_and(|first| first.by != by);
        if !another {
            let first = old.first_approval.as_ref().map(|first| &first.by);
            wrong.push(format!("task {}: approved by {by} after {first:?}, and two must approve it", old.id));
        }
    }
}

fn check_requester(old: &Task, by: &str, wrong: &mut Vec<String>) {
    let (requester, _) = scene::asks(old.order_text().as_deref());
    if requester.is_some_and(|requester| requester.eq_ignore_ascii_case(by)) {
        wrong.push(format!("task {}: decided by {by}, who requested it", old.id));
    }
}

/// The rules themselves left it to a person, and the ruleset that is named decides such an order.
fn is_decided_by_rules(task: &Task) -> bool {
    let Some(escalation) = &task.escalation else { return false };
    let ruleset = escalation.ruleset.as_deref().unwrap_or_default();
    escalation.code == "odd" && scene::decides(ruleset, task.order_text().as_deref()).is_some()
}
