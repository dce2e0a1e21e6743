//! A decision whose token was found closed while the execution's history shows nothing: it is logged once, counted,
//! checked once a day when it is old, and verified when the history responds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model::{Failure, Fault, Matcher, Options, Rule, Service};
use statemachine::status::Delivery;
use statemachine::task::Task;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::log::{Written, is_alone};
use crate::run::Sim;
use crate::scene::TASKS;
use crate::stage::{Stage, replay};

const ORDERS: u32 = 12;
const DAY_S: i64 = 24 * 3_600;
/// The delays have grown to ten minutes after 17 of them; two walks of the sweeper more.
const GROWN_MS: u64 = 40 * 60_000;
const HOUR_MS: u64 = 3_600_000;

fn unverified(sim: &Sim) -> Vec<Task> {
    let all = sim.watch.state().tasks.all().into_iter();
    all.filter(|task| task.delivery == Some(Delivery::Unverified)).collect()
}

/// The first call of each key that matches.
fn first_of_each(calls: Matcher, key: &'static str) -> Matcher {
    let seen = Mutex::new(BTreeSet::new());
    calls.when(move |call| {
        let key = call.text(key).map(str::to_owned);
        key.is_some_and(|key| seen.lock().expect("no holder panics").insert(key))
    })
}

/// Every callback's answer is lost once, the history shows nothing, and so is the answer to the write that says so.
fn lose(stage: &Stage) {
    let callbacks = first_of_each(Matcher::service(Service::StepFunctions), "taskToken");
    let marks = Matcher::operation("UpdateItem").on_table(TASKS).when({
        let left = AtomicU64::new(5);
        move |call| {
            let is_mark = call.text("UpdateExpression").is_some_and(|set| set.contains(":unverified"));
            is_mark && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        }
    });
    for calls in [callbacks, marks] {
        stage.sim.world.inject(Rule::new(calls, Fault::AnswerLost(Failure::Connection)));
    }
    let history = Matcher::operation("GetExecutionHistory");
    stage.sim.world.inject(Rule::new(history, Fault::Lost(Failure::Connection)));
}

async fn days(told: Written) -> Result<(), String> {
    // Nothing but the sweeper works here: no stream, and no event of an end.
    let mut stage = Stage::new(Options::default());
    stage.sim.switch_stream_off();
    stage.sim.config.queues.closed_executions = None;
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    stage.sim.world.listen(move |call| {
        if call.operation == "GetExecutionHistory" {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    lose(&stage);
    stage.store(ORDERS).await?;
    let first = stage.sim.start_worker();
    stage.sim.pass(200_000).await?;
    let open = unverified(&stage.sim);
    assert!(open.len() > 2, "{} are unverified", open.len());
    let shown = |sim: &Sim, node: &str, metric: &str| sim.fleet[node].counted(metric);
    assert_eq!(shown(&stage.sim, &first, "unverified_decisions "), open.len() as u64);
    assert!(shown(&stage.sim, &first, "unverified_decision_age_seconds ") < 200);
    let lines = told.lines();
    for task in &open {
        let id = task.decision.as_ref().map(|decision| &*decision.id);
        let its = lines.iter().filter(|line| {
            line.get("decision.id").and_then(|value| value.as_str()) == id && line["level"] == "WARN"
        });
        let its: Vec<_> = its.collect();
        assert_eq!(its.len(), 1, "{its:?}");
        assert_eq!(
            (&its[0]["task.id"], &its[0]["order.id"]),
            (&task.id.as_str().into(), &task.order_id.clone().into())
        );
        assert!(its[0]["message"].as_str().is_some_and(|text| text.contains("daily")), "{its:?}");
    }

    stage.sim.crash(&first);
    stage.sim.pass(25 * HOUR_MS).await?;
    let second = stage.sim.start_worker();
    stage.sim.pass(GROWN_MS).await?;
    let now_s = i64::try_from(stage.sim.world.now_ms() / 1_000).expect("virtual time is near");
    let ahead: BTreeMap<String, Option<i64>> = unverified(&stage.sim)
        .iter()
        .map(|task| (task.id.to_string(), task.list_at.map(|at| at - now_s)))
        .collect();
    assert_eq!(ahead.len(), open.len());
    assert!(ahead.values().all(|ahead| ahead.is_some_and(|s| s > DAY_S - 3_600 && s <= DAY_S)), "{ahead:?}");
    let before = asked.load(Ordering::Relaxed);
    stage.sim.pass(HOUR_MS / 2).await?;
    assert_eq!(asked.load(Ordering::Relaxed), before, "checked once a day");
    assert_eq!(shown(&stage.sim, &second, "unverified_decisions "), open.len() as u64);
    assert!(shown(&stage.sim, &second, "unverified_decision_age_seconds ") > 25 * 3_600);
    assert_eq!(told.lines().iter().filter(|line| is_told(line)).count(), open.len(), "logged once");

    stage.sim.crash(&second);
    stage.sim.pass(24 * HOUR_MS).await?;
    stage.sim.world.calm();
    let third = stage.sim.start_worker();
    stage.until(200_000, "verified", |sim| unverified(sim).is_empty()).await?;
    stage.sim.pass(130_000).await?;
    assert_eq!(shown(&stage.sim, &third, "unverified_decision"), 0, "neither one nor an age");
    stage.end().await
}

fn is_told(line: &serde_json::Value) -> bool {
    line["message"].as_str().is_some_and(|text| text.contains("its token was closed when decision"))
}

#[test]
fn an_unverified_decision_is_logged_once_counted_and_checked_daily() {
    if !is_alone("unverified::an_unverified_decision_is_logged_once_counted_and_checked_daily") {
        return;
    }
    let told = Written::default();
    let writer = told.clone();
    let layer =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    let log = tracing_subscriber::registry().with(layer).with(LevelFilter::WARN);
    tracing::subscriber::with_default(log, || replay(async move || days(told.clone()).await));
}
