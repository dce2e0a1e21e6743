//! `countersign rules agreement`: what people decided, and which rules could have decided the same.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use rules::agreement::Study;

use super::backtest::progress::Progress;
use super::backtest::tasks::{self, Reading};
use super::{Failed, Folder, Printed, check};
use crate::cli::render::plain;
use crate::cli::store::Store;
use crate::cli::{Format, export};

/// Show why tasks were escalated and how people decided them, and propose rules that would decide the same.
///
/// For each code and rule, it shows how many tasks people approved, rejected or let expire, and how long these tasks
/// waited. For the rules in the folder, it shows how many of these tasks they would decide now, and every task that a
/// person decided differently. A proposal is a condition under which people always decided the same way, with files to
/// paste. The command changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules agreement --since 30d
  countersign rules agreement ./rules --from export.jsonl --format json

An export is what `countersign tasks export` writes: one task per line.")]
pub(super) struct Agreement {
    #[command(flatten)]
    folder: Folder,
    /// The days to read back from the tasks table, such as 30d
    #[arg(long, value_name = "DAYS", value_parser = export::days, required_unless_present = "from")]
    since: Option<i64>,
    /// A file of exported tasks to read instead of the table
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    from: Option<PathBuf>,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn agreement(args: Agreement) -> Result<Printed, Failed> {
    let ruleset = check::load(&args.folder)?;
    let progress = Progress::start();
    let Reading { reader, tasks } = match args.from {
        Some(path) => tasks::of_file(path, progress.clone())?,
        None => {
            let days = args.since.unwrap_or_default();
            tasks::of_table(days, args.store.open().await?, progress.clone())?
        }
    };
    let done = Arc::clone(&progress.done);
    let studying = tokio::task::spawn_blocking(move || {
        let mut study = Study::new(&ruleset);
        for reviewed in tasks {
            study.add(&reviewed);
            done.fetch_add(1, Ordering::Relaxed);
        }
        study.finish()
    });
    let result = progress.watch(studying).await;
    progress.clear();
    // If the table stops answering, that must not look like the end of the tasks.
    let reading = reader.await.context("the reader of tasks panicked")??;
    let result = result?;
    // On standard error, because the report itself is the same for the same rules and tasks. If standard error is
    // closed, nobody reads it.
    let _ = writeln!(io::stderr(), "{}", progress.times(reading));
    Ok(match args.format {
        Format::Json => format!("{}\n", result.to_json()),
        Format::Table => plain(&result.to_string()),
    }
    .into())
}
