//! Kills at any moment: between two related calls, and with calls that arrive after the process is gone.

use std::time::Duration;

use model::{Door, Failure, Fault, Matcher, Rule, Service};
use rand::Rng as _;
use tokio::time::timeout;

use super::{Act, Operator};
use crate::scene::LATE_MS;

impl Operator<'_> {
    pub(super) async fn kill(&mut self, act: Act) -> bool {
        let Some(node) = self.worker() else { return false };
        let world = self.world();
        match act {
            Act::CrashLate => {
                let after_ms = self.sim.rng.random_range(1..LATE_MS - 2_000);
                let fault = Fault::AppliedLate { failure: Failure::Silence, after_ms };
                let rule = world.inject(Rule::new(Matcher::any().from(&node), fault));
                let pause_ms = self.sim.rng.random_range(1..200);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                world.end(rule);
            }
            Act::CrashThenCheckpoint => {
                let matcher = sets(":position").from(&node);
                let fault = Fault::AppliedLate { failure: Failure::Silence, after_ms: LATE_MS - 1 };
                let rule = world.inject(Rule::new(matcher, fault));
                for _ in 0..100 {
                    if world.hits(rule) > 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                world.end(rule);
            }
            Act::CrashAtDoor | Act::CrashAnywhere => {
                let door = if self.sim.rng.random_bool(0.5) { Door::BeforeApply } else { Door::AfterApply };
                let (calls, nth) = match act {
                    Act::CrashAnywhere => (Matcher::any(), self.sim.rng.random_range(1..=200)),
                    _ => (self.chosen_call(), 1),
                };
                let hold = world.hold(calls.from(&node), nth, door);
                if timeout(Duration::from_secs(10), hold.reached()).await.is_err() {
                    return false;
                }
                self.sim.crash(&node);
                hold.fail(Failure::Connection);
            }
            Act::LeaveThenKill => {
                self.sim.fleet[&node].leave.cancel();
                let pause_ms = self.sim.rng.random_range(1..3_000);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            _ => {}
        }
        self.sim.crash(&node);
        if self.sim.rng.random_bool(0.6) {
            self.sim.start_worker();
        }
        true
    }

    /// The whole fleet dies at the same time; some workers return immediately, the others later.
    pub(super) fn crash_all(&mut self) -> bool {
        let nodes: Vec<String> = self.sim.fleet.keys().cloned().collect();
        nodes.iter().for_each(|node| self.sim.crash(node));
        self.leaving.clear();
        for _ in &nodes {
            if self.sim.rng.random_bool(0.5) {
                self.sim.start_worker();
            }
        }
        !nodes.is_empty()
    }

    /// Chooses one of the calls between which the crash windows lie.
    fn chosen_call(&mut self) -> Matcher {
        match self.sim.rng.random_range(0..8) {
            0 | 1 => sets(":decision"),
            2 => Matcher::service(Service::StepFunctions)
                .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure")),
            3 => sets(":delivery"),
            4 => sets(":position"),
            5 => Matcher::operation("TransactWriteItems"),
            6 => sets(":seenEpoch"),
            _ => Matcher::operation("GetRecords"),
        }
    }
}

/// Matches the writes of an item that set this value.
fn sets(name: &'static str) -> Matcher {
    Matcher::operation("UpdateItem").when(move |call| !call.body["ExpressionAttributeValues"][name].is_null())
}
