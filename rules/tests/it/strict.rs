//! The language, row by row: what it gives, and what it refuses instead of giving something that nobody meant.

use rules::{Cause, Ended, Ruleset, Verdict};

use crate::evaluate::{files, task};

const ORDER: &str = r#"{
    "amount": 900, "text": "900", "country": "DE", "none": null, "flag": true, "note": "DE,AT",
    "big": 79228162514264337593543950335, "cent": 0.01, "third": 3, "at": "2026-11-22T18:00:00-08:00", "day": "2026-11-22",
    "tags": ["a", "b"], "numbers": [1, 2.5], "flags": "true,false", "empty": [],
    "items": [{"sku": "A", "price": 20, "qty": 2, "on": "2026-12-24"}, {"sku": "B", "price": 1.5, "qty": 1, "on": "2026-12-27"}]
}"#;

const FILES: [(&str, &str); 5] = [
    ("lists/vip.txt", "A\nKP-lasers\n"),
    ("lists/days.txt", "2026-12-24\n2026-12-25\n"),
    ("params/limits.toml", "most = 5\nrate = 1.19\n[tier]\ngold = 7\n"),
    ("schema/order.toml", ""),
    ("b.rhai", "pass();"),
];

/// What a condition comes to: whether it is true, or the error.
fn holds(condition: &str) -> Result<bool, String> {
    let script = format!("let v = 5; let w = [1, 2];\nif {condition} {{ approve(\"yes\"); }}");
    let entries: Vec<(&str, &str)> =
        FILES.into_iter().filter(|(_, text)| !text.is_empty()).chain([("a.rhai", script.as_str())]).collect();
    let ruleset = Ruleset::from_files(files(&entries)).map_err(|refused| refused.to_string())?;
    let evaluation = ruleset.evaluate(&task(Some(ORDER)));
    match (&evaluation.verdict, &evaluation.verdicts[0].ended) {
        (Verdict::Approve { .. }, _) => Ok(true),
        (_, Ended::Pass) => Ok(false),
        (Verdict::Escalate { cause: Some(Cause::RuleError), text, .. }, _) => Err(text.clone()),
        other => panic!("{condition}: {other:?}"),
    }
}

/// What holds of the order.
const MEANT: &[&str] = &[
    "1 + 2 == 3",
    "0.1 + 0.2 == 0.3",
    "10 / 4 == 2.5",
    "7 % 4 == 3 && -7.5 % 2 == -1.5",
    "2 ** 10 == 1024 && 1.1 ** 3 == 1.331",
    "order.amount * limits.rate == 1071",
    "divide(100, 3, 2) == 33.33 && divide(-1, 6, 3) == -0.167",
    "\"a\" + \"b\" == \"ab\"",
    "`${order.amount} ${order.country} ${v} ${true}` == \"900 DE 5 true\"",
    "`${order.none ?? \"none\"}` == \"none\"",
    "order.note.contains(\"DE\") && !order.note.contains(\"KP\")",
    "order.country in [\"DE\", \"AT\"] && !(order.country in lists.vip)",
    "order.country !in lists.vip",
    "3 in 1..5 && 5 in 1..=5 && !(5 in 1..5) && order.cent in 0..1",
    "max(1, 2.5) == 2.5 && min(order.amount, 7) == 7",
    "order.flags.split(\",\").some(|f| f == \"false\")",
    // Functions see what stands round them.
    "order.items.some(|i| i.sku in lists.vip && i.price > limits.most && i.price > v)",
    "order.items.all(|i| order.items.some(|j| j.sku == i.sku && order.amount > limits.tier.gold))",
    "order.items.map(|i| i.price * i.qty).sum() == 41.5",
    "order.items.map(|i| i.sku).join() == \"A, B\"",
    "order.items.map(|i| i.sku + v.to_string()).contains(\"A5\")",
    "order.items.find(|i| i.price > v).sku == \"A\"",
    "order.items.find(|i| i.price > 1000) ?? 7 == 7",
    "order.items.reduce(|sum, i| sum + i.price, 0) == 21.5",
    "order.tags.filter(|t| t != \"a\").len() == 1",
    "[3, 4].map(|x| x * v) .sum() == 35",
    "[1, 2].reduce(|a, b| a + b, v) == 8",
    "w.some(|x| w.len() == 2 && x in w)",
    "lists.vip.some(|name| name.starts_with(\"KP\"))",
    "lists.vip.len() == 2 && lists.vip.join() == \"A, KP-lasers\"",
    "#{a: v}.a == 5 && \"a\" in #{a: 1} && #{a: 1}.get(\"b\", 2) == 2",
    "[1, 2].index_of(2) == 1 && [1].index_of(5) == -1",
    // Dates.
    "date(order.at) > task.now && date(order.at) == date(\"2026-11-23T02:00:00Z\")",
    "task.now < \"2026-11-23\" && task.now >= \"2026-11-22\"",
    "date(order.day) in [\"2026-11-22\", \"2026-12-25\"] && !(date(order.day) in lists.days)",
    "date(\"2026-12-25\") in lists.days",
    "hours_between(order.at, \"2026-11-23\") == -2 && days_between(order.day, \"2026-12-01\") == 9",
    "weekday(task.now, \"Europe/Berlin\") == 7 && hour(task.now, \"Europe/Berlin\") == 11",
    "`${task.now}` == \"2026-11-22T10:00:00.123Z\"",
    // Texts.
    "\"  a b \".trim() == \"a b\" && \"a-b\".replace(\"-\", \"\") == \"ab\"",
    "\"AB-12\".matches(\"[A-Z]{2}-[0-9]+\") && !\"xAB-12\".matches(\"[A-Z]{2}-[0-9]+\")",
    "!\"AB\\n\".matches(\"AB\") && \"a\".matches(\"b|a\") && !\"ac\".matches(\"b|a\")",
    "\"äöü\".len() == 3 && \"äöü\".sub_string(1, 1) == \"ö\" && \"äöü\".index_of(\"ü\") == 2",
    "\"a b\".split().len() == 2 && \"a,b\".split(',')[1] == \"b\"",
    "round(2.345, 2) == 2.34 && round_half_up(2.345, 2) == 2.35 && 2.7.floor() == 2",
];

#[test]
fn what_is_meant_is_given() {
    for condition in MEANT {
        assert_eq!(holds(condition), Ok(true), "{condition}");
    }
}

/// What is an error, and what it says.
const REFUSED: &[(&str, &str)] = &[
    ("order.text + order.text == 1800", "cannot compare text with a number"),
    ("order.amount + order.text == 1", "+ takes two numbers or two texts, not a number and text"),
    ("order.text + 1 == \"9001\"", "+ takes two numbers or two texts, not text and a number"),
    ("order.none + \"-\" in lists.vip", "+ takes two numbers or two texts, not nothing and text"),
    ("\"x\" + order.none == \"x\"", "not text and nothing: check with has(\"…\") first"),
    ("order.none + 1 > 0", "not nothing and a number"),
    ("1 + order.none > 0", "not a number and nothing"),
    ("order.flag + 1 > 0", "not a boolean and a number"),
    ("order.tags + order.tags == 1", "not a list and a list"),
    ("[1] + [2] == 1", "not a list and a list"),
    ("#{a: 1} + #{b: 2} == 1", "not a record and a record"),
    (
        "order.text - order.text > 50",
        "- takes two numbers, not text and text: a number that came as text is read with decimal(…)",
    ),
    ("order.text - 1 > 50", "- takes two numbers"),
    ("[1, 2] - [1] == 1", "- takes two numbers, not a list and a list"),
    ("order.none - 1 < 0", "- takes two numbers, not nothing and a number"),
    ("-order.text < 0", "- takes a number, not text"),
    ("-order.none < 0", "- takes a number, not nothing"),
    ("!order.amount", "! takes true or false, not a number"),
    ("!order.none", "! takes true or false, not nothing"),
    ("order.text * 2 > 0", "* takes two numbers, not text and a number"),
    ("order.none * 2 == 0", "* takes two numbers, not nothing"),
    ("order.amount / order.none > 0", "/ takes two numbers"),
    ("order.amount % \"7\" > 0", "% takes two numbers"),
    ("max(order.text, 5) > 0", "max takes two numbers, not text and a number"),
    ("max(order.text, order.country) == order.text", "max takes two numbers, not text and text"),
    ("min(order.none, 5) == 5", "min takes two numbers, not nothing and a number"),
    ("min(order.items, 5) == 5", "min takes two numbers, not a list"),
    ("5 in 1..order.none", ".. takes two whole numbers, not a number and nothing"),
    ("5 in order.none..9", ".. takes two whole numbers"),
    ("5 in \"1\"..\"9\"", ".. takes two whole numbers, not text and text"),
    ("\"5\" in 1..9", "a range holds numbers: cannot look for text"),
    ("5 in 1..=order.text", "..= takes two whole numbers"),
    ("range(1, order.text) == 1", "range cannot be called with a number and text"),
    ("order.country in order.note", "in searches lists, not texts"),
    ("\"\" in order.note", "in searches lists, not texts"),
    ("contains(order.note, \"DE\")", "in searches lists, not texts"),
    ("order.tags.some(|t| t in order.note)", "in searches lists, not texts"),
    ("order.amount in order.none", "cannot look for a number in nothing"),
    ("order.country in order.amount", "cannot look for text in a number"),
    ("5 in lists.vip", "lists hold text: cannot look for a number"),
    ("order.none in lists.vip", "lists hold text: cannot look for nothing"),
    ("order.none in [\"a\"]", "cannot compare text with nothing"),
    ("order.none in order.tags", "cannot compare text with nothing"),
    ("5 in order.tags", "cannot compare text with a number"),
    ("order.note.contains(5)", "contains looks for text, not a number"),
    ("order.note.contains(order.none)", "contains looks for text, not nothing"),
    // A function that gives no yes or no.
    ("order.flags.split(\",\").some(|f| f)", "the function returned text, not true or false"),
    ("order.tags.some(|t| t)", "the function returned text"),
    ("[1, 0].all(|x| x)", "the function returned a number"),
    ("order.items.filter(|i| i.price).len() == 0", "the function returned a number"),
    ("[1].filter(|x| ()).len() == 0", "the function returned nothing"),
    ("[1].find(|x| 1) == 1", "the function returned a number"),
    ("lists.vip.all(|x| x)", "the function returned text"),
    ("order.items.some(|i| i.price > order.none)", "cannot compare a number with nothing"),
    ("order.items.map(|i| i.nothing).len() == 2", "order.items[] has no field 'nothing'"),
    ("order.items.map(|i| #{a: 1}).len() == 2", "the function returned a record of its own"),
    // Texts of what has none.
    (
        "`${order.none}` == \"\"",
        "a missing value cannot be put into a text: check with has(\"…\") first, or give a default with ??",
    ),
    ("`x${order.none}y` in lists.vip", "a missing value cannot be put into a text"),
    ("order.none.to_string() == \"\"", "a missing value cannot be put into a text"),
    ("order.items.some(|i| `${order.none}` == \"\")", "a missing value cannot be put into a text"),
    ("`${order.items}` == \"\"", "a list cannot be put into a text: use join"),
    ("`${order.items[0]}` == \"\"", "a record cannot be put into a text"),
    ("`${[1]}` == \"\"", "a list cannot be put into a text"),
    ("[order.none].join() == \"\"", "the list has a missing value"),
    // Digits that would be lost.
    ("order.big + order.cent == order.big", "more digits than can be kept exactly"),
    ("order.big - order.cent < order.big", "more digits than can be kept exactly"),
    ("order.big * 1.1 > 0", "more digits than can be kept exactly"),
    ("order.amount / order.third / 7 > 0", "say how many places you want with divide(a, b, places)"),
    ("1 / 3 * 3 == 1", "say how many places"),
    ("order.amount / 0 > 0", "cannot divide by 0"),
    ("order.amount % 0 == 0", "cannot divide by 0"),
    ("9223372036854775807 + 1 > 0", "the result of + is too large"),
    ("9223372036854775807 * 2 > 0", "the result of * is too large"),
    ("2 ** 64 > 0", "the power is too large"),
    ("2 ** -1 > 0", "exponent is negative"),
    ("1.1 ** 40 > 0", "too many digits"),
    ("[order.big, order.cent].sum() > 0", "more digits than can be kept exactly"),
    // Dates.
    ("order.at < order.day", "cannot order dates given as text with <: use date(...) first"),
    ("order.at > \"2026-11-22T20:00:00Z\"", "cannot order dates given as text"),
    ("task.now > order.country", "neither a date such as 2026-11-22 nor a moment"),
    ("task.now > 5", "cannot compare"),
    ("task.now in lists.vip", "the list has an entry that is not a date"),
    ("task.now + 1 > task.now", "+ takes two numbers or two texts, not a date and a number"),
    ("hour(order.day, \"UTC\") == 0", "a date without a time has no hour"),
    ("weekday(task.now, \"Berlin\") == 1", "there is no time zone 'Berlin'"),
    ("days_between(order.amount, task.now) > 0", "days_between takes a date, not a number"),
    ("hours_between(order.none, task.now) > 0", "hours_between takes a date, not nothing"),
    ("date(order.country) > task.now", "neither a date"),
    // Texts.
    ("order.amount.starts_with(\"9\")", "starts_with cannot be called with a number and text"),
    ("order.country.starts_with(9)", "starts_with takes text, not a number"),
    ("order.country.replace(\"\", \"x\") == \"\"", "a part that is not empty"),
    ("order.country.matches(\"[\")", "not a pattern"),
    ("order.country.matches(\"a)|(b\")", "not a pattern"),
    ("order.none.trim() == \"\"", "trim cannot be called with a missing value"),
    ("decimal(order.country) > 0", "the text is not a number"),
    ("order.items.where_in(\"price\", lists.vip).len() == 0", "price holds a number, not text"),
    ("order.items.sum(\"sku\") > 0", "sku holds text, not a number"),
    ("order.empty.pop() == 1", "pop cannot be called with a list"),
    ("[].pop() == 1", "nothing to pop"),
];

#[test]
fn what_nobody_means_is_refused() {
    let mut wrong = Vec::new();
    for (condition, why) in REFUSED {
        match holds(condition) {
            Err(text) if text.contains(why) => {}
            other => wrong.push(format!("{condition}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Outcome, code and text of a script.
fn ask(script: &str) -> String {
    let entries: Vec<(&str, &str)> =
        FILES.into_iter().filter(|(_, text)| !text.is_empty()).chain([("a.rhai", script)]).collect();
    match Ruleset::from_files(files(&entries)) {
        Ok(ruleset) => {
            let verdict = ruleset.evaluate(&task(Some(ORDER))).verdict;
            format!("{} {} {}", verdict.outcome().as_str(), verdict.code(), verdict.text())
        }
        Err(refused) => format!("refused {}", refused.diagnostics[0].one_line()),
    }
}

#[test]
fn changes_in_place_are_as_strict() {
    for (change, why) in [
        ("let x = 1; x += \"1\";", "+ takes two numbers or two texts"),
        ("let x = \"a\"; x += order.none;", "+ takes two numbers or two texts, not text and nothing"),
        ("let x = \"a\"; x += 1;", "+ takes two numbers or two texts"),
        ("let x = \"ab\"; x -= \"b\";", "- takes two numbers"),
        ("let x = [1]; x += 2;", "+ takes two numbers or two texts"),
        ("let x = #{}; x += #{a: 1};", "+ takes two numbers or two texts"),
        ("let x = order.big; x += order.cent;", "more digits than can be kept exactly"),
        ("let x = 1; x /= 3;", "say how many places"),
        ("let x = 9223372036854775807; x += 1;", "too large"),
        ("let x = 2; x **= 64;", "too large"),
        ("let x = (); x += 1;", "not nothing and a number"),
        ("let x = `${order.none}`;", "a missing value cannot be put into a text"),
        ("for t in order.tags { let x = `${order.none}`; }", "a missing value cannot be put into a text"),
        (
            "order.items.for_each(|i| { let x = `${i.on}${order.none}`; });",
            "a missing value cannot be put into a text",
        ),
    ] {
        let answer = ask(&format!("{change} approve(\"x\");"));
        assert!(answer.starts_with("escalate rule-error") && answer.contains(why), "{change}: {answer}");
    }
    let sound = "let x = 10; x /= 4; x *= 2; x -= 1; x += 0.5; x %= 3; let s = \"a\"; s += \"b\"; let b = true; b &= false;
        if x == 1.5 && s == \"ab\" && !b { approve(\"x\"); }";
    assert_eq!(ask(sound), "approve x ");
}

#[test]
fn functions_see_what_stands_round_them() {
    for script in [
        "fn hot(item) { item.sku in lists.vip && item.price > limits.most && order.flag && task.hasOrder }\n\
         if order.items.some(hot) { approve(\"x\"); }",
        "fn hot(items, least) { items.some(|i| i.price > least && i.sku in lists.vip) }\n\
         if hot(order.items, 5) { approve(\"x\"); }",
        "fn rate() { limits.rate }\nif rate() == 1.19 { approve(\"x\"); }",
        "let least = 5; let dear = |i| i.price > least; if order.items.some(dear) { approve(\"x\"); }",
        "for t in order.tags { let wanted = t; if order.tags.some(|u| u == wanted) { approve(\"x\"); } }",
        "let seen = []; for i in order.items { seen.push(i.sku); } if \"B\" in seen { approve(\"x\"); }",
        // What made rhai panic when captured values were shared.
        "let c = 5; let g = |x| x + c; let m = [c, #{a: c}, [c]]; m.push(c); if m[1].a == c { approve(\"x\"); }",
        "let c = [1]; let m = #{a: [1].map(|x| c)}; let n = [m, m, c]; if n[2][0] == 1 { approve(\"x\"); }",
        "let l = order.items; if l.some(|i| l.all(|j| l.len() == 2 && i.sku != \"\")) { approve(\"x\"); }",
        "let o = order; if o.items.some(|i| o.amount == 900 && order.items.len() == 2) { approve(\"x\"); }",
        "if [1, 2].some(|a| [3].some(|b| [4].some(|c| a + b + c == 9 && order.flag))) { approve(\"x\"); }",
    ] {
        assert_eq!(ask(script), "approve x ", "{script}");
    }
}

#[test]
fn a_list_may_take_upper_and_lower_case_for_the_same() {
    let script = "if order.country in lists.sanctioned || order.items.any_in(\"to\", lists.sanctioned) { reject(\"no\", \"why\"); }";
    let settings = "[lists.sanctioned]\nfold = \"case\"\n";
    let lists = ("lists/sanctioned.txt", "KP\nC\u{f4}te d'Ivoire\n");
    for (country, plain, folded) in [
        ("KP", "reject", "reject"),
        ("kp", "escalate", "reject"),
        ("Co\u{302}te d'Ivoire", "reject", "reject"),
        ("C\u{d4}TE D'IVOIRE", "escalate", "reject"),
        ("DE", "escalate", "escalate"),
    ] {
        for (entries, expected) in [
            (vec![("a.rhai", script), lists], plain),
            (vec![("a.rhai", script), lists, ("ruleset.toml", settings)], folded),
        ] {
            let ruleset = Ruleset::from_files(files(&entries)).unwrap();
            for order in [
                format!(r#"{{"country":"{country}","items":[]}}"#),
                format!(r#"{{"country":"x","items":[{{"to":"{country}"}}]}}"#),
            ] {
                let outcome = ruleset.evaluate(&task(Some(&order))).verdict.outcome();
                assert_eq!(outcome.as_str(), expected, "{order}");
            }
        }
    }
    let entries = [("a.rhai", "pass();"), ("ruleset.toml", settings)];
    let refused = Ruleset::from_files(files(&entries)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ruleset refused: ruleset.toml:1: error[unknown-list]: there is no lists/sanctioned.txt"
    );
}

#[test]
fn what_a_nameless_function_would_lose_is_refused() {
    for change in [
        "let n = 0; order.items.for_each(|i| { n += i.qty; }); if n < 2 { approve(\"x\"); }",
        "let n = 0; order.items.for_each(|i| n = 1); if n == 0 { approve(\"x\"); }",
        "let seen = []; order.items.for_each(|i| seen.push(i.sku)); if seen.is_empty() { approve(\"x\"); }",
        "let seen = []; order.items.for_each(|i| push(seen, i.sku)); if seen.is_empty() { approve(\"x\"); }",
        "let m = #{a: 0}; order.items.for_each(|i| { m.a = 1; }); if m.a == 0 { approve(\"x\"); }",
        "let m = #{a: []}; order.items.for_each(|i| { m.a.push(1); }); if m.a.is_empty() { approve(\"x\"); }",
        "let l = [0]; order.items.for_each(|i| { l[0] = 1; }); if l[0] == 0 { approve(\"x\"); }",
        "let n = 5; let dear = |i| i.price > n; n = 100; if !order.items.some(dear) { approve(\"x\"); }",
    ] {
        let answer = ask(change);
        let why = "is used by a function without a name and cannot be changed";
        assert!(answer.starts_with("refused") && answer.contains(why), "{change}: {answer}");
    }
}

#[test]
fn no_message_shows_a_type_of_the_engine() {
    for script in [
        "order.amount.starts_with(\"x\");",
        "order.items.sum(5);",
        "order.flag.len();",
        "order.tags.to_upper();",
        "order.none.len();",
        "task.now.len();",
        "order.amount.x;",
        "order.country.x;",
        "if order.amount { }",
        "if order.amount && true { }",
        "for x in order.amount { }",
        "let x = order.amount; x[0];",
        "order.items[\"a\"];",
        "order.amount(5);",
        "[1].some(|a, b| true);",
        "order.items.some(order.amount);",
        "w.x;",
    ] {
        let answer = ask(&format!("let w = |x| x; {script} approve(\"x\");"));
        assert!(!answer.starts_with("approve"), "{script}: {answer}");
        for word in [
            "i64",
            "Decimal",
            "decimal",
            "rust_",
            "ImmutableString",
            "&str",
            "::",
            "Dynamic",
            "Fn(",
            "anon$",
            "get$",
        ] {
            assert!(!answer.contains(word), "{script}: {answer}");
        }
    }
}
