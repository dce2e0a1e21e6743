//! A masked fact reaches no record, explanation or error, and no text of a verdict.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use rules::backtest::{Options, StoredTask, backtest};
use rules::check::{Format, check};
use rules::explain::explain;
use rules::{Ended, Ruleset};

use crate::evaluate::{files, task};

/// Whichever way it goes: through a parent, a derived fact or an error's words.
#[test]
fn a_masked_fact_stays_out_of_errors_derived_facts_and_children() {
    let schema = r#"
[fields]
amount = "money"
card = { type = "text", masked = true }
customer = { type = "record", masked = true }
"customer.name" = "text"
"customer.age" = "integer"
"lines[].serial" = { type = "text", masked = true }

[derived]
prefix = "order.card.sub_string(0, 6)"
twice = "order.amount * 2"
ofCustomer = "order.customer.name + \"!\""
"#;
    let order = r#"{"amount":5,"card":"SECRET-1","customer":{"name":"SECRET-2","age":4711},"lines":[{"serial":"SECRET-3"}]}"#;
    for rule in [
        "let x = order.prefix; let y = order.ofCustomer; let z = order.customer.age; approve(\"read\");",
        "let x = decimal(order.card); approve(\"read\");",
        "let x = p[order.card]; approve(\"read\");",
        "let x = p[order.customer.name]; approve(\"read\");",
        "let x = p[order.prefix]; approve(\"read\");",
        "for line in order.lines { let x = p[line.serial]; } approve(\"read\");",
        "if order.customer.name > 5 { approve(\"read\"); }",
    ] {
        let entries = [("a.rhai", rule), ("schema/order.toml", schema), ("params/p.toml", "one = 1\n")];
        let ruleset =
            Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{rule}: {refused}"));
        let json = ruleset.evaluate(&task(Some(order))).to_json();
        assert!(!json.contains("SECRET") && !json.contains("4711"), "{rule}: {json}");
        let explained = explain(&ruleset, &task(Some(order))).to_string();
        assert!(!explained.contains("SECRET") && !explained.contains("4711"), "{rule}: {explained}");
        assert!(ruleset.evaluate_measuring(&task(Some(order)), "order.customer.age").1.is_masked);
    }
    let entries = [("a.rhai", "approve(\"read\");"), ("schema/order.toml", schema)];
    let ruleset = Ruleset::from_files(files(&entries)).unwrap();
    let misfit = order.replace("4711", "\"SECRET-4\"");
    let told = ruleset.evaluate(&task(Some(&misfit))).verdict.text().to_owned();
    assert_eq!(told, "order.customer.age is text, not a whole number");
    let entries = [
        ("a.rhai", "approve(\"read\");"),
        (
            "schema/order.toml",
            "[fields]\ncustomer = { type = \"record\", masked = true }\n\"customer.kind\" = { type = \"text\", choices = [\"a\"] }\n",
        ),
    ];
    let inside = Ruleset::from_files(files(&entries)).unwrap();
    let told = inside.evaluate(&task(Some(r#"{"customer":{"kind":"SECRET"}}"#))).verdict.text().to_owned();
    assert_eq!(told, "order.customer.kind is not a value that the schema allows");
    // What is derived of other facts is shown, and can be measured.
    let (_, twice) = ruleset.evaluate_measuring(&task(Some(order)), "order.twice");
    assert_eq!((twice.number, twice.is_masked), (Some(10.into()), false));
}

const SCHEMA: &str = r#"
[fields]
amount = "money"
country = "text"
card = { type = "text", masked = true }
"customer.name" = { type = "text", masked = true }
"customer.tier" = "text"
"lines[].serial" = { type = "text", masked = true }
"lines[].sku" = "text"
tags = { type = "list", of = "text", masked = true }

[derived]
prefix = "order.card.sub_string(0, 6)"
hidden = "order.get(\"ca\" + \"rd\", \"\")"
count = "order.lines.len()"
"#;
const ORDER: &str = r#"{"amount":5,"country":"DE","card":"SECRET-1","customer":{"name":"SECRET-2","tier":"gold"},
    "lines":[{"serial":"SECRET-3","sku":"A"}],"tags":["SECRET-4"]}"#;

/// The text of what one rule says, and everything that is stored and explained of it.
fn told(rule: &str) -> (String, String) {
    let entries =
        [("a.rhai", rule), ("schema/order.toml", SCHEMA), ("params/p.toml", "DE = 1\n[by]\ngold = 2\n")];
    let ruleset = Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{rule}: {refused}"));
    let explanation = explain(&ruleset, &task(Some(ORDER)));
    let text = match &explanation.evaluation.verdicts[0].ended {
        Ended::Gave { text, .. } | Ended::Failed { text, .. } => text.clone(),
        other => panic!("{rule}: {other:?}"),
    };
    (text, format!("{}{explanation}", ruleset.evaluate(&task(Some(ORDER))).to_json()))
}

/// What stands inside a masked field is its value, the keys as well, whatever the schema takes the field for.
#[test]
fn no_key_inside_a_masked_field_is_shown() {
    let schema = "[fields]\ncard = { type = \"text\", masked = true }\n\"lines[].serial\" = { type = \"text\", masked = true }\n\
                  \"customer.name\" = { type = \"text\", masked = true }\n";
    let ruleset =
        Ruleset::from_files(files(&[("a.rhai", "pass();\n"), ("schema/order.toml", schema)])).unwrap();
    for (order, expected) in [
        (r#"{"card":{"4111":1,"4111":2}}"#, "a field inside order.card occurs twice"),
        (
            r#"{"card":[{"4111":{"x":1e99}}]}"#,
            "a field inside order.card has more digits than can be kept exactly (28)",
        ),
        (
            r#"{"lines":[{"serial":{"4111":1e99}}]}"#,
            "a field inside order.lines[].serial has more digits than can be kept exactly (28)",
        ),
        (
            r#"{"customer":{"name":{"4111":{"a":1,"a":1}}}}"#,
            "a field inside order.customer.name occurs twice",
        ),
        (r#"{"card":"4111","card":"4112"}"#, "order.card occurs twice"),
        (r#"{"customer":{"note":{"a":1,"a":1}}}"#, "order.customer.note.a occurs twice"),
        (r#"{"cards":{"a":1,"a":1}}"#, "order.cards.a occurs twice"),
    ] {
        assert_eq!(ruleset.evaluate(&task(Some(order))).verdict.text(), expected, "{order}");
    }
}

#[test]
fn a_text_that_may_tell_a_masked_fact_is_not_shown() {
    for rule in [
        "escalate(\"x\", order.card);",
        "escalate(\"x\", `card ${order.card}`);",
        "approve(\"x\", \"card \" + order.card);",
        "reject(\"x\", `card ${order.card.sub_string(2, 9)}`);",
        "let card = order.card; escalate(\"x\", `card ${card}`);",
        "let a = \"\"; let b = order.card; a = b; let c = a; escalate(\"x\", c);",
        "let a = \"x\"; a += order.card; escalate(\"x\", a);",
        "let all = []; all.push(order.card); escalate(\"x\", all.join());",
        "let all = []; push(all, order.card); escalate(\"x\", all.join());",
        "let all = #{}; all.a = order.card; escalate(\"x\", all.a);",
        "let all = [order.card]; escalate(\"x\", all[0]);",
        "escalate(\"x\", `${order[\"card\"]}`);",
        "let key = \"ca\" + \"rd\"; escalate(\"x\", `${order[key]}`);",
        "let key = \"ca\" + \"rd\"; escalate(\"x\", `${order.get(key, \"\")}`);",
        "escalate(\"x\", order.get(\"card\", \"\"));",
        "escalate(\"x\", `${order.customer.name ?? \"nobody\"}`);",
        "let c = order.customer; escalate(\"x\", c.name);",
        "escalate(\"x\", order.prefix);",
        "escalate(\"x\", order.hidden);",
        "escalate(\"x\", order.tags.join());",
        "escalate(\"x\", order.lines.join(\"serial\"));",
        "escalate(\"x\", order.lines[0].serial);",
        "escalate(\"x\", order.lines.map(|line| line.serial).join());",
        "for line in order.lines { escalate(\"x\", `line ${line.serial}`); }",
        "for tag in order.tags { let t = tag; escalate(\"x\", `tag ${t}`); }",
        "order.lines.for_each(|line| escalate(\"x\", `line ${line.serial}`));",
        "order.tags.for_each(|tag| escalate(\"x\", tag));",
        "let f = order.lines.find(|line| line.serial != \"\"); escalate(\"x\", f.serial);",
        "escalate(\"x\", order.tags.reduce(|all, tag| all + tag, \"\"));",
        "fn card() { order.card } escalate(\"x\", card());",
        "fn say(text) { escalate(\"x\", text) } say(order.card);",
        "fn card() { this.card } escalate(\"x\", order.card());",
        "fn card() { this.card } escalate(\"x\", `${order.card()}`);",
        "fn named() { this.name ?? \"nobody\" } escalate(\"x\", order.customer.named());",
        "fn add(text) { this.push(text); } let all = []; all.add(order.card); escalate(\"x\", all[0]);",
        "fn serial(line) { line.serial } escalate(\"x\", order.lines.map(serial).join());",
        "fn serial(line) { line.serial } let s = serial; escalate(\"x\", order.lines.map(s).join());",
        "fn same(a) { a } escalate(\"x\", same(order.card));",
        "fn say() { escalate(\"x\", `card ${order.card}`) } say();",
        "let text = if order.card == \"\" { \"none\" } else { order.card }; escalate(\"x\", text);",
        "escalate(\"x\", { let a = order.card; a });",
        "let a = p[order.country]; let b = order.card; escalate(\"x\", `${a} ${b}`);",
    ] {
        let (text, everything) = told(rule);
        assert!(
            text.starts_with("a text that is not shown because it may reveal a masked fact (a.rhai:1:"),
            "{rule}: {text}"
        );
        assert!(!everything.contains("SECRET") && !everything.contains("CRET-"), "{rule}: {everything}");
    }
}

#[test]
fn a_text_of_other_facts_is_shown_beside_a_masked_one() {
    for (rule, expected) in [
        ("escalate(\"x\", \"the card is on a list\");", "the card is on a list"),
        ("escalate(\"x\", \"card\");", "card"),
        (
            "let size = if order.amount > 1 { \"large\" } else { \"small\" }; escalate(\"x\", `a ${size} card`);",
            "a large card",
        ),
        ("escalate(\"x\", `${money(order.amount)} to ${order.country}`);", "5.00 to DE"),
        ("let n = order.lines.len(); escalate(\"x\", `${n} of ${order.count}`);", "1 of 1"),
        ("escalate(\"x\", `${p[order.country]}, ${p.by[order.customer.tier]}`);", "1, 2"),
        ("escalate(\"x\", `${order.lines.join(\"sku\")} ${order.lines[0].sku}`);", "A A"),
        ("for line in order.lines { escalate(\"x\", `line ${line.sku}`); }", "line A"),
        (
            "let least = 3; if order.lines.some(|l| order.amount > least) { escalate(\"x\", `from ${least}`); }",
            "from 3",
        ),
    ] {
        let rule = format!("if order.card == \"SECRET\" {{ pass(); }} {rule}");
        let (text, everything) = told(&rule);
        assert_eq!(text, expected, "{rule}");
        assert!(!everything.contains("SECRET-"), "{rule}: {everything}");
    }
    // Nothing masked was read: any text is shown.
    assert_eq!(told("fn f(a) { `to ${a}` } escalate(\"x\", f(order.country));").0, "to DE");
}

#[test]
fn an_explanation_compares_and_looks_up_nothing_masked() {
    let looked_up = "let x = p.get(order.customer.name, 1); if p.get(order.card, 3) > 5 { pass(); } escalate(\"x\", \"y\");";
    let asked =
        "//! when: !(order.card == \"other\")\nif order.amount > 500 { pass(); }\nescalate(\"x\", \"y\");";
    let params = "SECRET-1 = 4711\nSECRET-2 = 4712\n";
    for rule in [looked_up, asked] {
        let entries = [("a.rhai", rule), ("schema/order.toml", SCHEMA), ("params/p.toml", params)];
        let ruleset =
            Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{rule}: {refused}"));
        let text = explain(&ruleset, &task(Some(ORDER))).to_string();
        assert!(
            !text.contains("SECRET") && !text.contains("471") && !text.contains("false:"),
            "{rule}: {text}"
        );
    }
}

#[test]
fn check_warns_of_a_text_that_is_never_shown() {
    let check = |rule: &str| {
        let checked = check(files(&[("a.rhai", rule), ("schema/order.toml", SCHEMA)]), "2026-11-22");
        checked.render(Format::Text).matches("warning[masked-fact]").count()
    };
    for (rule, warnings) in [
        ("let c = order.card;\nescalate(\"x\", `${c}`);\n", 1),
        ("if order.card == \"\" { escalate(\"x\", order.lines.map(|l| l.sku).join()); }\n", 1),
        ("if order.card == \"\" { escalate(\"x\", `${order.country}`); }\n", 0),
        ("escalate(\"x\", order.lines.map(|l| l.sku).join());\n", 0),
    ] {
        assert_eq!(check(rule), warnings, "{rule}");
    }
}

#[test]
fn a_backtest_sums_nothing_masked() {
    let schema = "[fields]\namount = \"money\"\nlimit = { type = \"money\", masked = true }\n";
    let entries = [
        ("rules/a.rhai", "if order.limit > 5 { approve(\"a\"); }\n"),
        ("schema/order.toml", schema),
        ("ruleset.toml", "amounts = [\"order.amount\", \"order.limit\"]\n"),
    ];
    let ruleset = Ruleset::from_files(files(&entries)).unwrap();
    let stored = StoredTask {
        task_id: "t".to_owned(),
        order: Some(r#"{"amount":12.50,"limit":4711}"#.to_owned()),
        order_id: "o".to_owned(),
        start_time: "2026-11-22T10:00:00Z".to_owned(),
        transaction_id: "arn".to_owned(),
        received_at: "2026-11-22T10:00:00Z".to_owned(),
    };
    let options = Options { threads: NonZeroUsize::MIN, keep_changes: 10 };
    let told = backtest(&ruleset, &ruleset, std::iter::once(stored), options, &AtomicU64::new(0)).to_string();
    assert!(told.contains("12.5") && told.contains("sum of order.limit") && !told.contains("4711"), "{told}");
}
