//! Executions that end without an answer: their undecided tasks expire within seconds of the event, even if the event
//! arrives first.

use std::collections::BTreeMap;

use model::{ExecutionStatus, Fault, Matcher, Options, Rule, Service, Start};
use statemachine::status::Status;

use crate::run::Sim;
use crate::scene::{ROGUE, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// The number of executions for each kind of end.
const EACH: usize = 4;
/// The longest time from the end of an execution to the end of its task.
const SOON_MS: u64 = 5_000;
/// When the executions with a timeout end.
const TIMEOUT_S: u64 = 60;
/// How long a received message stays invisible.
const VISIBILITY_MS: u64 = 30_000;

/// Starts an execution whose order every ruleset leaves to a person; its message does not contain its timeouts.
fn start(stage: &Stage, name: &str, set: impl FnOnce(&mut Start)) -> String {
    let mut start = Start::new(name, &format!("order-{name}"));
    start.queue_url = Some(stage.sim.queues.tasks.clone());
    start.order = Some(r#"{"n":9}"#.to_owned());
    set(&mut start);
    stage.sim.world.start(start).execution_arn
}

fn are_all(sim: &Sim, status: Status, count: usize) -> bool {
    let all = sim.watch.state().tasks.all();
    all.len() == count && all.iter().all(|task| task.status == status)
}

/// The time when each execution ended, and the time when its task expired.
async fn ends(
    stage: &Stage,
    within_ms: u64,
) -> Result<BTreeMap<String, (ExecutionStatus, u64, u64)>, String> {
    let (mut ended, mut expired) = (BTreeMap::new(), BTreeMap::new());
    let end_ms = stage.sim.world.now_ms() + within_ms;
    loop {
        let now_ms = stage.sim.world.now_ms();
        let executions = stage.sim.world.executions();
        for execution in executions.iter().filter(|execution| execution.status != ExecutionStatus::Running) {
            ended.entry(execution.arn.clone()).or_insert((execution.status, now_ms));
        }
        for task in stage.sim.watch.state().tasks.all() {
            if task.status == Status::Expired {
                expired.entry(task.transaction_id).or_insert(now_ms);
            }
        }
        if expired.len() == executions.len() {
            let both = ended.into_iter().map(|(arn, (status, ended_ms))| {
                let expired_ms = expired[&arn];
                (arn, (status, ended_ms, expired_ms))
            });
            return Ok(both.collect());
        }
        if now_ms > end_ms {
            return Err(format!("{} of {} expired in {within_ms} ms", expired.len(), executions.len()));
        }
        stage.sim.pass(50).await?;
    }
}

#[test]
fn what_nobody_decided_expires_seconds_after_each_kind_of_end() {
    replay(async || {
        let stage = {
            let mut stage = Stage::new(Options::default());
            stage.sim.start_worker();
            stage
        };
        let arns: Vec<String> = (0..EACH).map(|n| start(&stage, &format!("aborted{n}"), |_| {})).collect();
        for n in 0..EACH {
            start(&stage, &format!("failed{n}"), |start| start.timeout_seconds = Some(TIMEOUT_S));
            let set = |start: &mut Start| start.execution_timeout_seconds = Some(TIMEOUT_S);
            start(&stage, &format!("timed-out{n}"), set);
        }
        // For one more execution, another actor sends the failure.
        let answered = start(&stage, "answered", |_| {});
        let all = 3 * EACH + 1;
        stage.until(BY_STREAM_MS, "left to people", |sim| are_all(sim, Status::Escalated, all)).await?;
        assert!(arns.iter().all(|arn| stage.sim.world.stop(arn)));
        let token = stage.sim.world.execution(&answered).and_then(|view| view.tokens.last().cloned());
        let client = stage.sim.world.client_for(ROGUE).step_functions();
        let answer =
            client.send_task_failure().task_token(token.expect("it is waiting")).error("No").send().await;
        answer.map_err(|error| format!("the call failed: {error:?}"))?;
        let ends = ends(&stage, TIMEOUT_S * 1_000 + SOON_MS).await?;
        let mut kinds = BTreeMap::new();
        for (arn, (status, ended_ms, expired_ms)) in &ends {
            let after_ms = expired_ms - ended_ms;
            assert!(after_ms <= SOON_MS, "{arn}: {status:?}, but its task expired only {after_ms} ms later");
            *kinds.entry(*status).or_insert(0) += 1;
        }
        let each = [
            (ExecutionStatus::Failed, EACH + 1),
            (ExecutionStatus::TimedOut, EACH),
            (ExecutionStatus::Aborted, EACH),
        ];
        assert_eq!(kinds, each.into());
        stage.end().await
    });
}

#[test]
fn an_event_that_comes_before_its_task_is_left_for_some_visibility_periods() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.start_worker();
        stage.sim.pass(3_000).await?;
        let puts = Matcher::operation("PutItem").on_table(TASKS);
        let rule = Rule::new(puts, Fault::Refused(Service::DynamoDb.throttled()));
        let rule = stage.sim.world.inject(rule);
        for n in 0..EACH {
            let arn = start(&stage, &format!("early{n}"), |_| {});
            stage.sim.world.stop(&arn);
        }
        stage.sim.pass(VISIBILITY_MS * 3 / 2).await?;
        assert_eq!(stage.sim.watch.state().tasks.len(), 0, "nothing is stored yet");
        let events = stage.sim.world.messages(&stage.sim.queues.closed);
        assert_eq!(events.len(), EACH, "each event is left in the queue");
        assert!(events.iter().all(|event| event.receives == 2), "{events:?}");
        stage.sim.world.end(rule);
        // Whatever the worker does with the task, the next delivery of the event ends it.
        let by_ms = VISIBILITY_MS + SOON_MS;
        stage.until(by_ms, "expired", |sim| are_all(sim, Status::Expired, EACH)).await?;
        let tasks = stage.sim.watch.state().tasks.all();
        assert!(tasks.iter().all(|task| task.decision.is_none()), "nobody decided");
        let is_forgotten = |sim: &Sim| sim.world.messages(&sim.queues.closed).is_empty();
        stage.until(2 * VISIBILITY_MS + SOON_MS, "forgotten", is_forgotten).await?;
        stage.end().await
    });
}
