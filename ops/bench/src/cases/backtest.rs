//! A backtest of one edited rule, by the program as an author runs it.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::float;
use crate::orders;
use crate::process::{Process, Taken};
use crate::stage::{Setup, clean};
use crate::table::{Row, Target};

/// How often the processor time of the program is looked at; the last look before its end counts.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(setup: &Setup) -> Result<Vec<Row>> {
    let tasks = setup.tasks.unwrap_or(200_000);
    let dir = tempfile::tempdir()?;
    let (edited, exported) = (dir.path().join("edited"), dir.path().join("export.jsonl"));
    let scripts = setup.root.join("rules/scripts");
    copy(&scripts, &edited)?;
    let rule = edited.join("rules/50-small-order.rhai");
    let text = fs::read_to_string(&rule)?;
    ensure!(text.contains("limit / 10"), "{}: no longer has what is edited", rule.display());
    fs::write(rule, text.replace("limit / 10", "limit / 20"))?;
    export(&exported, tasks)?;
    let mut command = Command::new(&setup.countersign);
    clean(&mut command).args(["rules", "backtest"]).arg(&edited).arg("--against").arg(&scripts);
    command.arg("--from").arg(&exported).stderr(Stdio::null());
    let log = dir.path().join("log");
    let mut process = Process::start(command, &log)?;
    let mut taken = Taken::default();
    while !process.has_ended()? {
        let now = process.taken().unwrap_or(taken);
        // A process that ended has no memory any more.
        taken = Taken { peak_kib: now.peak_kib.max(taken.peak_kib), ..now };
        #[expect(clippy::disallowed_methods, reason = "nothing else happens in this process")]
        std::thread::sleep(LOOK_EVERY);
    }
    let said = fs::read_to_string(&log)?;
    ensure!(said.contains("tasks change"), "the backtest said:\n{said}");
    let decisions = 2 * tasks;
    let seconds = float(taken.cpu_us) / 1e6;
    let what = format!("decisions a second a core, {tasks} tasks");
    Ok(vec![
        Row::new("backtest", what, float(decisions) / seconds, "/s").target(Target::AtLeast(200_000.0)),
        Row::new("backtest", "peak memory", float(taken.peak_kib) / 1_024.0, "MiB"),
    ])
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to)? } else { fs::copy(&from, &to).map(drop)? }
    }
    Ok(())
}

/// Writes lines as `countersign tasks export` does.
fn export(path: &Path, tasks: u64) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for number in 0..tasks {
        let order: Box<serde_json::value::RawValue> =
            serde_json::from_str(&orders::order(number, 0)).context("an order is JSON")?;
        let line = json!({
            "taskId": "", "orderId": format!("o-{number}"), "startTime": "2026-11-22T10:00:00.000Z",
            "transactionId": "arn:aws:states:us-east-1:000000000000:execution:orders:run",
            "receivedAt": "2026-11-22T10:00:00.123Z", "order": order,
        });
        writeln!(file, "{line}")?;
    }
    Ok(file.flush()?)
}
