//! A rule's decision that is stored late, after its task was returned to the rules, lands nowhere.

use jiff::{SignedDuration, Timestamp};
use model::{Call, Failure, Fault, Matcher, Options, Rule};
use rules::FourEyes;
use statemachine::status::Status;
use statemachine::task::{Escalation, GivenBack, Task};
use worker::tasks::table::{Notes, TaskTable, Written};

use crate::run::Sim;
use crate::scene::{LATE_MS, OPERATOR, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// Whether a call stores a rule's decision.
pub(crate) fn decides_by_rule(call: &Call) -> bool {
    call.body["ExpressionAttributeValues"][":decision"]["M"]["decidedBy"]["S"] == "rule"
}

fn now(sim: &Sim) -> Timestamp {
    let now_ms = i64::try_from(sim.world.now_ms()).expect("virtual time is near");
    Timestamp::from_millisecond(now_ms).expect("virtual time is near")
}

/// Leaves a task to a person, as a worker does during a pause, and gives it back.
///
/// # Errors
///
/// Which of the two was not done, and why.
pub(crate) async fn escalate_and_give_back(sim: &Sim, task: &Task) -> Result<(), String> {
    let client = sim.world.client_for(OPERATOR).dynamodb();
    let table = TaskTable::new(client, TASKS, SignedDuration::from_hours(1));
    let escalation = Escalation {
        code: "automation-paused".to_owned(),
        reason: "paused".to_owned(),
        rule: None,
        ruleset: None,
        at: worker::clock::text(now(sim)),
    };
    let escalated = table.escalate(task, &escalation, &FourEyes::default(), Notes::default(), now(sim)).await;
    if !matches!(escalated, Ok(Written::Now(_))) {
        return Err(format!("not escalated: {escalated:?}"));
    }
    let (round, by, at) = (task.round, "ada".to_owned(), worker::clock::text(now(sim)));
    let given = table.give_back(task, GivenBack { round, escalation, by, worker: None, at }, now(sim)).await;
    match given {
        Ok(Written::Now(_)) => Ok(()),
        other => Err(format!("not given back: {other:?}")),
    }
}

#[test]
fn a_decision_that_is_late_by_a_round_lands_nowhere() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let world = stage.sim.world.clone();
        let node = stage.sim.start_worker();
        let late = Fault::AppliedLate { failure: Failure::Silence, after_ms: LATE_MS - 2_000 };
        let decisions = Matcher::operation("UpdateItem").from(&node).on_table(TASKS).when(decides_by_rule);
        let rule = world.inject(Rule::new(decisions, late));
        stage.store(10).await?;
        stage.until(BY_STREAM_MS, "decided", |sim| sim.world.hits(rule) > 0).await?;
        stage.sim.pass(200).await?;
        stage.sim.crash(&node);
        let on_their_way = world.hits(rule);
        world.end(rule);

        let pending = || -> Vec<Task> {
            let open = stage.sim.watch.state().tasks.undecided();
            open.into_iter().filter(|task| task.status == Status::Pending).collect()
        };
        let given = pending();
        assert!(given.len() as u64 >= on_their_way, "each of these has a decision on its way");
        for task in &given {
            escalate_and_give_back(&stage.sim, task).await?;
        }
        stage.sim.pass(LATE_MS).await?;
        let after = pending();
        assert_eq!(after.len(), given.len(), "a decision of the round before was stored");
        assert!(after.iter().all(|task| task.round == 1 && task.history.len() == 1));

        // The sweeper takes them up, and the rules decide them in this round.
        stage.sim.start_worker();
        stage
            .until(120_000, "decided again", |sim| {
                let open = sim.watch.state().tasks.undecided();
                open.iter().all(|task| task.status == Status::Escalated)
            })
            .await?;
        stage.end().await
    });
}
