//! Tasks behind at the account's rate of callbacks: how much of the rate is used, what it costs in calls and memory.

use anyhow::Result;

use super::float;
use crate::ledger::Page;
use crate::process::Taken;
use crate::service::{self, Arrival};
use crate::stage::{Setup, Stage};
use crate::table::{Row, Target};

/// What AWS allows a second in the large regions.
const ALLOWED: u32 = 500;

pub(crate) async fn run(setup: &Setup) -> Result<Vec<Row>> {
    let tasks = setup.tasks.unwrap_or(15_000);
    let (page, _) = drain(setup, tasks, ALLOWED, &[]).await?;
    let rate = float(page.accepted) / (float(page.wall_us) / 1e6);
    let sent = page.calls("SendTaskSuccess") + page.calls("SendTaskFailure");
    let writes = page.calls("UpdateItem");
    let extra = page.calls("GetItem") + sent.saturating_sub(tasks) + writes.saturating_sub(2 * tasks);
    let what = |text: &str| format!("{text}, {tasks} behind");
    Ok(vec![
        Row::new("limit", what("callbacks a second"), rate, "/s")
            .over("allowed", f64::from(ALLOWED))
            .target(Target::AtLeast(0.97)),
        Row::new(
            "limit",
            what("throttled callbacks"),
            100.0 * float(page.failures("SendTask")) / float(sent),
            "%",
        )
        .target(Target::AtMost(0.1)),
        Row::new("limit", what("calls a task beyond the three"), float(extra) / float(tasks), "")
            .target(Target::AtMost(0.05)),
    ])
}

/// Peak memory does not depend on the rate, so the tasks wait at none.
pub(crate) async fn memory(setup: &Setup) -> Result<Vec<Row>> {
    let tasks = setup.tasks.unwrap_or(20_000);
    let (_, taken) = drain(setup, tasks, 1_000_000, &[("budgets", "send_task = 100000")]).await?;
    Ok(vec![
        Row::new("memory", format!("peak memory, {tasks} behind"), float(taken.peak_kib) / 1_024.0, "MiB")
            .target(Target::AtMost(64.0)),
    ])
}

async fn drain(
    setup: &Setup,
    tasks: u64,
    callbacks: u32,
    settings: &[(&str, &str)],
) -> Result<(Page, Taken)> {
    let model = service::Arguments { shards: 4, latency_ms: 2, callbacks, stream_lag_ms: 0 };
    let stage = Stage::new(setup, &model)?;
    stage.arrive(Arrival { count: tasks, order_bytes: 512, per_second: 0, hints: false }).await?;
    stage.reset().await?;
    let mut worker = stage.worker(settings)?;
    let page = stage.settled(tasks, &mut worker).await?;
    Ok((page, worker.taken()?))
}
