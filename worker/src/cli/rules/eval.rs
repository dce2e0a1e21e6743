//! `countersign rules eval`: evaluates a folder's rules on one task.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rules::agreement::Reviewed;
use rules::backtest::StoredTask;
use rules::explain;
use serde::Deserialize;
use serde_json::value::RawValue;
use statemachine::token::TaskId;

use super::{Failed, Printed, check};
use crate::api::view::TaskView;
use crate::cli::client::Server;
use crate::cli::render::{json, plain};
use crate::cli::{Format, ended, now};
use crate::in_time::{READ_LIMIT, TimedFile};

/// The largest task file in bytes; an order alone may have up to 350,000.
const MAX_TASK_BYTES: u64 = 1024 * 1024;

/// Evaluate a folder's rules on one task, without storing anything or calling the workflow back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A task is what `countersign tasks show ID --format json` prints. Of its fields, `order` is enough:
  {\"orderId\": \"o-1\", \"receivedAt\": \"2026-11-22T10:00:00Z\", \"order\": {\"amount\": 120.00}}

Examples:
  countersign rules eval task.json
  countersign rules eval order.json --order-only --explain
  countersign rules eval --task 7a7816bf8f01cfea414140de5dae2223 --dir ./rules
  echo '{\"order\": {\"amount\": 120.00}}' | countersign rules eval -")]
pub(super) struct Eval {
    /// A file with the task as JSON; use - for standard input
    #[arg(required_unless_present = "task", conflicts_with = "task")]
    file: Option<PathBuf>,
    /// The id of a stored task, read from the worker at --url
    #[arg(long, value_name = "ID", value_parser = TaskId::parse)]
    task: Option<TaskId>,
    /// The folder that contains the ruleset
    #[arg(long, default_value = "rules/scripts")]
    dir: PathBuf,
    /// The file contains only the order, as the workflow passes it
    #[arg(long, conflicts_with = "task")]
    order_only: bool,
    /// Show each rule, whether it matched, and which facts it read
    #[arg(long)]
    explain: bool,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn eval(args: Eval) -> Result<Printed, Failed> {
    let ruleset = check::load(&super::Folder { dir: args.dir })?;
    let task = match (&args.file, &args.task) {
        (_, Some(id)) => stored(&shown(&args.server, id).await?),
        (Some(file), None) => parse(&read(file)?, args.order_only)?,
        (None, None) => {
            return Err(anyhow!("no task given; name a file, or a stored task with --task").into());
        }
    };
    let explanation = explain::explain(&ruleset, &task.facts());
    let text = match (args.format, args.explain) {
        (Format::Json, true) => json(&explanation)?,
        (Format::Json, false) => json(&explanation.evaluation)?,
        (Format::Table, true) => plain(&explanation.to_string()),
        (Format::Table, false) => {
            let verdict = &explanation.evaluation.verdict;
            let rule = verdict.rule().map(|rule| format!(" by {rule}")).unwrap_or_default();
            let text = plain(verdict.text());
            format!("{} [{}]{rule}: {text}\n", verdict.outcome().as_str(), verdict.code())
        }
    };
    Ok(text.into())
}

/// A stored task as the API shows it.
pub(super) async fn shown(server: &Server, id: &TaskId) -> Result<TaskView, Failed> {
    let api = server.connect()?;
    Ok(api.send(api.get(&format!("v1/tasks/{id}"))?).await?.body)
}

/// Converts a shown task to what its rules saw, with the original text of the order.
pub(super) fn stored(task: &TaskView) -> StoredTask {
    StoredTask {
        task_id: task.task_id.to_string(),
        order: task.order.as_ref().map(|order| order.get().to_owned()),
        order_id: task.order_id.clone(),
        start_time: task.start_time.clone(),
        transaction_id: task.transaction_id.clone(),
        received_at: task.received_at.clone(),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_TASK_BYTES).read_to_string(&mut text)
    } else {
        let opened = TimedFile::open(file, READ_LIMIT);
        opened.and_then(|file| file.take(MAX_TASK_BYTES).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text)
}

/// A task in a file: the fields of the API's response, each of which may be absent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskFile {
    task_id: Option<String>,
    order: Option<Box<RawValue>>,
    order_id: Option<String>,
    start_time: Option<String>,
    transaction_id: Option<String>,
    received_at: Option<String>,
}

/// Parses a task from JSON text.
pub(super) fn parse(text: &str, order_only: bool) -> anyhow::Result<StoredTask> {
    // Windows editors and shells put a byte order mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if order_only {
        let order: Box<RawValue> = serde_json::from_str(text).context("the order is not JSON")?;
        return Ok(StoredTask { order: Some(order.get().to_owned()), received_at: now(), ..unnamed() });
    }
    let file: TaskFile = serde_json::from_str(text).context("the file is not a task in JSON")?;
    if file.order.is_none() && file.order_id.is_none() {
        return Err(anyhow!(
            "the task has neither `order` nor `orderId`; if the file contains only the order, add --order-only"
        ));
    }
    let missing = unnamed();
    Ok(StoredTask {
        task_id: file.task_id.unwrap_or_default(),
        order: file.order.map(|order| order.get().to_owned()).filter(|order| order != "null"),
        order_id: file.order_id.unwrap_or(missing.order_id),
        start_time: file.start_time.unwrap_or(missing.start_time),
        transaction_id: file.transaction_id.unwrap_or(missing.transaction_id),
        received_at: file.received_at.unwrap_or_else(now),
    })
}

/// Parses a task and its outcome from one line of an export.
pub(super) fn parse_reviewed(line: &str) -> anyhow::Result<Reviewed> {
    ended::read(parse(line, false)?, line)
}

/// The values for a task that does not state its own.
fn unnamed() -> StoredTask {
    StoredTask { order_id: "unnamed".to_owned(), start_time: now(), ..StoredTask::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_keeps_the_text_of_its_numbers() {
        let task =
            parse(r#"{"orderId":"o-1","receivedAt":"t","order":{"amount":1.50},"status":"PENDING"}"#, false);
        let task = task.unwrap();
        assert_eq!(task.order.as_deref(), Some(r#"{"amount":1.50}"#));
        assert_eq!((task.order_id.as_str(), task.received_at.as_str()), ("o-1", "t"));
        let alone = parse(r#" {"amount": 1.50} "#, true).unwrap();
        assert_eq!(alone.order.as_deref(), Some(r#"{"amount": 1.50}"#));
        let from_windows = parse("\u{feff}{\"amount\": 1.50}\r\n", true).unwrap();
        assert_eq!(from_windows.order, alone.order);
        assert_eq!(parse(r#"{"orderId":"o-1","order":null}"#, false).unwrap().order, None);
    }

    #[test]
    fn what_is_no_task_is_refused_with_a_remedy() {
        assert!(parse(r#"{"amount":1.50}"#, false).unwrap_err().to_string().contains("--order-only"));
        assert!(parse("{", false).is_err());
        assert!(parse("{", true).is_err());
    }
}
