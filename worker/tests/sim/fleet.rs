//! A big table's fleet: how soon 256 shards have their readers, and what standing still costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ops::model::{Options, World};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use crate::liveness::unbalanced;
use crate::run::{Sim, simulate};
use crate::scene::{self, CONTROL};

const SHARDS: u32 = 256;
const WORKERS: usize = 16;
/// The longest after which a death is made good: the lease, and two seconds.
const DEATH_MS: u64 = 12_000;
/// A rebalancing of so many shards, by drain and handoff.
const MOVE_MS: u64 = 5_000;
const REST_S: u64 = 20;

/// Calls by operation, and write units on the control table.
#[derive(Debug, Default)]
struct Cost {
    calls: BTreeMap<String, u64>,
    writes: u64,
}

#[test]
fn a_large_fleet_balances_soon_and_rests_cheaply() {
    simulate(1, |_| Box::pin(large_fleet())).expect("a large fleet works");
}

async fn large_fleet() -> Result<(), String> {
    let options = Options {
        shards: SHARDS,
        latency_ms: (3, 9),
        // Each shard has its own; the account's quota of listings is the real one.
        ..Options::default()
    };
    let world = World::new(1, scene::quiet(options));
    let mut sim = Sim::new(world, SmallRng::seed_from_u64(1));
    let cost = count(&sim.world);
    for _ in 0..WORKERS {
        sim.start_worker();
    }
    let start_ms = until_balanced(&sim, 20_000).await?;
    sim.pass(5_000).await?;

    *cost.lock().expect("no holder panics") = Cost::default();
    sim.pass(REST_S * 1_000).await?;
    let rest = std::mem::take(&mut *cost.lock().expect("no holder panics"));

    sim.start_worker();
    let join_ms = until_balanced(&sim, 20_000).await?;
    let dead = sim.fleet.keys().next().cloned().expect("workers run");
    sim.crash(&dead);
    let death_ms = until_balanced(&sim, 20_000).await?;
    let leaving = sim.fleet.keys().next().cloned().expect("workers run");
    sim.fleet[&leaving].leave.cancel();
    let begun_ms = sim.world.now_ms();
    while !sim.fleet.get_mut(&leaving).is_none_or(|process| process.is_over()) {
        sim.pass(20).await?;
    }
    sim.fleet.remove(&leaving);
    until_balanced(&sim, 20_000).await?;
    let leave_ms = sim.world.now_ms() - begun_ms;

    let calls: u64 = rest.calls.values().sum();
    println!(
        "{SHARDS} shards, {WORKERS} workers: balanced {start_ms} ms after the start, {join_ms} ms after a join,"
    );
    println!("  {death_ms} ms after a death, {leave_ms} ms after a leave began");
    println!(
        "  at rest, a second: {} calls, {:.1} writes of the control table",
        calls / REST_S,
        per_second(rest.writes)
    );
    for (operation, calls) in &rest.calls {
        println!("    {operation:<24} {:.1}", per_second(*calls));
    }
    // The Kinesis Client Library renews each lease every 3.3 s.
    let most_writes = u64::from(SHARDS) * REST_S * 10 / 33;
    assert!(rest.writes < most_writes / 10, "{} writes in {REST_S} s", rest.writes);
    assert!(death_ms <= DEATH_MS, "{death_ms} ms after a death");
    assert!(join_ms <= MOVE_MS && start_ms <= 2 * MOVE_MS, "{join_ms} ms, {start_ms} ms");
    assert!(leave_ms <= MOVE_MS, "{leave_ms} ms after a leave began");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown, not computed with")]
fn per_second(count: u64) -> f64 {
    count as f64 / REST_S as f64
}

fn count(world: &World) -> Arc<Mutex<Cost>> {
    let cost = Arc::<Mutex<Cost>>::default();
    let seen = Arc::clone(&cost);
    world.observe(move |event| {
        let Some(call) = &event.call else { return };
        let mut cost = seen.lock().expect("no holder panics");
        *cost.calls.entry(call.operation.clone()).or_insert(0) += 1;
        let is_write = matches!(call.operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem");
        cost.writes += u64::from(is_write && call.is_on_table(CONTROL));
    });
    cost
}

async fn until_balanced(sim: &Sim, within_ms: u64) -> Result<u64, String> {
    let begun_ms = sim.world.now_ms();
    loop {
        let after_ms = sim.world.now_ms() - begun_ms;
        match unbalanced(sim) {
            Ok(()) => return Ok(after_ms),
            Err(why) if after_ms > within_ms => return Err(format!("after {after_ms} ms: {why}")),
            Err(_) => sim.pass(100).await?,
        }
    }
}
