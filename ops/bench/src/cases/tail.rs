//! Processor time and wall of a task over the bare calls.

use anyhow::{Context as _, Result};

use super::{float, median};
use crate::process::Taken;
use crate::service::{self, Arrival};
use crate::stage::{Setup, Stage};
use crate::table::{Row, Target};

const TASKS: u64 = 10_000;
const ORDER_BYTES: usize = 512;
/// Tasks that the floor has in hand at once; its best counts.
const AT_ONCE: [usize; 2] = [250, 1_000];

pub(crate) async fn run(setup: &Setup) -> Result<Vec<Row>> {
    let tasks = setup.tasks.unwrap_or(TASKS);
    let idle = start(setup).await?;
    let (mut ours, mut peaks, mut floors) = (vec![], vec![], AT_ONCE.map(|_| vec![]));
    let mut walls = vec![];
    let fast = service::Arguments::fast(4);
    let slow = service::Arguments { shards: 16, latency_ms: 10, ..fast.clone() };
    for _ in 0..setup.rounds {
        let (taken, _, sample) = worker(setup, &fast, tasks).await?;
        ours.push(float(taken.cpu_us.saturating_sub(idle.cpu_us)) / float(tasks));
        peaks.push(float(taken.peak_kib) / 1_024.0);
        for (at_once, floors) in AT_ONCE.into_iter().zip(&mut floors) {
            let (taken, _) = floor(setup, &fast, tasks, at_once, &sample).await?;
            floors.push(float(taken.cpu_us) / float(tasks));
        }
        let (_, wall, sample) = worker(setup, &slow, tasks).await?;
        let mut least = f64::INFINITY;
        for at_once in AT_ONCE {
            least = least.min(floor(setup, &slow, tasks, at_once, &sample).await?.1);
        }
        walls.push((wall, least));
    }
    let floors = AT_ONCE.into_iter().zip(floors.map(median));
    let (at_once, best) = floors.min_by(|(_, a), (_, b)| a.total_cmp(b)).context("there is a floor")?;
    walls.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (wall, least) = walls[walls.len() / 2];
    let rate = |wall: f64| float(tasks) / wall;
    Ok(vec![
        Row::new("tail", "processor time a task", median(ours), "µs")
            .over(format!("bare calls, {at_once} at once"), best)
            .target(Target::AtMost(1.15)),
        Row::new("tail", "tasks a second, 10 ms latency, 16 shards", rate(wall), "/s")
            .over("bare calls", rate(least))
            .target(Target::AtLeast(0.92)),
        Row::new("tail", "peak memory", median(peaks), "MiB"),
    ])
}

/// What a worker takes that has nothing to do, until it is ready.
async fn start(setup: &Setup) -> Result<Taken> {
    let stage = Stage::new(setup, &service::Arguments::fast(4))?;
    let mut worker = stage.worker(&[])?;
    stage.ready(&mut worker).await?;
    worker.taken()
}

/// A worker that starts with all tasks behind; with the seconds from its first decision to the last settled task, and one
/// of these.
async fn worker(
    setup: &Setup,
    model: &service::Arguments,
    tasks: u64,
) -> Result<(Taken, f64, serde_json::Value)> {
    let stage = Stage::new(setup, model)?;
    stage.arrive(Arrival { count: tasks, order_bytes: ORDER_BYTES, per_second: 0, hints: false }).await?;
    let mut worker = stage.worker(&[("budgets", "send_task = 100000")])?;
    let page = stage.settled(tasks, &mut worker).await?;
    let taken = worker.taken()?;
    Ok((taken, float(page.wall_us) / 1e6, page.sample.context("a task is settled")?))
}

/// The same for the bare calls.
async fn floor(
    setup: &Setup,
    model: &service::Arguments,
    tasks: u64,
    at_once: usize,
    sample: &serde_json::Value,
) -> Result<(Taken, f64)> {
    let stage = Stage::new(setup, model)?;
    stage.arrive(Arrival { count: tasks, order_bytes: ORDER_BYTES, per_second: 0, hints: false }).await?;
    let taken = stage.floor(at_once, tasks, sample)?;
    Ok((taken, float(stage.page().await?.wall_us) / 1e6))
}
