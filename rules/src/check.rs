//! `rules check`: everything that can be found out about a ruleset before it runs, as text, JSON or GitHub annotations.

use crate::advice;
use crate::cases;
use crate::dates;
use crate::diagnostic::{Diagnostic, Severity};
use crate::files::Files;
use crate::header::Mode;
use crate::hollow;
use crate::ruleset::Ruleset;
use crate::typing::DOUBTS;

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As `rustc` writes, with the line and a caret.
    Text,
    /// One JSON array, for editors.
    Json,
    /// Workflow commands that GitHub shows beside the lines.
    Github,
}

/// What check found.
#[derive(Debug)]
pub struct Checked {
    /// Errors first, then warnings, by file and line.
    pub findings: Vec<Diagnostic>,
    /// The ruleset, if it compiles.
    pub ruleset: Option<Ruleset>,
}

/// Checks a ruleset: compiles it, runs its tests and looks for what deserves a second look.
///
/// `now`, RFC 3339 or a date, tells which rules have ended; it does not change how the tests run.
pub fn check(files: Files, now: &str) -> Checked {
    let ruleset = match Ruleset::from_files(files) {
        Ok(ruleset) => ruleset,
        Err(refused) => return Checked { findings: refused.diagnostics, ruleset: None },
    };
    let mut findings = ruleset.warnings.clone();
    findings.extend(advice::advise(&ruleset, dates::parse(now).unwrap_or(jiff::civil::Date::MIN)));
    findings.extend(hollow::hollow(&ruleset));
    let report = cases::run(&ruleset);
    findings.extend(report.broken.iter().chain(&report.idle).cloned());
    findings.extend(report.failures().map(|failure| {
        let error = Diagnostic::error(&failure.file, "failing-test", failure.summary());
        let text = ruleset.files.get(&failure.file).and_then(|bytes| std::str::from_utf8(bytes).ok());
        error.at(text.unwrap_or_default(), failure.line, 0)
    }));
    findings.extend(untested(&ruleset, &report).map(Diagnostic::into_warning));
    findings.sort_by(|a, b| {
        (a.severity, &a.file, a.line, a.column).cmp(&(b.severity, &b.file, b.line, b.column))
    });
    Checked { findings, ruleset: Some(ruleset) }
}

fn untested<'a>(ruleset: &'a Ruleset, report: &'a cases::Report) -> impl Iterator<Item = Diagnostic> + 'a {
    let active = ruleset.rules.iter().filter(|rule| rule.header.mode != Mode::Off);
    active.filter_map(|rule| {
        let (answered, passed) = report.seen(&rule.header.id);
        let message = match (answered, passed) {
            (true, true) => return None,
            (false, false) => "no test runs this rule",
            (false, true) => "no test makes this rule answer",
            (true, false) => "no test makes this rule pass",
        };
        Some(advice::whole_file(rule, "untested", message).help("add a case to tests/"))
    })
}

impl Checked {
    /// No finding stops the ruleset.
    pub fn is_ok(&self) -> bool {
        self.ruleset.is_some() && self.count(Severity::Error) == 0
    }

    /// No finding stops a ruleset that check has accepted before, perhaps before it knew some of these errors: a line that
    /// they name affects nothing else.
    pub fn may_go_on(&self) -> bool {
        let stops = |finding: &Diagnostic| {
            finding.severity == Severity::Error
                && !DOUBTS.contains(&finding.code.as_str())
                && finding.code != cases::HOLLOW
        };
        self.ruleset.is_some() && !self.findings.iter().any(stops)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The findings as text to print; of [`Format::Text`] the last line counts them.
    ///
    /// # Panics
    ///
    /// Never: findings always serialise.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => {
                let mut text: String = self.findings.iter().map(|finding| format!("{finding}\n\n")).collect();
                let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
                let errors = plural(self.count(Severity::Error), "error");
                let warnings = plural(self.count(Severity::Warning), "warning");
                let label = match &self.ruleset {
                    Some(ruleset) if self.is_ok() => ruleset.label(),
                    _ => "refused".to_owned(),
                };
                text.push_str(&format!("{label}: {errors}, {warnings}"));
                match self.ruleset.as_ref().map(|ruleset| ruleset.unread.as_slice()) {
                    None | Some([]) => {}
                    Some(unread) => text.push_str(&format!("; not read: {}", unread.join(", "))),
                }
                text.push('\n');
                text
            }
            Format::Json => {
                serde_json::to_string_pretty(&self.findings).expect("findings always serialise") + "\n"
            }
            Format::Github => self.findings.iter().map(|finding| github(finding) + "\n").collect(),
        }
    }
}

/// A workflow command; `%`, line ends and, in properties, `:` and `,` are escaped.
fn github(finding: &Diagnostic) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    let mut place = format!("file={}", property(&finding.file));
    if finding.line > 0 {
        place.push_str(&format!(",line={}", finding.line));
    }
    if finding.column > 0 {
        place.push_str(&format!(",col={}", finding.column));
    }
    let message = escape(&format!("{}{help}", finding.message));
    format!("::{} {place},title={}::{message}", finding.severity.as_str(), property(&finding.code))
}
