//! One measurement's surroundings: a model with tables, and a worker or a floor beside it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::ledger::Page;
use crate::process::{Process, Taken};
use crate::service::{self, Arrival};

/// The longest that one measurement may take.
const LIMIT: Duration = Duration::from_secs(1_800);
const POLL: Duration = Duration::from_millis(50);

/// What every case is told.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The worker's program.
    pub(crate) countersign: PathBuf,
    /// The Lambda function's program.
    pub(crate) ingest: PathBuf,
    /// The benchmark of the rules.
    pub(crate) rules: PathBuf,
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Tasks in a case; each case has its own default.
    pub(crate) tasks: Option<u64>,
    /// How often what is noisy is measured.
    pub(crate) rounds: usize,
}

/// A running model.
pub(crate) struct Stage {
    dir: TempDir,
    url: String,
    http: reqwest::Client,
    _model: Process,
    setup: Setup,
}

impl Stage {
    /// Starts a model.
    pub(crate) fn new(setup: &Setup, model: &service::Arguments) -> Result<Stage> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(model.command_line());
        let (model, url) = Process::start_and_listen(command)?;
        ensure!(url.starts_with("http://"), "the model did not start: {url}");
        // Every client of the build has TLS, since the command line has.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        Ok(Stage { dir: tempfile::tempdir()?, url, http, _model: model, setup: setup.clone() })
    }

    /// Stores tasks as they arrive, and returns after the last.
    pub(crate) async fn arrive(&self, arrival: Arrival) -> Result<()> {
        let url = format!("{}/bench/arrive", self.url);
        let answer = self.http.post(url).json(&arrival).send().await?;
        if !answer.status().is_success() {
            bail!("the model could not store tasks: {}", answer.text().await?);
        }
        Ok(())
    }

    /// Forgets what the model counted.
    pub(crate) async fn reset(&self) -> Result<()> {
        self.http.post(format!("{}/bench/reset", self.url)).send().await?.error_for_status()?;
        Ok(())
    }

    /// The URL of the queue of hints.
    pub(crate) async fn hints(&self) -> Result<String> {
        Ok(self
            .http
            .get(format!("{}/bench/hints", self.url))
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    /// What the model has counted.
    pub(crate) async fn page(&self) -> Result<Page> {
        Ok(self.http.get(format!("{}/bench/page", self.url)).send().await?.error_for_status()?.json().await?)
    }

    /// Waits until so many tasks are settled.
    pub(crate) async fn settled(&self, count: u64, worker: &mut Process) -> Result<Page> {
        let end = Instant::now() + LIMIT;
        loop {
            let page = self.page().await?;
            if page.settled >= count {
                return Ok(page);
            }
            ensure!(!worker.has_ended()?, "the worker ended:\n{}", self.log()?);
            ensure!(Instant::now() < end, "{} of {count} tasks settled in {LIMIT:?}", page.settled);
            sleep(POLL).await;
        }
    }

    /// Starts a worker; `settings` are more lines of its configuration by table.
    pub(crate) fn worker(&self, settings: &[(&str, &str)]) -> Result<Process> {
        let config = self.dir.path().join("worker.toml");
        std::fs::write(&config, self.config(settings))?;
        let mut command = Command::new(&self.setup.countersign);
        clean(&mut command).arg("run").arg("--config").arg(&config);
        Process::start(command, &self.dir.path().join("worker.log"))
    }

    fn config(&self, settings: &[(&str, &str)]) -> String {
        let file = |name: &str| format!("{:?}", self.dir.path().join(name));
        let rules = format!("{:?}", self.setup.root.join("rules/scripts"));
        let listen = |file: &str| format!("listen = \"127.0.0.1:0\"\naddress_file = {file}");
        let own = [
            ("aws", format!("endpoint_url = {:?}\nregion = \"us-east-1\"", self.url)),
            ("rules", format!("dir = {rules}")),
            ("api", listen(&file("api"))),
            ("metrics", listen(&file("metrics"))),
            ("worker", String::new()),
            ("budgets", String::new()),
            ("queues", String::new()),
        ];
        let table = |(table, lines): (&str, String)| {
            let more = settings.iter().filter(|(of, _)| *of == table).map(|(_, line)| format!("{line}\n"));
            format!("[{table}]\n{lines}\n{}", more.collect::<String>())
        };
        own.map(table).concat()
    }

    /// Waits until the worker reads the stream.
    pub(crate) async fn ready(&self, worker: &mut Process) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let address = std::fs::read_to_string(self.dir.path().join("metrics")).unwrap_or_default();
            let asked = self.http.get(format!("http://{}/readyz", address.trim())).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(!worker.has_ended()?, "the worker ended:\n{}", self.log()?);
            ensure!(Instant::now() < end, "the worker was not ready within {LIMIT:?}:\n{}", self.log()?);
            sleep(POLL).await;
        }
    }

    /// Runs the floor until it has settled all tasks.
    pub(crate) fn floor(&self, at_once: usize, tasks: u64, sample: &serde_json::Value) -> Result<Taken> {
        let file = self.dir.path().join("sample");
        std::fs::write(&file, sample.to_string())?;
        let file = file.display().to_string();
        let (at_once, tasks) = (at_once.to_string(), tasks.to_string());
        self.bare(&["floor", "--at-once", &at_once, "--tasks", &tasks, "--sample", &file])
    }

    /// Runs another of this program's floors.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Result<Taken> {
        let mut command = Command::new(std::env::current_exe()?);
        clean(&mut command).args(arguments).args(["--endpoint", &self.url]);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "the floor: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).with_context(|| format!("the floor printed {text}"))
    }

    /// The end of the worker's log.
    fn log(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.dir.path().join("worker.log"))?;
        let lines: Vec<&str> = text.lines().collect();
        Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
    }

    /// The address of the model.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// An environment in which the SDK finds credentials and nothing else.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    command.env_clear().envs([
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}
