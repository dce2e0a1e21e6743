//! One worker process of a world: `countersign run` with the role of the template.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::emulator::{RoleCredentials, tail};
use crate::processes::{Process, Watchdog, command};

/// Reading the rules and the stream's first page is a matter of a second.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A running worker. Dropped, it is killed.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    /// Where its API answers, such as `http://127.0.0.1:40124`.
    pub url: String,
    /// What it prints.
    pub log: PathBuf,
    /// Its configuration file, with which the command line finds the same world.
    pub config: PathBuf,
}

/// What a worker needs of its world.
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

impl Worker {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(start: Start<'_>) -> Result<Worker> {
        let mut worker = Worker::launch(&start)?;
        let address_file = start.dir.join(format!("{}.address", start.name));
        let http = reqwest::Client::builder().no_proxy().build()?;
        let ready = async {
            loop {
                if let Some(status) = worker.process.exited()? {
                    bail!("worker {} ended at once ({status}):\n{}", start.name, tail(&worker.log));
                }
                let address = std::fs::read_to_string(&address_file).unwrap_or_default();
                let url = format!("http://{}", address.trim());
                if !address.trim().is_empty()
                    && http
                        .get(format!("{url}/readyz"))
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                {
                    return Ok(url);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let answer = tokio::time::timeout(READY_TIMEOUT, ready).await;
        let not_ready = || {
            format!("worker {} was not ready within {READY_TIMEOUT:?}:\n{}", start.name, tail(&worker.log))
        };
        worker.url = answer.with_context(not_ready)??;
        Ok(worker)
    }

    fn launch(start: &Start<'_>) -> Result<Worker> {
        let config = start.dir.join(format!("{}.toml", start.name));
        std::fs::write(&config, &start.config)?;
        let address_file = start.dir.join(format!("{}.address", start.name));
        // An earlier process of this name may have left one.
        let _ = std::fs::remove_file(&address_file);
        let log = start.dir.join(format!("{}.log", start.name));
        let mut command = command(start.program);
        command
            .arg("run")
            .arg("--config")
            .arg(&config)
            .env("AWS_ACCESS_KEY_ID", &start.credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &start.credentials.secret_access_key)
            .env("AWS_SESSION_TOKEN", &start.credentials.session_token)
            .env("COUNTERSIGN_API__ADDRESS_FILE", &address_file)
            .envs(start.variables.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(command, &log, start.watchdog)
            .with_context(|| format!("worker program {}", start.program.display()))?;
        Ok(Worker { process, url: String::new(), log, config })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it as a crash would (SIGKILL).
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Asks it to drain (SIGTERM) and waits; `None` when it had to be killed after `grace`.
    ///
    /// # Errors
    ///
    /// When the system lost the process, which is a defect of ours.
    pub async fn drain(mut self, grace: Duration) -> Result<Option<ExitStatus>> {
        Ok(self.process.terminate(grace).await?)
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    ///
    /// As [`Worker::drain`].
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.exited()?)
    }
}
