//! The cases, in the order in which they run.

mod backtest;
mod cost;
mod ingest;
mod latency;
mod limit;
mod rules;
mod tail;

use anyhow::Result;

use crate::stage::Setup;
use crate::table::Row;

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// Processor time a task over the bare calls, and the wall at 10 ms latency
    Tail,
    /// From a record to its callback: idle, and with 100 tasks a second
    Latency,
    /// At the rate limit of callbacks, with tasks behind: rate, throttled calls, extra calls
    Limit,
    /// Peak memory with tasks behind
    Memory,
    /// The rules over the same scripts on bare rhai
    Rules,
    /// Decisions a second of a backtest
    Backtest,
    /// The Lambda function: ready, memory, zip, and processor time over the bare PutItem
    Ingest,
    /// Write and read units, stored bytes and dollars a task
    Cost,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Case; 8] = [
        Case::Tail,
        Case::Latency,
        Case::Limit,
        Case::Memory,
        Case::Rules,
        Case::Backtest,
        Case::Ingest,
        Case::Cost,
    ];

    /// Measures.
    pub(crate) async fn run(self, setup: &Setup) -> Result<Vec<Row>> {
        match self {
            Case::Tail => tail::run(setup).await,
            Case::Latency => latency::run(setup).await,
            Case::Limit => limit::run(setup).await,
            Case::Memory => limit::memory(setup).await,
            Case::Rules => rules::run(setup),
            Case::Backtest => backtest::run(setup),
            Case::Ingest => ingest::run(setup).await,
            Case::Cost => cost::run(setup).await,
        }
    }
}

/// A count for a ratio.
#[expect(clippy::cast_precision_loss, reason = "ratios for people; no count here comes near 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
