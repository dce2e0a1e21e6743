//! A status moves as the lifecycle says, and for a reason that is true.

use ops::model::World;
use statemachine::decision::DecidedBy;
use statemachine::status::{Event, Status};
use statemachine::task::Task;

use crate::invariants::tasks::{Seen, waits};

impl Seen {
    /// A task was written by a call or by time.
    pub(super) fn check_move(&self, world: &World, old: &Task, new: &Task, wrong: &mut Vec<String>) {
        let id = &new.id;
        if new.revision != old.revision + 1 {
            wrong.push(format!("task {id}: revision {} after {}", new.revision, old.revision));
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
            Event::DecidedByRule(_) | Event::DecidedByPerson(_) => {
                let by_rule = stored.is_some_and(|stored| stored.decided_by == DecidedBy::Rule);
                if old.status == Status::Escalated && by_rule {
                    wrong.push(format!("task {id}: a rule decided what was left to a person"));
                }
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
            Event::Escalated
            | Event::Accepted
            | Event::FoundClosed
            | Event::ProvenClosedElsewhere
            | Event::Refused
            | Event::ProvenGone => {}
        }
    }
}
