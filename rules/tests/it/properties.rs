//! Random scripts on random orders: no error is ever followed by an approval, nothing runs away, nothing panics
//! through, and every answer repeats.

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rules::evaluation::MAX_STORED_BYTES;
use rules::{Cause, Ended, Evaluation, Outcome, Ruleset};

use crate::evaluate::{files, task};

const LIST: (&str, &str) = ("lists/names.txt", "gold\nEUR\nbook\n");
const PARAMS: (&str, &str) =
    ("params/limits.toml", "low = 1.5\nhigh = 79228162514264337593543950335.0\n[tier]\ngold = 7\n");

fn leaf() -> impl Strategy<Value = String> {
    const LEAVES: &[&str] = &[
        "0",
        "1",
        "-7",
        "9223372036854775807",
        "0.1",
        "79228162514264337593543950335.0",
        "\"\"",
        "\"gold\"",
        "\"900\"",
        "'c'",
        "true",
        "()",
        "[]",
        "[1, \"a\", ()]",
        "#{a: 1}",
        "0..3",
        "order",
        "order.amount",
        "order.amuont",
        "order.items",
        "order.items[0]",
        "order.items[0].price",
        "order.customer.tier",
        "order.none",
        "order[\"tags\"]",
        "task.now",
        "task.nothing",
        "lists.names",
        "lists.other",
        "limits.low",
        "limits.high",
        "limits.tier.gold",
        "v",
    ];
    prop::sample::select(LEAVES).prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    const OPERATORS: &[&str] =
        &["+", "-", "*", "/", "%", "**", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "??", "in", "&", "|"];
    const METHODS: &[&str] = &[
        "len()",
        "is_empty()",
        "sum(\"price\")",
        "sum()",
        "sum_product(\"price\", \"qty\")",
        "max_of(\"price\")",
        "join(\"price\")",
        "join()",
        "where_in(\"sku\", lists.names)",
        "any_in(\"sku\", [\"a\"])",
        "has(\"amount\")",
        "get(\"none\", 5)",
        "contains(\"gold\")",
        "to_string()",
        "to_upper()",
        "filter(|x| x > 1)",
        "map(|x| x + x)",
        "some(|x| x == 1)",
        "reduce(|a, b| a + b, 0)",
        "sort(|a, b| a - b)",
        "push(v)",
        "pop()",
        "split(\",\")",
        "pad(100000, \"x\")",
        "pad(5000, 1)",
        "round(2)",
        "floor()",
        "abs()",
        "keys()",
        "index_of(\"a\")",
        "price",
    ];
    const FUNCTIONS: &[&str] = &["money", "decimal", "days_between", "max", "min", "parse_int"];
    leaf().prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), prop::sample::select(OPERATORS), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            3 => (inner.clone(), prop::sample::select(METHODS)).prop_map(|(a, method)| format!("{a}.{method}")),
            1 => (prop::sample::select(FUNCTIONS), inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            1 => (prop::sample::select(FUNCTIONS), inner.clone(), inner.clone())
                .prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, i)| format!("{a}[{i}]")),
            1 => inner.clone().prop_map(|a| format!("!{a}")),
            1 => inner.clone().prop_map(|a| format!("`x${{{a}}}`")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    const SOUND: &[&str] = &[
        "v = order.items.len();",
        "if order.amount > 1000 { reject(\"no\", \"why\"); }",
        "for item in order.items { if item.price > limits.high { escalate(\"dear\", item.sku); } }",
        "if order.customer.tier in lists.names { v = limits.tier[order.customer.tier]; }",
        "let total = order.items.sum_product(\"price\", \"qty\"); v = money(total);",
        "v = order.get(\"coupon\", 0) + 1; if v > 5 { pass(); }",
    ];
    let simple = prop_oneof![
        12 => prop::sample::select(SOUND).prop_map(str::to_owned),
        4 => expression().prop_map(|e| format!("v = {e};")),
        2 => expression().prop_map(|e| format!("v += {e};")),
        2 => expression().prop_map(|e| format!("let w = {e};")),
        1 => expression().prop_map(|e| format!("if {e} {{ pass(); }}")),
        1 => expression().prop_map(|e| format!("if {e} {{ escalate(\"look\", \"why\"); }}")),
        1 => expression().prop_map(|e| format!("if {e} {{ reject(\"no\", `${{v}}`); }}")),
        1 => Just("for i in 0..1000000000 { v = i; }".to_owned()),
        1 => Just("let s = \"x\"; for i in 0..60 { s += s; }".to_owned()),
        1 => Just("let a = [v]; for i in 0..60 { a += a; }".to_owned()),
        1 => Just("let a = [v]; for i in 0..30000 { a = [a, a]; }".to_owned()),
        1 => Just("fn f(n) { f(n + 1) + f(n) } f(0);".to_owned()),
        1 => Just("fn f(n) { if n > 0 { f(n - 1); f(n - 1); } } f(14);".to_owned()),
        1 => Just("let c = v; let g = |x| [x, c]; let m = [c, #{a: c}]; v = m.map(g);".to_owned()),
        1 => Just("let c = [v]; let m = #{a: [1].map(|x| c), b: c}; m.a.push(c); v = m;".to_owned()),
        1 => expression().prop_map(|e| format!("let c = v; v = order.items.map(|x| [x, c].some(|y| {e}));")),
        1 => expression().prop_map(|e| format!("let c = {e}; v = [1, 2].filter(|x| x in [c, v]);")),
    ];
    simple.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            (expression(), inner.clone(), inner.clone())
                .prop_map(|(e, a, b)| format!("if {e} {{ {a} }} else {{ {b} }}")),
            (expression(), inner.clone()).prop_map(|(e, a)| format!("for i in {e} {{ {a} }}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} {b}")),
        ]
    })
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (any::<i32>(), 0..40i32).prop_map(|(n, e)| format!("{n}e{}", e - 20)),
        "[1-9][0-9]{0,30}\\.[0-9]{1,30}",
        Just("900".to_owned()),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        3 => number(),
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
        2 => "[ -~]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => Just(format!("\"{}\"", "x".repeat(20_000))),
    ];
    scalar.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{\"price\":{a},\"sku\":{b}}}")),
        ]
    })
}

fn order() -> impl Strategy<Value = Option<String>> {
    let named = (json(), json(), json(), json()).prop_map(|(amount, items, tier, tags)| {
        Some(format!(
            "{{\"amount\":{amount},\"items\":[{items},{items}],\"customer\":{{\"tier\":{tier}}},\"tags\":{tags}}}"
        ))
    });
    let usual = r#"{"amount":900,"items":[{"price":1.5,"qty":2,"sku":"book"}],"customer":{"tier":"gold"},"tags":["EUR"]}"#;
    prop_oneof![
        4 => named,
        14 => Just(Some(usual.to_owned())),
        1 => json().prop_map(Some),
        1 => Just(None),
        1 => "[ -~]{0,20}".prop_map(Some)
    ]
}

/// How many of the random cases came to what, so that the property cannot hold for want of cases.
#[derive(Debug, Default)]
struct Counts {
    refused: Cell<u32>,
    failed: Cell<u32>,
    stopped: Cell<u32>,
    approved: Cell<u32>,
}

#[expect(clippy::disallowed_methods, reason = "the property is about the wall clock")]
fn now() -> Instant {
    Instant::now()
}

fn count(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

fn failure(evaluation: &Evaluation) -> Option<Cause> {
    match evaluation.verdicts.first().map(|verdict| &verdict.ended) {
        None => Some(Cause::InvalidTask),
        Some(Ended::Failed { cause, .. }) => Some(*cause),
        Some(Ended::Pass | Ended::Skipped | Ended::Gave { .. }) => None,
    }
}

fn check(statement: &str, order: Option<&str>, counts: &Counts) -> Result<(), TestCaseError> {
    let compile = |end: &str, other: &str| {
        let script = format!("let v = 1;\n{statement}\n{end}\n");
        Ruleset::from_files(files(&[("a.rhai", &script), ("b.rhai", other), LIST, PARAMS]))
    };
    // What check refuses never runs.
    let (Ok(alone), Ok(approving)) =
        (compile("", "pass();"), compile("approve(\"end\");", "approve(\"other\");"))
    else {
        count(&counts.refused);
        return Ok(());
    };
    let facts = task(order);
    let started = now();
    let (first, second) = (alone.evaluate(&facts), approving.evaluate(&facts));
    prop_assert!(started.elapsed() < Duration::from_secs(10), "it ran away: {:?}", started.elapsed());
    prop_assert!(!first.timed && !second.timed, "the count came too late");
    prop_assert_eq!(&alone.evaluate(&facts), &first);
    prop_assert_eq!(&approving.evaluate(&facts), &second);
    prop_assert!(second.to_json().len() <= MAX_STORED_BYTES);
    if let Some(cause) = failure(&first) {
        count(if cause == Cause::RuleDeadline { &counts.stopped } else { &counts.failed });
        prop_assert_eq!(second.verdict.outcome(), Outcome::Escalate);
    }
    if second.verdict.outcome() == Outcome::Approve {
        count(&counts.approved);
        prop_assert_eq!(failure(&second), None);
    }
    Ok(())
}

#[test]
fn no_error_is_followed_by_an_approval() {
    // The same cases on every machine; `PROPTEST_CASES=20000` for more of them.
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(600);
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let counts = Counts::default();
    let cases = (statement(), order());
    let result = TestRunner::new_with_rng(config, rng)
        .run(&cases, |(statement, order)| check(&statement, order.as_deref(), &counts));
    result.unwrap_or_else(|error| panic!("{error}"));
    let enough = counts.failed.get() > 100 && counts.stopped.get() > 5 && counts.approved.get() > 20;
    assert!(enough, "the cases are too one-sided: {counts:?}");
}
