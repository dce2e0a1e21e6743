//! `countersign rules diff`: what differs between two rulesets, file by file.

use std::collections::BTreeSet;

use rules::Files;
use similar::TextDiff;

use super::{Failed, Folder, Printed};
use crate::cli::render::plain;
use crate::cli::store::{Opened, Store};

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

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

pub(super) fn differences(old: &Files, new: &Files) -> String {
    let empty = Vec::new();
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (before, after) = (old.get(path).unwrap_or(&empty), new.get(path).unwrap_or(&empty));
        if before == after {
            continue;
        }
        let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
        let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
        let (old_name, new_name) = (named(old, path), named(new, path));
        text.push_str(&diff.unified_diff().context_radius(CONTEXT).header(&old_name, &new_name).to_string());
    }
    text
}

fn named(files: &Files, path: &str) -> String {
    if files.contains_key(path) { path.to_owned() } else { "/dev/null".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_changed_file_is_shown() {
        let files = |pairs: &[(&str, &str)]| -> Files {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let old = files(&[("a", "1\n2\n"), ("gone", "x\n"), ("same", "s\n")]);
        let new = files(&[("a", "1\n3\n"), ("new", "y\n"), ("same", "s\n")]);
        let expected = "--- a\n+++ a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n--- gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                        --- /dev/null\n+++ new\n@@ -0,0 +1 @@\n+y\n";
        assert_eq!(differences(&old, &new), expected);
        assert_eq!(differences(&old, &old), "");
    }
}
