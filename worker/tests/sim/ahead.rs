//! What a wrong clock or a hand put further ahead in a worklist than anything is put off is taken up all the same.

use std::collections::BTreeSet;
use std::sync::Mutex;

use aws_sdk_dynamodb::types::AttributeValue;
use model::{Failure, Fault, Matcher, Options, Rule, Service, Start};
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;

use crate::run::Sim;
use crate::scene::{OPERATOR, TASKS};
use crate::stage::{Stage, replay};

const ORDERS: u32 = 12;
/// Of the clock that was wrong.
const AHEAD_S: i64 = 7_200;
/// People's tasks may stand six hours ahead.
const FAR_AHEAD_S: i64 = 30 * 3_600;
/// A walk of the sweeper, and what it starts.
const BY_SWEEP_MS: u64 = 60_000;
/// People's tasks are looked through once an hour.
const HOUR_MS: u64 = 3_700_000;

fn open(sim: &Sim, delivery: Option<Delivery>) -> Vec<Task> {
    let all = sim.watch.state().tasks.all().into_iter();
    all.filter(|task| !task.status.is_final() && task.delivery == delivery).collect()
}

/// Puts tasks ahead in the lists they stand in.
async fn put_ahead(stage: &Stage, tasks: &[Task], seconds: i64) {
    let client = stage.sim.world.client_for(OPERATOR).dynamodb();
    let number = |number: i64| AttributeValue::N(number.to_string());
    for task in tasks {
        let update = client.update_item().table_name(TASKS);
        let update = update.key("taskId", AttributeValue::S(task.id.as_str().to_owned()));
        let update = update.update_expression("SET #listAt = :at, #revision = #revision + :one");
        let update = update
            .expression_attribute_names("#listAt", "listAt")
            .expression_attribute_names("#revision", "revision");
        let at = now_s(stage) + seconds;
        let update = update.expression_attribute_values(":at", number(at));
        update.expression_attribute_values(":one", number(1)).send().await.expect("the model answers");
    }
}

fn now_s(stage: &Stage) -> i64 {
    i64::try_from(stage.sim.world.now_ms() / 1_000).expect("virtual time is near")
}

/// Nothing but the sweeper works here: no stream, and no event of an end.
fn stage() -> Stage {
    let mut stage = Stage::new(Options::default());
    stage.sim.switch_stream_off();
    stage.sim.config.queues.closed_executions = None;
    stage
}

#[test]
fn new_tasks_and_decisions_that_stand_hours_ahead_are_taken_up() {
    replay(async || {
        let mut stage = stage();
        stage.store(ORDERS).await?;
        put_ahead(&stage, &open(&stage.sim, None), AHEAD_S).await;
        let answers = Matcher::service(Service::StepFunctions);
        let throttled = Fault::Refused(Service::StepFunctions.throttled());
        let throttled = stage.sim.world.inject(Rule::new(answers.clone(), throttled));
        stage.sim.start_worker();
        let are_seen = |sim: &Sim| open(sim, None).iter().all(|task| task.status == Status::Escalated);
        stage.until(BY_SWEEP_MS, "decided, or left to a person", are_seen).await?;
        let due = open(&stage.sim, Some(Delivery::Due));
        assert!(!due.is_empty(), "some are to be sent");
        stage.sim.pass(15_000).await?;
        put_ahead(&stage, &due, AHEAD_S).await;
        stage.sim.world.end(throttled);
        // The first answer of each is lost, and history is silent.
        let seen = Mutex::new(BTreeSet::new());
        let first = answers.when(move |call| {
            let token = call.text("taskToken").map(str::to_owned);
            token.is_some_and(|token| seen.lock().expect("no holder panics").insert(token))
        });
        let history = Matcher::operation("GetExecutionHistory");
        let lost = [first, history]
            .map(|calls| stage.sim.world.inject(Rule::new(calls, Fault::AnswerLost(Failure::Connection))));
        let are_sent = |sim: &Sim| open(sim, Some(Delivery::Due)).is_empty();
        stage.until(4 * BY_SWEEP_MS, "sent", are_sent).await?;
        let unverified = open(&stage.sim, Some(Delivery::Unverified));
        assert_eq!(unverified.len(), due.len(), "whose answers were lost");
        put_ahead(&stage, &unverified, AHEAD_S).await;
        lost.into_iter().for_each(|rule| stage.sim.world.end(rule));
        let are_verified = |sim: &Sim| open(sim, Some(Delivery::Unverified)).is_empty();
        stage.until(BY_SWEEP_MS, "verified", are_verified).await?;
        stage.end().await
    });
}

#[test]
fn a_persons_task_that_stands_beyond_its_deadline_is_asked_about() {
    replay(async || {
        let mut stage = stage();
        for (name, timeout_s) in [("none", None), ("early", Some(600)), ("late", Some(90_000))] {
            let mut start = Start::new(name, &format!("order-{name}"));
            start.queue_url = Some(stage.sim.queues.tasks.clone());
            // Every ruleset leaves it to a person.
            start.order = Some(r#"{"n":9}"#.to_owned());
            (start.timeout_seconds, start.tells_timeout) = (timeout_s, timeout_s.is_some());
            stage.sim.world.start(start);
        }
        stage.sim.start_worker();
        let is_left = |task: &Task| task.status == Status::Escalated;
        let are_left = |sim: &Sim| {
            let open = open(sim, None);
            open.len() == 3 && open.iter().all(is_left)
        };
        stage.until(2 * BY_SWEEP_MS, "left to a person", are_left).await?;
        let (late, others): (Vec<Task>, Vec<Task>) =
            open(&stage.sim, None).into_iter().partition(|task| task.order_id == "order-late");
        put_ahead(&stage, &others, FAR_AHEAD_S).await;
        stage.sim.pass(HOUR_MS).await?;
        let now_s = now_s(&stage);
        let now: Vec<Task> = open(&stage.sim, None);
        let of = |name: &str| now.iter().find(|task| task.order_id == name);
        let at = |task: &Task| task.list_at.expect("it stands in a list");
        assert!(of("order-early").is_none(), "it has expired");
        assert!(of("order-none").is_some_and(|task| at(task) <= now_s + 6 * 3_600), "{now:?}");
        let late_now = of("order-late").expect("it is open");
        assert_eq!(
            (late_now.revision, at(late_now)),
            (late[0].revision, at(&late[0])),
            "it stands at its deadline"
        );
        stage.end().await
    });
}
