//! A big table's fleet: how soon 256 shards have their readers, and what standing still costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use model::{Change, Options, World};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use crate::liveness::unbalanced;
use crate::run::{Sim, simulate};
use crate::scene::{self, CONTROL, TASKS};

const SHARDS: u32 = 256;
const WORKERS: usize = 16;
/// The longest after which a death is made good: the lease, and two seconds.
const DEATH_MS: u64 = 12_000;
/// Who joins takes nothing before a lease's time and a heartbeat have passed.
const NEW_MS: u64 = 12_000;
/// A rebalancing of so many shards, by drain and handoff.
const MOVE_MS: u64 = 5_000;
/// Longer than from one listing to the next.
const REST_S: u64 = 70;
/// A shard rolls so often.
const ROLLS: usize = 8;
/// From a shard's roll until its child is read: the idle shard's next poll, and the calls in between.
const CHILD_MS: u64 = 1_200;

/// Calls by operation, writes of the control table, and who does what.
#[derive(Debug, Default)]
struct Cost {
    calls: BTreeMap<String, u64>,
    writes: u64,
    /// Who lists the shards.
    listers: BTreeSet<String>,
    /// When each shard was read first.
    read_ms: BTreeMap<String, u64>,
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
    let child_ms = until_children_are_read(&sim, &cost).await?;

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
    println!("  {death_ms} ms after a death, {leave_ms} ms after a leave began;");
    println!("  a shard's child is read at most {child_ms} ms after its roll");
    println!(
        "  at rest, a second: {} calls, {:.1} writes of the control table",
        calls / REST_S,
        per_second(rest.writes)
    );
    for (operation, calls) in &rest.calls {
        println!("    {operation:<24} {:.1}", per_second(*calls));
    }
    check_rest(&rest);
    assert!(child_ms <= CHILD_MS, "{child_ms} ms after a roll");
    assert!(death_ms <= DEATH_MS, "{death_ms} ms after a death");
    assert!(join_ms <= NEW_MS + MOVE_MS && start_ms <= 2 * MOVE_MS, "{join_ms} ms, {start_ms} ms");
    assert!(leave_ms <= MOVE_MS, "{leave_ms} ms after a leave began");
    Ok(())
}

/// At rest each shard is read four times a second, one worker lists, and each writes its heartbeat and nothing else.
fn check_rest(rest: &Cost) {
    let calls = |operation| rest.calls.get(operation).copied().unwrap_or(0);
    let (reads, all) = (calls("GetRecords"), 4 * u64::from(SHARDS) * REST_S);
    assert!(reads * 100 <= all * 105 && reads * 10 >= all * 9, "{reads} reads in {REST_S} s");
    // Every page of one listing or of two.
    let (lists, pages) = (calls("DescribeStream"), u64::from(SHARDS).div_ceil(100));
    assert!((pages..=2 * pages).contains(&lists), "{lists} calls of DescribeStream in {REST_S} s");
    assert_eq!(rest.listers.len(), 1, "{:?} list", rest.listers);
    // One each third of a lease of ten seconds.
    let beats = WORKERS as u64 * REST_S * 3 / 10;
    assert!(rest.writes * 100 <= beats * 105 && rest.writes * 10 >= beats * 9, "{} writes", rest.writes);
    // The Kinesis Client Library renews each lease every 3.3 s.
    let renewals = u64::from(SHARDS) * REST_S * 10 / 33;
    assert!(rest.writes < renewals / 10, "{} writes in {REST_S} s", rest.writes);
}

/// Rolls one shard after the other, and gives the longest time until a child was read.
async fn until_children_are_read(sim: &Sim, cost: &Mutex<Cost>) -> Result<u64, String> {
    let stream = sim.world.stream_arn(TASKS).ok_or("the stream is off")?;
    let mut longest_ms = 0;
    for shard in sim.world.shards(&stream).iter().step_by(SHARDS as usize / ROLLS) {
        let rolled_ms = sim.world.now_ms();
        let child = sim.world.roll_shard(&stream, &shard.id);
        let read_ms = loop {
            sim.pass(100).await?;
            if let Some(read_ms) = cost.lock().expect("no holder panics").read_ms.get(&child) {
                break *read_ms;
            }
            if sim.world.now_ms() > rolled_ms + 10 * CHILD_MS {
                return Err(format!("shard {child}: not read"));
            }
        };
        longest_ms = longest_ms.max(read_ms - rolled_ms);
        // Not all at the same moment of the rounds.
        sim.pass(2_000 + read_ms % 1_000).await?;
    }
    Ok(longest_ms)
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
        let is_transaction = call.operation == "TransactWriteItems";
        cost.writes += u64::from(is_transaction || (is_write && call.is_on_table(CONTROL)));
        if call.operation == "DescribeStream" {
            cost.listers.insert(call.node.to_string());
        }
        for change in &event.changes {
            if let Change::Read { shard_id, .. } = change {
                cost.read_ms.entry(shard_id.clone()).or_insert(event.at_ms);
            }
        }
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
