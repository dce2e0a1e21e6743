//! Who joins takes nothing before it has lived for a lease's time, while an established worker lives: a neighbour that
//! is started and killed every second holds up nobody.

use model::{Options, Value};

use crate::liveness::unbalanced;
use crate::run::Sim;
use crate::stage::{Stage, replay};

const SHARDS: u32 = 4;
const TASKS: u32 = 300;
/// Answers a second of the whole fleet.
const SEND: u32 = 20;
/// What the tasks take at that rate, and what the stream takes to bring them.
const HANDLED_MS: u64 = 30_000;
const LOOP_S: u64 = 60;
/// Until a worker is established: a lease's time, and a heartbeat.
const ESTABLISHED_MS: u64 = 15_000;
/// Of a handoff by drain.
const MOVE_MS: u64 = 5_000;

/// The leases of a worker of this node.
fn held(sim: &Sim, node: &str) -> usize {
    let rows = sim.watch.state().leases.rows().clone();
    let owner = |row: &model::Item| row.get("owner").and_then(Value::as_text).map(str::to_owned);
    rows.values().filter_map(owner).filter(|owner| owner.starts_with(&format!("{node}-"))).count()
}

#[test]
fn a_neighbour_that_is_started_and_killed_every_second_takes_nothing() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: SHARDS, ..Options::default() });
        stage.sim.config.budgets.send_task = SEND;
        let healthy = stage.sim.start_worker();
        stage.sim.pass(ESTABLISHED_MS).await?;
        unbalanced(&stage.sim)?;
        let all = held(&stage.sim, &healthy);
        stage.store(TASKS).await?;
        let stored_ms = stage.sim.world.now_ms();
        let mut handled_ms = None;
        for _ in 0..LOOP_S {
            let ghost = stage.sim.start_worker();
            stage.sim.pass(900).await?;
            assert_eq!(held(&stage.sim, &healthy), all, "{ghost} takes leases of {healthy}");
            stage.sim.crash(&ghost);
            stage.sim.pass(100).await?;
            if stage.sim.watch.state().tasks.all_have_outcomes() {
                handled_ms.get_or_insert(stage.sim.world.now_ms() - stored_ms);
            }
        }
        let handled_ms = handled_ms.ok_or("tasks stand still")?;
        println!("{TASKS} tasks beside a neighbour that crashes every second: {handled_ms} ms");
        assert!(handled_ms <= HANDLED_MS, "{handled_ms} ms");
        stage.end().await
    });
}

#[test]
fn a_newcomer_that_lives_takes_its_part_after_a_leases_time() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: SHARDS, ..Options::default() });
        stage.sim.start_worker();
        stage.sim.pass(ESTABLISHED_MS).await?;
        let newcomer = stage.sim.start_worker();
        stage.sim.pass(9_000).await?;
        assert_eq!(held(&stage.sim, &newcomer), 0, "before a lease's time");
        stage.until(1_000 + ESTABLISHED_MS, "shared", |sim| unbalanced(sim).is_ok()).await?;
        stage.end().await
    });
}

#[test]
fn a_fleet_that_is_replaced_at_once_hands_over_to_newcomers_without_waiting() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: SHARDS, ..Options::default() });
        let old = [stage.sim.start_worker(), stage.sim.start_worker()];
        stage.sim.pass(ESTABLISHED_MS).await?;
        stage.sim.start_worker();
        stage.sim.start_worker();
        stage.sim.pass(2_000).await?;
        old.iter().for_each(|node| stage.sim.fleet[node].leave.cancel());
        let end_ms = stage.sim.world.now_ms() + MOVE_MS;
        for node in &old {
            while !stage.sim.fleet.get_mut(node).is_none_or(|process| process.is_over()) {
                stage.sim.pass(20).await?;
                assert!(stage.sim.world.now_ms() <= end_ms, "{node} waits for an heir");
            }
            stage.sim.fleet.remove(node);
        }
        stage.until(MOVE_MS, "taken over", |sim| unbalanced(sim).is_ok()).await?;
        stage.end().await
    });
}
