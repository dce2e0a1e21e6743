//! The tests beside the rules: they hold, they fail with a readable difference, and they show what they miss.

use std::path::Path;

use rules::{Ruleset, cases};

use crate::evaluate::files;

#[test]
fn the_sample_passes_its_tests_and_they_reach_all_of_it() {
    let ruleset = Ruleset::load(Path::new("scripts")).unwrap();
    let report = cases::run(&ruleset);
    assert!(report.is_ok(), "{report}");
    assert!(report.coverage.edges.len() > 10);
    assert_eq!(report.coverage.percent(), 100, "{}", report.coverage);
    assert!(report.coverage.verdicts.iter().all(|verdict| verdict.reached), "{}", report.coverage);
    assert_eq!((report.cases, report.nevers), (22, 2));
}

const RULE: &str = "if order.amount > 100 {\n    if order.amount > 1000 {\n        reject(\"much\", \"too much\");\n    }\n    \
                    escalate(\"more\", `${order.amount} is more`);\n}\napprove(\"small\");\n";

#[test]
fn a_failing_test_shows_the_difference() {
    let tests = r#"
[base.usual]
amount = 50.00
customer = { tier = "gold" }

[[case]]
name = "wrong in every way"
from = "usual"
set = { amount = 200.50, customer = { age = 3 } }
expect = "approve"
by = "limit"
codes = ["much"]
reason = "because"

[[never]]
name = "gold is never escalated"
when = 'order.customer.tier == "gold"'
expect_not = "escalate"

[[table]]
name = "amounts"
from = "usual"
columns = ["amount", "expect"]
rows = [[100, "approve"], [101, "approve"]]
"#;
    let ruleset = Ruleset::from_files(files(&[("rules/limit.rhai", RULE), ("tests/a.toml", tests)])).unwrap();
    let report = cases::run(&ruleset);
    insta::assert_snapshot!(report.to_string());
    insta::assert_snapshot!(report.coverage.to_string());
}

#[test]
fn a_test_file_that_cannot_be_read_is_an_error_with_a_place() {
    let tests = r#"
[[case]]
name = "no base"
from = "none"
expect = "approve"

[[case]]
name = "misspelt"
expct = "approve"

[[case]]
name = "nothing"

[[table]]
name = "short row"
columns = ["amount", "expect"]
rows = [[1]]

[[never]]
name = "broken"
when = "order.amount >"
expect_not = "approve"
"#;
    let ruleset = Ruleset::from_files(files(&[("rules/limit.rhai", RULE), ("tests/a.toml", tests)])).unwrap();
    let report = cases::run(&ruleset);
    assert!(!report.is_ok());
    insta::assert_snapshot!(report.to_string());
}

#[test]
fn edges_are_tried_and_hold_what_must_never_happen() {
    let tests = r#"
[base.usual]
amount = 50.00

[[case]]
name = "usual"
from = "usual"
expect = "approve"

[[never]]
name = "nothing at or above a hundred is approved"
when = "order.amount >= 100"
expect_not = "approve"
"#;
    let schema = "[fields]\namount = \"money\"\n";
    let entries = [("rules/limit.rhai", RULE), ("tests/a.toml", tests), ("schema/order.toml", schema)];
    let report = cases::run(&Ruleset::from_files(files(&entries)).unwrap());
    let edges: Vec<String> = report.coverage.edges.iter().map(ToString::to_string).collect();
    let expected = [
        "usual with order.amount = 99.99: approve by limit [small]",
        "usual with order.amount = 100: approve by limit [small]",
        "usual with order.amount = 100.01: escalate by limit [more] 100.01 is more",
    ];
    assert_eq!(edges, expected);
    assert!(
        report.coverage.to_string().contains("no case has this answer: usual with order.amount = 100.01")
    );
    let failure = report.failures().next().expect("100 is approved, and must not be");
    assert!(failure.got.contains("approve"), "{failure}");
}
