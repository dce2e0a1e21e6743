//! The sample ruleset decides as a shop would.

use std::path::Path;

use rules::{Ruleset, content_hash};

use crate::evaluate::task;

fn sample() -> Ruleset {
    Ruleset::load(Path::new("scripts")).unwrap_or_else(|refused| panic!("{refused}"))
}

const ORDER: &str = r#"{"orderId":"o-1","amount":AMOUNT,"currency":"EUR","coupon":null,
    "customer":{"id":"c-1","tier":"silver","country":"COUNTRY","ageDays":AGE},
    "items":[{"sku":"S-1","category":"CATEGORY","quantity":2,"price":PRICE}]}"#;

fn order(amount: &str, price: &str, country: &str, age: &str, category: &str) -> String {
    let pairs =
        [("AMOUNT", amount), ("PRICE", price), ("COUNTRY", country), ("AGE", age), ("CATEGORY", category)];
    pairs.into_iter().fold(ORDER.to_owned(), |order, (name, value)| order.replace(name, value))
}

#[test]
fn the_sample_decides_as_a_shop_would() {
    let ruleset = sample();
    assert_eq!(ruleset.warnings(), []);
    assert_eq!(content_hash(Path::new("scripts")).unwrap(), ruleset.sha256());
    for (order, expected) in [
        (order("64.90", "32.45", "DE", "400", "books"), "approve small-order"),
        (order("64.9", "32.45", "DE", "400.0", "books"), "approve small-order"),
        (order("\"64.90\"", "\"32.45\"", "DE", "400", "books"), "approve small-order"),
        (order("500", "250.0", "DE", "90", "books"), "approve small-order"),
        (order("500.02", "250.01", "DE", "90", "books"), "escalate no-rule-approved"),
        (order("64.90", "32.45", "DE", "89", "books"), "escalate new-customer"),
        (order("64.91", "32.45", "DE", "400", "books"), "escalate inconsistent-total"),
        (order("5000.02", "2500.01", "DE", "400", "books"), "escalate over-tier-limit"),
        (order("64.90", "32.45", "KP", "400", "lasers"), "reject sanctioned-country"),
        (order("64.90", "32.45", "DE", "400", "lasers"), "escalate restricted-goods"),
        (order("64.90", "32.45", "KP", "400", "books"), "escalate sanctioned-destination"),
        (order("64.901", "32.45", "DE", "400", "books"), "escalate invalid-task"),
        (order("null", "32.45", "DE", "400", "books"), "escalate invalid-task"),
        (order("-400.00", "-200.00", "DE", "400", "books"), "escalate invalid-task"),
        (order("0.00", "0.00", "DE", "400", "books"), "escalate invalid-task"),
        (order("64.90", "32.45", "kp", "400", "lasers"), "reject sanctioned-country"),
        (order("64.90", "32.45", "kp ", "400", "books"), "escalate sanctioned-destination"),
        (order("64.90", "32.45", "KPX", "400", "books"), "escalate invalid-task"),
        (order("430.00", "215.00", "DE", "400", "books").replace("EUR", "GBP"), "escalate no-rule-approved"),
        (
            order("64.90", "32.45", "DE", "400", "books").replace("\"quantity\":2", "\"quantity\":-2"),
            "escalate invalid-task",
        ),
        (
            order("64.90", "32.45", "DE", "400", "books").replace("\"amount\"", "\"amount\":9000,\"amount\""),
            "escalate invalid-task",
        ),
    ] {
        let verdict = ruleset.evaluate(&task(Some(&order))).verdict;
        let answer = format!("{} {}", verdict.outcome().as_str(), verdict.code());
        assert_eq!(answer, expected, "{order}: {}", verdict.text());
    }
}

#[test]
fn a_task_without_an_order_goes_to_a_person_with_the_reason() {
    let verdict = sample().evaluate(&task(None)).verdict;
    assert_eq!(verdict.code(), "invalid-task");
    let reason = "the workflow passed no order, so these are missing: order.amount, order.currency, order.customer, \
                  order.items";
    assert_eq!(verdict.text(), reason);
}

/// The package deploys the sample with `rules.strict`: its lock is written again with each edit.
#[test]
fn the_sample_is_accepted_by_its_lock() {
    let ruleset = Ruleset::load(Path::new("scripts")).unwrap();
    let lock = std::fs::read_to_string("scripts.lock").unwrap_or_default();
    let accepted = rules::lock::Lock::of(&ruleset).to_text();
    assert!(lock == accepted, "run `cargo run -p worker --bin countersign -- rules check --accept`");
}
