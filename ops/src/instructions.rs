//! Instructions of one decision by the sample rules, from the order's text to the record of reasons, beside the same scripts
//! on the bare engine. Unlike times, they are the same in every run, so a regression of a few percent shows.

use std::path::Path;

use anyhow::{Result, ensure};
use ops::binaries::{built, root};
use ops::valgrind::Valgrind;

/// A run of so many decisions, and one of so many more: their difference has no start of the program in it.
const DECISIONS: [u64; 2] = [100, 600];
/// What a decision may take, in hundredths of the bare engine's: the benchmark's target, 1.3, and three percent of it.
const MOST: u64 = 134;

/// Counts, prints, and fails if a decision takes too many.
pub(crate) fn check(valgrind: &Valgrind) -> Result<()> {
    // The packages of the simulation, which is built before: the same dependencies with the same features.
    let build = ["test", "--release", "-p", "worker", "-p", "rules", "--bench", "evaluate", "--no-run"];
    let [program] = built(&build, ["evaluate"])?;
    let (bare, ours) = (a_decision(valgrind, &program, "bare")?, a_decision(valgrind, &program, "record")?);
    let hundredths = ours * 100 / bare.max(1);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    println!(
        "a decision with its record: {ours} instructions, {whole}.{rest:02} of the bare engine's {bare}"
    );
    ensure!(
        hundredths <= MOST,
        "at most {}.{:02} are allowed; `cargo bench -p rules` has the profile's program",
        MOST / 100,
        MOST % 100
    );
    Ok(())
}

fn a_decision(valgrind: &Valgrind, program: &Path, kind: &str) -> Result<u64> {
    let count = |decisions: u64| {
        let decisions = decisions.to_string();
        valgrind.instructions(program, &["only", kind, &decisions], &root().join("rules"))
    };
    let [few, many] = DECISIONS;
    Ok((count(many)? - count(few)?) / (many - few))
}
