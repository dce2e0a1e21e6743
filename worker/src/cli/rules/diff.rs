//! `countersign rules diff`: what differs between two rulesets, file by file.

use rules::Files;

use super::{Failed, Folder, Printed};
use crate::cli::render::plain;
use crate::cli::store::{Opened, Store};
use crate::control::difference::differences;

/// Show what differs between two rulesets, published or in folders.
///
/// The exit code is 0 whether they differ or not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules diff 7f3a91c2 ./rules
  countersign rules diff active ./rules
  countersign rules diff 7f3a91c2 d04b1100")]
pub(super) struct Diff {
    /// A folder, the beginning of a published SHA-256, or `active`
    old: String,
    /// A folder, the beginning of a published SHA-256, or `active`
    new: String,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn diff(args: Diff) -> Result<Printed, Failed> {
    let old = files(&args.old, &args.store).await?;
    let new = files(&args.new, &args.store).await?;
    let text = differences(&old, &new);
    Ok(if text.is_empty() { "no difference\n".to_owned() } else { plain(&text) }.into())
}

/// The files of the ruleset that an argument names.
async fn files(name: &str, store: &Store) -> Result<Files, Failed> {
    if let Some(folder) = Folder::named(name)? {
        return folder.files().map_err(|refused| folder.refused(refused));
    }
    Ok(published(name, &store.open().await?).await?.files().clone())
}

/// The published ruleset that a name means: `active`, or the beginning of its SHA-256.
pub(super) async fn published(name: &str, opened: &Opened) -> Result<rules::Ruleset, Failed> {
    let table = &opened.control_table;
    let sha256 = if name == "active" {
        let active = table.read_control_item().await?.active;
        active.ok_or_else(|| anyhow::anyhow!("no ruleset is published yet; name a folder"))?
    } else {
        table.find_ruleset(name).await?
    };
    Ok(table.load_ruleset(&sha256).await?)
}
