//! A backtest says what an edit would have decided, the same on any number of threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use rules::Ruleset;
use rules::backtest::{Backtest, Options, StoredTask, backtest};

use crate::evaluate::files;

fn ruleset(limit: &str) -> Ruleset {
    let rule = "if order.amount > limits.most {\n    escalate(\"large\", `${order.amount} is large`);\n}\napprove(\"small\");\n";
    let params = format!("most = {limit}\n");
    let files = files(&[
        ("rules/limit.rhai", rule),
        ("params/limits.toml", params.as_str()),
        ("ruleset.toml", "name = \"approval\"\namounts = [\"order.amount\"]\n"),
    ]);
    Ruleset::from_files(files).unwrap_or_else(|refused| panic!("{refused}"))
}

/// Amounts 0.01, 1.01, 2.01 and so on; every tenth task has none.
fn tasks(count: u32) -> impl Iterator<Item = StoredTask> + Send {
    (0..count).map(|n| StoredTask {
        task_id: format!("task-{n}"),
        order: (n % 10 != 9).then(|| format!("{{\"amount\":{n}.01}}")),
        order_id: format!("order-{n}"),
        received_at: "2026-11-22T10:00:00Z".to_owned(),
        ..StoredTask::default()
    })
}

fn run(threads: usize, keep_changes: usize) -> Backtest {
    let progress = AtomicU64::new(0);
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let options = Options { threads, keep_changes };
    let result = backtest(&ruleset("500"), &ruleset("503.00"), tasks(2_000), options, &progress);
    assert_eq!(progress.load(Ordering::Relaxed), 2_000);
    result
}

#[test]
fn a_backtest_counts_what_changes() {
    insta::assert_snapshot!("backtest-text", run(1, 2).to_string());
    insta::assert_snapshot!("backtest-json", run(1, 1).to_json());
}

#[test]
fn threads_do_not_change_the_answer() {
    let alone = run(1, 2);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads, 2), alone, "{threads} threads");
    }
}
