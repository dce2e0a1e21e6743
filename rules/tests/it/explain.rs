//! An explanation tells each rule's part; a stored answer repeats bit for bit.

use std::path::Path;

use rules::explain::{Replay, explain, replay};
use rules::{Evaluation, Ruleset};

use crate::evaluate::{files, task};

const ORDER: &str = r#"{"amount":6000.00,"currency":"EUR","customer":{"id":"c-1","tier":"silver","country":"DE","ageDays":20},
    "items":[{"sku":"S-1","category":"lasers","quantity":2,"price":3000.00}]}"#;

#[test]
fn each_rule_is_told_with_what_it_read() {
    let ruleset = Ruleset::load(Path::new("scripts")).unwrap();
    let explanation = explain(&ruleset, &task(Some(ORDER)));
    assert_eq!(explanation.evaluation, ruleset.evaluate(&task(Some(ORDER))));
    // The versions change with every edit of the sample.
    let text = explanation.to_string();
    let text =
        text.replace(&ruleset.label(), "approval@VERSION").replace(ruleset.engine_fingerprint(), "ENGINE");
    insta::assert_snapshot!(text);
}

#[test]
fn a_stored_evaluation_repeats_bit_for_bit() {
    let compile = |text: &str| Ruleset::from_files(files(&[("a.rhai", text)])).unwrap();
    let text = "if order.amount > 500 { escalate(\"large\", `${order.amount / 3} is a third`); }";
    let ruleset = compile(text);
    let facts = task(Some(ORDER));
    let stored = ruleset.evaluate(&facts).to_json();
    assert_eq!(replay(&compile(text), &facts, &stored).unwrap(), Replay::Same);
    let other = task(Some("{\"amount\":700}"));
    assert!(matches!(replay(&ruleset, &other, &stored).unwrap(), Replay::Different(_)));
    assert_eq!(replay(&compile("pass();"), &facts, &stored).unwrap(), Replay::OtherRuleset);
    let mut old = Evaluation::from_json(&stored).unwrap();
    old.engine = "0".repeat(16);
    assert!(matches!(replay(&ruleset, &facts, &old.to_json()).unwrap(), Replay::OtherEngine(_)));
    assert!(replay(&ruleset, &facts, "{}").is_err());
}
