//! What people ask of a worker, over its API and with its command line. Each answer also goes to the world's
//! transcript, where the search for leaked tokens finds it.

use std::fs::File;
use std::io::Write as _;
use std::process::Output;

use anyhow::{Context as _, Result};
use reqwest::RequestBuilder;
use serde_json::Value;
use statemachine::token::TaskId;

use crate::clients::ROOT_KEY;
use crate::processes::command;
use crate::worker::Worker;
use crate::world::World;

/// The transcript's name in the world's folder.
pub(crate) const TRANSCRIPT: &str = "transcript.log";

/// What the API answered.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl World {
    /// Asks a worker's API.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn get(&self, worker: &Worker, path: &str) -> Result<Answer> {
        self.ask(http()?.get(format!("{}{path}", worker.url))).await
    }

    /// Decides a task as a person: `body` is the API's.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn decide(&self, worker: &Worker, id: &TaskId, body: &Value) -> Result<Answer> {
        self.ask(http()?.post(format!("{}/v1/tasks/{id}/decision", worker.url)).json(body)).await
    }

    /// Runs the command line with these arguments, and waits for its end.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub async fn countersign(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = command(&self.binaries().countersign);
        command.args(arguments);
        // A person with the rights of an operator: some commands reach the tables themselves.
        command.env("AWS_ACCESS_KEY_ID", ROOT_KEY).env("AWS_SECRET_ACCESS_KEY", ROOT_KEY);
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

pub(crate) fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
