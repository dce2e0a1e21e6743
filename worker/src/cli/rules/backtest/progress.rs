//! Progress of reading past tasks: a bar on a terminal while the command runs, and at the end the time that reading and
//! evaluating took.

use std::io::{self, Read, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use crate::in_time::TimedFile;

/// How often the bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);
const OF_FILE: &str = "{bar:40} {percent:>3}%  {msg}, {eta} left";
const OF_TABLE: &str = "{spinner} {msg}";

/// The progress of one reading. Cheap to clone. The bar is drawn only if standard error is a terminal.
#[derive(Debug, Clone)]
pub(in crate::cli::rules) struct Progress {
    bar: ProgressBar,
    started: Instant,
    /// The number of tasks evaluated so far.
    pub(in crate::cli::rules) done: Arc<AtomicU64>,
    /// Microseconds in which the evaluation waited for tasks.
    waited: Arc<AtomicU64>,
}

impl Progress {
    /// Starts a bar whose total is unknown.
    pub(in crate::cli::rules) fn start() -> Progress {
        let style = ProgressStyle::with_template(OF_TABLE).expect("the template is a constant");
        let bar = ProgressBar::new_spinner().with_style(style).with_message("0 tasks");
        Progress { bar, started: Instant::now(), done: Arc::default(), waited: Arc::default() }
    }

    /// Measures progress by how much of a file has been read. A pipe has no length, so its total stays unknown.
    pub(in crate::cli::rules) fn by(&self, file: TimedFile) -> impl Read + Send + use<> {
        if let Some(bytes) = Some(file.metadata().len()).filter(|bytes| *bytes > 0) {
            self.bar.set_style(ProgressStyle::with_template(OF_FILE).expect("the template is a constant"));
            self.bar.set_length(bytes);
        }
        self.bar.wrap_read(file)
    }

    /// Adds time in which the evaluation waited for tasks.
    pub(in crate::cli::rules) fn waited(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(micros, Ordering::Relaxed);
    }

    /// Draws the bar.
    fn draw(&self) {
        let done = self.done.load(Ordering::Relaxed);
        let millis = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(done) * 1_000 / millis;
        self.bar.set_message(format!("{done} tasks, {rate}/s"));
        self.bar.tick();
    }

    /// Waits for what is computed of the tasks, then for their reader. Returns the result and the reader's time. A table
    /// that stops responding must not look like the end of the tasks.
    pub(in crate::cli::rules) async fn watch<T>(
        &self,
        evaluating: JoinHandle<T>,
        reader: JoinHandle<anyhow::Result<Duration>>,
    ) -> anyhow::Result<(T, Duration)> {
        let result = self.drawn(evaluating).await;
        self.bar.finish_and_clear();
        let reading = reader.await.context("the reader of tasks panicked")??;
        Ok((result?, reading))
    }

    /// Waits for the result and draws the bar meanwhile.
    async fn drawn<T>(&self, mut evaluating: JoinHandle<T>) -> anyhow::Result<T> {
        let mut drawn = interval(DRAWN_EVERY);
        loop {
            tokio::select! {
                // Checks for the end before it draws again.
                biased;
                result = &mut evaluating => return result.context("the evaluation panicked"),
                _ = drawn.tick() => self.draw(),
            }
        }
    }

    /// Prints the times on standard error, because the result itself is the same for the same rules and tasks. If
    /// standard error is closed, nobody reads them.
    pub(in crate::cli::rules) fn print_times(&self, reading: Duration) {
        let _ = writeln!(io::stderr(), "{}", self.times(reading));
    }

    /// The times as a sentence. Reading and evaluating ran in parallel: `reading` is the reader's time without its
    /// waits for the evaluation; evaluating took all the time except its waits for the reader.
    fn times(&self, reading: Duration) -> String {
        let all = self.started.elapsed();
        let waited = Duration::from_micros(self.waited.load(Ordering::Relaxed));
        format!(
            "{} tasks in {:.1} s: reading took {:.1} s, and evaluating {:.1} s beside it",
            self.done.load(Ordering::Relaxed),
            all.as_secs_f64(),
            reading.as_secs_f64(),
            all.saturating_sub(waited).as_secs_f64(),
        )
    }
}
