//! How fast the sample ruleset decides, a backtest of one edited rule over a million tasks, and what a tenth as many teach:
//! `cargo bench -p rules`.
//!
//! Prints nanoseconds a decision beside those of the same scripts on rhai alone ([`bare`]), in turns in one run: on a busy
//! machine only their ratio counts. The number of tasks of the backtest is the first argument, a million without one.
//! With `decisions` it leaves out the backtest and what follows.
//! With `only ours N`, `only record N` or `only bare N` it makes N decisions and nothing else, so that two runs under
//! `valgrind --tool=callgrind` (instructions) or `valgrind` (allocations) differ in N decisions.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "a bench is about the wall clock")]

mod bare;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use rules::agreement::{Answer, End, Escalation, Reviewed, Study};
use rules::backtest::{Options, StoredTask, backtest};
use rules::{Ended, Ruleset, TaskFacts};

const ROUNDS: u32 = 20_000;

fn order(n: u64) -> String {
    let tier = ["bronze", "silver", "gold"][usize::try_from(n % 3).expect("it is below 3")];
    let (cents, country) = (100 + n * 7_919 % 1_200_000, if n.is_multiple_of(97) { "KP" } else { "DE" });
    let category = if n.is_multiple_of(31) { "lasers" } else { "books" };
    let (euros, cents) = (cents / 100, cents % 100);
    format!(
        r#"{{"orderId":"o-{n}","amount":{euros}.{cents:02},"currency":"EUR","customer":{{"id":"c-{n}","tier":"{tier}","country":"{country}","ageDays":{}}},"items":[{{"sku":"S-1","category":"{category}","quantity":1,"price":{euros}.{cents:02}}},{{"sku":"S-2","category":"toys","quantity":2,"price":0}}]}}"#,
        n % 1_000
    )
}

fn task(n: u64) -> StoredTask {
    StoredTask {
        task_id: format!("{n:032x}"),
        order: Some(order(n)),
        order_id: format!("o-{n}"),
        start_time: "2026-11-22T10:00:00Z".to_owned(),
        transaction_id: "arn:aws:states:eu-central-1:123456789012:execution:orders:run".to_owned(),
        received_at: "2026-11-22T10:00:00.123Z".to_owned(),
    }
}

/// The best of nine runs of each, in turns, in processor time of this thread: other work on the machine does not count.
fn nanoseconds<const N: usize>(mut works: [&mut dyn FnMut(u64); N]) -> [u128; N] {
    let origin = Instant::now();
    let mut best = [u128::MAX; N];
    for _ in 0..9 {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let started = thread_time(origin);
            (0..u64::from(ROUNDS)).for_each(work);
            *best = (*best).min((thread_time(origin) - started) / u128::from(ROUNDS));
        }
    }
    best
}

/// Nanoseconds that this thread has run, where Linux tells; the wall clock's elsewhere.
fn thread_time(origin: Instant) -> u128 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran = schedstat.split_whitespace().next().and_then(|text| text.parse().ok());
    ran.unwrap_or_else(|| origin.elapsed().as_nanos())
}

/// The process's peak memory in MiB, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

/// Seconds that this process has run on all processors since it started, where Linux tells.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u32 =
        stat.split_whitespace().skip(13).take(2).filter_map(|text| text.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

fn order_of(task: &StoredTask) -> &str {
    task.order.as_deref().expect("it has one")
}

fn main() {
    let ruleset = Ruleset::load(Path::new("scripts")).expect("the sample compiles");
    let arguments: Vec<String> = std::env::args().collect();
    if !decisions(&ruleset, &arguments) {
        let count = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
        one_edited_rule(&ruleset, count);
        agreement(&ruleset, count / 10);
    }
}

/// True if only some decisions were asked for.
fn decisions(ruleset: &Ruleset, arguments: &[String]) -> bool {
    let tasks: Vec<StoredTask> = (0..512).map(task).collect();
    let pick = |n: u64| &tasks[usize::try_from(n % 512).expect("it is below 512")];
    let bare = bare::sample();
    let mut parse = |n| {
        let json: Option<serde_json::Value> = serde_json::from_str(order_of(pick(n))).ok();
        black_box(json);
    };
    let mut alone = |n| {
        black_box(bare.decide(order_of(pick(n))));
    };
    let mut decide = |n| {
        black_box(ruleset.evaluate(&pick(n).facts()));
    };
    let mut record = |n| {
        black_box(ruleset.evaluate(&pick(n).facts()).to_json());
    };
    if let [_, only, kind, rounds] = arguments
        && only == "only"
    {
        let work: &mut dyn FnMut(u64) = match kind.as_str() {
            "bare" => &mut alone,
            "ours" => &mut decide,
            _ => &mut record,
        };
        (0..rounds.parse().expect("a number of decisions")).for_each(work);
        return true;
    }
    for task in &tasks {
        let codes =
            ruleset.evaluate(&task.facts()).verdicts.into_iter().filter_map(|rule| match rule.ended {
                Ended::Gave { code, .. } => Some(code + " "),
                _ => None,
            });
        assert_eq!(codes.collect::<String>(), bare.decide(order_of(task)), "they say the same");
    }
    let none = TaskFacts { order: None, ..pick(0).facts() };
    let mut without_order = |_| {
        black_box(ruleset.evaluate(&none));
    };
    let [parse, alone, decide, record, without_order] =
        nanoseconds([&mut parse, &mut alone, &mut decide, &mut record, &mut without_order]);
    println!("parse the order            {parse:>8} ns");
    println!("the scripts on bare rhai   {alone:>8} ns");
    println!("decide, JSON to answer     {decide:>8} ns  ({:.2} times bare rhai)", ratio(decide, alone));
    println!("with the record as JSON    {record:>8} ns  ({:.2} times bare rhai)", ratio(record, alone));
    println!("a task without order       {without_order:>8} ns");
    arguments.iter().any(|argument| argument == "decisions")
}

fn one_edited_rule(ruleset: &Ruleset, count: u64) {
    let mut edited = ruleset.files().clone();
    let path = "rules/50-small-order.rhai";
    let rule = String::from_utf8(edited[path].clone()).expect("it is text");
    edited.insert(path.to_owned(), rule.replace("limit / 10", "limit / 20").into_bytes());
    let edited = Ruleset::from_files(edited).expect("the edit compiles");
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = Options { threads, keep_changes: 100 };
    let (before, ran) = (peak_mib(), processor_seconds());
    let started = Instant::now();
    let result = backtest(ruleset, &edited, (0..count).map(task), options, &AtomicU64::new(0));
    println!("\nbacktest of {count} tasks on {threads} threads: {:.1?}", started.elapsed());
    println!("processor time {:.1} s, peak memory {before} -> {} MiB", processor_seconds() - ran, peak_mib());
    println!("{} tasks change", result.changed);
}

fn agreement(ruleset: &Ruleset, count: u64) {
    let (before, ran) = (peak_mib(), processor_seconds());
    let started = Instant::now();
    let mut study = Study::new(ruleset);
    (0..count).for_each(|n| study.add(&reviewed(n, count)));
    let agreement = study.finish();
    println!("\nagreement of {count} tasks: {:.1?}", started.elapsed());
    println!("processor time {:.1} s, peak memory {before} -> {} MiB", processor_seconds() - ran, peak_mib());
    println!("{} proposals", agreement.proposals.len());
}

/// A task of thirty days that a person decided, by its amount and with two errors in a hundred.
fn reviewed(n: u64, all: u64) -> Reviewed {
    let day = 1 + n * 30 / all.max(1);
    let approves = (n * 7_919 % 1_200_000 < 800_000) != (n * 31 % 100 < 2);
    let answer = if approves { Answer::Approved } else { Answer::Rejected };
    let at = format!("2026-11-{day:02}T10:00:00Z");
    let escalation = Escalation {
        code: "over-tier-limit".to_owned(),
        rule: Some("tier-limit".to_owned()),
        reason: format!("{n} is above the limit"),
        at: at.clone(),
    };
    Reviewed { task: task(n), escalation: Some(escalation), end: End::ByPerson { answer, at } }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(a: u128, b: u128) -> f64 {
    a as f64 / b.max(1) as f64
}
