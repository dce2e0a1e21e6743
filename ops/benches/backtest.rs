//! A backtest of a table, by the release program as an author runs it: `cargo bench -p ops --bench backtest -- 100000`.
//!
//! The number is how many settled tasks of the sample shop are in the emulator's table. Prints what the program says of its
//! times, its processor time and peak memory. `cargo ops bench --case backtest` measures one of an export file.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use ops::orders::{End, SampleOrder, sample};
use ops::world::{Options, World, sample_rules};
use serde_json::json;
use statemachine::decision::{DecidedBy, Draft, Outcome};
use statemachine::item::{Item, Value};
use statemachine::message::Message;
use statemachine::status::{Delivery, Status};
use statemachine::task::{Escalation, ReceivedAt, Task};
use statemachine::worklist::{Worklist, settled_key};
use tokio::time::Instant;

/// The most items of one BatchWriteItem.
const BATCH: usize = 25;
/// Batches under way at once.
const AT_ONCE: usize = 8;
/// How often the program's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The lines of the program's answer that are shown: the matrix and the sums.
const HEAD: usize = 12;

#[tokio::main]
async fn main() -> Result<()> {
    let stored = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let world = World::start(Options::default()).await?;
    let edited = edited_rules(world.dir())?;
    let against = sample_rules().display().to_string();
    let rules =
        ["rules", "backtest", &edited.display().to_string(), "--against", &against].map(str::to_owned);
    let started = Instant::now();
    fill(&world, stored).await?;
    println!("{stored} tasks stored in {:.1} s\n", started.elapsed().as_secs_f64());
    let config = world.command_line_config()?.display().to_string();
    let table = ["--since", "2d", "--config", &config].map(str::to_owned);
    run(&world, &[rules.as_slice(), &table].concat()).await
}

/// The sample rules with one edit: small is half of what it was.
fn edited_rules(dir: &Path) -> Result<PathBuf> {
    let (from, to) = (sample_rules(), dir.join("edited"));
    copy(&from, &to)?;
    let rule = to.join("rules/50-small-order.rhai");
    let text = fs::read_to_string(&rule)?;
    ensure!(text.contains("limit / 10"), "{}: no longer has what is edited", rule.display());
    fs::write(rule, text.replace("limit / 10", "limit / 20"))?;
    Ok(to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

/// Stores tasks as they are when their workflows have gone on, or wait for a person.
async fn fill(world: &World, count: usize) -> Result<()> {
    let orders = sample(count, 1);
    let batches = futures::stream::iter(orders.chunks(BATCH).map(|orders| put(world, orders)));
    batches.buffer_unordered(AT_ONCE).try_collect().await
}

async fn put(world: &World, orders: &[SampleOrder]) -> Result<()> {
    let request = |order| -> Result<WriteRequest> {
        let item = attributes(task(order)?.to_item())?;
        Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build()?).build())
    };
    let mut requests = orders.iter().map(request).collect::<Result<Vec<_>>>()?;
    while !requests.is_empty() {
        let table = &world.stack.tasks_table;
        let answer = world.clients.dynamodb.batch_write_item().request_items(table, requests).send().await?;
        requests = answer.unprocessed_items.and_then(|mut rest| rest.remove(table)).unwrap_or_default();
    }
    Ok(())
}

/// A sample order's task with the end that the sample rules give it.
fn task(order: &SampleOrder) -> Result<Task> {
    let now = Timestamp::now();
    let at = format!("{now:.3}");
    let body = json!({
        "transactionId": format!("arn:aws:states:us-east-1:000000000000:execution:orders:{}", order.id),
        "taskToken": format!("{:0>600}", order.id),
        "startTime": at,
        "orderId": order.id,
        "order": order.input,
        "timeoutSeconds": 3_600,
    });
    let received_at = ReceivedAt { text: at.clone(), epoch_seconds: now.as_second() };
    let mut task = Task::new(Message::parse(&body.to_string())?, received_at, None);
    task.list_at = Some(now.as_second());
    let (end, code) = order.story.expected();
    let (outcome, status) = match end {
        End::Approved => (Outcome::Approved, Status::Approved),
        End::Rejected => (Outcome::Rejected, Status::Rejected),
        End::Escalated => {
            task.status = Status::Escalated;
            task.list = Some(Worklist::Escalated.key_of(&task.id));
            let code = code.to_owned();
            task.escalation = Some(Escalation { code, reason: String::new(), rule: None, ruleset: None, at });
            return Ok(task);
        }
    };
    let draft = Draft {
        id: order.id.clone(),
        outcome,
        code: code.to_owned(),
        reason: order.story.words().to_owned(),
        rule: Some(code.to_owned()),
        ruleset: Some("0".repeat(64)),
        decided_by: DecidedBy::Rule,
        decided_at: at.clone(),
    };
    task.decision = Some(draft.seal(&task.order_id, &task.token));
    (task.status, task.delivery) = (status, Some(Delivery::Delivered));
    task.list = Some(settled_key(&at[..10], &task.id));
    Ok(task)
}

fn attributes(item: Item) -> Result<HashMap<String, AttributeValue>> {
    let attribute = |value| {
        Ok(match value {
            Value::Text(text) => AttributeValue::S(text),
            Value::Number(digits) => AttributeValue::N(digits),
            Value::Map(map) => AttributeValue::M(attributes(map)?),
            Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
            Value::Other => anyhow::bail!("a task holds texts, numbers, maps and bytes"),
        })
    };
    item.into_iter().map(|(name, value)| Ok((name, attribute(value)?))).collect()
}

/// Runs the program and prints the head of its answer, its own words on its times, and what it took.
async fn run(world: &World, arguments: &[String]) -> Result<()> {
    let child = tokio::process::Command::new(&world.binaries().countersign)
        .args(arguments)
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().context("it runs")?;
    let (mut ended, mut taken) = (std::pin::pin!(child.wait_with_output()), Taken::default());
    let output = loop {
        tokio::select! {
            biased;
            output = &mut ended => break output?,
            () = tokio::time::sleep(LOOK_EVERY) => taken = Taken::of(id).unwrap_or(taken),
        }
    };
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success(), "{arguments:?}: {err}");
    println!("{}", out.lines().take(HEAD).collect::<Vec<_>>().join("\n"));
    println!("{err}processor time {:.1} s, peak memory {} MiB\n", taken.processor_seconds, taken.peak_mib);
    Ok(())
}

/// What a process has taken so far, where Linux tells.
#[derive(Debug, Default, Clone, Copy)]
struct Taken {
    processor_seconds: f64,
    peak_mib: u64,
}

impl Taken {
    fn of(id: u32) -> Option<Taken> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let ticks: u32 = stat
            .rsplit(')')
            .next()?
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|text| text.parse::<u32>().ok())
            .sum();
        let peak_mib = peak.split_whitespace().next()?.parse::<u64>().ok()? / 1024;
        Some(Taken { processor_seconds: f64::from(ticks) / 100.0, peak_mib })
    }
}
