//! The handbook's sentences, each with an example that is run: what a rule decides, and what check says.

mod rows;

use std::path::Path;

use rules::check::check;
use rules::lock::Lock;
use rules::{Ruleset, TaskFacts};

use self::rows::{CONDITIONS, FOLDERS, ORDER, ORDERS, RULE, TOGETHER};
use crate::evaluate::{files, task};

const HANDBOOK: &str = include_str!("../../README.md");

/// What the rules of these files decide: outcome and code, with the text of a verdict that somebody asks for.
fn decided(entries: &[(&str, &str)], facts: &TaskFacts<'_>) -> String {
    let ruleset = Ruleset::from_files(files(entries)).unwrap_or_else(|refused| panic!("{refused}"));
    let verdict = ruleset.evaluate(facts).verdict;
    format!("{} {} {}", verdict.outcome().as_str(), verdict.code(), verdict.text()).trim_end().to_owned()
}

/// The handbook says so.
pub(crate) fn says(quote: &str) {
    assert!(HANDBOOK.contains(quote), "the handbook no longer says: {quote}");
}

#[test]
fn what_a_condition_comes_to() {
    let lists = "KP\nA#12\nNew York # an entry\n2026-12-24\n";
    // The condition is true, or fails with these words.
    for &(quote, condition, fails) in CONDITIONS {
        if quote != "in a date" {
            says(quote);
        }
        let (before, condition) =
            condition.rsplit_once("; ").map_or(("", condition), |(before, it)| (before, it));
        let before = if before.is_empty() { String::new() } else { format!("{before};\n") };
        let rule =
            format!("{before}if {condition} {{ approve(\"yes\"); }}\nescalate(\"no\", \"it is false\");\n");
        let entries =
            [("rules/a.rhai", rule.as_str()), ("lists/all.txt", lists), ("lists/dates.txt", "2026-12-24\n")];
        let said = decided(&entries, &task(Some(ORDER)));
        let is_so = if fails.is_empty() {
            said == "approve yes"
        } else {
            said.starts_with("escalate rule-error") && said.contains(fails)
        };
        assert!(is_so, "{quote}\n{condition}: {said}");
    }
}

#[test]
fn what_check_refuses_or_warns_of() {
    for &(quote, path, content, finding) in FOLDERS {
        says(quote);
        if path == "schema/order.toml" && content.is_empty() {
            continue;
        }
        let checked = check(files(&[("rules/a.rhai", RULE), (path, content)]), "2026-11-22");
        let mut said =
            checked.findings.iter().filter(|finding| !matches!(finding.code.as_str(), "untested" | "unused"));
        let is_so =
            said.any(|found| format!("{}[{}]", found.severity.as_str(), found.code).starts_with(finding));
        assert!(is_so, "{quote}: {:?}", checked.findings);
    }
    says(
        "Notes (`*.md`), definition files for editors (`*.d.rhai`) and hidden files of other tools (`.git/`) are allowed",
    );
    let noted = check(
        files(&[("rules/a.rhai", RULE), ("notes.md", "x\n"), ("rules/x.d.rhai", "module static;\n")]),
        "2026-11-22",
    );
    assert!(noted.findings.iter().all(|finding| finding.code == "untested"), "{:?}", noted.findings);
    says("Byte order marks and Windows line endings are accepted");
    let windows = "\u{feff}if order.amount > 5 {\r\n    approve(\"a\");\r\n}\r\n";
    assert_eq!(decided(&[("rules/a.rhai", windows)], &task(Some(ORDER))), "approve a");
}

#[test]
fn an_order_is_read_as_the_handbook_says() {
    let schema = "[fields]\nbig = { type = \"money\", optional = true }\nn = { type = \"integer\", optional = true, min = 1 }\n\
                  t = { type = \"text\", optional = true, trim = true, case = \"upper\", pattern = \"[A-Z]{2}\" }\n\
                  c = { type = \"text\", optional = true, choices = [\"EUR\"] }\nl = { type = \"list\", of = \"text\", optional = true, unique = true, min_length = 1 }\n";
    let rule = "approve(\"read\", `${order.big ?? 0} ${order.t ?? \"\"}`);\n";
    for &(quote, order, expected) in ORDERS {
        says(quote);
        let said = decided(&[("rules/a.rhai", rule), ("schema/order.toml", schema)], &task(Some(order)));
        assert!(said.starts_with(expected), "{quote}: {said}");
    }
}

#[test]
fn what_rules_come_to_together() {
    for &(quote, rules, expected) in TOGETHER {
        says(quote);
        let named: Vec<(String, &str)> =
            rules.iter().map(|(id, text)| (format!("rules/{id}.rhai"), *text)).collect();
        let mut entries: Vec<(&str, &str)> =
            named.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        entries.push(("params/p.toml", "two = 2\n"));
        assert_eq!(decided(&entries, &task(Some(ORDER))), expected, "{quote}");
    }
    says("`task.hasOrder` | false if the workflow passed no order; then every `order.…` is an error");
    let rule = "if !task.hasOrder && task.workflow == \"orders\" { approve(order.amount); }\n";
    let said = Ruleset::from_files(files(&[("rules/a.rhai", rule)])).map(drop).unwrap_err().to_string();
    assert!(said.contains("bad-code"), "{said}");
    let rule = "if !task.hasOrder && task.workflow == \"orders\" && order.amount > 5 { approve(\"a\"); }\n";
    let said = decided(&[("rules/a.rhai", rule)], &task(None));
    assert!(
        said.starts_with("escalate rule-error") && said.contains("the workflow passed no order"),
        "{said}"
    );
}

#[test]
fn a_lock_accepts_what_the_handbook_says() {
    let test = "[[case]]\nname = \"small\"\nset = { amount = 5 }\nexpect = \"approve\"\n";
    let more =
        format!("{test}\n[[case]]\nname = \"large\"\nset = {{ amount = 500 }}\nexpect = \"escalate\"\n");
    let set = |list: &str, tests: &str| {
        let rule = "if order.amount < 100 && !(\"KP\" in lists.bad) { approve(\"small\"); }\n";
        let budget = "name = \"shop\"\n[budget]\napprovals_per_hour = 5\n";
        let entries = [
            ("ruleset.toml", budget),
            ("rules/a.rhai", rule),
            ("lists/bad.txt", list),
            ("tests/a.toml", tests),
        ];
        Ruleset::from_files(files(&entries)).unwrap_or_else(|refused| panic!("{refused}"))
    };
    let accepted = set("SY\n", &more);
    let lock = Lock::of(&accepted);
    let refused = |ruleset: &Ruleset| lock.accepts("rules.lock", ruleset).unwrap_err().to_string();
    says("`rules.lock` beside `rules/`");
    assert_eq!(Lock::path(Path::new("shop/rules")).unwrap(), Path::new("shop/rules.lock"));
    says("a ruleset decides only if its version is the one that");
    assert_eq!(lock.accepts("rules.lock", &accepted), Ok(()));
    assert!(refused(&set("KP\n", &more)).contains("is not accepted"), "a list of another content");
    says("It names the ruleset's rules, lists, caps and tests");
    for part in ["rule a", "list bad", "approvals_per_hour", "test tests/a.toml: large"] {
        assert!(lock.to_text().contains(part), "{part}: {}", lock.to_text());
    }
    says("a ruleset whose tests have changed must be accepted again");
    for tests in [test.to_owned(), format!("{more}\n{}", test.replace("small", "another"))] {
        let changed = set("SY\n", &tests);
        assert_eq!(changed.sha256(), accepted.sha256(), "tests are no part of the version");
        assert!(refused(&changed).contains("was accepted with different tests"));
    }
    says("A half-saved list can still decide");
    says("compiles, and passes unless a test checks its entries");
    let half = check(
        files(&[
            ("rules/a.rhai", "if order.country in lists.bad { reject(\"no\", \"no\"); }\n"),
            ("lists/bad.txt", "S\n"),
        ]),
        "2026-11-22",
    );
    assert!(half.is_ok());
}

#[test]
fn the_limits_are_what_the_table_says() {
    for (row, rule, code) in [
        (
            "| steps of one rule | 50,000,",
            "for a in 0..500 { for b in 0..500 { let c = a + b; } }\n".to_owned(),
            "rule-deadline",
        ),
        (
            "| a text | 8 KiB | `rule-error` |",
            "let t = \"0123456789abcdef\"; for a in 0..10 { t = t + t; }\n".to_owned(),
            "rule-error",
        ),
        (
            "| a list of your own | 500 entries",
            "let l = []; for a in 0..501 { l.push(a); }\n".to_owned(),
            "rule-error",
        ),
        (
            "| calls inside calls | 16 |",
            "fn f(n) { if n == 0 { 0 } else { f(n - 1) } }\nlet x = f(16);\n".to_owned(),
            "rule-error",
        ),
        (
            "| variables of a rule, with those that every rule is given | 64 |",
            (0..65).map(|n| format!("let v{n} = order.amount;\n")).collect(),
            "rule-error",
        ),
    ] {
        says(row);
        let said = decided(&[("rules/a.rhai", &rule)], &task(Some(ORDER)));
        assert!(said.starts_with(&format!("escalate {code} ")), "{row}: {said}");
    }
    let fits = (0..55).map(|n| format!("let v{n} = order.amount;\n")).collect::<String>()
        + "let l = []; for a in 0..499 { l.push(a); }\nfn f(n) { if n == 0 { 0 } else { f(n - 1) } }\nlet x = f(13);\napprove(\"fits\");\n";
    assert_eq!(decided(&[("rules/a.rhai", &fits)], &task(Some(ORDER))), "approve fits");
}

#[test]
fn a_rule_that_is_too_large_is_rejected() {
    says("| a record that is written out, `#{ … }` | 200 fields | rejected |");
    let written = |fields: usize| {
        let fields: Vec<String> = (0..fields).map(|n| format!("f{n}: order.amount")).collect();
        let rule = format!("let r = #{{ {} }};\nif r.f0 > 5 {{ approve(\"a\"); }}\n", fields.join(", "));
        Ruleset::from_files(files(&[("rules/a.rhai", &rule)])).is_ok()
    };
    assert!(written(200) && !written(201));
    says("| functions of a rule | 32 | rejected |");
    let defined = |functions: usize| {
        let functions: String = (0..functions).map(|n| format!("fn f{n}() {{ {n} }}\n")).collect();
        Ruleset::from_files(files(&[("rules/a.rhai", &format!("{functions}approve(\"a\");\n"))])).is_ok()
    };
    assert!(defined(32) && !defined(33));
}
