//! A real Prometheus that scrapes the workers of a world with the repository's own rules.

pub mod programs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use self::programs::Programs;
use crate::emulator::{free_port, tail};
use crate::processes::{Process, Watchdog, command};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(30);
/// Another process may take a free port before Prometheus does.
const PORT_ATTEMPTS: usize = 5;

/// A running Prometheus. Dropping it kills the process.
#[derive(Debug)]
pub struct Prometheus {
    // Owned for its drop.
    _process: Process,
    /// Its address, such as `http://127.0.0.1:40125`.
    pub url: String,
    targets: PathBuf,
    http: reqwest::Client,
}

impl Prometheus {
    /// Starts Prometheus with its files in `dir` and these rules. It scrapes each second and has no targets yet.
    ///
    /// # Errors
    ///
    /// If it exits or is not ready in time; the error includes the end of its log.
    pub async fn start(
        programs: &Programs,
        dir: &Path,
        rules: &str,
        watchdog: &Watchdog,
    ) -> Result<Prometheus> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the folder {}", dir.display()))?;
        std::fs::write(dir.join("rules.yaml"), rules)?;
        std::fs::write(dir.join("targets.json"), "[]")?;
        std::fs::write(dir.join("prometheus.yaml"), CONFIG)?;
        let mut attempt = 1;
        loop {
            match Prometheus::start_on(free_port()?, programs, dir, watchdog).await {
                Err(error) if attempt < PORT_ATTEMPTS && error.to_string().contains("already in use") => {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn start_on(port: u16, programs: &Programs, dir: &Path, watchdog: &Watchdog) -> Result<Prometheus> {
        let log = dir.join("prometheus.log");
        std::fs::write(&log, "")?;
        let mut command = command(&programs.prometheus);
        command
            .current_dir(dir)
            .arg("--config.file=prometheus.yaml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut process = Process::spawn(command, &log, watchdog).context("cannot start Prometheus")?;
        let url = format!("http://127.0.0.1:{port}");
        let http = crate::http()?;
        let ready = async {
            loop {
                if let Some(status) = process.exited()? {
                    bail!("Prometheus exited immediately ({status}):\n{}", tail(&log));
                }
                let answer = http.get(format!("{url}/-/ready")).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.with_context(|| {
            format!("Prometheus did not start within {START_TIMEOUT:?}:\n{}", tail(&log))
        })??;
        Ok(Prometheus { _process: process, url, targets: dir.join("targets.json"), http })
    }

    /// Scrapes these addresses from now on, such as `http://127.0.0.1:40124`, and no others.
    ///
    /// # Errors
    ///
    /// If the file with the targets cannot be written.
    pub fn scrape(&self, urls: &[&str]) -> Result<()> {
        let targets: Vec<&str> = urls.iter().map(|url| url.trim_start_matches("http://")).collect();
        // Renamed into place: Prometheus may read the file at any moment.
        let unfinished = self.targets.with_extension("unfinished");
        std::fs::write(&unfinished, json!([{ "targets": targets }]).to_string())?;
        Ok(std::fs::rename(unfinished, &self.targets)?)
    }

    /// Evaluates a query now; returns its series.
    ///
    /// # Errors
    ///
    /// If Prometheus rejects the query.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer = self.get("query", &[("query", query)]).await?;
        let series = answer["data"]["result"].as_array().cloned();
        series.with_context(|| format!("{query}: not a list of series: {answer}"))
    }

    /// Calls `/api/v1/WHAT`.
    ///
    /// # Errors
    ///
    /// If Prometheus rejects the call; the error includes its answer.
    pub async fn get(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let request = self.http.get(format!("{}/api/v1/{what}", self.url)).query(parameters);
        let answer: Value = request.send().await?.json().await?;
        ensure!(answer["status"] == "success", "{what} {parameters:?}: {answer}");
        Ok(answer)
    }
}

const CONFIG: &str = "\
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules.yaml]
scrape_configs:
  - job_name: countersign
    file_sd_configs: [{ files: [targets.json], refresh_interval: 1s }]
";
