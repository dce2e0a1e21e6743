//! `countersign rules backtest`: what an edit would have decided over stored tasks.

pub(super) mod progress;
pub(super) mod tasks;

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rules::Ruleset;
use rules::backtest::{self, Options};

use self::progress::Progress;
use self::tasks::Reading;
use super::{Failed, Folder, Printed, check, diff};
use crate::cli::render::plain;
use crate::cli::store::{Opened, Store};
use crate::cli::{Format, export};

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

An export is what `countersign tasks export` writes: one task a line.")]
pub(super) struct Backtest {
    #[command(flatten)]
    folder: Folder,
    /// The days to read back from the tasks table, such as 30d
    #[arg(long, value_name = "DAYS", value_parser = export::days, required_unless_present = "from")]
    since: Option<i64>,
    /// A file of tasks instead of the table
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    from: Option<PathBuf>,
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
    let Reading { reader, tasks } = match args.from {
        Some(path) => tasks::of_file(path, progress.clone())?,
        None => {
            let days = args.since.unwrap_or_default();
            tasks::of_table(days, args.store.open().await?, progress.clone())?
        }
    };
    let tasks = tasks.map(|reviewed| reviewed.task);
    let done = Arc::clone(&progress.done);
    let evaluating =
        tokio::task::spawn_blocking(move || backtest::backtest(&old, &new, tasks, options, &done));
    let result = progress.watch(evaluating).await;
    progress.clear();
    // A table that stops responding must not look like the end of the tasks.
    let reading = reader.await.context("the reader of tasks panicked")??;
    let result = result?;
    // Separate from the result, which is the same for the same rules and tasks. A closed standard error is ignored.
    let _ = writeln!(io::stderr(), "{}", progress.times(reading));
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
    let result = progress.watch(evaluating).await;
    progress.clear();
    let read = reader.await.context("the reader of tasks panicked").flatten();
    let result = read.and(result).map_err(Failed::from);
    (result, Arc::into_inner(new).expect("the evaluation has ended"))
}

async fn old_rules(args: &Backtest) -> Result<Ruleset, Failed> {
    let dir = Path::new(&args.against);
    if dir.is_dir() {
        return check::load(&Folder { dir: dir.to_owned() });
    }
    let opened = args.store.open().await?;
    diff::published(&args.against, &opened).await
}
