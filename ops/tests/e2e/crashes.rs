//! The worker is killed, or an answer is lost, at each step of a task: exactly one decision, and its workflow has it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use ops::orders::{SampleOrder, Story, sample};
use ops::world::eventually;
use statemachine::status::Status;

use crate::journey::{
    SOON, all_ended, assert_one_decision_each, in_world, orders_of, patient, quick, start, stored, through,
};
use ops::proxy::{Proxy, Reached, Step, Trap, Way};

/// Where a worker can be killed between a task's steps.
const WINDOWS: [(Step, Way, &str); 6] = [
    (Step::Decide, Way::There, "before the decision is stored"),
    (Step::Decide, Way::Back, "the decision is stored, and the worker does not know"),
    (Step::CallBack, Way::There, "before the callback"),
    (Step::CallBack, Way::Back, "the workflow has it, and the worker does not know"),
    (Step::Settle, Way::There, "before the task is settled"),
    (Step::Settle, Way::Back, "the task is settled, the checkpoint is not written"),
];
const ESCALATION_WINDOWS: [(Step, Way, &str); 2] = [
    (Step::Escalate, Way::There, "before the escalation is stored"),
    (Step::Escalate, Way::Back, "the escalation is stored, and the worker does not know"),
];

/// An order for each window and outcome.
fn orders() -> Vec<(SampleOrder, (Step, Way, &'static str))> {
    let windows = |story, windows: &[(Step, Way, &'static str)]| {
        orders_of(story, windows.len()).into_iter().zip(windows.to_vec()).collect::<Vec<_>>()
    };
    [
        windows(Story::SmallKnown, &WINDOWS),
        windows(Story::Sanctioned, &WINDOWS),
        windows(Story::Middling, &ESCALATION_WINDOWS),
    ]
    .concat()
}

#[tokio::test]
async fn a_kill_in_each_window_neither_loses_nor_doubles_a_decision() {
    in_world(patient(), async |world| {
        let (orders, windows): (Vec<_>, Vec<_>) = orders().into_iter().unzip();
        start(world, &orders).await;
        let tasks = stored(world, &orders).await;

        // Each order is caught in its own window, so that one kill hits them all.
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        let traps = tasks.iter().zip(&windows);
        let mut traps: Vec<Trap> =
            traps.map(|(task, (step, way, _))| proxy.hold(*step, *way, &task.id)).collect();
        let victim = world.start_worker("victim", through(&proxy.url)).await.unwrap();
        for (trap, (_, _, window)) in traps.iter_mut().zip(&windows) {
            let sprung = tokio::time::timeout(SOON, trap.sprung()).await;
            assert!(sprung.is_ok(), "a worker comes to where {window}");
        }
        victim.kill();
        drop(traps);
        let before = stored(world, &orders).await;

        let heir = world.start_worker("heir", quick()).await.unwrap();
        all_ended(world, orders.len(), SOON).await;
        let after = stored(world, &orders).await;
        for ((before, after), (step, way, window)) in before.iter().zip(&after).zip(&windows) {
            println!("killed where {window}: {} {}", after.order_id, after.status);
            let is_stored = (*step, *way) > (Step::Decide, Way::There) && *step != Step::Escalate;
            assert_eq!(before.decision.is_some(), is_stored, "{window}");
            if is_stored {
                assert_eq!(before.decision, after.decision, "{window}");
            }
        }
        assert_one_decision_each(world, &after).await;
        heir
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_at_each_step_changes_nothing() {
    in_world(patient(), async |world| {
        let steps = [Step::Decide, Step::CallBack, Step::Settle];
        let mut caught = Vec::new();
        for (story, steps) in [
            (Story::SmallKnown, &steps[..]),
            (Story::Sanctioned, &steps[..]),
            (Story::Middling, &[Step::Escalate]),
        ] {
            caught.extend(orders_of(story, steps.len()).into_iter().zip(steps.to_vec()));
        }
        let (orders, steps): (Vec<_>, Vec<_>) = caught.into_iter().unzip();
        start(world, &orders).await;
        let tasks = stored(world, &orders).await;
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        let traps: Vec<Trap> =
            tasks.iter().zip(&steps).map(|(task, step)| proxy.lose_answer(*step, &task.id)).collect();

        let worker = world.start_worker("worker", through(&proxy.url)).await.unwrap();
        for (mut trap, step) in traps.into_iter().zip(&steps) {
            let sprung = tokio::time::timeout(SOON, trap.sprung()).await;
            assert!(sprung.is_ok(), "the answer of {step:?} is lost");
        }
        let tasks = all_ended(world, orders.len(), SOON).await;
        assert_one_decision_each(world, &tasks).await;
        worker
    })
    .await;
}

/// Kills in the journey of random ones.
const KILLS: usize = 20;
/// Orders that start with each worker's life.
const ORDERS_A_LIFE: usize = 15;

#[tokio::test]
async fn twenty_kills_at_random_under_load_lose_nothing() {
    #[expect(clippy::disallowed_methods, reason = "a test is told its seed by its caller")]
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..1_000_000), |text| text.parse().unwrap());
    println!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    in_world(patient(), async |world| {
        let orders = sample(KILLS * ORDERS_A_LIFE, seed);
        let mut hits = BTreeMap::new();
        for (life, orders) in orders.chunks(ORDERS_A_LIFE).enumerate() {
            let proxy = Proxy::start(&world.emulator).await.unwrap();
            let mut options = through(&proxy.url);
            // Not all at a time: at each moment some tasks are done, some in work, some not begun.
            options.variables.push(("COUNTERSIGN_WORKER__IN_FLIGHT_RECORDS".to_owned(), "40".to_owned()));
            let name = format!("life-{life:02}");
            let (worker, _) = futures::join!(world.start_worker(&name, options), start(world, orders));
            let worker = worker.unwrap();
            eventually(SOON, "the worker works", async || Ok(proxy.has_worked().then_some(())))
                .await
                .unwrap();
            // The moment of the kill is what is random here.
            tokio::time::sleep(Duration::from_millis(rng.u64(..1_500))).await;
            worker.kill();
            let reached = proxy.reached();
            let waiting = world.tasks().await.unwrap().into_iter().filter(|task| {
                task.status == Status::Pending && task.decision.is_none() && !reached.contains_key(&task.id)
            });
            *hits.entry("W0 nothing is asked of the table yet").or_insert(0) += waiting.count();
            for window in reached.into_values().map(window) {
                *hits.entry(window).or_insert(0) += 1;
            }
        }
        let last = world.start_worker("last", quick()).await.unwrap();
        let tasks = all_ended(world, orders.len(), SOON * 3).await;
        assert_one_decision_each(world, &tasks).await;
        println!("{KILLS} kills, {} orders; what was in flight when the kill came:", orders.len());
        for (window, count) in hits {
            println!("{count:>5}  {window}");
        }
        last
    })
    .await;
}

/// Which window a kill hits for a task whose last call has come so far.
fn window(reached: Reached) -> &'static str {
    match (reached.step, reached.is_answered) {
        (Step::Decide, false) => "W1 the decision is being stored",
        (Step::Decide, true) => "W2 the decision is stored, the callback not begun",
        (Step::CallBack, false) => "W3 the callback is being sent",
        (Step::CallBack, true) => "W4 the workflow has it, the task is not settled",
        (Step::Settle, false) => "W4 the task is being settled",
        (Step::Settle, true) => "W5 the task is settled, no checkpoint is written since",
        (Step::Escalate, false) => "W1 the escalation is being stored",
        (Step::Escalate, true) => "W5 the task is escalated, no checkpoint is written since",
        (Step::Checkpoint | Step::Other, _) => "W4 the closed answer is being verified",
    }
}
