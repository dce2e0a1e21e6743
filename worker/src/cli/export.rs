//! `countersign tasks export`: writes stored tasks as lines of JSON, for a backtest on another machine.

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rules::agreement::Reviewed;
use serde::Serialize;
use serde_json::value::RawValue;

use super::ended::Ended;
use super::store::{Opened, Store};
use super::{Failed, Printed, clock};
use crate::tasks::archive::Archive;

/// The longest period in days.
const MAX_DAYS: i64 = 3_660;

/// Write stored tasks as lines of JSON: the facts that the rules saw and the outcome, never the token or a person's
/// name.
///
/// Exports the tasks that settled in the given period, and every open task.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign tasks export --since 30d > export.jsonl
  countersign rules backtest ./rules --against ./rules-before --from export.jsonl")]
pub(super) struct Export {
    /// The period in days, such as 30d
    #[arg(long, value_name = "DAYS", value_parser = days)]
    since: i64,
    #[command(flatten)]
    store: Store,
}

/// Parses a number of days, such as `30d`.
pub(super) fn days(text: &str) -> Result<i64, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (0..=MAX_DAYS).contains(days))
        .ok_or_else(|| format!("{text:?} is not a number of days; use a form such as 30d"))
}

/// The first and the last day of the period.
pub(super) fn period(days: i64) -> anyhow::Result<(Date, Date)> {
    let today = clock().now().to_zoned(TimeZone::UTC).date();
    let since = today.checked_sub(jiff::Span::new().days(days)).context("--since goes too far back")?;
    Ok((since, today))
}

/// The tasks table of a configuration.
pub(super) fn archive(opened: Opened) -> Archive {
    Archive::new(opened.clients.dynamodb, &opened.config.tables.tasks)
}

pub(super) async fn export(args: Export) -> Result<Printed, Failed> {
    let (since, until) = period(args.since)?;
    let archive = archive(args.store.open().await?);
    let mut out = BufWriter::new(io::stdout());
    let mut tasks = std::pin::pin!(archive.tasks(since, until));
    while let Some(reviewed) = tasks.try_next().await? {
        match writeln!(out, "{}", line(&reviewed)?) {
            Ok(()) => {}
            // A reader that closed its end, such as `head`, has read what it wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(String::new().into()),
            Err(error) => return Err(anyhow::Error::from(error).context("standard output").into()),
        }
    }
    out.flush().context("standard output")?;
    Ok(String::new().into())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    task_id: &'a str,
    order_id: &'a str,
    start_time: &'a str,
    transaction_id: &'a str,
    received_at: &'a str,
    /// The original text, so that no number changes on the way.
    order: Option<Box<RawValue>>,
    #[serde(flatten)]
    ended: Ended,
}

fn line(reviewed: &Reviewed) -> anyhow::Result<String> {
    let task = &reviewed.task;
    let order = task.order.clone().map(RawValue::from_string).transpose();
    let order = order.with_context(|| format!("task {}: the order is not JSON", task.task_id))?;
    Ok(serde_json::to_string(&Line {
        task_id: &task.task_id,
        order_id: &task.order_id,
        start_time: &task.start_time,
        transaction_id: &task.transaction_id,
        received_at: &task.received_at,
        order,
        ended: Ended::of(reviewed),
    })?)
}

#[cfg(test)]
mod tests {
    use rules::agreement::{Answer, End, Escalation};
    use rules::backtest::StoredTask;

    use super::super::rules::parse_task;
    use super::*;

    #[test]
    fn an_exported_task_is_read_back_whole() {
        let task = StoredTask {
            task_id: "7a".to_owned(),
            order: Some(r#"{"amount": 1.50, "note": "ä"}"#.to_owned()),
            order_id: "o-1".to_owned(),
            start_time: "s".to_owned(),
            transaction_id: "arn".to_owned(),
            received_at: "2026-11-22T10:00:00.000Z".to_owned(),
        };
        let asked = Escalation {
            code: "large".to_owned(),
            rule: Some("limit".to_owned()),
            reason: "too \"large\"".to_owned(),
            at: "2026-11-22T10:00:01.000Z".to_owned(),
        };
        let answer = Answer::Rejected;
        for end in [
            End::Open,
            End::Expired,
            End::ByRule(answer),
            End::ByPerson { answer, at: "2026-11-22T11:00:00.000Z".to_owned() },
        ] {
            for (task, escalation) in
                [(StoredTask { order: None, ..task.clone() }, None), (task.clone(), Some(asked.clone()))]
            {
                let reviewed = Reviewed { task, escalation, end: end.clone() };
                let line = line(&reviewed).unwrap();
                assert_eq!(line.lines().count(), 1);
                assert_eq!(parse_task(&line).unwrap(), reviewed);
            }
        }
        let broken = StoredTask { order: Some("{".to_owned()), ..StoredTask::default() };
        assert!(line(&Reviewed { task: broken, escalation: None, end: End::Open }).is_err());
    }

    #[test]
    fn a_number_of_days_is_read_back() {
        assert_eq!(days("30d"), Ok(30));
        for text in ["30", "d", "-1d", "4000d", "1w"] {
            assert!(days(text).is_err(), "{text}");
        }
    }
}
