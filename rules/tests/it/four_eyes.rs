//! Who may not decide a task, and when two people must approve it.

use rules::{FourEyes, Ruleset, check, same_person};

use crate::evaluate::{files, task};

const SCHEMA: &str = "\
requester = \"customer.agent\"
[fields]
amount = \"money\"
\"customer.agent\" = { type = \"text\", optional = true }
customer = { type = \"record\", optional = true }
n = { type = \"integer\", optional = true }
[derived]
double = 'order.amount * 2'
";

/// A schema whose amount is masked, and so what is derived from it.
const MASKED: &str =
    "[fields]\namount = { type = \"money\", masked = true }\n[derived]\ndouble = 'order.amount * 2'\n";

fn asked(settings: &str, schema: &str, order: Option<&str>) -> FourEyes {
    let entries = [("rules/a.rhai", "pass();"), ("ruleset.toml", settings), ("schema/order.toml", schema)];
    let ruleset = Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{refused}"));
    ruleset.four_eyes(&task(order))
}

fn above(amount: &str, order: &str) -> bool {
    asked(&format!("[people]\namount = \"{amount}\"\nsecond_from = \"1000.50\"\n"), SCHEMA, Some(order))
        .needs_second
}

#[test]
fn from_the_amount_on_two_must_approve() {
    for (order, is_large) in [
        (r#"{"amount":1000.49}"#, false),
        (r#"{"amount":1000.50}"#, true),
        (r#"{"amount":"1000.50"}"#, true),
        (r#"{"amount":-0.01}"#, false),
        (r#"{"amount":-1000.50}"#, true),
    ] {
        assert_eq!(above("order.amount", order), is_large, "{order}");
    }
    assert!(above("order.double", r#"{"amount":500.25}"#));
    assert!(!above("order.double", r#"{"amount":500.24}"#));
}

#[test]
fn in_doubt_two_must_approve() {
    for order in [
        "{}",
        r#"{"amount":null}"#,
        r#"{"amount":"much"}"#,
        r#"{"amount":1,"n":"x"}"#,
        r#"{"amount":1,"amount":2}"#,
        "not json",
        r#"{"amount":1,"customer":{"agent":{"name":"ada"}}}"#,
        r#"{"amount":1,"customer":{"agent":""}}"#,
        r#"{"amount":1,"customer":"ada"}"#,
    ] {
        assert!(above("order.amount", order), "{order}");
    }
    for path in ["order.amount", "order.double"] {
        let settings = format!("[people]\namount = \"{path}\"\nsecond_from = 1000\n");
        assert!(asked(&settings, MASKED, Some(r#"{"amount":1}"#)).needs_second, "{path}");
    }
    assert!(asked("[people]\namount = \"order.amount\"\nsecond_from = 5\n", SCHEMA, None).needs_second);
    // A requester who cannot be read may be anybody, also without an amount that needs two.
    assert!(asked("name = \"set\"", SCHEMA, Some(r#"{"amount":1,"customer":{"agent":7}}"#)).needs_second);
    let long = format!(r#"{{"amount":1,"customer":{{"agent":"{}"}}}}"#, "x".repeat(2_000));
    assert_eq!(
        asked("name = \"set\"", SCHEMA, Some(&long)),
        FourEyes { requester: None, needs_second: true }
    );
}

#[test]
fn the_requester_is_read_from_every_order_that_names_one() {
    for (order, requester) in [
        (r#"{"amount":1,"customer":{"agent":"Ada"}}"#, Some("Ada")),
        // It does not match the schema, and goes to people for that.
        (r#"{"amount":"?","customer":{"agent":"Ada"}}"#, Some("Ada")),
        (r#"{"amount":1}"#, None),
        (r#"{"amount":1,"customer":{"agent":null}}"#, None),
    ] {
        let asked = asked("name = \"set\"", SCHEMA, Some(order));
        assert_eq!((asked.requester.as_deref(), asked.needs_second), (requester, false), "{order}");
    }
    assert_eq!(
        asked("name = \"set\"", "[fields]\namount = \"money\"\n", Some(r#"{"amount":1}"#)),
        FourEyes::default()
    );
    assert_eq!(same_person(" Ada@Example.com "), same_person("ada@example.COM"));
}

#[test]
fn a_misspelt_amount_is_found_by_check() {
    let settings = "[people]\namount = \"order.amuont\"\nsecond_from = 5\n";
    let entries = [("rules/a.rhai", "pass();"), ("ruleset.toml", settings), ("schema/order.toml", SCHEMA)];
    let findings = check::check(files(&entries), "2026-11-22T10:00:00Z").findings;
    let found = findings.iter().any(|finding| finding.one_line().contains("amuont"));
    assert!(found, "{findings:?}");
}
