//! With the stream disabled, the sweeper alone completes every kind of task.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::{Call, Failure, Fault, Matcher, Options, Rule, Service, Start};
use statemachine::decision::{DecidedBy, Outcome};
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use worker::steps::person::{Identity, PersonDecision, PersonOutcome};

use crate::run::Sim;
use crate::stage::{Stage, replay};

/// By when the sweeper has seen a new task: it must be a minute old, and then comes one of the walks.
const BY_SWEEP_MS: u64 = 100_000;
/// By when a task that was deferred a few times is retried.
const BY_LATER_SWEEP_MS: u64 = 300_000;
const ORDERS: u32 = 24;
/// How many of them are not answered at first; for the others, the first response is lost.
const UNANSWERED: usize = 4;
const TIMED: usize = 4;
/// A timeout that expires before the sweeper sees the task.
const SHORT_S: u64 = 30;
/// A timeout that expires long after the task was left to a person.
const LONG_S: u64 = 200;

fn answers() -> Matcher {
    Matcher::service(Service::StepFunctions)
        .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure"))
}

/// Matches the calls for some tokens: for the first `most` tokens, or for all other tokens except the first call of
/// each.
fn of_some(most: usize, is_first: bool) -> impl Fn(&Call) -> bool {
    let (first, others) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    move |call| {
        let is_answer = matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure");
        let Some(token) = call.text("taskToken").filter(|_| is_answer) else { return false };
        let mut first = first.lock().expect("no thread panics while it holds the lock");
        if first.contains(token) || (first.len() < most && first.insert(token.to_owned())) {
            return is_first;
        }
        !is_first && others.lock().expect("no thread panics while it holds the lock").insert(token.to_owned())
    }
}

fn tasks(sim: &Sim, holds: impl Fn(&Task) -> bool) -> Vec<Task> {
    sim.watch.state().tasks.all().into_iter().filter(holds).collect()
}

fn is_undelivered(task: &Task) -> bool {
    matches!(task.delivery, Some(Delivery::Due | Delivery::Unverified))
}

/// Decisions that cannot be delivered, and responses that are lost while the history is silent: due and unverified
/// tasks.
async fn deliveries(stage: &Stage) -> Result<(), String> {
    let world = &stage.sim.world;
    let calls = |is_first| Matcher::service(Service::StepFunctions).when(of_some(UNANSWERED, is_first));
    let history = Matcher::operation("GetExecutionHistory");
    let rules = [
        Rule::new(calls(true), Fault::Refused(Service::StepFunctions.throttled())),
        Rule::new(calls(false), Fault::AnswerLost(Failure::Connection)),
        Rule::new(history, Fault::Lost(Failure::Connection)),
    ]
    .map(|rule| world.inject(rule));
    stage.store(ORDERS).await?;
    stage.until(BY_SWEEP_MS, "seen", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
    let open = tasks(&stage.sim, is_undelivered);
    let due = open.iter().filter(|task| task.delivery == Some(Delivery::Due)).count();
    assert_eq!(due, UNANSWERED, "deferred");
    assert!(open.len() > due, "no task is unverified");
    rules.into_iter().for_each(|rule| world.end(rule));
    let is_none_open = |sim: &Sim| tasks(sim, is_undelivered).is_empty();
    stage.until(BY_LATER_SWEEP_MS, "delivered and verified", is_none_open).await?;
    for task in &open {
        let delivery =
            stage.sim.watch.state().tasks.get(task.id.as_str()).and_then(|seen| seen.now.clone()?.delivery);
        assert_eq!(delivery, Some(Delivery::Delivered), "{}: the answer was this worker's own", task.id);
    }
    Ok(())
}

/// A person decides while Step Functions accepts no answers.
async fn a_persons_decision(stage: &mut Stage, node: &str) -> Result<(), String> {
    let throttled = Fault::Refused(Service::StepFunctions.throttled());
    let rule = stage.sim.world.inject(Rule::new(answers(), throttled));
    let is_one_persons = |task: &Task| task.status == Status::Escalated && !task.needs_second();
    let task = tasks(&stage.sim, is_one_persons).remove(0);
    let (by, reason) = ("ada".to_owned(), "seen".to_owned());
    let request = PersonDecision {
        id: task.id.clone(),
        outcome: Outcome::Approved,
        reason,
        by: by.clone(),
        identity: Identity::Claimed,
        if_reviewed: None,
    };
    let sim = &mut stage.sim;
    sim.watch.state().rights.note_asked(node, request.id.as_str());
    let process = sim.fleet.get_mut(node).expect("it is running");
    process.ask(request, &sim.watch);
    sim.pass(15_000).await?;
    let told = sim.fleet.get_mut(node).expect("it is running").answers();
    assert!(matches!(told[..], [PersonOutcome::Due(_)]), "{told:?}");
    sim.world.end(rule);
    let is_approved = |sim: &Sim| {
        tasks(sim, |task| task.status == Status::Approved).iter().any(|approved| {
            let decided_by = approved.decision.as_ref().map(|decision| &decision.decided_by);
            approved.id == task.id && decided_by == Some(&DecidedBy::Person(by.clone()))
        })
    };
    stage.until(BY_LATER_SWEEP_MS, "delivered for the person", is_approved).await
}

/// States that time out before anybody has decided: some before the sweeper sees the task, some long after.
async fn passed_deadlines(stage: &Stage) -> Result<(), String> {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let heard = Arc::clone(&asked);
    stage.sim.world.listen(move |call| {
        if call.operation == "SendTaskHeartbeat" {
            heard
                .lock()
                .expect("no thread panics while it holds the lock")
                .extend(call.text("taskToken").map(str::to_owned));
        }
    });
    let mut tokens = BTreeSet::new();
    for (name, seconds) in [("short", SHORT_S), ("long", LONG_S)] {
        for number in 0..TIMED {
            let name = format!("{name}{number}");
            let mut start = Start::new(&name, &format!("order-{name}"));
            start.queue_url = Some(stage.sim.queues.tasks.clone());
            // Every ruleset leaves it to a person.
            start.order = Some(r#"{"n":9}"#.to_owned());
            (start.timeout_seconds, start.tells_timeout) = (Some(seconds), true);
            tokens.insert(stage.sim.world.start(start).token);
        }
    }
    let expired =
        |sim: &Sim| tasks(sim, |task| tokens.contains(task.token.expose()) && task.status == Status::Expired);
    let are = move |count| move |sim: &Sim| expired(sim).len() == count;
    stage.until(BY_SWEEP_MS, "expired before anybody saw them", are(TIMED)).await?;
    let seen = expired(&stage.sim);
    assert!(seen.iter().all(|task| task.escalation.is_none()), "by proof, before a rule saw them");
    let left =
        tasks(&stage.sim, |task| tokens.contains(task.token.expose()) && task.status == Status::Escalated);
    assert_eq!(left.len(), TIMED, "left to a person in the meantime");
    stage.until(LONG_S * 1_000, "expired in a person's hands", are(2 * TIMED)).await?;
    assert_eq!(*asked.lock().expect("no thread panics while it holds the lock"), tokens, "each was checked");
    Ok(())
}

#[test]
fn with_the_stream_off_every_kind_of_task_ends() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.switch_stream_off();
        // No events about the ends are delivered either.
        stage.sim.config.queues.closed_executions = None;
        let node = stage.sim.start_worker();
        deliveries(&stage).await?;
        a_persons_decision(&mut stage, &node).await?;
        passed_deadlines(&stage).await?;
        let counted = |metric| stage.sim.fleet[&node].counted(metric);
        assert_eq!(counted("stream_records_total{"), 0, "no record was read");
        assert!(counted("swept_tasks_total{result=\"expired\"") >= 2 * TIMED as u64);
        stage.end().await
    });
}
