//! Workers are away for days and return: the stream's old records are gone, its shards have been removed, and
//! executions that ended without an event are checked because of their age.

use std::collections::BTreeSet;

use model::{Item, Options, Value};
use statemachine::status::Status;
use statemachine::task::Task;

use crate::liveness;
use crate::run::Sim;
use crate::scene::{CONTROL, ROGUE};
use crate::stage::{Stage, replay};

const HOUR_MS: u64 = 3_600_000;
/// The stream keeps records and shards for one day.
const PAST_THE_STREAM_MS: u64 = 25 * HOUR_MS;
/// A tombstone is removed two days after a listing first lacked its shard.
const PAST_A_TOMBSTONE_MS: u64 = 49 * HOUR_MS;
/// Two walks of the sweeper, two listings, and one minute in which a shard that is listed but unknown to reads is
/// retried.
const BACK_MS: u64 = 200_000;
const SHARDS: u32 = 2;

fn tasks(sim: &Sim, status: Status) -> Vec<Task> {
    let mut tasks = sim.watch.state().tasks.all();
    tasks.retain(|task| task.status == status);
    tasks
}

fn shard_leases(sim: &Sim) -> usize {
    sim.watch.state().leases.rows().keys().filter(|key| key.starts_with("shard|")).count()
}

/// The recorded gaps, by sort key.
fn gaps(sim: &Sim) -> BTreeSet<String> {
    let text = |item: &Item, name| item.get(name).and_then(Value::as_text).map(str::to_owned);
    let items = sim.world.items(CONTROL);
    let gaps = items.iter().filter(|item| text(item, "pk").as_deref() == Some("gap"));
    gaps.filter_map(|item| text(item, "sk")).collect()
}

/// Another actor answers the workflow of an escalated task. Its success causes no event.
async fn answer_elsewhere(stage: &Stage) -> Result<Task, String> {
    let task =
        tasks(&stage.sim, Status::Escalated).into_iter().next().ok_or("nothing was left to a person")?;
    let client = stage.sim.world.client_for(ROGUE).step_functions();
    let answer = client.send_task_success().task_token(task.token.expose()).output("{}").send().await;
    answer.map_err(|error| format!("the call failed: {error:?}"))?;
    Ok(task)
}

async fn days(lists_dead_shards: bool) -> Result<(), String> {
    let options = Options { shards: SHARDS, lists_dead_shards, ..Options::default() };
    let mut stage = Stage::new(options);
    let first = stage.sim.start_worker();
    stage.store(8).await?;
    stage.until_handled().await?;
    stage.sim.world.roll_all(&stage.stream());
    stage.store(8).await?;
    stage.until_handled().await?;
    let answered = answer_elsewhere(&stage).await?;

    assert!(gaps(&stage.sim).is_empty(), "all records were read: {:?}", gaps(&stage.sim));

    // Nobody reads these records: two generations of shards are removed in the meantime.
    stage.sim.crash(&first);
    stage.store(8).await?;
    stage.sim.world.roll_all(&stage.stream());
    stage.sim.pass(PAST_THE_STREAM_MS).await?;
    let second = stage.sim.start_worker();
    stage
        .until(BACK_MS, "handled without the stream", |sim| sim.watch.state().tasks.all_have_outcomes())
        .await?;
    stage.until(BACK_MS, "reading what is left", |sim| liveness::unbalanced(sim).is_ok()).await?;
    let is_expired = |sim: &Sim| tasks(sim, Status::Expired).iter().any(|task| task.id == answered.id);
    stage.until(BACK_MS, "expired because of their age", is_expired).await?;
    stage.store(8).await?;
    stage.until_handled().await?;
    stage.sim.pass(BACK_MS).await?;
    let all = shard_leases(&stage.sim);
    if all != 3 * SHARDS as usize {
        return Err(format!("{all} leases: each tombstone stays for two days"));
    }

    let noted = gaps(&stage.sim);
    assert_eq!(noted.len(), SHARDS as usize, "each gap is recorded: {noted:?}");

    stage.sim.crash(&second);
    stage.sim.pass(PAST_A_TOMBSTONE_MS).await?;
    stage.sim.start_worker();
    let left = if lists_dead_shards { all } else { SHARDS as usize };
    stage.sim.pass(BACK_MS).await?;
    let kept = shard_leases(&stage.sim);
    if kept != left {
        return Err(format!("{kept} leases of shards after three days, not {left}"));
    }
    // For a position older than the stream, nobody can tell whether any records followed it.
    let noted = gaps(&stage.sim);
    assert!(noted.len() <= 2 * SHARDS as usize, "{noted:?}");
    stage.store(8).await?;
    stage.sim.world.roll_all(&stage.stream());
    stage.until_handled().await?;
    assert_eq!(gaps(&stage.sim), noted, "all records were read");
    stage.end().await
}

#[test]
fn after_days_the_dead_are_forgotten_and_the_undecided_are_asked_about() {
    for lists_dead_shards in [false, true] {
        replay(async move || days(lists_dead_shards).await);
    }
}
