//! From an order's text to the verdict, beside the same scripts on rhai alone: what the benchmark of the rules measures.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::stage::Setup;
use crate::table::{Row, Target};

pub(crate) fn run(setup: &Setup) -> Result<Vec<Row>> {
    let mut command = Command::new(&setup.rules);
    let output = command.arg("decisions").current_dir(setup.root.join("rules")).output()?;
    ensure!(output.status.success(), "the rules' benchmark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let nanoseconds = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        value.with_context(|| format!("the rules' benchmark does not tell of: {name}"))
    };
    let bare = nanoseconds("the scripts on bare rhai")?;
    let record = nanoseconds("with the record as JSON")?;
    let name = "bare rhai, strict operators";
    Ok(vec![
        Row::new("rules", "order's text to verdict", nanoseconds("decide, JSON to answer")?, "ns")
            .over(name, bare),
        Row::new("rules", "… with its record as JSON", record, "ns")
            .over(name, bare)
            .target(Target::AtMost(1.3)),
        Row::new("rules", "order's text to verdict and record", record / 1e3, "µs")
            .target(Target::AtMost(10.0)),
    ])
}
