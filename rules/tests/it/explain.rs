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

/// The length of a list that happens to be the parameter's value is not that parameter.
#[test]
fn equal_sides_of_a_comparison_have_no_name() {
    let rule = "if order.items.len() > limits.most { escalate(\"many\", \"too many\"); }";
    let entries = [("rules/a.rhai", rule), ("params/limits.toml", "most = 2\n")];
    let ruleset = Ruleset::from_files(files(&entries)).unwrap();
    let told = |order: &str| explain(&ruleset, &task(Some(order))).rules[0].not_met.clone();
    assert_eq!(told(r#"{"items":[{},{}]}"#), ["2 > 2"]);
    assert_eq!(told(r#"{"items":[{}]}"#), ["1 > limits.most (2)"]);
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
    old.engine = "0".repeat(16).into();
    assert!(matches!(replay(&ruleset, &facts, &old.to_json()).unwrap(), Replay::OtherEngine(_)));
    assert!(replay(&ruleset, &facts, "{}").is_err());
}

#[test]
fn a_rule_that_passes_tells_which_comparison_was_false_and_of_which_parameter() {
    let rule = "if order.tier == \"gold\" && order.amount <= limits.tier[order.tier] / 10 { approve(\"small\"); }\n\
                if order.amount <= limits.least { approve(\"least\"); }\n";
    let schema = |masked: bool| {
        format!("[fields]\namount = {{ type = \"money\", masked = {masked} }}\ntier = \"text\"\n")
    };
    let told = |masked: bool| {
        let schema = schema(masked);
        let entries = [
            ("rules/small.rhai", rule),
            ("params/limits.toml", "least = 5\n[tier]\ngold = 1000.00\n"),
            ("schema/order.toml", schema.as_str()),
        ];
        let ruleset = Ruleset::from_files(files(&entries)).unwrap();
        let facts = task(Some(r#"{"amount":120.5,"tier":"gold"}"#));
        let explanation = explain(&ruleset, &facts);
        assert_eq!(explanation.evaluation, ruleset.evaluate(&facts));
        explanation.rules[0].clone()
    };
    let rule = told(false);
    let parameters: Vec<_> =
        rule.parameters.iter().map(|read| (&*read.path, read.value.as_deref())).collect();
    assert_eq!(parameters, [("limits.least", Some("5")), ("limits.tier.gold", Some("1000"))]);
    assert_eq!(rule.not_met, ["order.amount (120.50) <= 100", "order.amount (120.50) <= limits.least (5)"]);
    let masked = told(true);
    assert_eq!((masked.not_met.len(), masked.to_string().contains("120")), (0, false));
}
