//! What a task costs at AWS, from the model's counts and a table of prices.

use anyhow::Result;

use super::float;
use crate::schema::{CONTROL, TASKS};
use crate::service::{self, Arrival};
use crate::stage::{Setup, Stage};
use crate::table::{Row, Target};

/// Prices in dollars: us-east-1, on demand, since 2024-11-01. Compare them with the price list before a decision.
mod prices {
    /// A million write units, on demand.
    pub(super) const WRITE_UNITS: f64 = 0.625;
    /// A million read units, on demand.
    pub(super) const READ_UNITS: f64 = 0.125;
    /// A GB-month of storage in the Standard class, and of continuous backup.
    pub(super) const STORED_GB_MONTH: f64 = 0.25 + 0.20;
}

/// Days that a settled task is kept, and the target in dollars a million.
const KEPT: [(f64, f64); 2] = [(90.0, 15.0), (400.0, 30.0)];
/// A task's writes, as the ledger names them.
const STEPS: [&str; 3] = ["put", "decision", "settling"];
const DAYS_A_MONTH: f64 = 365.0 / 12.0;

pub(crate) async fn run(setup: &Setup) -> Result<Vec<Row>> {
    let tasks = setup.tasks.unwrap_or(1_000).min(5_000);
    let small = count(setup, tasks, 512).await?;
    let large = count(setup, tasks / 4, 32 * 1_024).await?;
    let unit = |what: &str, value| Row::new("cost", format!("{what} a task, 0.5 KB order"), value, "");
    let mut rows = vec![
        unit("write units", small.writes()).target(Target::AtMost(15.0)),
        unit("write units of the put", small.steps[0]),
        unit("write units of the decision", small.steps[1]),
        unit("write units of the settling", small.steps[2]),
        unit("write units of the tasks table", small.table),
        unit("write units of its indexes", small.indexes),
        unit("write units of the control table, start included,", small.control),
        unit("read units", small.reads),
        Row::new("cost", "stored a settled task, 0.5 KB order", small.stored, "bytes"),
    ];
    for (days, target) in KEPT {
        let what = format!("a million tasks, 0.5 KB order, kept {days} days");
        rows.push(Row::new("cost", what, small.dollars(days), "$").target(Target::AtMost(target)));
    }
    let writes = large.writes() * prices::WRITE_UNITS;
    rows.push(
        Row::new("cost", "a million tasks, 32 KB order, writes", writes, "$").target(Target::AtMost(30.0)),
    );
    Ok(rows)
}

/// A task's share.
struct Counted {
    /// Of each of [`STEPS`], with the indexes.
    steps: [f64; 3],
    table: f64,
    indexes: f64,
    control: f64,
    reads: f64,
    stored: f64,
}

impl Counted {
    fn writes(&self) -> f64 {
        self.table + self.indexes
    }

    /// Of a million tasks.
    fn dollars(&self, days: f64) -> f64 {
        let months = days / DAYS_A_MONTH;
        self.writes() * prices::WRITE_UNITS
            + self.reads * prices::READ_UNITS
            + self.stored * 1e6 / 1e9 * months * prices::STORED_GB_MONTH
    }
}

async fn count(setup: &Setup, tasks: u64, order_bytes: usize) -> Result<Counted> {
    let model = service::Arguments::fast(1);
    let stage = Stage::new(setup, &model)?;
    stage.arrive(Arrival { count: tasks, order_bytes, per_second: 0, hints: false }).await?;
    let mut worker = stage.worker(&[("budgets", "send_task = 100000")])?;
    let page = stage.settled(tasks, &mut worker).await?;
    let each = |count: usize| float(count as u64) / float(tasks);
    let written = |table: &str| each(page.write_units.get(table).copied().unwrap_or_default());
    Ok(Counted {
        steps: STEPS.map(written),
        table: written(TASKS),
        indexes: written(&format!("{TASKS} indexes")),
        control: written(CONTROL),
        reads: each(page.read_half_units.get(TASKS).copied().unwrap_or_default()) / 2.0,
        stored: each(page.stored_bytes),
    })
}
