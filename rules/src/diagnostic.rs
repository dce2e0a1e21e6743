//! What is wrong with a ruleset, and where: printed the way `rustc` prints.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a finding stops a ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The ruleset is refused.
    Error,
    /// The ruleset works; its author should look.
    Warning,
}

impl Severity {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One finding in one file of a ruleset.
///
/// `Display` prints it with its line and a caret, over several lines; [`Diagnostic::one_line`] is for logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The path inside the folder, with `/`. Empty for the folder itself.
    pub file: String,
    /// From 1; 0 where the finding is about the whole file.
    pub line: usize,
    /// From 1, in characters; 0 where the finding is about the whole line or file.
    pub column: usize,
    /// A stable kebab-case name of the kind of finding.
    pub code: String,
    /// Whether it stops the ruleset.
    pub severity: Severity,
    /// What is wrong, in lower case, naming the thing.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// The line as it is in the file; empty if there is none.
    pub snippet: String,
}

impl Diagnostic {
    /// An error about a whole file, or the folder if `file` is empty.
    pub(crate) fn error(file: &str, code: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: file.to_owned(),
            line: 0,
            column: 0,
            code: code.to_owned(),
            severity: Severity::Error,
            message: message.into(),
            help: None,
            snippet: String::new(),
        }
    }

    /// The same finding as a warning.
    pub(crate) fn into_warning(mut self) -> Diagnostic {
        self.severity = Severity::Warning;
        self
    }

    /// The same finding at a place in `text`, the file's content.
    pub(crate) fn at(mut self, text: &str, line: usize, column: usize) -> Diagnostic {
        self.line = line;
        self.column = column;
        let found = line.checked_sub(1).and_then(|index| text.lines().nth(index));
        self.snippet = found.unwrap_or_default().trim_end().to_owned();
        self
    }

    /// The same finding with advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column: error[code]: message (help)`, for a log line.
    pub fn one_line(&self) -> String {
        let Diagnostic { code, message, .. } = self;
        let help = self.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("{}: {}[{code}]: {message}{help}", self.place(), self.severity.as_str())
    }

    /// `file:line:column`, as far as they are known.
    pub fn place(&self) -> String {
        let file = if self.file.is_empty() { "." } else { &self.file };
        match (self.line, self.column) {
            (0, _) => file.to_owned(),
            (line, 0) => format!("{file}:{line}"),
            (line, column) => format!("{file}:{line}:{column}"),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}[{}]: {}", self.severity.as_str(), self.code, self.message)?;
        let number = if self.line == 0 { String::new() } else { self.line.to_string() };
        let margin = " ".repeat(number.len().max(1));
        write!(f, "{margin}--> {}", self.place())?;
        if self.line > 0 && !self.snippet.is_empty() {
            write!(f, "\n{margin} |\n{number} | {}", self.snippet)?;
            if self.column > 0 {
                // Tabs stay tabs, so that the caret is below its column at any tab width.
                let before = self.snippet.chars().take(self.column - 1);
                let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                write!(f, "\n{margin} | {indent}^")?;
            }
        }
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// A ruleset that cannot be used, with every reason. The last good one stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ruleset refused: {}", summary(.diagnostics))]
pub struct Refused {
    /// Errors first; never empty of errors.
    pub diagnostics: Vec<Diagnostic>,
    /// The hash of the refused content, if it could be read: the same content need not be tried again.
    pub sha256: Option<String>,
}

/// The first error in one line, and how many more there are.
fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = || diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors().next().map_or_else(String::new, Diagnostic::one_line);
    match errors().count() {
        0 | 1 => first,
        n => format!("{first} (and {} more)", n - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Diagnostic {
        Diagnostic::error("rules/a.rhai", "unknown-field", "order has no field 'amuont'")
            .at("let x = 1;\n\tif order.amuont > 5 {\n", 2, 11)
            .help("did you mean 'amount'?")
    }

    #[test]
    fn a_finding_shows_its_line_and_a_caret() {
        let expected = "error[unknown-field]: order has no field 'amuont'\n \
             --> rules/a.rhai:2:11\n  |\n2 | \tif order.amuont > 5 {\n  | \t         ^\n  \
             = help: did you mean 'amount'?";
        assert_eq!(finding().to_string(), expected);
    }

    #[test]
    fn a_finding_fits_a_log_line() {
        assert_eq!(
            finding().one_line(),
            "rules/a.rhai:2:11: error[unknown-field]: order has no field 'amuont' (did you mean 'amount'?)"
        );
    }

    #[test]
    fn a_refusal_names_its_first_error_and_counts_the_rest() {
        let warning = finding().into_warning();
        let refused = Refused { diagnostics: vec![warning, finding(), finding()], sha256: None };
        assert!(refused.to_string().starts_with("ruleset refused: rules/a.rhai:2:11: error["));
        assert!(refused.to_string().ends_with("(and 1 more)"));
    }
}
