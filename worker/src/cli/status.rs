//! `countersign status`: what one worker does, and what it knows of the fleet.

mod fleet;
mod queues;

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use tokio::time::sleep;

use super::client::{Api, Server};
use super::render::{count, json, plain};
use super::{Failed, Format};
use crate::api::status::{CapView, Status};
use crate::control::gate::Paused;
use crate::metrics::waiting::RateLimitView;

/// Show the fleet's state, as one worker knows it: rules, limits, what waits, which workers are alive and which are behind.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign status
  countersign status --watch
  countersign status --url http://127.0.0.1:8420 --format json")]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// The time between two pictures of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal, and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(super) async fn status(args: Args) -> Result<String, Failed> {
    let api = args.server.connect()?;
    if !args.watch {
        return ask(&api, args.format).await;
    }
    let clear = if stdout().is_terminal() { CLEAR } else { "" };
    loop {
        // A worker that does not respond may respond again.
        let shown = ask(&api, args.format).await.unwrap_or_else(|failed| format!("{failed}\n"));
        let mut out = stdout().lock();
        if write!(out, "{clear}{shown}").and_then(|()| out.flush()).is_err() {
            // Nobody reads it any more.
            return Ok(String::new());
        }
        drop(out);
        sleep(WATCH_EVERY).await;
    }
}

async fn ask(api: &Api, format: Format) -> Result<String, Failed> {
    let status: Status = api.send(api.get("v1/status")?).await?.body;
    match format {
        Format::Json => Ok(json(&status)?),
        Format::Table => Ok(text(&status)),
    }
}

fn text(status: &Status) -> String {
    let Status { version, phase, ruleset, shadow, automation, paused, fleet, refused, .. } = status;
    let mut text =
        format!("worker      {version}, {phase}\nruleset     {} ({})\n", ruleset.label, ruleset.sha256);
    if let Some(shadow) = shadow {
        text.push_str(&format!("shadow      {} ({})\n", shadow.label, shadow.sha256));
    }
    let age = status.control_age_seconds.filter(|age| *age > 2);
    let age = age.map(|age| format!(", as read {age} s ago")).unwrap_or_default();
    text.push_str(&format!("automation  {automation}{age}\n"));
    if let Some(held) = &status.held {
        text.push_str(&format!("            {}\n", plain(held)));
    }
    if let Some(Paused { reason, by, at }) = paused {
        text.push_str(&format!("            by {} at {at}: {}\n", plain(by), plain(reason)));
    }
    for CapView { fact, limit, reserved, seen, .. } in &status.caps {
        let what = fact.as_deref().unwrap_or("approvals");
        let reserved = match reserved {
            Some(reserved) => format!("{reserved} reserved"),
            None => format!("{seen} reserved as last seen; the control table does not respond"),
        };
        text.push_str(&format!("cap         {limit} {} an hour, {reserved}\n", plain(what)));
    }
    if status.identity == "claimed" {
        text.push_str("people      can give any name: the API requires no token (auth.mode)\n");
    }
    text.push_str(&rates_text(&status.rate_limits));
    text.push_str(&format!("leases      {}\n", status.leases_held));
    text.push_str(&format!("in flight   {}\n", count(status.in_flight_records, "record")));
    match fleet {
        None => text.push_str("fleet       not seen yet\n"),
        Some(fleet) => text.push_str(&fleet::text(fleet)),
    }
    text.push_str(&queues::text(&status.queues));
    for part in &status.lacking {
        text.push_str(&format!("lacking     the {}, which an earlier ruleset had\n", plain(part)));
    }
    if let Some(refused) = refused {
        text.push_str(&format!("\nthe wanted ruleset is refused; {} stays active:\n", ruleset.label));
        for diagnostic in &refused.diagnostics {
            text.push_str(&format!("\n{}\n", plain(&diagnostic.to_string())));
        }
    }
    text
}

/// How full the rate limits are: the calls that each allows at once, of those a second.
fn rates_text(limits: &[RateLimitView]) -> String {
    if limits.is_empty() {
        return String::new();
    }
    let told = limits.iter().map(|RateLimitView { limit, capacity, level, waiting }| {
        let waits = if *waiting > 0 { format!(" ({waiting} wait)") } else { String::new() };
        format!("{} {level:.0}/{capacity:.0}{waits}", plain(limit))
    });
    format!("rates left  {}\n", told.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::{ActiveRuleset, RefusedRuleset};
    use crate::api::workers::{ShardView, WorkerState, WorkerView, WorkersView};
    use crate::metrics::arrivals::Stored;
    use crate::metrics::counts::{Counts, Open, Settled};
    use crate::metrics::report::Report;
    use crate::queues::QueueView;

    fn worker(name: &str, state: WorkerState, heard_seconds_ago: u64) -> WorkerView {
        WorkerView {
            worker: name.to_owned(),
            state,
            heard_seconds_ago,
            up_seconds: Some(60),
            shards: 3,
            buckets: 5,
            ruleset: "approval@7f3a91c2".to_owned(),
            report: None,
        }
    }

    fn status(caps: Vec<CapView>) -> Status {
        Status {
            version: "1.2.3".to_owned(),
            phase: "ready".to_owned(),
            identity: "claimed".to_owned(),
            ruleset: ActiveRuleset { label: "approval@7f3a91c2".to_owned(), sha256: "7f3a91c2".to_owned() },
            refused: None,
            lacking: vec!["rule tier-limit".to_owned()],
            shadow: None,
            caps,
            rate_limits: vec![],
            queues: vec![],
            automation: "running".to_owned(),
            paused: None,
            held: None,
            control_age_seconds: Some(1),
            fleet: Some(WorkersView {
                answering: "w1-a".to_owned(),
                seen_seconds_ago: 1,
                now: 10_000,
                counts: Counts::default(),
                stream_on: None,
                stored: None,
                expired: [].into(),
                shards: vec![],
                workers: vec![
                    worker("w1-a", WorkerState::Live, 2),
                    WorkerView { shards: 1, ..worker("w2-b", WorkerState::Dead, 57) },
                ],
            }),
            leases_held: 2,
            in_flight_records: 1,
        }
    }

    #[test]
    fn caps_are_told_with_what_is_reserved() {
        let cap = |fact: Option<&str>, limit: &str, reserved: Option<&str>| CapView {
            cap: "one".to_owned(),
            fact: fact.map(str::to_owned),
            limit: limit.to_owned(),
            reserved: reserved.map(str::to_owned),
            seen: "7".to_owned(),
        };
        let told =
            text(&status(vec![cap(None, "30", Some("12")), cap(Some("order.amount"), "600.50", None)]));
        let expected = "worker      1.2.3, ready\n\
                        ruleset     approval@7f3a91c2 (7f3a91c2)\n\
                        automation  running\n\
                        cap         30 approvals an hour, 12 reserved\n\
                        cap         600.50 order.amount an hour, 7 reserved as last seen; the control table does not respond\n\
                        people      can give any name: the API requires no token (auth.mode)\n\
                        leases      2\n\
                        in flight   1 record\n\
                        waiting     0 tasks for people\n\
                        expiring    0 tasks within the hour\n\
                        open        0 undecided, 0 to send, 0 unverified\n\
                        \x20           in 0 of 16 buckets; the others are not counted yet\n\
                        today       since 00:00 UTC: 0 decided, 0 by rules, 0 by people; 0 expired undecided, 0 ended otherwise, 0 undeliverable\n\
                        stream      not known: no worker lists it\n\
                        fleet       seen 1 s ago by w1-a\n\
                        \x20           w1-a: live, answering, last heard from 2 s ago, 3 shards, 5 buckets, approval@7f3a91c2\n\
                        \x20           w2-b: dead, last heard from 57 s ago, 1 shard, 5 buckets, approval@7f3a91c2\n\
                        lacking     the rule tier-limit, which an earlier ruleset had\n";
        assert_eq!(told, expected);
        assert!(!text(&status(Vec::new())).contains("cap "));
    }

    #[test]
    fn what_waits_what_was_done_and_who_is_behind_is_told() {
        let mut status = status(Vec::new());
        status.rate_limits = [("send_task", 485.0, 0), ("describe_execution", 10.0, 40)]
            .map(|(limit, capacity, waiting)| RateLimitView {
                limit: limit.to_owned(),
                capacity,
                level: if waiting > 0 { 0.0 } else { capacity },
                waiting,
            })
            .into();
        let fleet = status.fleet.as_mut().unwrap();
        let counts = &mut fleet.counts;
        (counts.at, counts.buckets, counts.due_soon, counts.next_deadline) = (9_990, 16, 3, Some(10_725));
        counts.open.escalated = Open { tasks: 12, oldest: Some(10_000 - 2 * 3_600 - 180) };
        counts.open.verify = Open { tasks: 2, oldest: Some(10_000 - 3 * 86_400) };
        counts.escalated_by = [("tier-limit".to_owned(), 8), ("(no-rule-approved)".to_owned(), 4)].into();
        counts.today = Settled { automatic: 90, people: 10, expired: 2, partial: true, ..Settled::default() };
        counts.partial = true;
        fleet.stream_on = Some(false);
        fleet.stored = Some(Stored { tasks: 7, last: Some(9_990), slowest_seconds: 3 });
        fleet.expired.insert("ESCALATED, aborted".to_owned(), 2);
        let shard = |name: &str, behind_seconds, worker: Option<&str>| ShardView {
            shard: format!("shardId-{name}"),
            worker: worker.map(str::to_owned),
            behind_seconds,
        };
        fleet.shards =
            ["a", "b", "c", "d"].map(|name| shard(name, (name == "c").then_some(75), Some("w1-a"))).into();
        fleet.shards.push(shard("z", None, None));
        fleet.workers[0].report = Some(Report {
            lag_seconds: 75,
            ruleset_refused: true,
            waiting: [("describe_execution".to_owned(), 40)].into(),
            ..Report::default()
        });
        let told = text(&status);
        let from = told.find("rates left").unwrap();
        let expected = "rates left  send_task 485/485, describe_execution 0/10 (40 wait)\n\
                        leases      2\n\
                        in flight   1 record\n\
                        waiting     12 tasks for people, the oldest for 2 h 3 min\n\
                        expiring    3 tasks within the hour; next deadline in 12 min 5 s\n\
                        escalated   by tier-limit 8, (no-rule-approved) 4\n\
                        open        0 undecided, 0 to send, 2 (oldest 3 d) unverified\n\
                        \x20           at least: a worklist has more tasks than one count reads\n\
                        \x20           counted 10 s ago\n\
                        today       since 00:00 UTC so far, still counting: 100 decided, 90 by rules (90 %), 10 by people; 2 expired undecided, 0 ended otherwise, 0 undeliverable\n\
                        expired     2 undecided (ESCALATED, aborted) since these workers started\n\
                        stream      OFF: new tasks wait for the sweeper; enable it with NEW_IMAGE\n\
                        ingest      not known while the stream is off: see MessagesStored in CloudWatch\n\
                        fleet       seen 1 s ago by w1-a\n\
                        \x20           w1-a: live, answering, last heard from 2 s ago, 3 shards, 5 buckets, approval@7f3a91c2\n\
                        \x20             1 min 15 s behind, rejects the wanted ruleset, 40 wait for the rate limit describe_execution\n\
                        \x20             reads shardId-c (1 min 15 s behind), shardId-a, shardId-b and 1 more (--format json)\n\
                        \x20           w2-b: dead, last heard from 57 s ago, 1 shard, 5 buckets, approval@7f3a91c2\n\
                        \x20             free: shardId-z\n\
                        lacking     the rule tier-limit, which an earlier ruleset had\n";
        assert_eq!(&told[from..], expected);

        status.fleet.as_mut().unwrap().stream_on = Some(true);
        let stored = "ingest      7 tasks stored in the last hour, the last 10 s ago; \
                      stored at most 3 s after being sent\n";
        assert!(text(&status).contains(stored), "{}", text(&status));
    }

    /// A status in which each line has something to say.
    fn full() -> Status {
        let cap = CapView {
            cap: "approvals".to_owned(),
            fact: None,
            limit: "30".to_owned(),
            reserved: Some("12".to_owned()),
            seen: "12".to_owned(),
        };
        let mut status = status(vec![cap]);
        status.rate_limits =
            vec![RateLimitView { limit: "sweep".to_owned(), capacity: 1.0, level: 1.0, waiting: 0 }];
        status.queues = vec![QueueView {
            queue: "tasks".to_owned(),
            waiting: Some(0),
            in_hand: Some(0),
            unknown_since: None,
            error: None,
        }];
        status.refused = Some(RefusedRuleset { sha256: None, diagnostics: vec![] });
        let fleet = status.fleet.as_mut().unwrap();
        (fleet.stream_on, fleet.stored) = (Some(true), Some(Stored::default()));
        fleet.expired.insert("PENDING, aborted".to_owned(), 1);
        fleet.counts.escalated_by.insert("tier-limit".to_owned(), 1);
        status
    }

    #[test]
    fn every_question_of_the_runbook_has_a_line() {
        let runbook = include_str!("../../../ops/README.md");
        let table = runbook.split("| question | metrics | line of `countersign status` |").nth(1).unwrap();
        let told = text(&full());
        let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
        let mut questions = 0;
        for row in rows {
            let lines = row.rsplit('|').nth(1).unwrap().split(';').next().unwrap();
            let mut named = lines.split('`').skip(1).step_by(2).peekable();
            assert!(named.peek().is_some(), "{row}");
            for line in named {
                assert!(told.lines().any(|of| of.starts_with(line)), "no line {line}: {row}\n{told}");
            }
            questions += 1;
        }
        assert_eq!(questions, 15);
    }
}
