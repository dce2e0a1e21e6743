//! A real Chromium that a test drives: Debian's, through its WebDriver, without a window.

mod page;
pub mod programs;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

pub use self::page::Look;
use self::programs::Programs;
use crate::emulator::{free_port, tail};
use crate::processes::{Process, Watchdog, command};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(30);

/// A running browser with one window. Dropping it kills the processes.
#[derive(Debug)]
pub struct Browser {
    // Owned for its drop.
    _driver: Process,
    session: String,
    http: reqwest::Client,
    axe: String,
}

impl Browser {
    /// Starts the driver and the browser, with their files in `dir`.
    ///
    /// # Errors
    ///
    /// If one of them does not start; the error includes the end of the driver's log.
    pub async fn start(programs: &Programs, dir: &Path, watchdog: &Watchdog) -> Result<Browser> {
        std::fs::create_dir_all(dir)?;
        let axe = std::fs::read_to_string(&programs.axe).context("axe-core")?;
        let (port, log) = (free_port()?, dir.join("chromedriver.log"));
        let mut command = command(&programs.driver);
        command.current_dir(dir).env("HOME", dir).env("LD_LIBRARY_PATH", &programs.libraries);
        command.arg(format!("--port={port}"));
        let mut driver = Process::spawn(command, &log, watchdog).context("cannot start chromedriver")?;
        let http = crate::http()?;
        let base = format!("http://127.0.0.1:{port}");
        let ready = async {
            while http.get(format!("{base}/status")).send().await.is_err() {
                if let Some(status) = driver.exited()? {
                    bail!("chromedriver exited immediately ({status})");
                }
                tokio::time::sleep(POLL).await;
            }
            let options = json!({"capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {
                    "binary": programs.browser,
                    // A container has neither the rights for Chromium's sandbox nor a large /dev/shm; all pages are ours.
                    "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                             "--hide-scrollbars", "--no-first-run", "--disable-background-networking"],
                },
            }}});
            let answer: Value =
                http.post(format!("{base}/session")).json(&options).send().await?.json().await?;
            let id = answer["value"]["sessionId"].as_str().map(str::to_owned);
            id.with_context(|| format!("chromedriver started no session: {answer}"))
        };
        let started = tokio::time::timeout(START_TIMEOUT, ready).await.context("in time").flatten();
        let id = started.with_context(|| tail(&log))?;
        Ok(Browser { _driver: driver, session: format!("{base}/session/{id}"), http, axe })
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}/{path}", self.session)).json(body);
        Browser::value(path, request).await
    }

    async fn read(&self, path: &str) -> Result<Value> {
        Browser::value(path, self.http.get(format!("{}/{path}", self.session))).await
    }

    async fn value(path: &str, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.send().await?;
        let is_success = answer.status().is_success();
        let mut answer: Value = answer.json().await?;
        ensure!(is_success, "{path}: {}", answer["value"]["message"]);
        Ok(answer["value"].take())
    }
}
