//! `countersign automation`: stops all automatic decisions, and starts them again.

use clap::Subcommand;

use super::render::plain;
use super::store::{Signed, Store};
use super::{Failed, clock};
use crate::control::item::{ControlError, ControlItem, Paused};
use crate::control::rule_store::Event;

/// Stop or start all automatic decisions of the whole fleet.
///
/// Every worker follows within two seconds. During a pause each new task is left to a person with that cause; people's
/// decisions and earlier decisions are still delivered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign automation pause --reason \"the price feed is wrong\"
  countersign automation resume --reason \"fixed, see incident 42\"")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Leave every task to a person
    Pause(Change),
    /// Let rules decide again
    Resume(Change),
    /// Show whether rules decide
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    store: Store,
}

pub(super) async fn automation(args: Args) -> Result<String, Failed> {
    let (event, done, Change { signed, store }) = match args.command {
        Command::Pause(change) => (
            Event::Pause,
            "paused: every new task goes to a person, on every worker within two seconds\n",
            change,
        ),
        Command::Resume(change) => {
            (Event::Resume, "resumed: rules decide again, on every worker within two seconds\n", change)
        }
        Command::Show(Show { store }) => {
            return match store.open().await?.control_table.read_control_item().await {
                Ok(ControlItem { paused: None, .. }) => Ok("automatic decisions are running\n".to_owned()),
                Ok(ControlItem { paused: Some(Paused { reason, by, at }), .. }) => {
                    Ok(format!("paused by {} at {at}: {}\n", plain(&by), plain(&reason)))
                }
                Err(ControlError::Fault(fault)) => Err(fault.into()),
                Err(
                    damage @ (ControlError::Unreadable { .. }
                    | ControlError::Newer { .. }
                    | ControlError::Vanished),
                ) => Ok(format!("held, no rule decides: {damage}\n")),
            };
        }
    };
    let table = store.open().await?.control_table;
    table.change(event, None, &signed.into(), clock().now()).await?;
    Ok(done.to_owned())
}
