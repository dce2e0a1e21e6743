//! `countersign rules agreement`: what people decided, and which rules could have decided the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rules::agreement::Study;

use super::backtest::progress::Progress;
use super::backtest::tasks::{Past, Reading};
use super::{Failed, Folder, Printed, check};
use crate::cli::Format;
use crate::cli::render::plain;
use crate::cli::store::Store;

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
    #[command(flatten)]
    past: Past,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn agreement(args: Agreement) -> Result<Printed, Failed> {
    let ruleset = check::load(&args.folder)?;
    let progress = Progress::start();
    let Reading { reader, tasks } = args.past.read(&args.store, progress.clone()).await?;
    let done = Arc::clone(&progress.done);
    let studying = tokio::task::spawn_blocking(move || {
        let mut study = Study::new(&ruleset);
        for reviewed in tasks {
            study.add(&reviewed);
            done.fetch_add(1, Ordering::Relaxed);
        }
        study.finish()
    });
    let (result, reading) = progress.watch(studying, reader).await?;
    progress.print_times(reading);
    Ok(match args.format {
        Format::Json => format!("{}\n", result.to_json()),
        Format::Table => plain(&result.to_string()),
    }
    .into())
}
