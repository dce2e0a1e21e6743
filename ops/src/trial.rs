//! `cargo ops trial`: measurements that take too long for every change. Each prints a table, or draws a
//! picture.

mod alerts;
mod dashboard;
mod refused_puts;
mod rolling;
mod stalls;

use std::process::ExitCode;

use anyhow::Result;
use ops::world::Options;

#[derive(clap::Subcommand)]
pub(crate) enum Trial {
    /// Stop a fleet in many ways, one at a time, and show how soon the alert fires and resolves.
    Alerts(alerts::Arguments),
    /// Let a fleet work for some minutes, and draw the dashboard of Grafana from its Prometheus.
    Dashboard(dashboard::Arguments),
    /// Reject every put of ingest for ten minutes, and show whether a message is dead-lettered and when the last is stored.
    RefusedPuts(refused_puts::Arguments),
    /// Replace three workers under load, also by another version, and show whether a task is lost or answered twice and
    /// how long orders wait.
    Rolling(rolling::Arguments),
}

/// A world whose function and orders wait for as long as a trial takes.
fn patient() -> Options {
    Options {
        ingest_timeout_seconds: 10,
        visibility_seconds: 60,
        approval_timeout_seconds: 86_400,
        ..Options::default()
    }
}

/// Runs one trial.
pub(crate) async fn run(trial: Trial) -> Result<ExitCode> {
    match trial {
        Trial::Alerts(arguments) => alerts::run(arguments).await,
        Trial::Dashboard(arguments) => dashboard::run(arguments).await,
        Trial::RefusedPuts(arguments) => refused_puts::run(arguments).await,
        Trial::Rolling(arguments) => rolling::run(arguments).await,
    }
}
