//! Hints of ingest: their tasks are decided without the stream, and nothing is decided because of a hint.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{Fault, Matcher, Options, Rule, Service};
use serde_json::json;
use statemachine::status::Status;

use crate::run::Sim;
use crate::scene::TASKS;
use crate::stage::{Stage, replay};

const ORDERS: u32 = 20;
/// By then, a worker takes part in the fleet.
const JOINED_MS: u64 = 15_000;
/// For a receive, a read, the decision and its callback.
const SOON_MS: u64 = 2_000;
/// From a change until its record can be read, at most.
const READABLE_MS: u64 = 1_000;

fn hinted() -> Stage {
    Stage::set(Options::default(), Sim::send_hints)
}

fn is_over(sim: &Sim) -> bool {
    let tasks = sim.watch.state().tasks.all();
    tasks.iter().all(|task| task.status.is_final() || task.status == Status::Escalated)
}

#[test]
fn hinted_tasks_are_decided_without_the_stream_and_long_before_the_sweeper() {
    replay(async || {
        let mut stage = hinted();
        stage.sim.switch_stream_off();
        for _ in 0..3 {
            stage.sim.start_worker();
        }
        stage.sim.pass(JOINED_MS).await?;
        stage.store(ORDERS).await?;
        stage.until(SOON_MS, "settled", is_over).await?;
        stage.sim.has_stream = true;
        stage.end().await
    });
}

/// The page with a hinted task's record usually has the records of what became of it, too.
#[test]
fn the_stream_costs_no_call_for_what_a_hint_has_settled() {
    replay(async || {
        let mut stage = hinted();
        for _ in 0..2 {
            stage.sim.start_worker();
        }
        stage.sim.pass(JOINED_MS).await?;
        let throttled = Fault::Refused(Service::Streams.throttled());
        let unread = stage.sim.world.inject(Rule::new(Matcher::operation("GetRecords"), throttled));
        stage.store(ORDERS).await?;
        stage.until(SOON_MS, "settled", is_over).await?;
        // A page that ends between two records of one task shows less.
        stage.sim.pass(READABLE_MS).await?;
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        stage.sim.world.listen(move |call| {
            if call.is_on_table(TASKS) && matches!(call.operation.as_str(), "GetItem" | "UpdateItem") {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
        stage.sim.world.end(unread);
        stage.sim.pass(JOINED_MS).await?;
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        stage.end().await
    });
}

#[test]
fn a_forged_hint_decides_nothing() {
    replay(async || {
        let mut stage = hinted();
        let url = stage.sim.queues.hints.clone().ok_or("no queue of hints")?;
        stage.sim.start_worker();
        stage.sim.pass(JOINED_MS).await?;
        stage.store(ORDERS).await?;
        stage.until(SOON_MS, "settled", is_over).await?;
        let before = stage.sim.watch.state().tasks.all();
        let ids: Vec<String> = before.iter().map(|task| task.id.to_string()).collect();
        let unknown = "0".repeat(32);
        for body in [
            json!({ "tasks": ids }).to_string(),
            json!({ "tasks": [unknown] }).to_string(),
            json!({ "tasks": ["../control"], "approve": true }).to_string(),
            "approve everything".to_owned(),
        ] {
            let sqs = stage.sim.world.client_for("forger").sqs();
            let sent = sqs.send_message().queue_url(&url).message_body(body).send().await;
            sent.map_err(|error| format!("{error:?}"))?;
        }
        stage.until(SOON_MS, "consumed", |sim| sim.world.messages(&url).is_empty()).await?;
        stage.sim.pass(SOON_MS).await?;
        assert_eq!(stage.sim.watch.state().tasks.all(), before);
        stage.end().await
    });
}
