//! Two people and a rule decide the same tasks at the same time: one decision each, and everybody is told the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use model::Started;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use statemachine::task::Task;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use worker::control::gate::{self, ControlItem};
use worker::lease::guard::{Guard, Validity};

use crate::office::{Answer, Office};

const TASKS: usize = 200;
/// At once: with two people each, fewer requests than the API has places for.
const AT_ONCE: usize = 40;

/// An office whose rule approves everything.
fn open() -> Office {
    let office = Office::open_under(&[("rules/all.rhai", "approve(\"all\");")], |clock| clock, |_| {});
    let state = &office.state;
    let followed = watch::Sender::new(ControlItem::default());
    let (gate, metrics) = (state.automation.gate.clone(), state.metrics.clone());
    state.tracker.spawn(gate::follow(state.control_table.clone(), gate, metrics, followed));
    office
}

/// Decides a task as a reader of the stream does.
async fn rule(office: &Office, task: &Task, after: Duration) {
    sleep(after).await;
    let validity = Validity::until(Instant::now() + Duration::from_secs(60));
    let guard = Guard::new(validity, CancellationToken::new());
    office.state.pipeline.decide(task, &guard).await.expect("the guard is live");
}

async fn person(office: &Office, task: &Task, body: &str, after: Duration) -> Answer {
    sleep(after).await;
    office.decide(task, body).await
}

/// What a person was told is what is stored.
fn assert_true(answer: &Answer, me: &str, stored: &serde_json::Value) {
    let (by, outcome) = (&stored["decision"]["decidedBy"], &stored["decision"]["outcome"]);
    match answer.status.as_u16() {
        200 | 202 => {
            let told = answer.json();
            assert_eq!((by, outcome), (&told["decision"]["decidedBy"], &told["decision"]["outcome"]));
            assert_eq!(by, me, "{told}");
        }
        409 => {
            let told = answer.json();
            assert_eq!(answer.problem(), "decided-otherwise");
            assert_eq!(&told["task"]["decision"], &stored["decision"]);
            assert_ne!(by, me, "{told}");
            let detail = told["detail"].as_str().expect("words");
            assert!(detail.contains(by.as_str().expect("a name")), "{detail}");
        }
        _ => panic!("{me}: {} {}", answer.status, answer.text),
    }
}

async fn race(office: &Office, number: usize, (started, task): &(Started, Task)) -> String {
    let mut random = SmallRng::seed_from_u64(number as u64);
    let mut after = || Duration::from_millis(random.random_range(0..40));
    let (ada, ben, ()) = tokio::join!(
        person(office, task, r#"{"outcome":"approved","by":"Ada"}"#, after()),
        person(office, task, r#"{"outcome":"rejected","reason":"no","by":"Ben"}"#, after()),
        rule(office, task, after()),
    );
    let stored = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
    assert_true(&ada, "Ada", &stored);
    assert_true(&ben, "Ben", &stored);
    assert_eq!(office.world.accepted(&started.token), 1, "one answer reached the workflow");
    stored["decision"]["decidedBy"].as_str().expect("it is decided").to_owned()
}

#[tokio::test(start_paused = true)]
async fn two_people_and_a_rule_make_one_decision_of_each_task() {
    let office = open();
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        tasks.push(office.receive(&format!("o-{number}"), None).await);
    }
    let mut winners = BTreeMap::new();
    for (first, some) in tasks.chunks(AT_ONCE).enumerate() {
        let races = some.iter().enumerate().map(|(n, task)| race(&office, first * AT_ONCE + n, task));
        for winner in join_all(races).await {
            *winners.entry(winner).or_insert(0) += 1;
        }
    }
    assert_eq!(winners.values().sum::<usize>(), TASKS);
    let each = ["Ada", "Ben", "rule"].map(|name| winners.get(name).copied().unwrap_or_default());
    assert!(each.iter().all(|wins| *wins > 10), "each of them wins some: {winners:?}");
}
