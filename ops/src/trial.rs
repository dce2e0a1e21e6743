//! `cargo ops trial`: measurements that take too long for every change. Each prints a table.

mod alerts;
mod rolling;
mod stalls;

use std::process::ExitCode;

use anyhow::Result;

#[derive(clap::Subcommand)]
pub(crate) enum Trial {
    /// Stop the fleet in many ways, one at a time: how soon does the alert fire, and how soon is it resolved?
    Alerts(alerts::Arguments),
    /// Replace each of three workers under load, by another version too: is a task lost or decided twice, and how long
    /// does any order wait?
    Rolling(rolling::Arguments),
}

/// Runs one trial.
pub(crate) async fn run(trial: Trial) -> Result<ExitCode> {
    match trial {
        Trial::Alerts(arguments) => alerts::run(arguments).await,
        Trial::Rolling(arguments) => rolling::run(arguments).await,
    }
}
