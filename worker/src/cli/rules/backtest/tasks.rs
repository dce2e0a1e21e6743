//! Where past tasks come from: a file of lines or the tasks table. They are read ahead of their evaluation, within a
//! limit.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::TryStreamExt as _;
use rules::agreement::Reviewed;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::super::{Failed, eval};
use super::progress::Progress;
use crate::cli::export;
use crate::cli::store::{Opened, Store};
use crate::in_time::TimedFile;

/// How many tasks the reader hands to the evaluation at a time: each hand-over wakes a thread.
const BATCH: usize = 256;
/// The longest time to wait for the next part of a file. It may be a pipe from `countersign tasks export`, whose calls
/// to AWS may be slow.
const FILE_LIMIT: Duration = Duration::from_secs(30);
/// How many bytes one read of a file requests.
const READ_BYTES: usize = 128 * 1024;
/// How many batches are read ahead of the evaluation.
const AHEAD: usize = 16;

/// Where past tasks are read from.
#[derive(Debug, clap::Args)]
pub(in crate::cli::rules) struct Past {
    /// The days to read back from the tasks table, such as 30d
    #[arg(long, value_name = "DAYS", value_parser = export::days, required_unless_present = "from")]
    since: Option<i64>,
    /// A file of exported tasks to read instead of the table
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    from: Option<PathBuf>,
}

impl Past {
    /// Starts to read them.
    pub(in crate::cli::rules) async fn read(
        self,
        store: &Store,
        progress: Progress,
    ) -> Result<Reading, Failed> {
        match self.from {
            Some(path) => Ok(of_file(path, progress)?),
            None => of_table(self.since.unwrap_or_default(), store.open().await?, progress),
        }
    }
}

/// The reader, and the tasks that it reads.
pub(in crate::cli::rules) struct Reading {
    /// Ends with the time that reading took, without the waits for the evaluation to accept a batch.
    pub(in crate::cli::rules) reader: JoinHandle<anyhow::Result<Duration>>,
    pub(in crate::cli::rules) tasks: Tasks,
}

/// The tasks, as an iterator for the evaluation's own threads.
pub(in crate::cli::rules) struct Tasks {
    batches: mpsc::Receiver<Vec<Reviewed>>,
    batch: std::vec::IntoIter<Reviewed>,
    progress: Progress,
}

impl Iterator for Tasks {
    type Item = Reviewed;

    fn next(&mut self) -> Option<Reviewed> {
        loop {
            if let Some(task) = self.batch.next() {
                return Some(task);
            }
            let asked = Instant::now();
            let batch = self.batches.blocking_recv();
            self.progress.waited(asked.elapsed());
            self.batch = batch?.into_iter();
        }
    }
}

/// Reads the tasks in a file.
fn of_file(path: PathBuf, progress: Progress) -> anyhow::Result<Reading> {
    let file =
        TimedFile::open(&path, FILE_LIMIT).with_context(|| format!("cannot open {}", path.display()))?;
    let (sender, batches) = mpsc::channel(AHEAD);
    let tasks = Tasks { batches, batch: Vec::new().into_iter(), progress: progress.clone() };
    let reader = tokio::task::spawn_blocking(move || send_lines(progress.by(file), &path, &sender));
    Ok(Reading { reader, tasks })
}

/// Reads the tasks in the table that settled in this period, and the open ones.
pub(in crate::cli::rules) fn of_table(
    days: i64,
    opened: Opened,
    progress: Progress,
) -> Result<Reading, Failed> {
    let (since, until) = export::period(days)?;
    let archive = export::archive(opened);
    let (sender, batches) = mpsc::channel(AHEAD);
    let tasks = Tasks { batches, batch: Vec::new().into_iter(), progress };
    let reading = async move {
        let (started, mut held) = (Instant::now(), Duration::ZERO);
        let mut tasks = std::pin::pin!(archive.tasks(since, until).try_chunks(BATCH));
        while let Some(batch) =
            tasks.try_next().await.map_err(|broken| broken.1).context("cannot read the tasks table")?
        {
            let full = Instant::now();
            if sender.send(batch).await.is_err() {
                break;
            }
            held += full.elapsed();
        }
        Ok(started.elapsed().saturating_sub(held))
    };
    Ok(Reading { reader: TaskTracker::new().spawn(reading), tasks })
}

fn send_lines(
    file: impl Read,
    path: &Path,
    sender: &mpsc::Sender<Vec<Reviewed>>,
) -> anyhow::Result<Duration> {
    let (started, mut held) = (Instant::now(), Duration::ZERO);
    let mut batch = Vec::with_capacity(BATCH);
    let mut send = |batch| {
        let full = Instant::now();
        let sent = sender.blocking_send(batch);
        held += full.elapsed();
        sent.is_ok()
    };
    for (number, line) in (1..).zip(BufReader::with_capacity(READ_BYTES, file).lines()) {
        let place = || format!("{}:{number}", path.display());
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let reviewed = eval::parse_reviewed(&line).with_context(place)?;
        if reviewed.task.received_at.is_empty() {
            return Err(anyhow!("{}: the task has no receivedAt", place()));
        }
        batch.push(reviewed);
        if batch.len() == BATCH && !send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))) {
            break;
        }
    }
    // The evaluation has ended and takes no more tasks; its own result says why.
    let _ = send(batch);
    Ok(started.elapsed().saturating_sub(held))
}
