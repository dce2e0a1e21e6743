//! Two texts that look equal are equal: it makes no difference how an accent is composed, wherever the text comes from.

use rules::{Ruleset, TaskFacts};

use crate::evaluate::{files, task};

/// The same word, composed and decomposed.
const FORMS: [&str; 2] = ["Caf\u{e9}", "Cafe\u{301}"];
/// Conditions that are true of every two forms: WORD is the rule's, `order.word` and the others the order's.
const CONDITIONS: [&str; 14] = [
    "order.word == \"WORD\"",
    "!(order.word != \"WORD\")",
    "order.word in [\"WORD\", \"x\"]",
    "order.word in lists.words",
    "order.word in order.words",
    "\"WORD\" in order.words",
    "order.words.contains(\"WORD\")",
    "order.note.contains(\"WORD\")",
    "order.note.ends_with(\"WORD\")",
    "order.word == p.word",
    "order.word.len() == 4",
    "order.word.matches(\"WORD\")",
    "order.note.replace(\"WORD\", \"\") == \"to \"",
    "order[\"WORD\"] == 1",
];

fn decides(entries: &[(&str, &str)], facts: &TaskFacts<'_>) -> String {
    let ruleset = Ruleset::from_files(files(entries)).unwrap_or_else(|refused| panic!("{refused}"));
    let verdict = ruleset.evaluate(facts).verdict;
    format!("{} {}", verdict.code(), verdict.text())
}

#[test]
fn texts_that_look_equal_are_equal() {
    assert!(include_str!("../../README.md").contains("**Texts that look equal are equal.**"));
    for ours in FORMS {
        for theirs in FORMS {
            let order = format!(
                "{{\"word\":\"{theirs}\",\"words\":[\"{theirs}\"],\"note\":\"to {theirs}\",\"{theirs}\":1}}"
            );
            let (list, params) = (format!("{ours}\n"), format!("word = \"{ours}\"\n"));
            for condition in CONDITIONS.map(|condition| condition.replace("WORD", ours)) {
                let rule =
                    format!("if {condition} {{ approve(\"equal\"); }}\nescalate(\"unequal\", \"a text\");\n");
                let entries =
                    [("rules/a.rhai", rule.as_str()), ("lists/words.txt", &list), ("params/p.toml", &params)];
                assert_eq!(decides(&entries, &task(Some(&order))), "equal ", "{condition} of {order}");
            }
        }
    }
}

#[test]
fn a_text_that_a_script_puts_together_equals_what_it_looks_like() {
    let rule = "if order.word == \"Cafe\" + \"\\u0301\" && (\"Cafe\" + \"\\u0301\") in [\"x\", order.word] { approve(\"equal\"); }\n";
    for form in FORMS {
        let order = format!("{{\"word\":\"{form}\"}}");
        assert_eq!(decides(&[("rules/a.rhai", rule)], &task(Some(&order))), "equal ");
    }
}

#[test]
fn a_key_that_looks_like_another_is_the_same_key_twice() {
    let order = format!("{{\"{}\":1,\"{}\":5000}}", FORMS[0], FORMS[1]);
    let schema = format!("[fields]\n\"{}\" = \"integer\"\n", FORMS[0]);
    let rule = ("rules/a.rhai", "approve(\"ok\");\n");
    for entries in [vec![rule], vec![rule, ("schema/order.toml", schema.as_str())]] {
        let said = decides(&entries, &task(Some(&order)));
        assert!(said.starts_with("invalid-task") && said.contains("occurs twice"), "{said}");
    }
}
