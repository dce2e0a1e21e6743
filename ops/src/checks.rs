//! `cargo ops test`: runs every check of the repository, the ones that can fail soonest first.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use ops::binaries::{cargo, root};
use ops::valgrind::Valgrind;
use ops::{browser, identity, processes, prometheus, python};

use crate::instructions;

/// Runs all checks; stops at the first failure.
pub(crate) fn run() -> Result<ExitCode> {
    component("fmt", "rustfmt")?;
    component("clippy", "clippy")?;
    // Early, so that a missing python3-venv does not fail only after ten minutes of tests.
    println!("== the emulator's environment");
    python::emulator()?;
    println!("== schemathesis");
    python::schemathesis()?;
    println!("== Prometheus");
    prometheus::programs::Programs::find(&root().join("target/local/prometheus"))?;
    println!("== Chromium");
    browser::programs::Programs::find(&root().join("target/local/browser"))?;
    println!("== valgrind");
    let valgrind = Valgrind::find(&root().join("target/local/valgrind"))?;
    println!("== the identity provider");
    identity::install(&identity::folder())?;

    let mut documentation = cargo();
    documentation.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    let mut format = cargo();
    format.args(["fmt", "--all", "--check"]);
    let mut lints = cargo();
    lints.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    // All but the simulation, which runs in the release build alone: five times as fast, and with the checks of our own
    // numbers that a debug build has (`overflow-checks` in Cargo.toml).
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--lib", "--bins", "--test", "it", "--test", "e2e"]);
    let mut simulation = cargo();
    simulation.args([
        "test",
        "--release",
        "-p",
        "worker",
        "-p",
        "rules",
        "--test",
        "sim",
        "--",
        "--nocapture",
    ]);
    simulation.env("SEEDS", "1000");
    let steps = [
        ("format", format),
        ("lints", lints),
        ("documentation", documentation),
        ("tests", tests),
        ("simulation", simulation),
    ];
    for (name, mut command) in steps {
        println!("== {name}");
        if !status(&mut command)? {
            eprintln!("{name}: failed");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("== instructions");
    instructions::check(&valgrind)?;
    println!("== all checks passed");
    Ok(ExitCode::SUCCESS)
}

/// Checks for a part of the toolchain that a minimal installation lacks.
fn component(subcommand: &str, component: &str) -> Result<()> {
    let mut command = cargo();
    command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let output = processes::run(&mut command).context("cannot start cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo {subcommand} is missing: run `rustup component add {component}`"
    );
    Ok(())
}

fn status(command: &mut Command) -> Result<bool> {
    let output = processes::run(command).with_context(|| format!("cannot start {command:?}"))?;
    Ok(output.status.success())
}
