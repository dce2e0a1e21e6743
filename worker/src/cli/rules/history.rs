//! `countersign rules history`: what was published, tried, rolled back and paused.

use super::{Failed, Printed};
use crate::cli::Format;
use crate::cli::render::{json, line, table};
use crate::cli::store::Store;
use crate::control::rule_store::{Event, Line};

/// The longest message in the table, in characters.
const MESSAGE_CHARS: usize = 60;

/// List publications, rollbacks, shadow rulesets, pauses and resumptions, newest first.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn history(args: History) -> Result<Printed, Failed> {
    let table = args.store.open().await?.control_table;
    let control = table.read_control_item().await?;
    let mut lines = table.history().await?;
    lines.reverse();
    let text = match args.format {
        Format::Json => json(&lines)?,
        Format::Table => listed(&lines, control.active.as_deref(), control.shadow.as_deref()),
    };
    Ok(text.into())
}

fn listed(lines: &[Line], active: Option<&str>, shadow: Option<&str>) -> String {
    if lines.is_empty() {
        return "nothing has been published yet\n".to_owned();
    }
    let rows: Vec<[String; 5]> = lines
        .iter()
        .map(|change| {
            let ruleset = change.ruleset.as_deref().unwrap_or_default();
            let event = match change.event {
                Event::Publish => "publish",
                Event::Rollback => "rollback",
                Event::Shadow => "shadow",
                Event::Unshadow => "unshadow",
                Event::Pause => "pause",
                Event::Resume => "resume",
            };
            let short = ruleset.get(..8).unwrap_or(ruleset).to_owned();
            let message = line(&change.message, MESSAGE_CHARS);
            [change.at.clone(), event.to_owned(), short, line(&change.by, 24), message]
        })
        .collect();
    let short = |sha256: Option<&str>| sha256.and_then(|sha256| sha256.get(..8)).unwrap_or("none").to_owned();
    let table = table(["WHEN", "WHAT", "RULESET", "WHO", "WHY"], &rows);
    format!("{table}\nactive {}, shadow {}\n", short(active), short(shadow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_names_who_and_why() {
        let line = |event, ruleset: Option<&str>| Line {
            at: "2026-11-22T10:00:00.000Z".to_owned(),
            event,
            by: "ada".to_owned(),
            message: "silver limit\nto 800".to_owned(),
            ruleset: ruleset.map(str::to_owned),
            before: None,
            revision: 1,
        };
        let lines = [line(Event::Pause, None), line(Event::Publish, Some("7f3a91c2aaaa"))];
        insta::assert_snapshot!(listed(&lines, Some("7f3a91c2aaaa"), None));
        assert_eq!(listed(&[], None, None), "nothing has been published yet\n");
    }
}
