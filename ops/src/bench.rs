//! `cargo ops bench`: builds the release programs and the benchmark, and runs it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ops::binaries::{Binaries, built, root};
use ops::processes::{command, run as run_to_end};
use ops::release::processor::Processor;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// What the benchmark is told, such as `--case tail --json rows.json`; `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Measures, and prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Binaries { ingest, countersign } = Binaries::release(Processor::of_this_machine())?;
    let [bench] = built(&["build", "--package", "bench", "--release"], ["bench"])?;
    let [rules] = built(&["bench", "--package", "rules", "--no-run"], ["evaluate"])?;
    let mut bench_run = command(&bench);
    bench_run.arg("run").arg("--countersign").arg(&countersign).arg("--ingest").arg(&ingest);
    bench_run.arg("--rules").arg(&rules).arg("--root").arg(root()).args(&arguments.arguments);
    let ran = run_to_end(&mut bench_run).with_context(|| format!("cannot start {}", bench.display()))?;
    Ok(if ran.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
