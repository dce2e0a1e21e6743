//! People give tasks back to the rules, through any worker, and while a decision is still on its way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule};
use rand::Rng as _;
use statemachine::status::Status;
use statemachine::task::Task;
use tokio::time::timeout;

use super::Operator;
use crate::reconsider;
use crate::scene::{LATE_MS, TASKS};

/// How long the two writes that give a task back may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Operator<'_> {
    /// Asks for some of the tasks that wait for a person, and now and then for one that does not.
    pub(super) fn give_back(&mut self) -> bool {
        let mut asked = false;
        let open = self.sim.watch.state().tasks.undecided();
        for task in open {
            let chance = if task.status == Status::Escalated { 0.4 } else { 0.05 };
            if !self.sim.rng.random_bool(chance) {
                continue;
            }
            let Some(node) = self.worker() else { return asked };
            let by = format!("person-{}", self.sim.rng.random_range(0..3));
            self.sim.watch.state().rights.note_asked(&node, task.id.as_str());
            self.sim.fleet.get_mut(&node).expect("it runs").give_back(task.id, by, &self.sim.watch);
            asked = true;
        }
        asked
    }

    /// A worker dies while its decisions are on their way. Before they arrive, another one leaves these tasks to a
    /// person, who gives them back.
    pub(super) async fn give_back_early(&mut self) -> bool {
        let Some(node) = self.worker().filter(|_| self.sim.watch.state().switch.is_on()) else {
            return false;
        };
        let world = self.world();
        let on_their_way = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&on_their_way);
        let decisions = Matcher::operation("UpdateItem").from(&node).on_table(TASKS).when(move |call| {
            let is_one = reconsider::decides_by_rule(call);
            if let Some(id) = call.body["Key"]["taskId"]["S"].as_str().filter(|_| is_one) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
            }
            is_one
        });
        let late = Fault::AppliedLate { failure: Failure::Silence, after_ms: LATE_MS - 1 };
        let rule = world.inject(Rule::new(decisions, late));
        for _ in 0..100 {
            if world.hits(rule) > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        world.end(rule);
        self.sim.crash(&node);
        let ids = on_their_way.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let open = self.sim.watch.state().tasks.undecided();
        let is_meant = |task: &&Task| task.status == Status::Pending && ids.contains(task.id.as_str());
        let mut is_given_back = false;
        for task in open.iter().filter(is_meant) {
            let given = timeout(PATIENCE, reconsider::escalate_and_give_back(self.sim, task)).await;
            is_given_back |= matches!(given, Ok(Ok(())));
        }
        is_given_back
    }
}
