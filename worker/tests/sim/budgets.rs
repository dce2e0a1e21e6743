//! A fleet without faults that has more work than its rate limits allow: all its workers together call no faster than
//! one worker alone may.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use model::{Call, Fault, Matcher, Options, Rule, Service};

use crate::liveness;
use crate::run::Sim;
use crate::scene;
use crate::stage::{Stage, replay};

const FLEET: usize = 3;
const TASKS: u32 = 600;
const SHARDS: u32 = 24;
/// DescribeStream calls a second; listings have one half and readers the other.
const LISTINGS: u32 = 4;
/// The length of the sliding window in which calls are counted.
const WINDOW_S: usize = 10;
/// By then, every worker has seen the heartbeats of all others.
const SHARED_AFTER_MS: u64 = 30_000;
const UNREAD_MS: u64 = 90_000;
const BUSY_MS: u64 = 420_000;

/// The times of the fleet's calls, by rate limit.
type Sent = BTreeMap<&'static str, Vec<u64>>;

fn budget_of(call: &Call) -> Option<&'static str> {
    match (call.service, call.operation.as_str()) {
        (Service::StepFunctions, "DescribeExecution") => Some("DescribeExecution"),
        (Service::StepFunctions, "GetExecutionHistory") => Some("GetExecutionHistory"),
        (Service::StepFunctions, _) => Some("SendTask*"),
        (Service::Streams, "DescribeStream") => Some("DescribeStream"),
        (Service::DynamoDb, "GetItem") if call.is_on_table(scene::TASKS) => Some("worklist entries"),
        (Service::DynamoDb | Service::Streams | Service::Sqs | Service::EventBridge, _) => None,
    }
}

/// The most calls in one window.
fn most(sent: &[u64]) -> usize {
    let from =
        |at: u64| sent.iter().filter(|sent_ms| (at..at + 1_000 * WINDOW_S as u64).contains(sent_ms)).count();
    sent.iter().map(|at| from(*at)).max().unwrap_or(0)
}

/// Records the calls of the fleet from now on.
fn listen(stage: &Stage) -> Arc<Mutex<Sent>> {
    let sent = Arc::new(Mutex::new(Sent::new()));
    let seen = Arc::clone(&sent);
    stage.sim.world.listen(move |call| {
        if let Some(budget) = budget_of(call) {
            seen.lock()
                .expect("no thread panics while it holds the lock")
                .entry(budget)
                .or_default()
                .push(call.sent_ms);
        }
    });
    sent
}

/// Checks that a rate limit was used up and not exceeded.
fn check(sent: &Mutex<Sent>, budget: &'static str, rate: usize) {
    let calls = sent.lock().expect("no thread panics while it holds the lock");
    let most = most(calls.get(budget).map_or(&[], Vec::as_slice));
    let flow = rate * WINDOW_S;
    println!("{budget}: at most {most} calls in ten seconds, {rate} a second");
    // A bucket holds one second's calls, and the bucket of each worker at least one.
    assert!(most <= flow + rate + FLEET, "{budget}: {most} calls in ten seconds");
    assert!(most * 10 >= flow * 9, "{budget}: {most} calls in ten seconds, too few to test the limit");
}

/// Many shards end at the same time and none of their children is visible: every reader requests them, and the
/// discoverer lists.
#[test]
fn three_workers_share_the_listings() {
    replay(async || {
        let options = Options { shards: SHARDS, describe_page: 2, ..Options::default() };
        let mut stage = Stage::new(options);
        stage.sim.config.budgets.describe_stream = LISTINGS;
        for _ in 0..FLEET {
            stage.sim.start_worker();
        }
        let is_balanced = |sim: &Sim| liveness::unbalanced(sim).is_ok();
        stage.until(SHARED_AFTER_MS, "reading every shard", is_balanced).await?;
        stage.sim.pass(SHARED_AFTER_MS).await?;
        let sent = listen(&stage);
        let asks = Matcher::operation("DescribeStream").when(|call| !call.body["ShardFilter"].is_null());
        let empty = r#"{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[]}}"#.to_owned();
        let unseen = stage.sim.world.inject(Rule::new(asks, Fault::Forged(empty)));
        stage.sim.world.roll_all(&stage.stream());
        stage.sim.pass(UNREAD_MS).await?;
        stage.sim.world.end(unseen);
        check(&sent, "DescribeStream", LISTINGS as usize);
        stage.end().await
    });
}

#[test]
fn three_workers_share_each_budget() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let budgets = &mut stage.sim.config.budgets;
        (budgets.send_task, budgets.describe_execution, budgets.execution_history) = (4, 2, 1);
        let rates = [("SendTask*", 4), ("DescribeExecution", 2), ("GetExecutionHistory", 1)];
        // No events about the ends are delivered, so the history must be read for them.
        let closed = stage.sim.config.queues.closed_executions.take();
        for _ in 0..FLEET {
            stage.sim.start_worker();
        }
        stage.sim.pass(SHARED_AFTER_MS).await?;
        let sent = listen(&stage);
        // A task that is left to a person more than a minute after it arrived is checked about five minutes later.
        let refused = Fault::Refused(Service::Streams.throttled());
        let unread = stage.sim.world.inject(Rule::new(Matcher::operation("GetRecords"), refused));
        stage.store(TASKS).await?;
        for execution in stage.sim.world.executions().iter().step_by(3) {
            stage.sim.world.stop(&execution.arn);
        }
        stage.sim.pass(UNREAD_MS).await?;
        stage.sim.world.end(unread);
        stage.sim.pass(BUSY_MS).await?;
        rates.into_iter().for_each(|(budget, rate)| check(&sent, budget, rate));
        stage.sim.config.queues.closed_executions = closed;
        stage.sim.start_worker();
        stage.end().await
    });
}

#[test]
fn the_sweepers_of_a_fleet_share_the_rate_of_entries() {
    const RATE: u32 = 10;
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.config.budgets.sweep = RATE;
        // Tasks of closed executions are read for a different reason.
        let closed = stage.sim.config.queues.closed_executions.take();
        for _ in 0..FLEET {
            stage.sim.start_worker();
        }
        stage.sim.pass(SHARED_AFTER_MS).await?;
        let sent = listen(&stage);
        let refused = Fault::Refused(Service::Streams.throttled());
        let unread = stage.sim.world.inject(Rule::new(Matcher::operation("GetRecords"), refused));
        stage.store(TASKS).await?;
        stage.sim.pass(UNREAD_MS).await?;
        check(&sent, "worklist entries", RATE as usize);
        stage.sim.world.end(unread);
        stage.sim.config.queues.closed_executions = closed;
        stage.sim.start_worker();
        stage.end().await
    });
}
