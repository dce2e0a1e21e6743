//! Processes under measurement, and what each took, as Linux tells.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a process has taken so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Microseconds on a processor.
    pub(crate) cpu_us: u64,
    /// The most memory that it had at once, in KiB.
    pub(crate) peak_kib: u64,
}

impl Taken {
    /// Of the process with this id, or of `self`.
    pub(crate) fn of(id: &str) -> Result<Taken> {
        let read = |file: &str| {
            let path = format!("/proc/{id}/{file}");
            fs::read_to_string(&path).with_context(|| path)
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
        // A hundred ticks a second, as on every Linux.
        Ok(Taken { cpu_us: ticks * 10_000, peak_kib })
    }
}

/// A running process, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program that writes its outputs to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Process> {
        let log = fs::File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Process(child.spawn().with_context(|| format!("cannot start {command:?}"))?))
    }

    /// Starts a program and returns the first line that it prints.
    pub(crate) fn start_and_listen(mut command: Command) -> Result<(Process, String)> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output is a pipe")?;
        let process = Process(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        Ok((process, line.trim().to_owned()))
    }

    /// What it has taken so far.
    pub(crate) fn taken(&self) -> Result<Taken> {
        Taken::of(&self.0.id().to_string())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
