//! `countersign rules explain`: evaluates a stored task again with the ruleset that decided it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use rules::explain::{self, Explanation, Replay};
use rules::{Evaluation, Ruleset};
use serde_json::json;
use statemachine::token::TaskId;

use super::{Failed, Printed, eval};
use crate::cli::Format;
use crate::cli::client::Server;
use crate::cli::render::{json, plain};
use crate::cli::store::Store;
use crate::control::rules_folder::files_in_time;

/// Evaluate a stored task again with the ruleset that decided it, and show how the answer came about.
///
/// The command uses the ruleset in the folder if it is the same one, and otherwise the published one. The exit code is
/// 1 if the answer differs and should not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign rules explain 7a7816bf8f01cfea414140de5dae2223")]
pub(super) struct Explain {
    /// The id of the task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    /// A folder that may contain the ruleset
    #[arg(long, default_value = "rules/scripts")]
    dir: PathBuf,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    server: Server,
    /// A file with the worker's settings, which name the tables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn explain(args: Explain) -> Result<Printed, Failed> {
    let task = eval::shown(&args.server, &args.id).await?;
    let stored = task.evaluation.as_ref().ok_or_else(|| {
        anyhow!("task {}: no rules were evaluated on this task, so there is nothing to explain", args.id)
    })?;
    let evaluation = Evaluation::from_json(stored.get()).context("cannot read the stored evaluation")?;
    let ruleset = ruleset(&args, &evaluation.ruleset).await?;
    let facts = eval::stored(&task);
    let replay = explain::replay(&ruleset, &facts.facts(), stored.get())
        .context("cannot read the stored evaluation")?;
    let explanation = explain::explain(&ruleset, &facts.facts());
    let (word, sentence, is_ok) = outcome(&replay);
    let text = match args.format {
        Format::Json => json(&json!({ "replay": word, "explanation": explanation, "stored": evaluation }))?,
        Format::Table => told(&explanation, sentence),
    };
    Ok(Printed { text, code: u8::from(!is_ok) })
}

fn told(explanation: &Explanation, sentence: &str) -> String {
    format!("{}\n{sentence}\n", plain(&explanation.to_string()))
}

fn outcome(replay: &Replay) -> (&'static str, &'static str, bool) {
    match replay {
        Replay::Same => ("same", "the answer is the same as the stored one, bit for bit", true),
        Replay::OtherRuleset => ("other-ruleset", "the stored answer came from another ruleset", false),
        Replay::OtherEngine(_) => (
            "other-engine",
            "the answer differs from the stored one, which another version of the engine gave",
            true,
        ),
        Replay::Timed(_) => {
            ("timed", "the answer differs: one of the two evaluations reached its time limit", true)
        }
        Replay::Different(_) => {
            ("different", "the answer differs and should not: report this as a bug", false)
        }
    }
}

/// The ruleset with this SHA-256, from the folder or from the published ones.
async fn ruleset(args: &Explain, sha256: &str) -> Result<Ruleset, Failed> {
    if let Ok(ruleset) = files_in_time(&args.dir).and_then(Ruleset::from_files)
        && ruleset.sha256() == sha256
    {
        return Ok(ruleset);
    }
    // Not flattened: `Server` has taken the global time limit already, and clap gives it once.
    let table = Store::new(args.config.clone(), args.server.timeout).open().await?.control_table;
    let short = sha256.get(..8).unwrap_or(sha256);
    Ok(table.load_ruleset(sha256).await.with_context(|| {
        format!(
            "ruleset {short} decided; {} contains another one, and the published rulesets",
            args.dir.display()
        )
    })?)
}
