//! `countersign rules`: the rule author's day, from an idea to production and back.

mod agreement;
mod backtest;
mod check;
mod diff;
mod eval;
mod explain;
mod history;
mod publish;
mod test;

use std::path::PathBuf;

use ::rules::{Diagnostic, Files, Refused};
use clap::Subcommand;

use super::{Failed, Printed};
use crate::control::rules_folder::{files_in_time, is_folder_in_time};

/// Write, test, try, publish and roll back rules.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Test(test::Test),
    Definitions(check::Definitions),
    Eval(eval::Eval),
    Explain(explain::Explain),
    Backtest(backtest::Backtest),
    Agreement(agreement::Agreement),
    Publish(publish::Publish),
    History(history::History),
    Diff(diff::Diff),
    Rollback(publish::Rollback),
    Unshadow(publish::Unshadow),
}

/// The folder of a ruleset.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The folder with the ruleset
    #[arg(default_value = "rules/scripts")]
    dir: PathBuf,
}

impl Folder {
    /// The folder that an argument names, if there is one; otherwise the argument names a published ruleset.
    fn named(name: &str) -> Result<Option<Folder>, Failed> {
        let folder = Folder { dir: PathBuf::from(name) };
        let is_folder = is_folder_in_time(&folder.dir).map_err(Failed::Refused)?;
        Ok(is_folder.then_some(folder))
    }

    /// The folder's files.
    fn files(&self) -> Result<Files, Refused> {
        files_in_time(&self.dir)
    }

    /// Prefixes the paths of findings with the folder, so that they open from where the command runs.
    fn place(&self, findings: &mut [Diagnostic]) {
        for finding in findings {
            let path = if finding.file.is_empty() { self.dir.clone() } else { self.dir.join(&finding.file) };
            finding.file = path.display().to_string();
        }
    }

    /// The errors of the folder's ruleset.
    fn refused(&self, mut refused: Refused) -> Failed {
        self.place(&mut refused.diagnostics);
        Failed::Refused(refused)
    }
}

pub(super) async fn rules(args: Args) -> Result<Printed, Failed> {
    match args.command {
        Command::Check(args) => check::check(&args),
        Command::Test(args) => test::test(args).await,
        Command::Definitions(args) => check::definitions(&args),
        Command::Eval(args) => eval::eval(args).await,
        Command::Explain(args) => explain::explain(args).await,
        Command::Backtest(args) => backtest::backtest(args).await,
        Command::Agreement(args) => agreement::agreement(args).await,
        Command::Publish(args) => Box::pin(publish::publish(args)).await,
        Command::History(args) => history::history(args).await,
        Command::Diff(args) => Box::pin(diff::diff(args)).await,
        Command::Rollback(args) => publish::rollback(args).await,
        Command::Unshadow(args) => publish::unshadow(args).await,
    }
}

/// Reads one line of an export.
#[cfg(test)]
pub(super) fn parse_task(line: &str) -> anyhow::Result<::rules::agreement::Reviewed> {
    eval::parse_reviewed(line)
}
