//! A test report as JUnit XML, which CI systems read.

use std::fmt::Write as _;

use super::{Failure, Ran, Report};

impl Report {
    /// The report as JUnit XML: a suite for each test file, a test case for each case, row and condition.
    pub fn to_junit(&self) -> String {
        let mut files: Vec<&str> = self.ran.iter().map(|ran| ran.file.as_str()).collect();
        files.extend(self.broken.iter().map(|broken| broken.file.as_str()));
        files.sort_unstable();
        files.dedup();
        let suites: String = files.into_iter().map(|file| self.suite(file)).collect();
        let (tests, failures, errors) = (self.ran.len(), self.failed(None), self.broken.len());
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">\n{suites}</testsuites>\n",
            tests + errors
        )
    }

    fn suite(&self, file: &str) -> String {
        let ran = || self.ran.iter().filter(|ran| ran.file == file);
        let broken = || self.broken.iter().filter(|broken| broken.file == file);
        let (errors, name) = (broken().count(), attribute(file));
        let mut text = format!(
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\">\n",
            ran().count() + errors,
            self.failed(Some(file))
        );
        for test in ran() {
            self.test(test, &mut text);
        }
        for broken in broken() {
            let message = attribute(&broken.message);
            let _ = write!(
                text,
                "    <testcase classname=\"{name}\" name=\"{}\" file=\"{name}\" line=\"{}\">\n      \
                 <error type=\"{}\" message=\"{message}\">{}</error>\n    </testcase>\n",
                attribute(&broken.place()),
                broken.line,
                attribute(&broken.code),
                escape(&broken.to_string()),
            );
        }
        text + "  </testsuite>\n"
    }

    fn test(&self, test: &Ran, text: &mut String) {
        let file = attribute(&test.file);
        let _ = write!(
            text,
            "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\"",
            attribute(&test.name),
            test.line
        );
        // A condition may fail in many cases; a test case of JUnit has one failure.
        let failures: Vec<&Failure> = self.failures().filter(|failure| test.is_of(failure)).collect();
        let Some(first) = failures.first() else { return text.push_str("/>\n") };
        text.push_str(">\n");
        let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let message = attribute(&first.summary());
        let _ = write!(
            text,
            "      <failure message=\"{message}\">{}</failure>\n    </testcase>\n",
            escape(&all.join("\n\n"))
        );
    }

    /// How many tests failed, of one file or of all.
    fn failed(&self, file: Option<&str>) -> usize {
        let asked = self.ran.iter().filter(|ran| file.is_none_or(|file| ran.file == file));
        asked.filter(|ran| self.failures().any(|failure| ran.is_of(failure))).count()
    }
}

/// Text of an element. XML has no form for most control characters: they become the replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text of an attribute, where a line end would be read as a blank.
fn attribute(text: &str) -> String {
    escape(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}
