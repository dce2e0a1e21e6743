//! `countersign rules backtest`: what an edit would have decided over stored tasks.

pub(super) mod progress;
pub(super) mod tasks;

use std::num::NonZeroUsize;
use std::sync::Arc;

use rules::Ruleset;
use rules::backtest::{self, Options};

use self::progress::Progress;
use self::tasks::{Past, Reading};
use super::{Failed, Folder, Printed, check, diff};
use crate::cli::Format;
use crate::cli::render::plain;
use crate::cli::store::{Opened, Store};

/// How many changed tasks a publication shows.
const SHOWN_CHANGES: usize = 5;

/// Run a folder's rules over stored tasks, and show which decisions would change.
///
/// The facts are the stored ones, never current ones: the same folder and the same tasks give the same result. The exit
/// code is 1 when a [[never]] of the folder's tests does not hold for the tasks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules backtest --since 30d
  countersign rules backtest ./rules --against ./rules-before --from export.jsonl --format json

An export is what `countersign tasks export` writes: one task per line.")]
pub(super) struct Backtest {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    past: Past,
    /// The old rules: a folder, the beginning of a published SHA-256, or `active`
    #[arg(long, value_name = "RULES", default_value = "active")]
    against: String,
    /// The maximum number of changed tasks in the result
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    keep: usize,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn backtest(args: Backtest) -> Result<Printed, Failed> {
    let new = check::load(&args.folder)?;
    let old = old_rules(&args).await?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = Options { threads, keep_changes: args.keep };
    let progress = Progress::start();
    let Reading { reader, tasks } = args.past.read(&args.store, progress.clone()).await?;
    let tasks = tasks.map(|reviewed| reviewed.task);
    let done = Arc::clone(&progress.done);
    let evaluating =
        tokio::task::spawn_blocking(move || backtest::backtest(&old, &new, tasks, options, &done));
    let (result, reading) = progress.watch(evaluating, reader).await?;
    progress.print_times(reading);
    let text = match args.format {
        Format::Json => format!("{}\n", result.to_json()),
        Format::Table => plain(&result.to_string()),
    };
    Ok(Printed { text, code: u8::from(!result.is_ok()) })
}

/// Runs two rulesets over the tasks of the last days, and returns the new one.
pub(super) async fn of_days(
    days: i64,
    old: Ruleset,
    new: Ruleset,
    opened: Opened,
) -> (Result<backtest::Backtest, Failed>, Ruleset) {
    let progress = Progress::start();
    let reading = tasks::of_table(days, opened, progress.clone());
    let Reading { reader, tasks } = match reading {
        Ok(reading) => reading,
        Err(failed) => return (Err(failed), new),
    };
    let tasks = tasks.map(|reviewed| reviewed.task);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = Options { threads, keep_changes: SHOWN_CHANGES };
    let new = Arc::new(new);
    let (done, with) = (Arc::clone(&progress.done), Arc::clone(&new));
    let evaluating =
        tokio::task::spawn_blocking(move || backtest::backtest(&old, &with, tasks, options, &done));
    let result = progress.watch(evaluating, reader).await;
    let result = result.map(|(result, _)| result).map_err(Failed::from);
    (result, Arc::into_inner(new).expect("the evaluation has ended"))
}

async fn old_rules(args: &Backtest) -> Result<Ruleset, Failed> {
    if let Some(folder) = Folder::named(&args.against)? {
        return check::load(&folder);
    }
    let opened = args.store.open().await?;
    diff::published(&args.against, &opened).await
}
