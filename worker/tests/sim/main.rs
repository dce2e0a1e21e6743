//! The fleet under faults: production code over AWS in process, on seeded and paused time.
//!
//! `cargo test -p worker --test sim` runs the seeds of CI; `SEEDS=n` runs that many, `FIRST=n` starts elsewhere,
//! `SEED=n` replays one, and `SHOW=1` prints its calls. A failure prints its seeds.

#![expect(clippy::print_stdout, reason = "a simulation says what it ran")]

mod actors;
mod ahead;
mod budgets;
mod closed;
mod days;
mod drain;
mod expiry;
mod faults;
mod fleet;
mod hints;
mod incidents;
mod invariants;
mod liveness;
mod log;
mod newcomers;
mod notices;
mod operator;
mod poison;
mod process;
mod quarantine;
mod reconsider;
mod redrive;
mod run;
mod scene;
mod stage;
mod storms;
mod sweeper;
mod unverified;
mod windows;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use crate::run::{Report, run_seed};
use crate::windows::Windows;

/// How many seeds a plain run takes.
const SEEDS: u64 = 100;
/// From this many on, each window must have been hit a hundred times, and each fault and deed once.
const ASSERTED: u64 = 1_000;
/// After so many failed seeds the rest is not run: they show the same.
const ENOUGH: u64 = 5;

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told its seeds by its caller")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} = {text}: a number of seeds, please")))
}

/// Whether every call is printed.
fn shows_calls() -> bool {
    static SHOWS: LazyLock<bool> = LazyLock::new(|| number("SHOW").is_some());
    *SHOWS
}

/// Runs seeds on all cores, each on its own thread's clock and dice.
fn run_all(seeds: std::ops::Range<u64>) -> Vec<(u64, Result<Report, String>)> {
    let next = AtomicU64::new(seeds.start);
    let failures = AtomicU64::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let has_failed = failures.load(Ordering::Relaxed) >= ENOUGH;
                    if seed >= seeds.end || has_failed {
                        return;
                    }
                    let report = run_seed(seed);
                    if let Err(what) = &report {
                        println!("SEED={seed}: {what}");
                    }
                    failures.fetch_add(u64::from(report.is_err()), Ordering::Relaxed);
                    reports.lock().expect("no thread panics here").push((seed, report));
                }
            });
        }
    });
    reports.into_inner().expect("no thread panics here")
}

#[test]
fn every_task_is_decided_once_and_none_is_lost_whatever_the_world_does() {
    let (first, count) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (number("FIRST").unwrap_or(0), number("SEEDS").unwrap_or(SEEDS)),
    };
    let (mut windows, mut mix, mut failed) = (Windows::default(), BTreeMap::new(), vec![]);
    let (mut virtual_s, mut tasks, mut calls) = (0, 0, 0);
    for (seed, report) in run_all(first..first + count) {
        match report {
            Ok(report) => {
                windows.add(&report.windows);
                report.mix.iter().for_each(|(name, hits)| *mix.entry(*name).or_insert(0_u64) += hits);
                virtual_s += report.virtual_s;
                tasks += report.tasks;
                calls += report.calls;
            }
            Err(what) => failed.push((seed, what)),
        }
    }
    println!("{count} seeds from {first}: {tasks} tasks, {calls} calls, {virtual_s} virtual seconds");
    println!("mix: {mix:?}");
    println!("windows: {windows}");
    failed.sort();
    assert!(failed.is_empty(), "{} seeds failed: {:?}", failed.len(), failed.first());
    if count >= ASSERTED {
        windows.assert_each_at_least(100);
        for name in faults::names().chain(operator::names()).chain([run::SWEEPER_ALONE, run::LATE_INDEX]) {
            assert!(mix.get(name).is_some_and(|hits| *hits > 0), "{name}: never happened, in {count} seeds");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 42] {
        let traces: Vec<u64> = (0..2).map(|_| run_seed(seed).expect("a good seed").trace).collect();
        assert_eq!(traces[0], traces[1], "SEED={seed}");
    }
    assert_ne!(run_seed(1).expect("a good seed").trace, run_seed(2).expect("a good seed").trace);
}
