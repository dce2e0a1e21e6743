//! Rules edited while orders flow: the next order follows, and a broken edit changes nothing and is seen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use ops::orders::{SampleOrder, Story};
use ops::worker::Worker;
use ops::world::{WorkerOptions, World, eventually};
use statemachine::task::Task;

use crate::journey::{SOON, in_world, log_lines, logged_after, orders_of, patient, quick, start, task_that};

const SMALL_ORDER: &str = "rules/50-small-order.rhai";

/// Replaces a part of the small-order rule, in one step as an editor saves; gives the time.
fn edit(dir: &Path, from: &str, to: &str) -> Timestamp {
    let path = dir.join(SMALL_ORDER);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    let new = dir.join("edited");
    fs::write(&new, text.replace(from, to)).unwrap();
    let before = Timestamp::now();
    fs::rename(new, path).unwrap();
    before
}

async fn approved_as(world: &World, orders: &[SampleOrder]) -> Vec<String> {
    start(world, orders).await;
    let mut codes = Vec::new();
    for order in orders {
        let task: Task = task_that(world, &order.id, "settled", |task| task.status.is_final()).await;
        codes.extend(task.decision.map(|decision| decision.code));
    }
    codes
}

/// Waits for the log line that says what became of an edit; gives the seconds from the edit to it.
async fn logged(worker: &Worker, edited: Timestamp, part: &str) -> f64 {
    let what = format!("the worker logs {part:?}");
    let found = eventually(SOON, &what, async || Ok(logged_after(&worker.log, edited, part)));
    let took = found.await.unwrap().duration_since(edited).as_secs_f64();
    println!("{part}: {took:.2} s after the edit");
    took
}

#[tokio::test]
async fn the_next_order_follows_an_edit_and_a_broken_one_changes_nothing() {
    in_world(patient(), async |world| {
        let dir = world.copied_rules().unwrap();
        // They expect the codes that are edited here: an edit that breaks its tests would not decide.
        fs::remove_dir_all(dir.join("tests")).unwrap();
        let options = WorkerOptions { rules_dir: Some(dir.clone()), ..quick() };
        let worker = world.start_worker("worker", options).await.unwrap();
        let orders = orders_of(Story::SmallKnown, 20);
        let mut batches = orders.chunks(5);
        let mut next = || batches.next().unwrap();
        assert_eq!(approved_as(world, next()).await, ["small-order"; 5]);

        // Some orders are under way while the edit lands; each is decided by one set or the other.
        let under_way = next();
        start(world, under_way).await;
        let edited = edit(&dir, "approve(\"small-order\"", "approve(\"tiny-order\"");
        let took = logged(&worker, edited, "is active").await;
        assert!(took < 10.0, "an edit takes effect soon, not after {took} s");
        for order in under_way {
            let task = task_that(world, &order.id, "settled", |task| task.status.is_final()).await;
            let code = task.decision.unwrap().code;
            assert!(["small-order", "tiny-order"].contains(&code.as_str()), "{code}");
        }
        assert_eq!(approved_as(world, next()).await, ["tiny-order"; 5]);

        let broken = edit(&dir, "approve(\"tiny-order\",", "approve(\"none\" \"tiny-order\",");
        logged(&worker, broken, "is refused").await;
        broken_edit_is_seen(world, &worker, broken).await;
        assert_eq!(approved_as(world, next()).await, ["tiny-order"; 5]);

        let mended = edit(&dir, "approve(\"none\" \"tiny-order\",", "approve(\"tiny-order\",");
        logged(&worker, mended, "holds the active ruleset again").await;
        let status = world.get(&worker, "/v1/status").await.unwrap().json();
        assert!(status["refused"].is_null(), "{status}");
        worker
    })
    .await;
}

async fn broken_edit_is_seen(world: &World, worker: &Worker, edited: Timestamp) {
    let lines = log_lines(&worker.log).into_iter().filter(|(at, _)| *at > edited);
    let places: Vec<String> =
        lines.filter_map(|(_, line)| Some(line["place"].as_str()?.to_owned())).collect();
    let is_place = |place: &String| {
        let numbers: Vec<&str> =
            place.strip_prefix(SMALL_ORDER).unwrap_or_default().split(':').skip(1).collect();
        numbers.len() == 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
    };
    assert!(places.iter().any(is_place), "the log has file:line:column: {places:?}");

    let ready = world.get(worker, "/readyz").await.unwrap();
    assert_eq!(ready.status, 200, "a broken edit is no reason to replace the worker");
    let metrics = world.get(worker, "/metrics").await.unwrap().body;
    let count = metrics.lines().find_map(|line| {
        line.strip_prefix("countersign_ruleset_reloads_total{result=\"refused\"} ")?.parse::<u32>().ok()
    });
    assert_eq!(count, Some(1), "{metrics}");
    let refused = eventually(Duration::from_secs(5), "the status shows the refused edit", async || {
        let status = world.get(worker, "/v1/status").await?.json();
        Ok(Some(status["refused"]["diagnostics"].clone()).filter(|diagnostics| diagnostics.is_array()))
    })
    .await
    .unwrap();
    assert!(refused.to_string().contains(SMALL_ORDER), "{refused}");
}
