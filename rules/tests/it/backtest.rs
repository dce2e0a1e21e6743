//! A backtest says what an edit would have decided, the same on any number of threads.

use std::num::NonZeroUsize;
use std::path::Path;
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
        (
            "tests/never.toml",
            "[[never]]\nname = \"above 501\"\nwhen = \"order.amount > 501\"\nexpect_not = \"approve\"\n",
        ),
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
fn what_must_never_happen_is_asked_of_every_task() {
    let broken = run(3, 0).broken;
    assert_eq!(broken.len(), 1);
    let orders: Vec<&str> = broken[0].first.iter().map(|(_, order)| order.as_str()).collect();
    assert_eq!((broken[0].tasks, orders), (2, vec!["order-501", "order-502"]));
}

/// A condition that nobody could ask has not held.
#[test]
fn what_cannot_be_asked_of_stored_tasks_has_not_held() {
    let with = |never: &str| {
        let rule = "if order.amount > 500 {\n    escalate(\"large\", \"large\");\n}\napprove(\"small\");\n";
        Ruleset::from_files(files(&[("rules/limit.rhai", rule), ("tests/never.toml", never)])).unwrap()
    };
    let run = |new: &Ruleset, threads| {
        let options = Options { threads: NonZeroUsize::new(threads).expect("at least one"), keep_changes: 0 };
        backtest(new, new, tasks(1_000), options, &AtomicU64::new(0))
    };
    let never = |when: &str| format!("[[never]]\nname = \"n\"\nwhen = {when:?}\nexpect_not = \"approve\"\n");
    assert!(run(&with(&never("order.amount > 501")), 2).is_ok());
    let misspelt = run(&with(&never("order.amuont > 501")), 1);
    let broken = &misspelt.broken[0];
    assert_eq!((misspelt.is_ok(), broken.tasks, broken.unknown), (false, 0, 450));
    assert_eq!(
        broken.to_string(),
        "NEVER: n: cannot be evaluated on 450 tasks: order order-0: order has no field 'amuont' (did you mean 'amount'?)\n"
    );
    assert_eq!(run(&with(&never("order.amuont > 501")), 3), misspelt);
    for unusable in [never("order.amount >"), "[[never]]\nname = 5\n".to_owned(), "[[never".to_owned()] {
        let result = run(&with(&unusable), 1);
        assert!(!result.is_ok(), "{unusable}");
        assert!(result.to_string().contains("cannot be evaluated: "), "{result}");
    }
}

#[test]
fn threads_do_not_change_the_answer() {
    let alone = run(1, 2);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads, 2), alone, "{threads} threads");
    }
}

/// The sample with one edit: a file, and what is replaced by what.
fn edited(path: &str, from: &str, to: &str) -> Ruleset {
    let mut files = sample().files().clone();
    let text = String::from_utf8(files[path].clone()).expect("it is text");
    assert!(text.contains(from), "{path} holds {from}");
    files.insert(path.to_owned(), text.replace(from, to).into_bytes());
    Ruleset::from_files(files).unwrap_or_else(|refused| panic!("{refused}"))
}

fn sample() -> Ruleset {
    Ruleset::load(Path::new("scripts")).unwrap_or_else(|refused| panic!("{refused}"))
}

fn orders() -> impl Iterator<Item = StoredTask> + Send {
    (0..240u32).map(|n| {
        let (euros, age, country) = (n * 37 % 12_000, n % 200, if n % 7 == 0 { "KP" } else { "DE" });
        let (tier, category) = (["bronze", "silver", "gold"][n as usize % 3], ["books", "lasers", "toys"][n as usize % 5 % 3]);
        let order = format!(
            r#"{{"amount":{euros}.10,"currency":"EUR","customer":{{"id":"c","tier":"{tier}","country":"{country}","ageDays":{age}}},
            "items":[{{"sku":"S","category":"{category}","quantity":1,"price":{euros}.10}}]}}"#
        );
        StoredTask {
            order: (n % 50 != 49).then_some(order),
            order_id: format!("order-{n}"),
            received_at: "2026-11-22T10:00:00Z".to_owned(),
            ..StoredTask::default()
        }
    })
}

/// How a list compares stands in another file than its entries.
#[test]
fn a_list_that_compares_otherwise_changes_answers() {
    let rule = ("rules/a.rhai", "if order.country in lists.x {\n    reject(\"no\", \"why\");\n}\n");
    let plain = Ruleset::from_files(files(&[rule, ("lists/x.txt", "kp\n")])).unwrap();
    let settings = ("ruleset.toml", "[lists.x]\nfold = \"case\"\n");
    let folded = Ruleset::from_files(files(&[rule, ("lists/x.txt", "kp\n"), settings])).unwrap();
    let task = StoredTask {
        order: Some(r#"{"country":"KP"}"#.to_owned()),
        received_at: "2026-11-22T10:00:00Z".to_owned(),
        ..StoredTask::default()
    };
    let options = Options { threads: NonZeroUsize::MIN, keep_changes: 1 };
    let result = backtest(&plain, &folded, [task].into_iter(), options, &AtomicU64::new(0));
    assert_eq!(result.changed, 1);
}

/// The new ruleset's answers in a backtest are those it gives alone, whatever part of the old one's it shares.
#[test]
fn what_is_shared_with_the_old_ruleset_changes_no_answer() {
    let old = sample();
    for new in [
        sample(),
        edited("rules/50-small-order.rhai", "limit / 10", "limit / 20"),
        edited("rules/10-restricted-goods.rhai", "//! priority: 10", "//! priority: 45"),
        edited("params/limits.toml", "bronze = 1000.00", "bronze = 500.00"),
        edited("lists/restricted_categories.txt", "lasers", "toys"),
        edited("schema/order.toml", "sum_product(\"quantity\", \"price\")", "sum(\"price\")"),
        edited(
            "schema/order.toml",
            "\"customer.ageDays\" = { type = \"integer\", min = 0 }",
            "\"customer.ageDays\" = \"decimal\"",
        ),
        edited("ruleset.toml", "reject-overrides", "first-match"),
    ] {
        let options = Options { threads: NonZeroUsize::MIN, keep_changes: usize::MAX };
        let result = backtest(&old, &new, orders(), options, &AtomicU64::new(0));
        let expected: Vec<_> = orders()
            .map(|task| (old.evaluate(&task.facts()).verdict, new.evaluate(&task.facts()).verdict))
            .enumerate()
            .filter(|(_, (old, new))| {
                (old.outcome(), old.code(), old.rule()) != (new.outcome(), new.code(), new.rule())
            })
            .map(|(index, (_, new))| (index as u64, new.code().to_owned(), new.text().to_owned()))
            .collect();
        let changes =
            result.changes.into_iter().map(|change| (change.index, change.new.code, change.new.text));
        assert_eq!(changes.collect::<Vec<_>>(), expected, "{}", new.label());
        assert_eq!(result.changed, expected.len() as u64);
    }
}
