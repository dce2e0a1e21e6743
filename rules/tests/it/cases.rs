//! The tests beside the rules: they hold, they fail with a readable difference, and they show what they miss.

use std::path::Path;

use rules::backtest::StoredTask;
use rules::check::check;
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
    assert_eq!((report.cases, report.nevers), (38, 2));
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

fn report(tests: &str, more: &[(&str, &str)]) -> cases::Report {
    let entries: Vec<_> = [("rules/limit.rhai", RULE), ("tests/a.toml", tests)]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    cases::run(&Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{refused}")))
}

#[test]
fn a_never_that_cannot_be_evaluated_has_failed() {
    let never = |when: &str, expect_not: &str| {
        format!(
            "[[case]]\nname = \"small\"\nset = {{ amount = 5 }}\nexpect = \"approve\"\n\
             [[case]]\nname = \"no order\"\norder = false\nexpect = \"escalate\"\n\
             [[never]]\nname = \"n\"\nwhen = {when:?}\nexpect_not = {expect_not:?}\n"
        )
    };
    // Whatever came of the case: a condition with a misspelt field holds nothing.
    for expect_not in ["approve", "reject"] {
        let report = report(&never("order.amuont > 1", expect_not), &[]);
        let failures: Vec<String> = report.failures().map(|failure| failure.got.clone()).collect();
        assert_eq!(
            failures,
            ["its condition fails in the case 'small': order has no field 'amuont' (did you mean 'amount'?)"],
            "{expect_not}"
        );
        assert_eq!((report.is_ok(), report.nevers), (false, 0));
    }
    // A condition about the order says nothing of a task without one, unless that has the forbidden outcome.
    assert!(report(&never("order.amount > 1", "reject"), &[]).is_ok());
    let report = report(&never("order.amount > 10", "escalate"), &[]);
    let failure = report.failures().next().expect("the task without an order was escalated");
    assert!(failure.got.contains("in the case 'no order': there is no order.amount"), "{failure}");
}

#[test]
fn a_never_that_speaks_of_no_case_is_a_finding() {
    let tests = |most: u32| {
        format!(
            "[[case]]\nname = \"small\"\nset = {{ amount = 5 }}\nexpect = \"approve\"\n\
             [[never]]\nname = \"large\"\nwhen = \"order.amount > {most}\"\nexpect_not = \"reject\"\n"
        )
    };
    assert_eq!(report(&tests(4), &[]).idle, []);
    let idle = report(&tests(9_999), &[]).idle;
    let lines: Vec<String> = idle.iter().map(|finding| finding.one_line()).collect();
    let expected = "tests/a.toml:6: warning[idle-never]: the condition of 'large' is true for no case, so it tests nothing (add a case for which it is true, or correct the condition)";
    assert_eq!(lines, [expected]);
    let entries = [("rules/limit.rhai", RULE), ("tests/a.toml", &tests(9_999))];
    let checked = check(files(&entries), "2026-11-22");
    assert!(checked.findings.contains(&idle[0]), "{:?}", checked.findings);
}

#[test]
fn a_row_that_fails_or_cannot_be_read_is_named_by_its_own_line() {
    let tests = r#"
[[table]]
name = "amounts"
columns = ["amount", "expect"]
rows = [
    [100, "approve"], [101, "approve"],

    # a comment
    [102, "approve"],
    [103],
    [104, "refuse"],
    [105, "escalate"],
]

[[table]]
name = "none"
columns = ["amount", "expect"]
rows = []

[[case]]
name = "contradicts itself"
order = false
set = { amount = 5 }
expect = "approve"

[[table]]
name = "twice"
columns = ["amount", "amount", "expect"]
rows = [[100, 500, "approve"]]

[[case]]
name = "empty"
reason = ""
"#;
    let report = report(tests, &[]);
    let failed: Vec<usize> = report.failures().map(|failure| failure.line).collect();
    assert_eq!(failed, [6, 9]);
    let broken: Vec<String> = report.broken.iter().map(|broken| broken.one_line()).collect();
    let expected = [
        "tests/a.toml:21: error[test]: order = false is a task without an order, so set changes nothing",
        "tests/a.toml:32: error[test]: an empty text expects nothing",
        "tests/a.toml:10: error[test]: row 4: it needs a value for each of the 2 columns, and has 1",
        "tests/a.toml:11: error[test]: row 5: 'refuse' is not an outcome: write approve, reject or escalate",
        "tests/a.toml:16: error[test]: a table without rows tests nothing",
        "tests/a.toml:27: error[test]: the column 'amount' appears twice",
    ];
    assert_eq!(broken, expected);
    assert_eq!(report.cases, 4, "the rows that can be read run");
}

#[test]
fn two_tests_of_one_name_are_told() {
    let case = "[[case]]\nname = \"same\"\nset = { amount = 5 }\nexpect = \"approve\"\n";
    let report = report(&format!("{case}{case}"), &[("tests/b.toml", case)]);
    let told: Vec<String> = report.idle.iter().map(|idle| idle.one_line()).collect();
    assert_eq!(
        told,
        [
            "tests/a.toml:6: warning[same-name]: the test in line 2 is also named 'same' (give it a name of its own)"
        ]
    );
}

#[test]
fn a_report_is_junit_too() {
    let tests = "[[case]]\nname = \"a <b> & \\\"c\\\"\"\nset = { amount = 500 }\nreason = \"\\u0007 ]]>\"\n\
                 [[case]]\nname = \"fine\"\nset = { amount = 5 }\nexpect = \"approve\"\n\
                 [[never]]\nname = \"never\"\nwhen = \"order.amount > 1\"\nexpect_not = \"approve\"\n";
    let report = report(tests, &[("tests/b.toml", "[[case]]\nname = \"nothing\"\n")]);
    insta::assert_snapshot!(report.to_junit());
}

const SCHEMA: &str = r#"
[fields]
amount = "money"
count = "integer"
card = { type = "text", masked = true }
coupon = { type = "text", optional = true }
kind = { type = "text", choices = ["a", "b"], masked = true }
"customer.name" = { type = "text", masked = true }
"customer.tier" = "text"
"lines[].price" = "money"
"lines[].serial" = { type = "text", masked = true }
"#;

fn stored(order: Option<&str>) -> StoredTask {
    StoredTask {
        task_id: "7a7816bf8f01cfea414140de5dae2223".to_owned(),
        order: order.map(str::to_owned),
        order_id: "o-\"1\"".to_owned(),
        start_time: "2026-11-22T09:59:59Z".to_owned(),
        transaction_id: "arn:aws:states:eu-central-1:000000000000:execution:shop:1".to_owned(),
        received_at: "2026-11-22T10:00:00Z".to_owned(),
    }
}

#[test]
fn a_stored_task_becomes_a_case_that_passes_and_shows_nothing_masked() {
    let order = r#"{"amount":12.50,"count":3,"card":"SECRET-1","coupon":null,"kind":"b","note":"SECRET-2",
        "customer":{"name":"SECRET-3","tier":"new\n\"gold\"","extra":"SECRET-4"},
        "lines":[{"price":1e1,"serial":"SECRET-5"},{"price":2.50,"serial":"SECRET-6"}]}"#;
    let set = |tests: Option<&str>| {
        let entries = [("rules/limit.rhai", RULE), ("schema/order.toml", SCHEMA)];
        let tests = tests.map(|tests| ("tests/task.toml", tests));
        Ruleset::from_files(files(&entries.into_iter().chain(tests).collect::<Vec<_>>())).unwrap()
    };
    let text = cases::from_task(&set(None), &stored(Some(order))).unwrap();
    assert!(!text.contains("SECRET"), "{text}");
    insta::assert_snapshot!(text);
    for order in [Some(order), None, Some(r#"{"amount":"ten"}"#)] {
        let text = cases::from_task(&set(None), &stored(order)).unwrap();
        let report = cases::run(&set(Some(&text)));
        assert!(report.is_ok() && report.cases == 1, "{text}\n{report}");
    }
}

/// Without a schema the whole order is written, each number with its digits.
#[test]
fn a_task_without_a_schema_is_written_whole() {
    let rule = "if order.big == decimal(\"12345678901234567890\") && order[\"odd key\"] == \"x\" { approve(\"exact\"); }";
    let order = r#"{"big":12345678901234567890,"odd key":"x","nested":[[1,{"a":[]}],{}],"no":null}"#;
    let set = |tests: Option<&str>| {
        let tests = tests.map(|tests| ("tests/task.toml", tests));
        let entries: Vec<_> = [("a.rhai", rule)].into_iter().chain(tests).collect();
        Ruleset::from_files(files(&entries)).unwrap()
    };
    let text = cases::from_task(&set(None), &stored(Some(order))).unwrap();
    let report = cases::run(&set(Some(&text)));
    assert!(report.is_ok() && report.cases == 1, "{text}\n{report}");
    assert!(text.contains("expect = \"approve\"") && text.contains("left out: order.no."), "{text}");
    for (order, why) in [("{", "not JSON"), ("[1]", "a record"), (r#"{"a":1e40}"#, "28")] {
        let refused = cases::from_task(&set(None), &stored(Some(order))).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
