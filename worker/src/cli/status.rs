//! `countersign status`: what a worker does.

use super::client::Server;
use super::render::{json, plain};
use super::{Failed, Format};
use crate::api::status::Status;
use crate::control::Paused;

/// Show what a worker does: its ruleset, its shards, its work.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  countersign status --url http://127.0.0.1:8420")]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// For people, or for programs
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
    let Status { version, phase, ruleset, shadow, automation, paused, workers, refused, .. } = status;
    let mut text =
        format!("worker      {version}, {phase}\nruleset     {} ({})\n", ruleset.label, ruleset.sha256);
    if let Some(shadow) = shadow {
        text.push_str(&format!("shadow      {} ({})\n", shadow.label, shadow.sha256));
    }
    text.push_str(&format!("automation  {automation}\n"));
    if let Some(Paused { reason, by, at }) = paused {
        text.push_str(&format!("            by {} at {at}: {}\n", plain(by), plain(reason)));
    }
    text.push_str(&format!("shards      {}\n", status.leases_held));
    text.push_str(&format!("in work     {} records\n", status.in_flight_records));
    match workers {
        None => text.push_str("fleet       the control table does not answer\n"),
        Some(workers) => {
            for worker in workers {
                let leaving = if worker.leaving { ", leaving" } else { "" };
                text.push_str(&format!(
                    "fleet       {} with {}{leaving}\n",
                    plain(&worker.worker),
                    worker.ruleset
                ));
            }
        }
    }
    if let Some(refused) = refused {
        text.push_str(&format!("\nthe newest edit is refused, {} stays:\n", ruleset.label));
        for diagnostic in &refused.diagnostics {
            text.push_str(&format!("\n{}\n", plain(&diagnostic.to_string())));
        }
    }
    text
}
