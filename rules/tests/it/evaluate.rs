//! A task meets a ruleset: what it comes to, and that nothing but a clear yes approves.

use rules::{Cause, Evaluation, Files, Outcome, Ruleset, TaskFacts, Verdict};

pub(crate) fn files(entries: &[(&str, &str)]) -> Files {
    entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

pub(crate) fn task(order: Option<&str>) -> TaskFacts<'_> {
    TaskFacts {
        order,
        order_id: "o-1",
        start_time: "2026-11-22T10:00:00Z",
        transaction_id: "arn:aws:states:eu-central-1:123456789012:execution:orders:run-1",
        received_at: "2026-11-22T10:00:00.123Z",
    }
}

fn evaluate(entries: &[(&str, &str)], order: Option<&str>) -> Evaluation {
    let ruleset = Ruleset::from_files(files(entries)).unwrap_or_else(|refused| panic!("{refused}"));
    let evaluation = ruleset.evaluate(&task(order));
    assert_eq!(evaluation, ruleset.evaluate(&task(order)), "the same task has the same answer");
    evaluation
}

/// Outcome, code and text of one rule on one order.
fn ask(script: &str, order: &str) -> String {
    let verdict = evaluate(&[("rule.rhai", script)], Some(order)).verdict;
    format!("{} {} {}", verdict.outcome().as_str(), verdict.code(), verdict.text())
}

#[test]
fn money_is_decimal() {
    let sum = "if order.a + order.b == 0.3 && 0.1 + 0.2 == 0.3 { approve(\"exact\"); }";
    assert_eq!(ask(sum, r#"{"a":0.1,"b":0.2}"#), "approve exact ");
    assert_eq!(ask("if 10 / 4 == 2.5 { approve(\"exact\"); }", "{}"), "approve exact ");
    let half = "let n = 10; if n / 4 == 2.5 { approve(\"exact\"); }";
    assert_eq!(ask(half, "{}"), "approve exact ");
    let large = r#"{"a":12345678901234567890.12,"b":0.01}"#;
    let text = "escalate(\"sum\", `${order.a + order.b}`);";
    assert_eq!(ask(text, large), "escalate sum 12345678901234567890.13");
    assert_eq!(
        ask("approve(\"x\");", r#"{"a":1e40}"#),
        "escalate invalid-task order.a has more digits than can be kept exactly (28)"
    );
}

#[test]
fn comparing_unequal_types_is_an_error() {
    for (condition, order) in [
        ("order.amuont > 500", r#"{"amount":900}"#),
        ("order.amount > 500", r#"{"amount":null}"#),
        ("order.amount > 500", r#"{"amount":"900"}"#),
        ("order.amount > 500", r#"{"amount":true}"#),
        ("order.amount == \"900\"", r#"{"amount":900}"#),
        ("order.amount != true", r#"{"amount":900}"#),
        ("order.amount > order.limit", r#"{"amount":"900","limit":"1000"}"#),
        ("order.amount in [\"a\"]", r#"{"amount":900}"#),
        ("order.amount in [1, \"a\"]", r#"{"amount":"b"}"#),
        ("order.amount > 500", r#"{"amount":{}}"#),
        ("order.items > 500", r#"{"items":[]}"#),
        ("order.amount + 1", r#"{"amount":900}"#),
        ("order.customer.tier == \"gold\"", r#"{"customer":null}"#),
        ("#{}.x > 5", "{}"),
        ("[1, 2][9] < 5", "{}"),
    ] {
        for approving in
            ["{ } else { approve(\"x\"); }", "{ approve(\"x\"); }", "{ pass(); } approve(\"x\");"]
        {
            let verdict =
                evaluate(&[("r.rhai", &format!("if {condition} {approving}"))], Some(order)).verdict;
            let Verdict::Escalate { cause, .. } = &verdict else { panic!("{condition}: {verdict:?}") };
            assert_eq!(*cause, Some(Cause::RuleError), "{condition}: {verdict:?}");
        }
    }
}

#[test]
fn what_may_be_missing_is_asked_for_or_given_a_default() {
    for (script, order) in [
        ("if !order.has(\"a\") { approve(\"none\"); }", r#"{"a":null}"#),
        ("if !(\"a\" in order) { approve(\"none\"); }", r#"{}"#),
        ("if (order.a ?? 7) == 7 { approve(\"none\"); }", r#"{"a":null}"#),
        ("if order.get(\"b\", 7) == 7 { approve(\"none\"); }", "{}"),
        ("if order.has(\"a\") && order.a == 5 { approve(\"none\"); }", r#"{"a":5}"#),
    ] {
        assert_eq!(ask(script, order), "approve none ", "{script}");
    }
    assert_eq!(
        ask("if order.country == \"KP\" { reject(\"no\", \"why\"); } approve(\"x\");", r#"{"country":null}"#),
        "escalate rule-error rule.rhai:1:18: cannot compare nothing with text using ==: check with has(\"…\") first, or give a default with ??"
    );
}

#[test]
fn errors_say_where_and_why() {
    assert_eq!(
        ask("let x = 1;\nif order.amuont > 500 { }", r#"{"amount":900}"#),
        "escalate rule-error rule.rhai:2:10: order has no field 'amuont' (did you mean 'amount'?)"
    );
    assert_eq!(
        ask("fn f(x) {\n  x > \"a\"\n}\nif f(order.a) { }", r#"{"a":9}"#),
        "escalate rule-error rule.rhai:2:5: cannot compare a number with text using >"
    );
    assert_eq!(
        ask("if order.a > 5 { 7 }", r#"{"a":9}"#),
        "escalate rule-error rule.rhai: the rule ended with a value, which decides nothing"
    );
}

#[test]
fn a_value_at_the_end_is_an_error_and_nothing_is_a_pass() {
    for (script, code) in [
        ("return 5;", "rule-error"),
        ("order.items.len();", "rule-error"),
        ("let x = 5;", "no-rule-approved"),
        ("return;", "no-rule-approved"),
        ("if order.a > 5 { 7 }", "rule-error"),
        ("let x = [1]; x.push(2);", "no-rule-approved"),
    ] {
        assert_eq!(
            evaluate(&[("r.rhai", script)], Some(r#"{"a":9,"items":[]}"#)).verdict.code(),
            code,
            "{script}"
        );
    }
}

#[test]
fn a_verdict_ends_its_rule_from_anywhere() {
    for script in [
        "if true { reject(\"no\", \"why\"); } approve(\"x\");",
        "fn f() { reject(\"no\", \"why\"); } f(); approve(\"x\");",
        "let a = [1, 2]; a.for_each(|x| reject(\"no\", \"why\")); approve(\"x\");",
        "let a = [2, 1]; let b = a.filter(|x| reject(\"no\", \"why\")); approve(\"x\");",
        "for i in 0..5 { reject(\"no\", \"why\"); } approve(\"x\");",
        "order.l.some(|x| reject(\"no\", \"why\")); approve(\"x\");",
        "order.l.filter(|x| reject(\"no\", \"why\")); approve(\"x\");",
        "let x = #{a: [reject(\"no\", \"why\")]}; approve(\"x\");",
    ] {
        assert_eq!(ask(script, r#"{"l":[1]}"#), "reject no why", "{script}");
    }
}

#[test]
fn what_runs_away_is_stopped_by_counting() {
    let text = "escalate rule-deadline rule.rhai:1:";
    for script in [
        "for i in 0..1000000000 { }",
        "let a = []; for i in 0..400 { a.push(i); } for i in 0..1000 { let b = a.filter(|x| x > 5); }",
        "for i in 0..100000 { let s = order.items.sum(); }",
        "fn f(n) { if n > 0 { for i in 0..9 { f(n - 1); } } } f(9);",
    ] {
        let answer = ask(&format!("{script} approve(\"x\");"), r#"{"items":[1,2,3]}"#);
        assert!(answer.starts_with(text) && answer.ends_with("it took more than 50000 steps"), "{answer}");
    }
}

#[test]
fn what_grows_too_large_is_an_error() {
    for script in [
        "fn f(n) { f(n + 1); } f(0);",
        "let s = \"x\"; for i in 0..40 { s += s; }",
        "let a = [1]; for i in 0..40 { a += a; }",
        "let x = [1]; for i in 0..20000 { x = [x]; }",
        "let n = 9223372036854775807; n += 1;",
        "let n = 79228162514264337593543950335.0; n = n * n;",
        "let n = 1 / 0;",
    ] {
        let answer = ask(&format!("{script} approve(\"x\");"), "{}");
        assert!(answer.starts_with("escalate rule-error"), "{script}: {answer}");
    }
}

#[test]
fn the_strongest_verdict_wins_and_all_are_kept() {
    let rules = [
        ("1.rhai", "//! id: a\n//! priority: 1\napprove(\"ok\");"),
        ("2.rhai", "//! id: e2\n//! priority: 3\nescalate(\"look-2\", \"why\");"),
        ("3.rhai", "//! id: e1\n//! priority: 2\nescalate(\"look-1\", \"why\");"),
        ("4.rhai", "//! id: s\n//! mode: shadow\nreject(\"no\", \"why\");"),
        ("5.rhai", "//! id: p\npass();"),
        ("6.rhai", "//! id: w\n//! when: task.hasOrder\nreject(\"no\", \"why\");"),
        ("7.rhai", "//! id: late\n//! from: 2027-01-01\nreject(\"no\", \"why\");"),
    ];
    let evaluation = evaluate(&rules, None);
    assert_eq!((evaluation.verdict.code(), evaluation.verdict.rule()), ("look-1", Some("e1")));
    assert_eq!(evaluation.verdicts.len(), 7);
    assert_eq!(Evaluation::from_json(&evaluation.to_json()).unwrap(), evaluation);
    assert_eq!(evaluate(&rules, Some("{}")).verdict.code(), "no");
    let first: Vec<_> = rules.into_iter().chain([("ruleset.toml", "combine = \"first-match\"")]).collect();
    assert_eq!(evaluate(&first, None).verdict.code(), "ok");
}

#[test]
fn without_a_verdict_a_person_decides() {
    assert_eq!(ask("pass();", "{}"), "escalate no-rule-approved no rule had an answer");
    let approving = [("r.rhai", "pass();"), ("ruleset.toml", "default = \"approve\"")];
    let verdict = evaluate(&approving, Some("{}")).verdict;
    assert_eq!(
        verdict,
        Verdict::Approve {
            code: "default-approve".to_owned(),
            text: "no rule had an answer, and the ruleset's default is to approve".to_owned(),
            rule: None,
        }
    );
    let failing = [("r.rhai", "let x = order.x;"), ("ruleset.toml", "default = \"approve\"")];
    assert_eq!(evaluate(&failing, Some("{}")).verdict.outcome(), Outcome::Escalate);
}

#[test]
fn the_minimal_message_is_a_full_citizen() {
    let rules =
        [("r.rhai", "if task.orderId == \"o-1\" && task.workflow == \"orders\" { approve(\"known\"); }")];
    assert_eq!(evaluate(&rules, None).verdict.code(), "known");
    let rules = [("r.rhai", "if order.amount > 5 { } approve(\"x\");")];
    assert_eq!(
        evaluate(&rules, None).verdict.text(),
        "r.rhai:1:10: there is no order.amount: the workflow passed no order (check task.hasOrder first)"
    );
    let rules = [("r.rhai", "pass();"), ("schema/order.toml", "[fields]\namount = \"money\"\n")];
    let evaluation = evaluate(&rules, None);
    assert_eq!(evaluation.verdict.code(), "invalid-task");
    assert_eq!(evaluation.verdict.text(), "the workflow passed no order, so these are missing: order.amount");
}

#[test]
fn helpers_do_what_loops_would() {
    let order = r#"{"items":[{"sku":"b","qty":2,"price":1.10,"kind":"book"},{"sku":"w","qty":1,"price":5,"kind":"weapon"}],
        "tags":["new","eu"],"since":"2026-11-01","amount":7.2}"#;
    let files = [
        ("lists/restricted.txt", "# of policy 7\nweapon\nchemical # and more\n\n"),
        ("params/limits.toml", "[tier]\ngold = 7.20\n"),
    ];
    for condition in [
        "order.items.sum_product(\"qty\", \"price\") == order.amount",
        "order.items.sum(\"qty\") == 3",
        "order.items.max_of(\"price\") == 5",
        "order.items.min_of(\"price\") == 1.1",
        "order.items.where_in(\"kind\", lists.restricted).join(\"sku\") == \"w\"",
        "order.items.any_in(\"kind\", lists.restricted)",
        "order.items.any_in(\"kind\", [\"book\"])",
        "order.items.len() == 2 && !order.items.is_empty()",
        "order.items[1].sku == \"w\"",
        "order.items.filter(|item| item.price > 2).join(\"sku\") == \"w\"",
        "order.items.some(|item| item.qty == 2) && !order.items.all(|item| item.qty == 2)",
        "\"weapon\" in lists.restricted && !(\"and more\" in lists.restricted)",
        "\"eu\" in order.tags && !(\"us\" in order.tags)",
        "order.tags.join() == \"new, eu\"",
        "money(order.amount) == \"7.20\" && money(1000) == \"1000.00\"",
        "money(100.004) == \"100.004\" && money(order.amount / 64) == \"0.1125\" && money(1.5, 0) == \"2\"",
        "days_between(order.since, task.now) == 21",
        "decimal(\"1.5\") == 1.5",
        "limits.tier.gold == order.amount && limits.tier[\"gold\"] / 10 == 0.72",
        "\"tags\" in order && !(\"coupon\" in order)",
    ] {
        let script = format!("if {condition} {{ approve(\"yes\"); }}");
        let all: Vec<_> = files.into_iter().chain([("r.rhai", script.as_str())]).collect();
        let verdict = evaluate(&all, Some(order)).verdict;
        assert_eq!(verdict.code(), "yes", "{condition}: {}", verdict.text());
    }
}

#[test]
fn the_facts_that_were_read_are_kept() {
    let script = "if order.customer.tier == \"gold\" && order.items.sum(\"price\") > 5 { approve(\"x\"); }";
    let schema = "[fields]\n\"customer.tier\" = { type = \"text\", masked = true }\n\"items[].price\" = \"money\"\n\
                  other = \"text\"\n";
    let order = r#"{"customer":{"tier":"gold"},"items":[{"price":1},{"price":9}],"other":"x"}"#;
    let evaluation = evaluate(&[("r.rhai", script), ("schema/order.toml", schema)], Some(order));
    let read: Vec<_> = evaluation.facts.iter().map(|fact| (&*fact.path, fact.value.as_deref())).collect();
    let expected = ["order.customer", "order.customer.tier", "order.items", "order.items[].price"];
    assert_eq!(read, expected.map(|path| (path, None)));
}

#[test]
fn derived_facts_are_computed_once_and_a_failure_escalates() {
    let schema = "[fields]\n\"items[].price\" = \"money\"\n[derived]\ntotal = 'order.items.sum(\"price\")'\nten = '10 / order.items.len()'\n";
    let rules = [("r.rhai", "if order.total == 3 { approve(\"yes\"); }"), ("schema/order.toml", schema)];
    assert_eq!(evaluate(&rules, Some(r#"{"items":[{"price":1},{"price":2}]}"#)).verdict.code(), "yes");
    assert_eq!(
        evaluate(&rules, Some(r#"{"items":[]}"#)).verdict.text(),
        "order.ten cannot be derived: cannot divide by 0"
    );
}

#[test]
fn an_order_is_what_its_text_says() {
    let schema = "[fields]\namount = \"money\"\n";
    let rules = [("r.rhai", "if order.amount <= 50 { approve(\"small\"); }"), ("schema/order.toml", schema)];
    for (order, expected) in [
        (r#"{"amount":40}"#, "small "),
        (
            r#"{"amount":{"$serde_json::private::Number":"40"}}"#,
            "invalid-task order.amount is a record, not an amount",
        ),
        (
            r#"{"amount":{"$serde_json::private::RawValue":"40"}}"#,
            "invalid-task order.amount is a record, not an amount",
        ),
        (r#"{"$serde_json::private::RawValue":"{\"amount\":40}"}"#, "invalid-task order.amount is missing"),
        (r#"{"amount":9000,"amount":40}"#, "invalid-task order.amount occurs twice"),
        (r#"{"amount":40,"a\u006dount":9000}"#, "invalid-task order.amount occurs twice"),
        (r#"{"amount":40,"x":[{"y":1,"y":1}]}"#, "invalid-task order.x[].y occurs twice"),
        // No schema speaks of it; a person sees it.
        (
            r#"{"amount":40,"note":{"n":1e40}}"#,
            "invalid-task order.note.n has more digits than can be kept exactly (28)",
        ),
        (
            r#"{"amount":40,"n":0.12345678901234567890123456789}"#,
            "invalid-task order.n has more digits than can be kept exactly (28)",
        ),
    ] {
        let verdict = evaluate(&rules, Some(order)).verdict;
        assert_eq!(format!("{} {}", verdict.code(), verdict.text()), expected, "{order}");
    }
    // Without a schema too, and no number of it is told: it may be one that a schema would mask.
    let script = "if order.amount.x == \"40\" { approve(\"plain\"); }";
    assert_eq!(ask(script, r#"{"amount":{"x":"40"}}"#), "approve plain ");
    let key = r#"{"amount":{"$serde_json::private::Number":"40"}}"#;
    assert_eq!(
        ask("if order.amount[\"$serde_json::private::Number\"] == \"40\" { approve(\"plain\"); }", key),
        "approve plain "
    );
}

#[test]
fn a_strange_order_never_approves_what_it_should_not() {
    for order in ["", "{", "[1", "nul", "{\"a\":1}x", "\"text\"", "7", "null", "[]"] {
        let verdict = evaluate(&[("r.rhai", "if order.a == 1 { } approve(\"x\");")], Some(order)).verdict;
        assert_eq!(verdict.outcome(), Outcome::Escalate, "{order}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(ask("approve(\"x\");", &deep).split(' ').nth(1), Some("invalid-task"));
}
