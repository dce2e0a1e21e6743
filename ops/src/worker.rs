//! One worker process in a world: `countersign run` with the role from the template.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::emulator::{RoleCredentials, tail};
use crate::processes::{Process, Watchdog, command};

/// Reading the rules and the first page of the stream usually takes about a second.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A running worker. Dropping it kills the process.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    /// The address of its API, such as `http://127.0.0.1:40124`.
    pub url: String,
    /// The address of its listener for metrics and health.
    pub metrics_url: String,
    /// The log that it writes.
    pub log: PathBuf,
    /// Its configuration file, with which the command line finds the same world.
    pub config: PathBuf,
}

/// What a worker needs from its world.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) name: String,
    pub(crate) dir: &'a Path,
    pub(crate) config: String,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) credentials: &'a RoleCredentials,
    pub(crate) watchdog: &'a Watchdog,
}

impl Start<'_> {
    /// Where the worker writes the addresses of its API and of its listener for metrics.
    fn address_files(&self) -> [PathBuf; 2] {
        ["address", "metrics.address"].map(|end| self.dir.join(format!("{}.{end}", self.name)))
    }
}

/// The URL of an address that a worker has written.
fn url(file: &Path) -> Option<String> {
    let address = std::fs::read_to_string(file).ok()?;
    address.ends_with('\n').then(|| format!("http://{}", address.trim()))
}

impl Worker {
    /// Starts the worker and waits until it is ready.
    pub(crate) async fn start(start: Start<'_>) -> Result<Worker> {
        let mut worker = Worker::launch(&start)?;
        let [api, metrics] = start.address_files();
        let http = crate::http()?;
        let ready = async {
            loop {
                if let Some(status) = worker.process.exited()? {
                    bail!("worker {} exited immediately ({status}):\n{}", start.name, tail(&worker.log));
                }
                if let (Some(url), Some(metrics_url)) = (url(&api), url(&metrics))
                    && http
                        .get(format!("{metrics_url}/readyz"))
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                {
                    return Ok((url, metrics_url));
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let answer = tokio::time::timeout(READY_TIMEOUT, ready).await;
        let not_ready = || {
            format!("worker {} was not ready within {READY_TIMEOUT:?}:\n{}", start.name, tail(&worker.log))
        };
        (worker.url, worker.metrics_url) = answer.with_context(not_ready)??;
        Ok(worker)
    }

    fn launch(start: &Start<'_>) -> Result<Worker> {
        let config = start.dir.join(format!("{}.toml", start.name));
        std::fs::write(&config, &start.config)?;
        let [api, metrics] = start.address_files();
        // An earlier process with this name may have left them.
        for file in [&api, &metrics] {
            let _ = std::fs::remove_file(file);
        }
        let log = start.dir.join(format!("{}.log", start.name));
        let mut command = command(start.program);
        command
            .arg("run")
            .arg("--config")
            .arg(&config)
            .env("AWS_ACCESS_KEY_ID", &start.credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &start.credentials.secret_access_key)
            .env("AWS_SESSION_TOKEN", &start.credentials.session_token)
            .env("COUNTERSIGN_API__ADDRESS_FILE", &api)
            .env("COUNTERSIGN_METRICS__ADDRESS_FILE", &metrics)
            .envs(start.variables.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(command, &log, start.watchdog)
            .with_context(|| format!("cannot start the worker program {}", start.program.display()))?;
        Ok(Worker { process, url: String::new(), metrics_url: String::new(), log, config })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process as a crash would (SIGKILL).
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Kills the process, and keeps its addresses for the next one.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Asks the worker to drain (SIGTERM) and waits. Returns `None` if it had to be killed after `grace`.
    ///
    /// # Errors
    ///
    /// If the system does not know the process, which would be a bug in this crate.
    pub async fn drain(mut self, grace: Duration) -> Result<Option<ExitStatus>> {
        Ok(self.process.terminate(grace).await?)
    }

    /// The exit status; `None` while the process runs.
    ///
    /// # Errors
    ///
    /// Same as [`Worker::drain`].
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.exited()?)
    }
}
