//! `countersign log-level`: how much one worker logs, for a time.

use clap::Subcommand;

use super::client::{Api, Server};
use super::render::{json, plain};
use super::signer::Signer;
use super::{Failed, Format};
use crate::api::log_level::{LevelBody, LevelView};

/// Show or change how much one worker logs.
///
/// A change affects the worker that `--url` names, and ends by itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign log-level show
  countersign log-level set info,worker=debug --minutes 15
  countersign log-level reset")]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the level in effect
    Show,
    /// Log more, or less, for a time
    Set(Set),
    /// Return to the configured level
    Reset(Signer),
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The level, in the form of `log.level`, such as `debug` or `info,worker=debug`
    level: String,
    /// When the configured level takes effect again
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
    #[command(flatten)]
    signer: Signer,
}

pub(super) async fn log_level(args: Args) -> Result<String, Failed> {
    let api = args.server.connect()?;
    let view = match args.command {
        Command::Show => api.send(api.get("v1/log-level")?).await?.body,
        Command::Set(Set { level, minutes, signer }) => {
            let by = signer.name(&api)?;
            post(&api, LevelBody { level: Some(level), minutes: Some(minutes), by }).await?
        }
        Command::Reset(signer) => {
            let by = signer.name(&api)?;
            post(&api, LevelBody { level: None, minutes: None, by }).await?
        }
    };
    match args.format {
        Format::Json => Ok(json(&view)?),
        Format::Table => Ok(shown(&view)),
    }
}

async fn post(api: &Api, body: LevelBody) -> Result<LevelView, Failed> {
    Ok(api.send(api.post("v1/log-level")?.json(&body)).await?.body)
}

fn shown(view: &LevelView) -> String {
    let LevelView { worker, level, configured, until, by } = view;
    let text = match (until, by) {
        (Some(until), Some(by)) => format!("{worker}: {level} until {until}, by {by}; then {configured}\n"),
        _ => format!("{worker}: {level}, as configured\n"),
    };
    plain(&text)
}
