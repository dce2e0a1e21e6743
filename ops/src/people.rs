//! Requests that people make to a worker, through its API and with its command line. Each response is also written to
//! the world's transcript, where the search for leaked tokens reads it.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use reqwest::RequestBuilder;
use serde_json::Value;
use statemachine::token::TaskId;

use crate::clients::{REGION, ROOT_KEY};
use crate::processes::command;
use crate::worker::Worker;
use crate::world::World;

/// The file name of the transcript in the world's folder.
pub(crate) const TRANSCRIPT: &str = "transcript.log";

/// A response of the API.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are those of HTTP")]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl World {
    /// Sends a GET request to a worker: to its API for paths of `/v1`, else to its listener for metrics and health.
    ///
    /// # Errors
    ///
    /// If there is no response.
    pub async fn get(&self, worker: &Worker, path: &str) -> Result<Answer> {
        let url = if path.starts_with("/v1/") { &worker.url } else { &worker.metrics_url };
        self.ask(crate::http()?.get(format!("{url}{path}"))).await
    }

    /// Decides a task as a person; `body` is the request body of the API.
    ///
    /// # Errors
    ///
    /// If there is no response.
    pub async fn decide(&self, worker: &Worker, id: &TaskId, body: &Value) -> Result<Answer> {
        self.ask(crate::http()?.post(format!("{}/v1/tasks/{id}/decision", worker.url)).json(body)).await
    }

    /// Runs the command line with these arguments and waits until it ends.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub async fn countersign(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = command(&self.binaries().countersign);
        command.args(arguments);
        self.output_of(command).await
    }

    /// Runs a line of a person's shell, in which `countersign` reaches this worker and finds the tables.
    ///
    /// # Errors
    ///
    /// If there is no shell.
    pub async fn shell(&self, worker: &Worker, line: &str) -> Result<Output> {
        let programs = self.binaries().countersign.parent().context("the program is in a folder")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path)))?;
        let mut command = command("sh");
        command
            .args(["-c", line])
            .env("PATH", path)
            .env("COUNTERSIGN_URL", &worker.url)
            .env("COUNTERSIGN_TABLES__TASKS", &self.stack.tasks_table)
            .env("COUNTERSIGN_TABLES__CONTROL", &self.stack.control_table)
            .env("COUNTERSIGN_AWS__ENDPOINT_URL", &self.emulator.endpoint_url)
            .env("AWS_REGION", REGION);
        self.output_of(command).await
    }

    /// Like [`World::countersign`], but with the role of the workers, as on one of their machines.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub async fn countersign_as_worker(&self, arguments: &[&str]) -> Result<Output> {
        let role = self.worker_credentials();
        let mut command = command(&self.binaries().countersign);
        command
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", &role.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &role.secret_access_key)
            .env("AWS_SESSION_TOKEN", &role.session_token);
        self.noted(command).await
    }

    async fn output_of(&self, mut command: Command) -> Result<Output> {
        // With the rights of an operator, since some commands use the tables directly.
        command.env("AWS_ACCESS_KEY_ID", ROOT_KEY).env("AWS_SECRET_ACCESS_KEY", ROOT_KEY);
        self.noted(command).await
    }

    async fn noted(&self, command: Command) -> Result<Output> {
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
        self.note(&output.stdout)?;
        self.note(&output.stderr)?;
        Ok(output)
    }

    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let headers = format!("{status} {:?}", answer.headers());
        let body = answer.text().await?;
        self.note(headers.as_bytes())?;
        self.note(body.as_bytes())?;
        Ok(Answer { status, body })
    }

    fn note(&self, text: &[u8]) -> Result<()> {
        let path = self.dir().join(TRANSCRIPT);
        let mut transcript = File::options().create(true).append(true).open(&path)?;
        transcript.write_all(&[text, b"\n"].concat()).with_context(|| path.display().to_string())
    }
}
