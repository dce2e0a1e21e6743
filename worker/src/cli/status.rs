//! `countersign status`: what a worker does.

use super::client::Server;
use super::render::{json, plain};
use super::{Failed, Format};
use crate::api::status::Status;

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
    let Status { version, phase, ruleset, refused, leases_held, in_flight_records } = status;
    let mut text = format!(
        "worker   {version}, {phase}\nruleset  {} ({})\nshards   {leases_held}\nin work  {in_flight_records} records\n",
        ruleset.label, ruleset.sha256
    );
    if let Some(refused) = refused {
        text.push_str(&format!("\nthe newest edit is refused, {} stays:\n", ruleset.label));
        for diagnostic in &refused.diagnostics {
            text.push_str(&format!("\n{}\n", plain(&diagnostic.to_string())));
        }
    }
    text
}
