//! A decision that is stored after the check that nobody waits, but before the write that expires its task, is kept.

use std::time::Duration;

use model::{Call, Door, Hold, Matcher, Options, World};
use statemachine::decision::Outcome;
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use tokio::time::timeout;
use worker::steps::person::{Identity, PersonDecision};

use crate::run::Sim;
use crate::scene::TASKS;
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// How long the two sides of the race may take to meet; the SDK gives up an attempt later than that.
const MEET: Duration = Duration::from_secs(4);
/// How long the decision may take to be applied after its release. The expiry follows immediately, before any delivery.
const STORED_MS: u32 = 200;

fn hold_write(world: &World, task: &Task, is_it: fn(&Call) -> bool) -> Hold {
    let id = task.id.as_str().to_owned();
    let of_task = move |call: &Call| call.body["Key"]["taskId"]["S"] == *id && is_it(call);
    world.hold(Matcher::operation("UpdateItem").on_table(TASKS).when(of_task), 1, Door::BeforeApply)
}

/// A write that stores a decision.
fn decides(call: &Call) -> bool {
    !call.body["ExpressionAttributeValues"][":decision"].is_null()
}

/// Whether a write expires a task: it settles the task and contains no decision.
fn expires(call: &Call) -> bool {
    let values = &call.body["ExpressionAttributeValues"];
    !values[":until"].is_null() && values[":id"].is_null()
}

/// A person's decision is already on its way when the workflow ends, and is stored while the write that expires the
/// task waits. Returns false if the two did not meet.
pub(crate) async fn decide_while_it_expires(sim: &mut Sim, node: &str, task: &Task) -> bool {
    let (decision, expiry) = (hold_write(&sim.world, task, decides), hold_write(&sim.world, task, expires));
    let request = PersonDecision {
        id: task.id.clone(),
        outcome: Outcome::Rejected,
        reason: "seen".to_owned(),
        by: "ada".to_owned(),
        identity: Identity::Claimed,
        if_reviewed: None,
    };
    sim.watch.state().rights.note_asked(node, request.id.as_str());
    let Some(process) = sim.fleet.get_mut(node) else { return false };
    process.ask(request, &sim.watch);
    if timeout(MEET, decision.reached()).await.is_err() {
        return false;
    }
    sim.world.stop(&task.transaction_id);
    let has_met = timeout(MEET, expiry.reached()).await.is_ok();
    decision.release();
    let is_stored = || {
        let state = sim.watch.state();
        let now = state.tasks.get(task.id.as_str()).and_then(|seen| seen.now.as_ref());
        now.is_some_and(|task| task.decision.is_some())
    };
    for _ in 0..STORED_MS {
        if is_stored() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    expiry.release();
    has_met
}

#[test]
fn a_decision_that_is_stored_before_the_expiry_stands() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        stage.store(10).await?;
        stage.until_handled().await?;
        let undecided = stage.sim.watch.state().tasks.undecided();
        let task = undecided.first().ok_or("no task was left to a person")?.clone();
        if !decide_while_it_expires(&mut stage.sim, &node, &task).await {
            return Err("the two never met".to_owned());
        }
        let now = |sim: &Sim| sim.watch.state().tasks.get(task.id.as_str()).and_then(|seen| seen.now.clone());
        let is_over = |sim: &Sim| now(sim).is_some_and(|task| task.status.is_final());
        stage.until(BY_STREAM_MS, "verified", is_over).await?;
        let ended = now(&stage.sim).ok_or("the task is gone")?;
        assert_eq!((ended.status, ended.delivery), (Status::Expired, Some(Delivery::ClosedElsewhere)));
        assert_eq!(ended.decision.map(|decision| decision.outcome), Some(Outcome::Rejected));
        stage.end().await
    });
}
