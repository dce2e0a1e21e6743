//! A folder becomes a ruleset, or says everything that is wrong with it.

use rules::{Files, Refused, Ruleset};

use crate::evaluate::files;

fn refused(entries: &[(&str, &str)]) -> Refused {
    Ruleset::from_files(files(entries)).expect_err("a broken ruleset is refused")
}

fn lines(refused: &Refused) -> Vec<String> {
    refused.diagnostics.iter().map(rules::Diagnostic::one_line).collect()
}

#[test]
fn every_error_of_every_file_is_told() {
    let refused = refused(&[
        ("a.rhai", "if order.amount > 5 {\n    aprove(\"x\");\n}\n"),
        ("b.rhai", "while true { }\n"),
        ("c.rhai", "if oder.amount > 5 { }\n"),
        ("d.rhai", "reject(\"only-a-code\");\n"),
        ("e.rhai", "//! may: escalate\napprove(\"x\");\n"),
        ("f.rhai", "fn approve(x) { }\nlet order = 1;\n"),
    ]);
    let expected = [
        "a.rhai:2:5: error[unknown-function]: there is no function 'aprove' (did you mean 'approve'?)",
        "b.rhai:1:1: error[forbidden]: 'while' is not allowed in rules (loops without a bound are not allowed: use `for`, or a helper such as sum or where_in)",
        "c.rhai:1:4: error[unknown-variable]: there is no variable 'oder' (did you mean 'order'?)",
        "d.rhai:1:1: error[arity]: reject takes 2 arguments, not 1 (reject(\"a-code\", \"a text that says why\"))",
        "e.rhai:2:1: error[may-not]: this rule may not approve: it may escalate",
        "f.rhai:1:1: error[redefinition]: 'approve' exists already and cannot be redefined",
        "f.rhai:2:1: error[shadowing]: 'order' is predefined in every rule and cannot be declared (choose another name)",
    ];
    assert_eq!(lines(&refused), expected);
    assert!(refused.sha256.is_some());
}

#[test]
fn a_folder_of_nothing_but_rules_is_a_ruleset() {
    let ruleset = Ruleset::from_files(files(&[("b.rhai", "pass();"), ("a.rhai", "pass();")])).unwrap();
    assert_eq!(ruleset.rule_ids().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(ruleset.label(), format!("rules@{}", &ruleset.sha256()[..8]));
    let again = Ruleset::from_files(ruleset.files().clone()).unwrap();
    assert_eq!(again.sha256(), ruleset.sha256());
}

#[test]
fn an_empty_folder_is_none() {
    assert_eq!(
        lines(&refused(&[("README.md", "x")])),
        [".: error[no-rules]: the folder holds no rule (rules/*.rhai or *.rhai)"]
    );
    assert!(Ruleset::from_files(Files::new()).is_err());
}
