//! After the troubles: everything comes to an end, every shard has one reader, and who leaves leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Item, ShardView, Value};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use statemachine::token::{TaskId, TaskToken};
use tokio::time::{Duration, Instant};

use crate::actors;
use crate::invariants::is_lease;
use crate::notices;
use crate::operator;
use crate::run::Sim;
use crate::scene::{CONTROL, LATE_MS, TASKS};

/// How long everything may take to end: the longest that work is put off, and a sweep.
const QUIET: Duration = Duration::from_secs(11 * 60);
/// The indexes' lag in quiet, at most.
const INDEX_LAG_MS: u64 = 10_000;
/// How long a worker may take to leave a quiet world.
const LEAVE_MS: u64 = 15_000;
const LOOK_MS: u64 = 3_000;
/// A planned move is over within this many looks at the balance, a second apart.
const MOVE_LOOKS: u64 = 2;
/// In how many of the seeds a neighbour crashes every second meanwhile.
const NEIGHBOUR: f64 = 0.3;
/// How many orders come into the quiet world.
const PROBES: u32 = 6;
/// A reader whose last poll was denied polls again after ten seconds.
const PAUSED_MS: u64 = 12_000;
/// How long the stream's records may take to be read: a process with room for one record reads four a second.
const CATCH_UP_MS: u64 = 60_000;
/// How long a message may take to be stored: a receive whose answer was lost is given up, and the next one made.
const STORED_MS: u64 = 60_000;
/// By then the stream has brought a stored task to its outcome; the sweeper sees it after a minute.
const BY_STREAM_MS: u64 = 20_000;

/// Ends all faults and waits until nothing is left to do.
///
/// # Errors
///
/// What was violated, or what never came to an end.
pub(crate) async fn settle(sim: &mut Sim) -> Result<(), String> {
    sim.world.calm();
    sim.watch.calm();
    // What an operator did before may still arrive.
    sim.pass(LATE_MS).await?;
    let_rules_decide(sim).await?;
    sim.world.configure(|options| options.index_lag_ms = options.index_lag_ms.min(INDEX_LAG_MS));
    if sim.has_stream && sim.world.stream_arn(TASKS).is_none() {
        sim.world.enable_stream(TASKS);
    }
    for process in sim.fleet.values_mut() {
        process.set_skew(0);
    }
    sim.most_skew_ms = 0;
    let end = Instant::now() + QUIET;
    loop {
        sim.bury()?;
        while sim.fleet.len() < 2 {
            sim.start_worker();
        }
        sim.pass(LOOK_MS).await?;
        sim.fleet.values_mut().for_each(|process| drop(process.answers()));
        let left = left(sim);
        let Some(first) = left.first() else { return Ok(()) };
        if Instant::now() > end {
            return Err(format!("{} things never ended, the first: {first}", left.len()));
        }
    }
}

/// Resumes if the switch was ever used, edited or deleted.
async fn let_rules_decide(sim: &Sim) -> Result<(), String> {
    let is_switched =
        |item: &Arc<Item>| matches!(item.get("pk").and_then(Value::as_text), Some("control" | "history"));
    if sim.world.items(CONTROL).iter().any(is_switched) && !operator::resume(&sim.world).await {
        return Err("nobody can resume".to_owned());
    }
    Ok(())
}

fn left(sim: &Sim) -> Vec<String> {
    let mut left = vec![];
    for message in sim.world.messages(&sim.queues.tasks) {
        left.push(format!("message {} is not stored", message.id));
    }
    // The world first: what is due by now is told to the watch.
    let executions = sim.world.executions();
    let state = sim.watch.state();
    for execution in executions {
        for token in &execution.tokens {
            let id = task_id(token);
            match state.tasks.get(id.as_str()) {
                Some(_) => left.extend(state.tasks.open(&sim.world, id.as_str())),
                None => left.push(format!("task {id} was never stored")),
            }
        }
    }
    let garbled = state.leases.rows().iter().filter(|(_, row)| !is_lease(row));
    left.extend(garbled.map(|(sk, _)| format!("lease {sk} was not recreated")));
    drop(state);
    left.extend(sim.fleet.values().filter_map(|process| process.waiting()));
    left.extend(notices::unpublished(sim));
    left.extend(unbalanced(sim).err());
    left
}

fn task_id(token: &str) -> TaskId {
    TaskToken::new(token.to_owned()).expect("a model's token").task_id()
}

/// Orders that come now are answered or left to a person by the stream alone: that everything ended shows no reader,
/// for the sweeper would have done it too.
///
/// # Errors
///
/// What was violated, or which task the stream did not bring.
pub(crate) async fn probe(sim: &mut Sim) -> Result<(), String> {
    sim.pass(PAUSED_MS).await?;
    // An edit of the switch that was sent in the troubles may have arrived since.
    let_rules_decide(sim).await?;
    catch_up(sim).await?;
    let before: BTreeSet<String> =
        sim.world.executions().into_iter().map(|execution| execution.arn).collect();
    let dice = SmallRng::seed_from_u64(sim.rng.random());
    actors::produce_at_once(&sim.world, &sim.queues, dice, "probe", PROBES);
    let new = sim.world.executions().into_iter().filter(|execution| !before.contains(&execution.arn));
    let tokens = new.flat_map(|execution| execution.tokens);
    let mut open: BTreeMap<TaskId, Option<u64>> = tokens.map(|token| (task_id(&token), None)).collect();
    let begun_ms = sim.world.now_ms();
    let (has_neighbour, mut neighbour) = (sim.rng.random_bool(NEIGHBOUR), Neighbour::default());
    for tenth in 0_u64.. {
        if open.is_empty() {
            break;
        }
        if has_neighbour && tenth.is_multiple_of(10) {
            neighbour.crash_and_restart(sim)?;
        }
        sim.pass(100).await?;
        let now_ms = sim.world.now_ms();
        let state = sim.watch.state();
        open.retain(|id, _| state.tasks.get(id.as_str()).is_none_or(|seen| !seen.has_outcome));
        for (id, stored_ms) in &mut open {
            if stored_ms.is_none() && state.tasks.get(id.as_str()).is_some() {
                *stored_ms = Some(now_ms);
            }
            let (what, since_ms, most_ms) = match stored_ms {
                Some(stored_ms) => ("brought by the stream", *stored_ms, BY_STREAM_MS),
                None => ("stored", begun_ms, STORED_MS),
            };
            if now_ms > since_ms + most_ms {
                return Err(format!("task {id}: not {what} in {most_ms} ms, though the world is quiet"));
            }
        }
    }
    if let Some(node) = neighbour.node {
        sim.crash(&node);
    }
    Ok(())
}

/// A neighbour that crashes every second: it takes no lease, and none is without an owner meanwhile for longer than a
/// planned move takes.
#[derive(Default)]
struct Neighbour {
    node: Option<String>,
    /// How many looks in a row, a second apart, found a lease without an owner or a load out of balance.
    unbalanced: u64,
}

impl Neighbour {
    fn crash_and_restart(&mut self, sim: &mut Sim) -> Result<(), String> {
        if let Some(node) = self.node.take() {
            let balance = unbalanced_but(sim, Some(&node));
            self.unbalanced = if balance.is_err() { self.unbalanced + 1 } else { 0 };
            // A worker that started just before the quiet takes its part after a lease's time.
            if self.unbalanced > sim.config.worker.lease_ms / 1_000 + MOVE_LOOKS {
                return balance;
            }
            sim.crash(&node);
        }
        self.node = Some(sim.start_worker());
        Ok(())
    }
}

/// Waits until the last record of each open shard was read.
async fn catch_up(sim: &Sim) -> Result<(), String> {
    let end_ms = sim.world.now_ms() + CATCH_UP_MS;
    loop {
        let stream = sim.world.stream_arn(TASKS).ok_or("the stream is off")?;
        let shards = sim.world.shards(&stream);
        let unread = {
            let records = &sim.watch.state().records;
            let is_unread = |shard: &ShardView| {
                shard.sequences.last().is_some_and(|last| !records.is_read(&stream, &shard.id, last))
            };
            shards.into_iter().filter(|shard| shard.is_open).find(is_unread)
        };
        let Some(unread) = unread else { return Ok(()) };
        if sim.world.now_ms() > end_ms {
            return Err(format!("shard {}: its last record is not read in {CATCH_UP_MS} ms", unread.id));
        }
        sim.pass(LOOK_MS).await?;
    }
}

/// How many shards have an owner.
pub(crate) fn owned_shards(sim: &Sim) -> usize {
    let state = sim.watch.state();
    state
        .leases
        .rows()
        .iter()
        .filter(|(key, row)| key.starts_with("shard|") && row.contains_key("owner"))
        .count()
}

/// Every open shard and every bucket has one owner that runs, and the owners' loads differ by one at most. Without a
/// stream there are the buckets alone.
pub(crate) fn unbalanced(sim: &Sim) -> Result<(), String> {
    unbalanced_but(sim, None)
}

/// The same without one of the workers, which must hold nothing.
fn unbalanced_but(sim: &Sim, newcomer: Option<&str>) -> Result<(), String> {
    let stream = sim.world.stream_arn(TASKS);
    if stream.is_some() != sim.has_stream {
        return Err(format!("the stream is {stream:?}"));
    }
    let shards = stream.iter().flat_map(|stream| {
        let open = sim.world.shards(stream).into_iter().filter(|shard| shard.is_open);
        open.map(move |shard| format!("shard|{stream}|{}", shard.id))
    });
    let shards: Vec<String> = shards.collect();
    let state = sim.watch.state();
    let rows = state.leases.rows();
    let owner = |row: &model::Item| row.get("owner").and_then(Value::as_text).map(str::to_owned);
    let buckets: Vec<String> =
        (0..statemachine::worklist::BUCKETS).map(|bucket| format!("sweep|{bucket:02}")).collect();
    for keys in [shards, buckets] {
        let members = sim.fleet.keys().filter(|node| Some(node.as_str()) != newcomer);
        let mut load: BTreeMap<&str, usize> = members.map(|node| (node.as_str(), 0)).collect();
        for key in keys {
            let owner = rows.get(&key).and_then(owner).ok_or(format!("lease {key} has no owner"))?;
            let node = owner.rsplit_once('-').map_or(owner.as_str(), |(node, _)| node);
            *load.get_mut(node).ok_or(format!("lease {key} is {owner}'s, who is gone"))? += 1;
        }
        let (most, least) = (load.values().max(), load.values().min());
        if most > least.map(|least| least + 1).as_ref() {
            return Err(format!("the loads are {load:?}"));
        }
    }
    Ok(())
}

/// Lets every worker leave, one after the other: nothing of them may stay.
///
/// # Errors
///
/// What stayed, or took too long.
pub(crate) async fn leave(sim: &mut Sim) -> Result<(), String> {
    let nodes: Vec<String> = sim.fleet.keys().cloned().collect();
    for node in nodes {
        sim.fleet[&node].leave.cancel();
        let end = sim.world.now_ms() + LEAVE_MS;
        while !sim.fleet.get_mut(&node).is_none_or(|process| process.is_over()) {
            sim.pass(100).await?;
            if sim.world.now_ms() > end {
                return Err(format!("{node}: did not leave in {LEAVE_MS} ms"));
            }
        }
        let process = sim.fleet.remove(&node).expect("it left just now");
        let is_its =
            |worker: &str| worker.strip_prefix(&process.node).is_some_and(|rest| rest.starts_with('-'));
        // Let go before the world is asked: what is due then is told to the watch.
        let beats = sim.watch.state().leases.beats().clone();
        if let Some(worker) = beats.keys().find(|worker| is_its(worker)) {
            return Err(format!("{worker}: left its heartbeat"));
        }
        let kept = sim
            .world
            .items(CONTROL)
            .into_iter()
            .find(|item| item.get("owner").and_then(Value::as_text).is_some_and(is_its));
        if let Some(kept) = kept {
            return Err(format!("{node}: left and kept {:?}", kept.get("sk")));
        }
    }
    Ok(())
}
