//! Faults of many calls of one kind do not block any other work.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::{Failure, Fault, Matcher, Options, Rule, Service};
use statemachine::status::{Delivery, Status};
use statemachine::worklist::Worklist;

use crate::run::Sim;
use crate::scene::CONTROL;
use crate::stage::{BY_STREAM_MS, Stage, replay};

const VICTIMS: usize = 4;

fn all_are_seen(sim: &Sim) -> bool {
    sim.watch.state().tasks.undecided().iter().all(|task| task.status != Status::Pending)
}

/// The first workflows that are answered are denied from then on: permissions and keys belong to a state machine.
#[test]
fn a_denied_workflow_holds_up_no_other() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.start_worker();
        let denied = Arc::new(Mutex::new(BTreeSet::new()));
        let known = Arc::clone(&denied);
        let callbacks = Matcher::service(Service::StepFunctions).when(move |call| {
            let Some(token) = call.text("taskToken") else { return false };
            let mut known = known.lock().expect("no thread panics while it holds the lock");
            known.contains(token) || (known.len() < VICTIMS && known.insert(token.to_owned()))
        });
        let rule = Rule::new(callbacks, Fault::Refused(Service::StepFunctions.access_denied()));
        let rule = stage.sim.world.inject(rule);
        for _ in 0..10 {
            stage.store(4).await?;
            stage.sim.pass(2_000).await?;
        }
        let waiting = {
            let state = stage.sim.watch.state();
            let due = state.tasks.all().into_iter().filter(|task| task.delivery == Some(Delivery::Due));
            due.collect::<Vec<_>>()
        };
        assert_eq!(waiting.len(), VICTIMS, "the others were answered");
        for task in &waiting {
            assert!(task.attempts > 0, "{:?}: held instead of deferred", task.id);
            assert_eq!(task.list.as_deref(), Some(&*Worklist::Due.key_of(&task.id)));
        }
        stage.sim.world.end(rule);
        stage.end().await
    });
}

/// Every workflow is denied for ten minutes: the records in flight are held without using up attempts, and all
/// decisions are delivered afterwards.
#[test]
fn a_service_that_denies_everyone_holds_and_gives_nothing_up() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.config.worker.in_flight_records = 20;
        let node = stage.sim.start_worker();
        let denied = Fault::Refused(Service::StepFunctions.access_denied());
        let rule = stage.sim.world.inject(Rule::new(Matcher::service(Service::StepFunctions), denied));
        stage.store(60).await?;
        stage.sim.pass(600_000).await?;
        let counted = |metric| stage.sim.fleet[&node].counted(metric);
        assert!(
            counted("systemic_faults_total{service=\"step_functions\"") > 0,
            "no systemic fault was counted"
        );
        let tasks = stage.sim.watch.state().tasks.all();
        assert!(
            tasks.iter().all(|task| task.attempts == 0 && !task.status.is_final()),
            "an attempt was used up"
        );
        assert!(tasks.iter().any(|task| task.delivery == Some(Delivery::Due)), "decisions are waiting");
        stage.sim.world.end(rule);
        let is_due = |task: &statemachine::task::Task| task.delivery == Some(Delivery::Due);
        let all_are_sent = |sim: &Sim| !sim.watch.state().tasks.all().iter().any(is_due);
        stage.until(2 * BY_STREAM_MS, "delivered", all_are_sent).await?;
        stage.end().await
    });
}

/// Many answers arrive too late at the same time, and the history may be read once a second.
#[test]
fn a_storm_of_closed_answers_stops_no_new_decision() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.config.budgets.execution_history = 1;
        stage.sim.config.worker.in_flight_records = 40;
        // No events about the ends are delivered.
        let closed = stage.sim.config.queues.closed_executions.take();
        stage.store(120).await?;
        for execution in stage.sim.world.executions() {
            stage.sim.world.stop(&execution.arn);
        }
        stage.sim.start_worker();
        stage.until(BY_STREAM_MS, "decided by the stream", all_are_seen).await?;
        stage.store(8).await?;
        stage.until(BY_STREAM_MS, "decided in the storm", all_are_seen).await?;
        let is_open = |task: &statemachine::task::Task| task.delivery == Some(Delivery::Unverified);
        assert!(stage.sim.watch.state().tasks.all().iter().any(is_open), "the storm is not over");
        stage.sim.config.queues.closed_executions = closed;
        stage.sim.start_worker();
        stage.end().await
    });
}

/// The responses to all heartbeats are lost for a while: other workers see each heartbeat arrive, and must see it
/// advance.
#[test]
fn a_heartbeat_whose_answer_was_lost_is_followed_by_another() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let counters = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&counters);
        stage.sim.world.listen(move |call| {
            if call.body["Item"]["pk"]["S"] == "worker" {
                let counter = call.body["Item"]["counter"]["N"].as_str().unwrap_or_default().to_owned();
                seen.lock().expect("no thread panics while it holds the lock").insert(counter);
            }
        });
        stage.sim.start_worker();
        stage.sim.pass(5_000).await?;
        let before = counters.lock().expect("no thread panics while it holds the lock").len();
        let beats = Matcher::operation("PutItem")
            .on_table(CONTROL)
            .when(|call| call.body["Item"]["pk"]["S"] == "worker");
        let rule = stage.sim.world.inject(Rule::new(beats, Fault::AnswerLost(Failure::Connection)));
        stage.sim.pass(8_000).await?;
        let lost = counters.lock().expect("no thread panics while it holds the lock").len() - before;
        assert!(lost >= 3, "{lost} different heartbeats in eight seconds");
        stage.sim.world.end(rule);
        stage.end().await
    });
}

/// Heartbeats are denied, and reads of the leases get no response: nothing tells the work in progress that its time is
/// over.
#[test]
fn who_can_beat_no_more_starts_nothing_even_if_nobody_stops_it() {
    const ORDERS: usize = 60;
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        stage.store(3).await?;
        stage.until_handled().await?;
        let beats = Matcher::operation("PutItem").on_table(CONTROL).from(&node);
        let denied = Fault::Refused(Service::DynamoDb.access_denied());
        stage.sim.world.inject(Rule::new(beats, denied));
        let looks = Matcher::operation("Query").on_table(CONTROL).from(&node);
        stage.sim.world.inject(Rule::new(looks, Fault::Lost(Failure::Silence)));
        // Each call is checked against the right of its sender to act.
        for _ in 0..ORDERS {
            stage.store(1).await?;
            stage.sim.pass(500).await?;
        }
        let answered = stage.sim.watch.state().tasks.callbacks();
        assert!(
            (3..3 + ORDERS as u64).contains(&answered),
            "{answered} answers, although its right to act has ended"
        );
        stage.end().await
    });
}
