//! `countersign rules check` and `definitions`: a folder's rules before they run.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use rules::check::{self, Checked};
use rules::lock::Lock;
use rules::{Refused, Ruleset};

use super::{Failed, Folder, Printed};
use crate::cli::now;
use crate::control::rules_folder::read_lock;
use crate::in_time::{READ_LIMIT, in_time};

/// Check a ruleset: compile it, run its tests, and find what would fail at run time.
///
/// The exit code is 1 when there is an error; warnings alone are 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules check
  countersign rules check ./rules --format json
  countersign rules check --format github   # annotations in a GitHub workflow
  countersign rules check --accept          # for rules.strict: only this version decides")]
pub(super) struct Check {
    #[command(flatten)]
    folder: Folder,
    /// The output format: for people, for programs and editors, or for GitHub
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,
    /// If there is no error, write the lock file beside the folder: with rules.strict only this version decides
    #[arg(long)]
    accept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Json,
    Github,
}

/// Print a definition file for editors with everything that scripts can use: facts, lists, parameters, functions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign rules definitions ./rules > ./rules/facts.d.rhai")]
pub(super) struct Definitions {
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn definitions(args: &Definitions) -> Result<Printed, Failed> {
    Ok(rules::definitions::definitions(&load(&args.folder)?).into())
}

pub(super) fn check(args: &Check) -> Result<Printed, Failed> {
    let mut checked = match args.folder.files() {
        Ok(files) => check::check(files, &now()),
        Err(Refused { diagnostics, .. }) => Checked { findings: diagnostics, ruleset: None },
    };
    args.folder.place(&mut checked.findings);
    let format = match args.format {
        CheckFormat::Text => check::Format::Text,
        CheckFormat::Json => check::Format::Json,
        CheckFormat::Github => check::Format::Github,
    };
    let mut text = checked.render(format);
    let is_ok = checked.is_ok();
    if let (true, true, Some(ruleset)) = (args.accept, is_ok, &checked.ruleset) {
        let accepted = accept(&args.folder.dir, Lock::of(ruleset))?;
        if args.format == CheckFormat::Text {
            text.push_str(&accepted);
        }
    }
    Ok(Printed { text, code: u8::from(!is_ok) })
}

/// Writes a ruleset's lock beside its folder; returns what the previously accepted one had and this one lacks.
fn accept(dir: &Path, lock: Lock) -> anyhow::Result<String> {
    let path = Lock::path(dir).with_context(|| format!("{}: name the folder itself", dir.display()))?;
    let place = path.display().to_string();
    in_time(READ_LIMIT, move || replace(&path, &lock)).with_context(|| place)?
}

fn replace(path: &Path, lock: &Lock) -> anyhow::Result<String> {
    let name = path.display().to_string();
    let before = read_lock(path).with_context(|| name.clone())?;
    let before = before.and_then(|text| Lock::parse(&name, &text).ok());
    let lacking = before.map(|before| before.lacking(lock)).unwrap_or_default();
    // A reader sees the old lock or the new one.
    let new = path.with_extension("lock.new");
    fs::write(&new, lock.to_text()).with_context(|| format!("{}", new.display()))?;
    fs::rename(&new, path).with_context(|| name.clone())?;
    let lacking = lacking.into_iter().map(|part| format!("removed: the {part}\n"));
    Ok(format!("{}accepted: {name} is written\n", lacking.collect::<String>()))
}

/// The ruleset of a folder, or all its errors.
pub(super) fn load(folder: &Folder) -> Result<Ruleset, Failed> {
    folder.files().and_then(Ruleset::from_files).map_err(|refused| folder.refused(refused))
}
