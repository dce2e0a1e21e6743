//! `countersign rules explain`: a stored answer, run again with its own ruleset.

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

/// Run a stored answer of the rules again with its own ruleset, and show how it came about.
///
/// The ruleset is the folder's if that is the one, else the published one. The exit code is 1 when the answer differs
/// and should not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign rules explain 7a7816bf8f01cfea414140de5dae2223")]
pub(super) struct Explain {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    /// A folder that may hold the ruleset
    #[arg(long, default_value = "rules/scripts")]
    dir: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn explain(args: Explain) -> Result<Printed, Failed> {
    let task = eval::shown(&args.server, &args.id).await?;
    let stored = task.evaluation.as_ref().ok_or_else(|| {
        anyhow!("task {}: no rules were evaluated on it, so nothing can be explained", args.id)
    })?;
    let evaluation = Evaluation::from_json(stored.get()).context("the stored evaluation cannot be read")?;
    let ruleset = ruleset(&args, &evaluation.ruleset).await?;
    let facts = eval::stored(&task);
    let replay = explain::replay(&ruleset, &facts.facts(), stored.get())
        .context("the stored evaluation cannot be read")?;
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
        Replay::Same => ("same", "the same answer as the stored one, bit for bit", true),
        Replay::OtherRuleset => ("other-ruleset", "the stored answer is another ruleset's", false),
        Replay::OtherEngine(_) => {
            ("other-engine", "the stored answer differs, and another version of the engine made it", true)
        }
        Replay::Timed(_) => ("timed", "the stored answer differs: the wall clock ended one of the two", true),
        Replay::Different(_) => ("different", "the stored answer differs and should not: report this", false),
    }
}

/// The ruleset of this SHA-256, wherever it is.
async fn ruleset(args: &Explain, sha256: &str) -> Result<Ruleset, Failed> {
    if let Ok(ruleset) = Ruleset::load(&args.dir)
        && ruleset.sha256() == sha256
    {
        return Ok(ruleset);
    }
    let table = args.store.open().await?.control_table;
    let short = sha256.get(..8).unwrap_or(sha256);
    Ok(table.load_ruleset(sha256).await.with_context(|| {
        format!("ruleset {short} decided; {} holds another one, and the published sets", args.dir.display())
    })?)
}
