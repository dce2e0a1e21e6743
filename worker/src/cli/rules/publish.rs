//! `countersign rules publish`, `history`, `rollback` and `unshadow`: what decides on the whole fleet.

use rules::Ruleset;
use rules::check;

use super::{Failed, Folder, Printed};
use crate::cli::render::{json, line, table};
use crate::cli::store::{Signed, Store};
use crate::cli::{Format, clock, now};
use crate::control::rule_store::{Author, Event, Line};

/// The longest message in the history's table, in characters.
const MESSAGE_CHARS: usize = 60;

/// Whom a change reaches, and when.
const FOLLOW: &str = "within two seconds, on every worker with rules.source = \"published\"";

/// Publish a folder's ruleset: every worker with rules.source = "published" follows within two seconds.
///
/// A set that check or its tests refuse is not published. The set is stored for ever under its SHA-256.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules publish --message \"silver limit to 800\"
  countersign rules publish ./rules --shadow --message \"try before Monday\"")]
pub(super) struct Publish {
    #[command(flatten)]
    folder: Folder,
    /// Try it beside the active set instead: it never decides, its disagreements are counted and stored
    #[arg(long)]
    shadow: bool,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

/// List what was published, rolled back, tried, paused and resumed, the newest first.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

/// Let an earlier ruleset decide again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules rollback --message \"too many escalations\"
  countersign rules rollback 7f3a91c2 --message \"back to last week's\"")]
pub(super) struct Rollback {
    /// The beginning of its SHA-256; the one before the active one unless given
    sha256: Option<String>,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

/// Stop trying the shadow ruleset.
#[derive(Debug, clap::Args)]
pub(super) struct Unshadow {
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn publish(args: Publish) -> Result<Printed, Failed> {
    let files = rules::snapshot(&args.folder.dir).map_err(|refused| args.folder.refused(refused))?;
    let mut checked = check::check(files, &now());
    args.folder.place(&mut checked.findings);
    let (true, Some(ruleset)) = (checked.is_ok(), &checked.ruleset) else {
        let text = format!("{}not published\n", checked.render(check::Format::Text));
        return Ok(Printed { text, code: 1 });
    };
    let table = args.store.open().await?.control_table;
    let author: Author = args.signed.into();
    let event = if args.shadow { Event::Shadow } else { Event::Publish };
    let now = clock().now();
    table.store_ruleset(ruleset, &author, now).await?;
    table.change(event, Some(ruleset.sha256()), &author, now).await?;
    let what = if args.shadow {
        "is tried beside the active set within two seconds, on every worker".to_owned()
    } else {
        format!("decides {FOLLOW}")
    };
    Ok(format!("{} {what}\n", ruleset.label()).into())
}

pub(super) async fn rollback(args: Rollback) -> Result<Printed, Failed> {
    let table = args.store.open().await?.control_table;
    let sha256 = match &args.sha256 {
        Some(prefix) => table.find_ruleset(prefix).await?,
        None => table.earlier_ruleset().await?,
    };
    // A set that does not compile on this engine would be refused by every worker.
    let ruleset: Ruleset = table.load_ruleset(&sha256).await?;
    let author: Author = args.signed.into();
    table.change(Event::Rollback, Some(&sha256), &author, clock().now()).await?;
    Ok(format!("{} decides again {FOLLOW}\n", ruleset.label()).into())
}

pub(super) async fn unshadow(args: Unshadow) -> Result<Printed, Failed> {
    let table = args.store.open().await?.control_table;
    let author: Author = args.signed.into();
    table.change(Event::Unshadow, None, &author, clock().now()).await?;
    Ok("no ruleset is tried beside the active one any more\n".to_owned().into())
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
        return "nothing was published yet\n".to_owned();
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
        assert_eq!(listed(&[], None, None), "nothing was published yet\n");
    }
}
