//! `countersign rules publish`, `rollback` and `unshadow`: the ruleset of the whole fleet.

use std::io::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use rules::Ruleset;
use rules::check;
use tokio::time::{Instant, sleep};

use super::{Failed, Folder, Printed, backtest};
use crate::cli::ask::agreed;
use crate::cli::render::plain;
use crate::cli::store::{Opened, Signed, Store};
use crate::cli::{clock, now};
use crate::control::difference::differences;
use crate::control::rule_store::{Author, Event, StoreError};
use crate::control::table::ControlTable;
use crate::control::tested;

/// How long a publication waits for the first worker that follows: a few heartbeats.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);
/// Which workers a change reaches, and when.
const FOLLOW: &str = "within two seconds, on every worker with rules.source = \"published\"";

/// Publish a folder's ruleset: every worker with rules.source = "published" follows within two seconds.
///
/// It shows what changes, in the files and over the tasks of the last day, and asks. A ruleset is not published if
/// check or its tests fail, or if it breaks a [[never]] over those tasks. It is stored permanently under its SHA-256.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules publish --message \"silver limit to 800\"
  countersign rules publish --message \"silver limit to 800\" --yes   # for scripts
  countersign rules publish ./rules --shadow --message \"try before Monday\"")]
pub(super) struct Publish {
    #[command(flatten)]
    folder: Folder,
    /// Make it the shadow ruleset instead: it never decides, and its disagreements are counted and stored
    #[arg(long)]
    shadow: bool,
    /// Publish without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

/// Make an earlier ruleset active again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules rollback --message \"too many escalations\"
  countersign rules rollback 7f3a91c2 --message \"back to last week's\"")]
pub(super) struct Rollback {
    /// The beginning of its SHA-256; by default the previously active one
    sha256: Option<String>,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

/// Stop evaluating the shadow ruleset.
#[derive(Debug, clap::Args)]
pub(super) struct Unshadow {
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn publish(args: Publish) -> Result<Printed, Failed> {
    let files = args.folder.files().map_err(|refused| args.folder.refused(refused))?;
    let mut checked = check::check(files, &now());
    args.folder.place(&mut checked.findings);
    let (true, Some(ruleset)) = (checked.is_ok(), checked.ruleset.take()) else {
        let text = format!("{}not published\n", checked.render(check::Format::Text));
        return Ok(Printed { text, code: 1 });
    };
    let label = ruleset.label();
    let opened = args.store.open().await?;
    let current = opened.control_table.read_control_item().await?;
    let (current, mode) =
        if args.shadow { (current.shadow, "in shadow mode") } else { (current.active, "active") };
    if current.as_deref() == Some(ruleset.sha256()) {
        return Ok(format!("{label} is already {mode}; nothing was changed\n").into());
    }
    let change = Changes::of(ruleset, &opened).await?;
    // Shown before the question.
    let _ = io::stdout().lock().write_all(change.told.as_bytes());
    if change.breaks_never && !args.shadow {
        let text = "not published: a [[never]] does not hold over the tasks of the last day\n".to_owned();
        return Ok(Printed { text, code: 1 });
    }
    if !args.yes && !agreed(&format!("publish {label}"))? {
        return Ok(Printed { text: "not published\n".to_owned(), code: 1 });
    }
    let (table, ruleset) = (opened.control_table, change.ruleset);
    let author: Author = args.signed.into();
    let event = if args.shadow { Event::Shadow } else { Event::Publish };
    let now = clock().now();
    table.store_ruleset(&ruleset, &author, now).await?;
    table.change(event, Some(ruleset.sha256()), &author, now).await?;
    if args.shadow {
        let what = "runs in shadow mode beside the active ruleset within two seconds, on every worker";
        return Ok(format!("{label} {what}\n").into());
    }
    Ok(format!("{label} decides {FOLLOW}\n{}", followed(&table, &label).await?).into())
}

/// What a publication changes.
struct Changes {
    ruleset: Ruleset,
    told: String,
    breaks_never: bool,
}

impl Changes {
    /// Compares a ruleset with the active published one, in its files and over the tasks of the last day.
    async fn of(ruleset: Ruleset, opened: &Opened) -> Result<Changes, Failed> {
        let table = &opened.control_table;
        let Some(active) = table.read_control_item().await?.active else {
            let told = format!("{} is the first published ruleset\n", ruleset.label());
            return Ok(Changes { ruleset, told, breaks_never: false });
        };
        let active = match table.load_ruleset(&active).await {
            Ok(active) => active,
            Err(StoreError::Fault(fault)) => return Err(fault.into()),
            // A published ruleset that does not load must not prevent the publication of one that does.
            Err(error) => {
                let told = format!("cannot compare with the active ruleset: {}\n", plain(&error.to_string()));
                return Ok(Changes { ruleset, told, breaks_never: false });
            }
        };
        let mut told = match differences(active.files(), ruleset.files()) {
            same if same.is_empty() => format!("no file differs from {}\n", active.label()),
            differences => plain(&differences),
        };
        for part in active.parts().difference(&ruleset.parts()) {
            told.push_str(&format!("removed: the {}\n", plain(&part.to_string())));
        }
        let (result, ruleset) = backtest::of_days(1, active, ruleset, opened.clone()).await;
        let breaks_never = match result {
            Ok(result) => {
                told.push_str(&format!("\nover the last day: {}\n", plain(&result.to_string())));
                !result.is_ok()
            }
            // A table that does not respond must not prevent the publication of a fixed rule.
            Err(failed) => {
                told.push_str(&format!("\nthe tasks of the last day cannot be read: {failed}\n"));
                false
            }
        };
        Ok(Changes { ruleset, told, breaks_never })
    }
}

/// Waits until a worker has activated a ruleset; returns a warning if none has.
async fn followed(table: &ControlTable, label: &str) -> Result<String, Failed> {
    let deadline = Instant::now() + FOLLOWED_WITHIN;
    loop {
        let beats = table.heartbeats().await?;
        if beats.iter().any(|beat| beat.ruleset == label) {
            return Ok(String::new());
        }
        if Instant::now() >= deadline {
            let others: Vec<&str> = beats.iter().map(|beat| beat.ruleset.as_str()).collect();
            return Ok(match others.as_slice() {
                [] => "warning: no worker is running\n".to_owned(),
                others => format!(
                    "warning: no worker decides with {label} after {} s; they decide with {}. Workers follow with \
                     rules.source = \"published\"\n",
                    FOLLOWED_WITHIN.as_secs(),
                    plain(&others.join(", "))
                ),
            });
        }
        sleep(Duration::from_millis(500)).await;
    }
}

pub(super) async fn rollback(args: Rollback) -> Result<Printed, Failed> {
    let table = args.store.open().await?.control_table;
    let sha256 = match &args.sha256 {
        Some(prefix) => table.find_ruleset(prefix).await?,
        None => table.earlier_ruleset().await?,
    };
    // Every worker would reject a ruleset that does not compile or pass its tests on this engine.
    let ruleset: Ruleset = table.load_ruleset(&sha256).await?;
    tested::tested_before(ruleset.files().clone(), &now()).map_err(Failed::Refused)?;
    if table.read_control_item().await?.active.as_ref() == Some(&sha256) {
        return Ok(format!("{} is already active; nothing was changed\n", ruleset.label()).into());
    }
    let author: Author = args.signed.into();
    table.change(Event::Rollback, Some(&sha256), &author, clock().now()).await?;
    Ok(format!("{} decides again {FOLLOW}\n", ruleset.label()).into())
}

pub(super) async fn unshadow(args: Unshadow) -> Result<Printed, Failed> {
    let table = args.store.open().await?.control_table;
    Ok(end_shadow(&table, &args.signed.into(), clock().now()).await?.into())
}

/// Removes the shadow ruleset, if there is one.
async fn end_shadow(table: &ControlTable, author: &Author, now: Timestamp) -> Result<String, Failed> {
    let current = table.read_control_item().await?;
    let Some(shadow) = current.shadow else {
        return Ok("no ruleset runs in shadow mode; nothing was changed\n".to_owned());
    };
    table.change(Event::Unshadow, None, author, now).await?;
    Ok(format!("the shadow ruleset {} no longer runs\n", shadow.get(..8).unwrap_or(&shadow)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::date::ServerDate;
    use crate::control::table::Heartbeat;
    use crate::stream::tests::{CONTROL, world};

    #[tokio::test(start_paused = true)]
    async fn without_a_shadow_there_is_none_to_remove_and_no_history_of_it() {
        let world = world();
        let table = ControlTable::new(world.client_for("author").dynamodb(), CONTROL);
        let author = Author { by: "ada".to_owned(), message: "done".to_owned() };
        let now = Timestamp::UNIX_EPOCH;
        let end = async || end_shadow(&table, &author, now).await.map_err(|_| "the model answers").unwrap();
        assert_eq!(end().await, "no ruleset runs in shadow mode; nothing was changed\n");
        assert_eq!(table.history().await.unwrap(), []);
        table.change(Event::Shadow, Some("7f3a91c2aaaa"), &author, now).await.unwrap();
        assert_eq!(end().await, "the shadow ruleset 7f3a91c2 no longer runs\n");
        assert_eq!(end().await, "no ruleset runs in shadow mode; nothing was changed\n");
        assert_eq!(table.history().await.unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ruleset_that_no_worker_follows_is_warned_of() {
        let world = world();
        let table = ControlTable::new(world.client_for("author").dynamodb(), CONTROL);
        let beat = async |worker: &str, ruleset: &str| {
            let beat = Heartbeat {
                worker: worker.to_owned(),
                counter: 1,
                leaving: false,
                ruleset: ruleset.to_owned(),
                version: String::new(),
                uptime: None,
                report: None,
            };
            table.beat(&beat, jiff::Timestamp::UNIX_EPOCH, None, &ServerDate::default()).await.unwrap();
        };
        let told =
            async || followed(&table, "approval@7f3a91c2").await.map_err(|_| "the model answers").unwrap();
        assert_eq!(told().await, "warning: no worker is running\n");
        beat("a", "approval@00000000").await;
        let others = told().await;
        assert!(
            others.starts_with("warning: no worker decides with approval@7f3a91c2 after 10 s;"),
            "{others}"
        );
        assert!(others.contains("they decide with approval@00000000."), "{others}");
        beat("b", "approval@7f3a91c2").await;
        assert_eq!(told().await, "");
    }
}
