//! What people are told: of each task that waits for them and of each that expired, at least once, whatever fails.

use std::sync::Arc;

use model::{Fault, Item, Matcher, Options, PutEvent, Rule, Service, Value};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

use crate::run::Sim;
use crate::scene::TASKS;
use crate::stage::{Stage, replay};

const BUS: &str = "people";
/// So many tasks an event names; it counts the others.
const NAMED: u64 = 20;
/// By then, a worker takes part in the fleet.
const JOINED_MS: u64 = 15_000;
/// A walk of the worklists, gathering, and the calls.
const FOUND_MS: u64 = 120_000;

/// Lets the workers publish on a bus that fails in its own way. The seed's other dice stay as they are.
pub(crate) fn publish(sim: &mut Sim, seed: u64) {
    sim.config.notices.event_bus = Some(BUS.to_owned());
    let mut dice = SmallRng::seed_from_u64(seed);
    let put = Matcher::service(Service::EventBridge);
    let faults = [
        None,
        Some(Fault::Refused(Service::EventBridge.access_denied())),
        Some(Fault::Refused(Service::EventBridge.throttled())),
        Some(Fault::Refused(Service::EventBridge.no_such_bus())),
        Some(Fault::AppliedButRefused(Service::EventBridge.internal())),
        Some(Fault::AnswerLost(model::Failure::Silence)),
        Some(Fault::Lost(model::Failure::Connection)),
    ];
    if let Some(fault) = faults[dice.random_range(0..faults.len())].clone() {
        sim.world.inject(Rule::new(put, fault).percent(dice.random_range(10.0..=100.0)));
    }
}

/// Each undecided task that people have to hear of, and have not.
pub(crate) fn unpublished(sim: &Sim) -> Vec<String> {
    if sim.config.notices.event_bus.is_none() {
        return vec![];
    }
    let (items, events) = (sim.world.items(TASKS), sim.world.put_events());
    let wanted = items.iter().filter(|item| !item.contains_key("decision"));
    wanted.filter_map(|item| missing(item, &events)).collect()
}

fn missing(item: &Arc<Item>, events: &[PutEvent]) -> Option<String> {
    let text = |name: &str| item.get(name).and_then(Value::as_text).unwrap_or_default();
    let escalation = match item.get("escalation") {
        Some(Value::M(escalation)) => Some(escalation),
        Some(_) | None => None,
    };
    let (kind, is_marked) = match text("status") {
        "ESCALATED" => ("Task Escalated", escalation.is_some_and(|map| map.contains_key("publishedAt"))),
        "EXPIRED" => ("Task Expired Undecided", item.contains_key("expiryPublishedAt")),
        _ => return None,
    };
    let id = text("taskId");
    let tells = |event: &PutEvent| {
        let named = event.detail["tasks"].as_array().into_iter().flatten();
        event.detail_type == kind
            && (event.detail["count"].as_u64() > Some(NAMED)
                || named.into_iter().any(|task| task["taskId"] == id))
    };
    match (is_marked, events.iter().any(tells)) {
        (true, true) => None,
        (true, false) => Some(format!("task {id}: marked as told by {kind:?}, but no event tells of it")),
        (false, _) => Some(format!("task {id}: {kind:?} is not published")),
    }
}

fn telling() -> Stage {
    Stage::set(Options::default(), |sim| sim.config.notices.event_bus = Some(BUS.to_owned()))
}

/// How many tasks the events of a kind tell of, and how many events there are.
fn told(sim: &Sim, kind: &str) -> (u64, usize) {
    let events = sim.world.put_events();
    let of_kind: Vec<&PutEvent> = events.iter().filter(|event| event.detail_type == kind).collect();
    (of_kind.iter().filter_map(|event| event.detail["count"].as_u64()).sum(), of_kind.len())
}

fn escalated(sim: &Sim) -> u64 {
    let tasks = sim.watch.state().tasks.all();
    tasks.iter().filter(|task| task.escalation.is_some()).count() as u64
}

#[test]
fn a_few_escalations_are_an_event_each_and_a_storm_is_a_few_events() {
    replay(async || {
        let mut stage = telling();
        stage.sim.start_worker();
        stage.sim.pass(JOINED_MS).await?;
        stage.store(10).await?;
        stage.until_handled().await?;
        stage.until(FOUND_MS, "told", |sim| unpublished(sim).is_empty()).await?;
        let few = escalated(&stage.sim);
        assert_eq!(told(&stage.sim, "Task Escalated"), (few, usize::try_from(few).unwrap_or(usize::MAX)));
        stage.store(400).await?;
        stage.until_handled().await?;
        stage.until(FOUND_MS, "told", |sim| unpublished(sim).is_empty()).await?;
        let (tasks, events) = told(&stage.sim, "Task Escalated");
        assert_eq!(tasks, escalated(&stage.sim), "each once");
        assert!(tasks > 100 && events <= 20, "{tasks} tasks in {events} events");
        stage.end().await
    });
}

#[test]
fn a_bus_that_is_down_holds_nothing_up_and_is_told_everything_afterwards() {
    replay(async || {
        let mut stage = telling();
        let silence = Fault::Lost(model::Failure::Silence);
        let down = stage.sim.world.inject(Rule::new(Matcher::service(Service::EventBridge), silence));
        stage.sim.start_worker();
        stage.sim.pass(JOINED_MS).await?;
        stage.store(40).await?;
        stage.until_handled().await?;
        stage.sim.pass(FOUND_MS).await?;
        assert!(!unpublished(&stage.sim).is_empty() && stage.sim.world.hits(down) > 1);
        let failed: u64 = stage
            .sim
            .fleet
            .values()
            .map(|process| process.counted("notices_total{notice=\"escalated\",result=\"failed\""))
            .sum();
        assert!(failed > 0);
        stage.sim.world.end(down);
        stage.until(FOUND_MS, "told", |sim| unpublished(sim).is_empty()).await?;
        stage.end().await
    });
}

#[test]
fn a_worker_that_dies_between_the_event_and_its_mark_loses_none() {
    replay(async || {
        let mut stage = telling();
        let put = Matcher::service(Service::EventBridge);
        let hold = stage.sim.world.hold(put, 1, model::Door::AfterApply);
        let dead = stage.sim.start_worker();
        stage.sim.pass(JOINED_MS).await?;
        stage.store(40).await?;
        stage.until_handled().await?;
        hold.reached().await;
        stage.sim.crash(&dead);
        assert!(!unpublished(&stage.sim).is_empty(), "the event is out, and no task is marked");
        stage.sim.start_worker();
        stage.until(FOUND_MS, "told", |sim| unpublished(sim).is_empty()).await?;
        stage.end().await
    });
}

/// The rules' own tasks are not written once more.
#[test]
fn what_rules_decide_has_no_mark_and_no_event() {
    replay(async || {
        let mut stage = telling();
        stage.sim.start_worker();
        stage.sim.pass(JOINED_MS).await?;
        stage.store(60).await?;
        stage.until_handled().await?;
        stage.until(FOUND_MS, "told", |sim| unpublished(sim).is_empty()).await?;
        let items = stage.sim.world.items(TASKS);
        let is_rules = |item: &&Arc<Item>| item.contains_key("decision") && !item.contains_key("escalation");
        let decided: Vec<String> = items
            .iter()
            .filter(is_rules)
            .filter_map(|item| {
                assert!(!item.contains_key("expiryPublishedAt"));
                item.get("taskId").and_then(Value::as_text).map(str::to_owned)
            })
            .collect();
        assert!(decided.len() > 10);
        for event in stage.sim.world.put_events() {
            let named = event.detail["tasks"].as_array().cloned().unwrap_or_default();
            assert!(named.iter().all(|task: &Json| decided.iter().all(|id| task["taskId"] != id.as_str())));
        }
        stage.end().await
    });
}
