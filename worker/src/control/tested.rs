//! The checks that every ruleset passes before it becomes active, wherever it comes from.

use rules::check::{Checked, check};
use rules::{Files, Refused, Ruleset, Severity};

/// Compiles files that are about to decide for the first time, and runs check and their tests.
///
/// # Errors
///
/// [`Refused`], with every error; warnings do not reject a ruleset.
pub fn tested(files: Files, now: &str) -> Result<Ruleset, Refused> {
    accepted_if(check(files, now), Checked::is_ok)
}

/// The same for files that passed check when they were published or accepted. An earlier version may have done that:
/// the errors that check has learnt since must not stop a fleet that starts again with the same rules.
///
/// # Errors
///
/// [`Refused`], with every error.
pub fn tested_before(files: Files, now: &str) -> Result<Ruleset, Refused> {
    accepted_if(check(files, now), Checked::may_go_on)
}

fn accepted_if(checked: Checked, is_good: fn(&Checked) -> bool) -> Result<Ruleset, Refused> {
    let is_good = is_good(&checked);
    match checked.ruleset {
        Some(ruleset) if is_good => Ok(ruleset),
        ruleset => {
            let mut diagnostics = checked.findings;
            diagnostics.retain(|finding| finding.severity == Severity::Error);
            Err(Refused { diagnostics, sha256: ruleset.map(|ruleset| ruleset.sha256().to_owned()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_check_has_learnt_since_stops_no_ruleset_that_was_accepted_before() {
        let schema = ("schema/order.toml", "[fields]\namount = \"money\"\n");
        let doubtful =
            "if order.amount > 5 { approve(\"ok\"); }\nif order.amount > \"x\" { approve(\"no\"); }\n";
        let hollow = "[[case]]\nname = \"n\"\nset = { amount = \"much\" }\nexpect = \"escalate\"\n";
        let failing = "[[case]]\nname = \"n\"\nset = { amount = 9 }\nexpect = \"reject\"\n";
        let sound = "if order.amount > 5 { approve(\"ok\"); }\n";
        for (rule, tests, anew, before) in [
            (sound, "", true, true),
            (doubtful, "", false, true),
            (sound, hollow, false, true),
            (sound, failing, false, false),
            ("if order.amuont > 5 { approve(\"ok\"); }\n", "", false, false),
        ] {
            let mut entries = vec![schema, ("rules/a.rhai", rule)];
            entries.extend((!tests.is_empty()).then_some(("tests/t.toml", tests)));
            let (new, old) = (tested(files(&entries), ""), tested_before(files(&entries), ""));
            assert_eq!((new.is_ok(), old.is_ok()), (anew, before), "{rule}{tests}");
        }
    }
}
