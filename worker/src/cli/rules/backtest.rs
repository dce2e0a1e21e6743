//! `countersign rules backtest`: what an edit would have decided over stored tasks.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::TryStreamExt as _;
use rules::Ruleset;
use rules::backtest::{self, Options, StoredTask};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::{Failed, Folder, Printed, check, diff, eval};
use crate::cli::render::plain;
use crate::cli::store::Store;
use crate::cli::{Format, export};

/// Tasks read ahead of the evaluation.
const AHEAD: usize = 4_096;

/// Run a folder's rules over stored tasks, and show what they would have decided otherwise.
///
/// Facts are what was stored, never now: the same folder and the same tasks give the same answer.
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
    /// How many changed tasks are kept for the answer
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    keep: usize,
    /// For people, or for programs
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
    let done = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reading = read(&args, sender).await?;
    let evaluating = {
        let done = Arc::clone(&done);
        let tasks = Received(receiver);
        tokio::task::spawn_blocking(move || backtest::backtest(&old, &new, tasks, options, &done))
    };
    let started = Instant::now();
    let result = watched(evaluating, &done).await?;
    // A table that stops answering must not look like the end of the tasks.
    reading.await.context("the reader of tasks panicked")??;
    if io::stderr().is_terminal() {
        let _ =
            writeln!(io::stderr(), "\r{} tasks in {:.1} s", result.tasks, started.elapsed().as_secs_f64());
    }
    Ok(match args.format {
        Format::Json => format!("{}\n", result.to_json()),
        Format::Table => plain(&result.to_string()),
    }
    .into())
}

async fn old_rules(args: &Backtest) -> Result<Ruleset, Failed> {
    let dir = Path::new(&args.against);
    if dir.is_dir() {
        return check::load(&Folder { dir: dir.to_owned() });
    }
    let opened = args.store.open().await?;
    diff::published(&args.against, &opened).await
}

/// The tasks as the evaluation takes them, on its own threads.
struct Received(mpsc::Receiver<StoredTask>);

impl Iterator for Received {
    type Item = StoredTask;

    fn next(&mut self) -> Option<StoredTask> {
        self.0.blocking_recv()
    }
}

type Reading = JoinHandle<anyhow::Result<()>>;

async fn read(args: &Backtest, sender: mpsc::Sender<StoredTask>) -> Result<Reading, Failed> {
    if let Some(path) = args.from.clone() {
        let file = File::open(&path).with_context(|| format!("{}: cannot be opened", path.display()))?;
        return Ok(tokio::task::spawn_blocking(move || send_lines(BufReader::new(file), &path, &sender)));
    }
    let (since, today) = export::period(args.since.unwrap_or_default())?;
    let archive = export::archive(args.store.open().await?);
    let reading = async move {
        let tasks = archive.tasks(since, today);
        let mut tasks = std::pin::pin!(tasks);
        while let Some(task) = tasks.try_next().await.context("the tasks table")? {
            if sender.send(task).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    Ok(tokio_util::task::TaskTracker::new().spawn(reading))
}

fn send_lines(file: BufReader<File>, path: &Path, sender: &mpsc::Sender<StoredTask>) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(file.lines()) {
        let place = || format!("{}:{number}", path.display());
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let task = eval::parse(&line, false).with_context(place)?;
        if task.received_at.is_empty() {
            return Err(anyhow!("{}: the task has no receivedAt", place()));
        }
        if sender.blocking_send(task).is_err() {
            break;
        }
    }
    Ok(())
}

/// Waits for the result, and shows how far it is to who watches.
async fn watched(
    evaluating: JoinHandle<backtest::Backtest>,
    done: &AtomicU64,
) -> anyhow::Result<backtest::Backtest> {
    let mut evaluating = evaluating;
    let mut shown = interval(Duration::from_millis(200));
    let is_watched = io::stderr().is_terminal();
    loop {
        tokio::select! {
            // The end is seen before another line about the way.
            biased;
            result = &mut evaluating => return result.context("the evaluation panicked"),
            _ = shown.tick() => {}
        }
        if is_watched {
            // Who closed standard error does not watch.
            let _ = write!(io::stderr(), "\r{} tasks", done.load(Ordering::Relaxed));
        }
    }
}
