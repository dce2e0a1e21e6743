//! Searches for leaked task tokens. With a token, anybody can approve the task, so no token may appear in anything that
//! a person or a machine reads: logs, responses, metrics, the command line's output, the control table.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, ensure};
use statemachine::compact::Compact;
use statemachine::task::Task;

use crate::http;
use crate::world::World;

/// How many bytes of a token to search for: the beginning of a token is a leak too. No real token is shorter.
const BEGINNING: usize = 16;
/// How many single tasks are requested from each worker.
const ASKED_TASKS: usize = 20;

impl World {
    /// Searches everything that this world has printed, answered and stored for the token of each task in its table.
    /// First requests the metrics, the status and tasks from every worker that is still listening.
    ///
    /// # Errors
    ///
    /// Names the place where a token was found and its task; never the token.
    pub async fn assert_no_token_leaked(&self) -> Result<()> {
        self.assert_none_leaked_of(&[]).await
    }

    /// Like [`World::assert_no_token_leaked`], and also searches for tokens of messages that were rejected, so that the
    /// table has no task of theirs. Each has a name for the error.
    ///
    /// # Errors
    ///
    /// Names the place where a token was found and its task, or its name here; never the token.
    pub async fn assert_none_leaked_of(&self, rejected: &[(&str, &str)]) -> Result<()> {
        let tasks = self.tasks().await?;
        self.ask_workers(&tasks).await?;
        let stored = tasks.iter().map(|task| (task.id.as_str(), task.token.expose()));
        let canary = Canary::new(stored.chain(rejected.iter().copied()));
        for entry in std::fs::read_dir(self.dir())? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let ours = if path == self.emulator.log { ours(&bytes) } else { bytes };
            canary.search(&ours, &path.display().to_string())?;
        }
        for task in &tasks {
            let evaluation = task.evaluation.as_ref().map(Compact::text).transpose()?;
            // Its token is hidden in this form, and the order is the workflow's.
            let rest = format!("{:?} {evaluation:?}", Task { order: None, evaluation: None, ..task.clone() });
            canary.search(rest.as_bytes(), "the tasks table")?;
        }
        let control = self.clients.dynamodb.scan().table_name(&self.stack.control_table);
        let items: Vec<_> = control.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        canary.search(format!("{items:?}").as_bytes(), "the control table")
    }

    async fn ask_workers(&self, tasks: &[Task]) -> Result<()> {
        for entry in std::fs::read_dir(self.dir())? {
            let path = entry?.path();
            let is_address = path.extension().is_some_and(|extension| extension == "address");
            let Some(address) = is_address.then(|| address(&path)).flatten() else { continue };
            let mut paths: Vec<String> =
                ["/metrics", "/v1/status", "/v1/tasks?limit=200", "/livez", "/readyz"]
                    .map(str::to_owned)
                    .into();
            paths.extend(tasks.iter().take(ASKED_TASKS).map(|task| format!("/v1/tasks/{}", task.id)));
            for path in paths {
                // A worker that was killed or has drained leaves its address behind.
                if self.ask(http()?.get(format!("http://{address}{path}"))).await.is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn address(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|address| !address.is_empty())
}

/// The lines of the Lambda function in the emulator's log. They are JSON objects; the emulator's own lines begin with
/// the time, and may quote what was sent to it.
fn ours(log: &[u8]) -> Vec<u8> {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// The beginnings of the tokens, each with the name of its task.
struct Canary<'a>(HashMap<&'a [u8], &'a str>);

impl<'a> Canary<'a> {
    fn new(tokens: impl Iterator<Item = (&'a str, &'a str)>) -> Canary<'a> {
        let beginning = |(name, token): (&'a str, &'a str)| Some((token.as_bytes().get(..BEGINNING)?, name));
        Canary(tokens.filter_map(beginning).collect())
    }

    fn search(&self, bytes: &[u8], place: &str) -> Result<()> {
        let found = bytes.windows(BEGINNING).find_map(|window| self.0.get(window));
        ensure!(found.is_none(), "the token of task {} was found in {place}", found.expect("checked above"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use statemachine::message::Message;
    use statemachine::task::ReceivedAt;

    use super::*;

    #[test]
    fn a_token_is_found_wherever_it_stands_and_only_in_our_lines() {
        let body = r#"{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"0123456789abcdef-rest","startTime":"s","orderId":"o"}"#;
        let received_at = ReceivedAt { text: "2026-11-22T10:00:00.000Z".to_owned(), epoch_seconds: 0 };
        let task = Task::new(Message::parse(body).unwrap(), received_at, None);
        let canary = Canary::new([(task.id.as_str(), task.token.expose())].into_iter());
        let error = canary.search(b"{\"x\":\"0123456789abcdef\"}", "a log").unwrap_err().to_string();
        assert_eq!(error, format!("the token of task {} was found in a log", task.id));
        assert!(canary.search(b"0123456789abcde", "a log").is_ok());

        let log = b"2026-11-22 10:00 INFO 0123456789abcdef-rest\n{\"message\":\"stored\"}\n";
        assert!(canary.search(log, "a log").is_err());
        assert!(canary.search(&ours(log), "a log").is_ok());
        assert_eq!(ours(log), b"{\"message\":\"stored\"}");
    }
}
