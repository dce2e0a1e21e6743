//! `countersign rules check` and `test`: a folder's rules before they run.

use clap::ValueEnum;
use rules::cases;
use rules::check::{self, Checked};
use rules::{Refused, Ruleset, snapshot};
use serde_json::json;

use super::{Failed, Folder, Printed};
use crate::cli::render::json;
use crate::cli::{Format, now};

/// Check a ruleset: compile it, run its tests, find what would hurt at run time.
///
/// The exit code is 1 when there is an error; warnings alone are 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules check
  countersign rules check ./rules --format json
  countersign rules check --format github   (annotations in a GitHub workflow)")]
pub(super) struct Check {
    #[command(flatten)]
    folder: Folder,
    /// For people, for editors, or for GitHub
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Json,
    Github,
}

/// Run the cases beside the rules.
///
/// The exit code is 1 when a case fails, or when fewer lines are reached than --min asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules test
  countersign rules test ./rules --coverage --min 90")]
pub(super) struct Test {
    #[command(flatten)]
    folder: Folder,
    /// Print which lines and verdicts no case reached
    #[arg(long)]
    coverage: bool,
    /// Fail when the cases reach fewer lines than this, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min: Option<u8>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Print what scripts can name, as a definition file for editors: facts, lists, parameters, functions.
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

pub(super) fn check(args: &Check) -> Printed {
    let mut checked = match snapshot(&args.folder.dir) {
        Ok(files) => check::check(files, &now()),
        Err(Refused { diagnostics, .. }) => Checked { findings: diagnostics, ruleset: None },
    };
    args.folder.place(&mut checked.findings);
    let format = match args.format {
        CheckFormat::Text => check::Format::Text,
        CheckFormat::Json => check::Format::Json,
        CheckFormat::Github => check::Format::Github,
    };
    Printed { text: checked.render(format), code: u8::from(!checked.is_ok()) }
}

pub(super) fn test(args: &Test) -> Result<Printed, Failed> {
    let ruleset = load(&args.folder)?;
    let report = cases::run(&ruleset);
    let percent = report.coverage.percent();
    let missing = args.min.filter(|min| percent < *min);
    let text = match args.format {
        Format::Json => json(&json!({
            "ruleset": ruleset.sha256(),
            "cases": report.cases,
            "conditions": report.nevers,
            "failures": report.failures().collect::<Vec<_>>(),
            "broken": report.broken,
            "coverage": report.coverage,
        }))?,
        Format::Table => {
            let mut text = report.to_string();
            if args.coverage {
                text.push_str(&format!("\n{}", report.coverage));
            }
            if let Some(min) = missing {
                text.push_str(&format!("{percent}% of lines are reached; --min asks for {min}%\n"));
            }
            text
        }
    };
    Ok(Printed { text, code: u8::from(!report.is_ok() || missing.is_some()) })
}

/// The ruleset of a folder, or everything that is wrong with it.
pub(super) fn load(folder: &Folder) -> Result<Ruleset, Failed> {
    Ruleset::load(&folder.dir).map_err(|refused| folder.refused(refused))
}
