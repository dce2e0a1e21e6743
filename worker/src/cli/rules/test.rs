//! `countersign rules test`: the cases beside the rules.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use rules::{Files, Refused, Ruleset, cases};
use serde_json::json;
use statemachine::token::TaskId;
use tokio::time::sleep;

use super::{Failed, Folder, Printed, check, eval};
use crate::cli::client::Server;
use crate::cli::render::{json, plain};
use crate::in_time::{READ_LIMIT, in_time};

/// How often a watched folder is read: an author waits for the result.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Run a ruleset's test cases.
///
/// The exit code is 1 when a test fails, when there is none, or when the cases reach fewer lines than --min requires.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign rules test
  countersign rules test ./rules --coverage --min 90
  countersign rules test ./rules --watch
  countersign rules test --format junit > report.xml
  countersign rules test --from 7a7816bf8f01cfea414140de5dae2223   # writes tests/task-7a7816bf.toml")]
pub(super) struct Test {
    #[command(flatten)]
    folder: Folder,
    /// Print which lines and verdicts no case reached
    #[arg(long)]
    coverage: bool,
    /// Fail when the cases reach fewer lines than this, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min: Option<u8>,
    /// Run the tests again after each change of the folder, until Ctrl-C
    #[arg(long, conflicts_with = "format")]
    watch: bool,
    /// Write a case from a stored task first, as the worker at --url has it; what the schema masks is replaced
    #[arg(long, value_name = "TASK_ID", value_parser = TaskId::parse)]
    from: Option<TaskId>,
    /// The output format: for people, for programs, or for CI systems
    #[arg(long, value_enum, default_value_t = TestFormat::Table)]
    format: TestFormat,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TestFormat {
    Table,
    Json,
    Junit,
}

pub(super) async fn test(args: Test) -> Result<Printed, Failed> {
    if let Some(id) = &args.from {
        write_case(&args, id).await?;
    }
    if args.watch {
        return watch(&args).await;
    }
    report(&args, &check::load(&args.folder)?)
}

/// Writes a stored task into its own test file, which must not exist yet.
async fn write_case(args: &Test, id: &TaskId) -> Result<(), Failed> {
    let ruleset = check::load(&args.folder)?;
    let task = eval::stored(&eval::shown(&args.server, id).await?);
    let text = cases::from_task(&ruleset, &task).map_err(|reason| anyhow!("task {id}: {reason}"))?;
    let short: String = task.task_id.chars().take(8).collect();
    let path = args.folder.dir.join(format!("tests/task-{short}.toml"));
    let place = || path.display().to_string();
    let new = path.clone();
    let write = move || {
        new.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create_new(&new)?.write_all(text.as_bytes())
    };
    in_time(READ_LIMIT, write).with_context(place)?.with_context(place)?;
    // Separate from the report, which programs read.
    let _ = writeln!(io::stderr(), "{} is written", place());
    Ok(())
}

/// Runs the tests after each change, until the process is interrupted or its output is closed.
async fn watch(args: &Test) -> Result<Printed, Failed> {
    let mut last: Option<Result<Files, Refused>> = None;
    loop {
        let files = args.folder.files();
        if last.as_ref() != Some(&files) {
            let text = match files.clone().and_then(Ruleset::from_files) {
                Ok(ruleset) => report(args, &ruleset)?.text,
                Err(refused) => {
                    let told = refused.diagnostics.iter().map(|finding| format!("{finding}\n\n"));
                    told.collect::<String>()
                }
            };
            let mut out = io::stdout().lock();
            if writeln!(out, "{}", plain(&text)).and_then(|()| out.flush()).is_err() {
                return Ok(String::new().into());
            }
            last = Some(files);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn report(args: &Test, ruleset: &Ruleset) -> Result<Printed, Failed> {
    let report = cases::run(ruleset);
    let percent = report.coverage.percent();
    let missing = args.min.filter(|min| percent < *min);
    let is_empty = report.is_empty();
    let text = match args.format {
        TestFormat::Json => json(&json!({
            "ruleset": ruleset.sha256(),
            "cases": report.cases,
            "conditions": report.nevers,
            "failures": report.failures().collect::<Vec<_>>(),
            "broken": report.broken,
            "idle": report.idle,
            "coverage": report.coverage,
        }))?,
        TestFormat::Junit => report.to_junit(),
        TestFormat::Table => {
            let mut text = report.to_string();
            if args.coverage {
                text.push_str(&format!("\n{}", report.coverage));
            }
            if is_empty {
                text.push_str("there is no case and no [[never]] in tests/: nothing was tested\n");
            }
            if let Some(min) = missing {
                text.push_str(&format!("{percent}% of lines are reached; --min asks for {min}%\n"));
            }
            text
        }
    };
    Ok(Printed { text, code: u8::from(!report.is_ok() || is_empty || missing.is_some()) })
}
