//! `countersign status`: what a worker does.

use super::client::Server;
use super::render::{count, json, plain};
use super::{Failed, Format};
use crate::api::status::{CapView, Status};
use crate::api::workers::{WorkerState, WorkerView, WorkersView};
use crate::control::gate::Paused;

/// Show a worker's state: its ruleset, its leases, its work.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  countersign status --url http://127.0.0.1:8420")]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) async fn status(args: Args) -> Result<String, Failed> {
    let api = args.server.connect()?;
    let status: Status = api.send(api.get("v1/status")?).await?.body;
    match args.format {
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
        text.push_str("people      give any name: the API asks for no token (auth.mode)\n");
    }
    text.push_str(&format!("leases      {}\n", status.leases_held));
    text.push_str(&format!("in flight   {}\n", count(status.in_flight_records, "record")));
    match fleet {
        None => text.push_str("fleet       not seen yet\n"),
        Some(fleet) => text.push_str(&fleet_text(fleet)),
    }
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

/// A line for each worker: dead ones too, until what is left of them is cleared away.
fn fleet_text(fleet: &WorkersView) -> String {
    let WorkersView { answering, seen_seconds_ago, workers } = fleet;
    let mut text = format!("fleet       seen {seen_seconds_ago} s ago by {}\n", plain(answering));
    for WorkerView { worker, state, heard_seconds_ago, shards, buckets, ruleset, .. } in workers {
        let state = match state {
            WorkerState::Live => "live",
            WorkerState::New => "new",
            WorkerState::Leaving => "leaving",
            WorkerState::Dead => "dead",
        };
        let answers = if worker == answering { ", answering" } else { "" };
        text.push_str(&format!(
            "            {}: {state}{answers}, last heard from {heard_seconds_ago} s ago, {}, {}, {}\n",
            plain(worker),
            count(shards, "shard"),
            count(buckets, "bucket"),
            plain(ruleset)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::ActiveRuleset;

    fn worker(name: &str, state: WorkerState, heard_seconds_ago: u64) -> WorkerView {
        WorkerView {
            worker: name.to_owned(),
            state,
            heard_seconds_ago,
            up_seconds: Some(60),
            shards: 3,
            buckets: 5,
            ruleset: "approval@7f3a91c2".to_owned(),
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
            automation: "running".to_owned(),
            paused: None,
            held: None,
            control_age_seconds: Some(1),
            fleet: Some(WorkersView {
                answering: "w1-a".to_owned(),
                seen_seconds_ago: 1,
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
                        people      give any name: the API asks for no token (auth.mode)\n\
                        leases      2\n\
                        in flight   1 record\n\
                        fleet       seen 1 s ago by w1-a\n\
                        \x20           w1-a: live, answering, last heard from 2 s ago, 3 shards, 5 buckets, approval@7f3a91c2\n\
                        \x20           w2-b: dead, last heard from 57 s ago, 1 shard, 5 buckets, approval@7f3a91c2\n\
                        lacking     the rule tier-limit, which an earlier ruleset had\n";
        assert_eq!(told, expected);
        assert!(!text(&status(Vec::new())).contains("cap "));
    }
}
