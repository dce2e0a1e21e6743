//! The checks that every ruleset passes before it becomes active, wherever it comes from.

use rules::check::check;
use rules::{Files, Refused, Ruleset, Severity};

/// Compiles files and runs their tests.
///
/// # Errors
///
/// [`Refused`], with every error; warnings do not reject a ruleset.
pub fn tested(files: Files, now: &str) -> Result<Ruleset, Refused> {
    let checked = check(files, now);
    let is_ok = checked.is_ok();
    match checked.ruleset {
        Some(ruleset) if is_ok => Ok(ruleset),
        ruleset => {
            let mut diagnostics = checked.findings;
            diagnostics.retain(|finding| finding.severity == Severity::Error);
            Err(Refused { diagnostics, sha256: ruleset.map(|ruleset| ruleset.sha256().to_owned()) })
        }
    }
}
