//! The `//! key: value` lines that open a rule file.

use jiff::civil::Date;

use crate::comments::comments;
use crate::diagnostic::Diagnostic;
use crate::suggest;
use crate::verdict::Outcome;

const KEYS: [&str; 11] =
    ["id", "title", "owner", "priority", "may", "why", "when", "mode", "from", "until", "tags"];
/// The priority of a rule that names none.
const DEFAULT_PRIORITY: i64 = 100;

/// Whether a rule takes part in decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It does.
    Active,
    /// Not yet: it runs and its verdict is kept with the decision.
    Shadow,
    /// Never: it runs to leave a note with the decision.
    Audit,
    /// It does not run.
    Off,
}

/// What a rule file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) owner: String,
    pub(crate) why: String,
    pub(crate) tags: Vec<String>,
    /// Lower runs first and wins among equals.
    pub(crate) priority: i64,
    pub(crate) may: Vec<Outcome>,
    pub(crate) when: Option<When>,
    pub(crate) mode: Mode,
    /// The first and the last day it runs, by `task.now` in UTC.
    pub(crate) from: Option<Date>,
    pub(crate) until: Option<Date>,
}

/// A cheap condition: where it is false the rule does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) expression: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Reads the header; `id` is the file's stem unless the header names another.
pub(crate) fn parse(file: &str, text: &str) -> (Header, Vec<Diagnostic>) {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rhai");
    let mut header = Header { id: stem.to_owned(), ..Header::default() };
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for comment in comments(text) {
        // Of a header's line the key, behind `//! `.
        let column = comment.column + if comment.text.starts_with("//!") { 4 } else { 0 };
        let mut problem = |message: String, help: &str| {
            let error = Diagnostic::error(file, "header", message).at(text, comment.line, column);
            errors.push(if help.is_empty() { error } else { error.help(help) });
        };
        let Some(entry) = comment.text.strip_prefix("//!") else {
            if let Some((found, meant)) = meant_for_header(comment.text) {
                let help = format!("write '//! {meant}', or reword the comment");
                problem(format!("'{found}' is in an ordinary comment and has no effect"), &help);
            }
            continue;
        };
        if entry.trim().is_empty() {
            continue;
        }
        if comment.is_late {
            problem(
                "a header line must be above the first statement".to_owned(),
                "move it to the top of the file",
            );
            continue;
        }
        let Some((key, value)) = entry.split_once(':') else {
            problem(format!("'{}' is not 'key: value'", entry.trim()), "");
            continue;
        };
        let key = key.trim();
        if seen.contains(&key) {
            problem(format!("the header has '{key}' twice"), "");
        }
        seen.push(key);
        let column = comment.column + comment.text.chars().count() - value.trim_start().chars().count();
        if let Err(message) = header.set(key, value.trim(), comment.line, column) {
            problem(message, "");
        }
    }
    if let (Some(from), Some(until)) = (header.from, header.until)
        && from > until
    {
        errors.push(Diagnostic::error(file, "header", format!("from {from} is after until {until}")));
    }
    (header, errors)
}

/// A header line in an ordinary comment, and what to write: `/// mode: off`, `// Mode = OFF`, `/* until: 2026-12-24 */`.
/// A sentence that only begins like one is not.
fn meant_for_header(comment: &str) -> Option<(&str, String)> {
    let marks = ['/', '*', '!', '#', '@', ' ', '\t'];
    let lines = comment.lines().map(|line| line.trim().trim_start_matches(marks));
    lines.map(|line| line.trim_end_matches(['*', '/']).trim()).find_map(|line| {
        let (key, value) = line.split_once([':', '='])?;
        let key = key.trim().to_lowercase();
        let value = if key == "when" { value.trim().to_owned() } else { value.trim().to_lowercase() };
        let is_meant = match key.as_str() {
            "mode" | "may" | "from" | "until" | "priority" => {
                Header::default().set(&key, &value, 0, 0).is_ok()
            }
            "when" => names_a_field(&value),
            _ => false,
        };
        is_meant.then(|| (line, format!("{key}: {value}")))
    })
}

/// A condition reads `order.amount` or `task.now`; a sentence may end in "order.".
fn names_a_field(text: &str) -> bool {
    ["order.", "task."].iter().any(|fact| {
        text.match_indices(fact).any(|(at, _)| {
            text[at + fact.len()..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_')
        })
    })
}

impl Default for Header {
    fn default() -> Header {
        Header {
            id: String::new(),
            title: String::new(),
            owner: String::new(),
            why: String::new(),
            tags: Vec::new(),
            priority: DEFAULT_PRIORITY,
            may: Outcome::ALL.to_vec(),
            when: None,
            mode: Mode::Active,
            from: None,
            until: None,
        }
    }
}

impl Header {
    fn set(&mut self, key: &str, value: &str, line: usize, column: usize) -> Result<(), String> {
        match key {
            "id" if crate::ending::is_code(value) => self.id = value.to_owned(),
            "id" => return Err(format!("the id '{value}' is not lower-case words joined by '-'")),
            "title" => self.title = value.to_owned(),
            "owner" => self.owner = value.to_owned(),
            "why" => self.why = value.to_owned(),
            "tags" => self.tags = words(value).map(str::to_owned).collect(),
            "priority" => {
                self.priority =
                    value.parse().map_err(|_| format!("the priority '{value}' is not a whole number"))?;
            }
            "may" if value.is_empty() => return Err("may names no outcome".to_owned()),
            "may" => {
                self.may = words(value)
                    .map(|word| {
                        Outcome::parse(word).ok_or_else(|| {
                            format!("'{word}' is not an outcome: write approve, reject or escalate")
                        })
                    })
                    .collect::<Result<_, _>>()?;
            }
            "when" => self.when = Some(When { expression: value.to_owned(), line, column }),
            "mode" => {
                self.mode = match value {
                    "active" => Mode::Active,
                    "shadow" => Mode::Shadow,
                    "audit" => Mode::Audit,
                    "off" => Mode::Off,
                    _ => return Err(format!("'{value}' is not a mode: write active, shadow, audit or off")),
                };
            }
            "from" => self.from = Some(date(value)?),
            "until" => self.until = Some(date(value)?),
            other => {
                let hint = suggest::nearest(other, KEYS.into_iter());
                let hint = hint.map_or_else(|| KEYS.join(", "), |key| format!("did you mean '{key}'?"));
                return Err(format!("a header has no '{other}' ({hint})"));
            }
        }
        Ok(())
    }

    /// Tells whether the rule runs on a day, which is only asked for if it matters.
    pub(crate) fn is_in_season(&self, today: impl Fn() -> Date) -> bool {
        self.from.is_none_or(|from| from <= today()) && self.until.is_none_or(|until| today() <= until)
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// A day and nothing else: text after it would be ignored silently.
fn date(value: &str) -> Result<Date, String> {
    let date = if value.len() == "2026-11-22".len() { value.parse().ok() } else { None };
    date.ok_or_else(|| {
        format!("'{value}' is not a day such as 2026-11-22; a rule runs for whole days of UTC, both included")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_all_or_nothing() {
        let text = "/* Copyright */\n\n  //! id: tier-limit\n//! priority: 30\n//! may: approve, escalate\n//! when: order.amount > 5\n\
                    //! from: 2026-01-01\n\nlet x = `\n//! id: late`;\n";
        let (header, errors) = parse("rules/a.rhai", text);
        assert_eq!(errors, []);
        assert_eq!((header.id.as_str(), header.priority), ("tier-limit", 30));
        assert_eq!(header.may, [Outcome::Approve, Outcome::Escalate]);
        assert_eq!(
            header.when,
            Some(When { expression: "order.amount > 5".to_owned(), line: 6, column: 11 })
        );
        assert!(header.is_in_season(|| "2026-01-01".parse().unwrap()));
        assert!(!header.is_in_season(|| "2025-12-31".parse().unwrap()));
        let (bare, errors) = parse("rules/10-first.rhai", "pass();");
        assert_eq!((bare.id.as_str(), errors.len()), ("10-first", 0));
    }

    #[test]
    fn a_comment_that_looks_like_a_header_is_told() {
        let meant = [
            ("// Mode: Off", "mode: off"),
            ("// MODE = OFF", "mode: off"),
            ("// @mode: off", "mode: off"),
            ("/* until=2026-12-24 */", "until: 2026-12-24"),
            ("// When: order.amount > 5", "when: order.amount > 5"),
        ];
        for (comment, header) in meant {
            let found = meant_for_header(comment).map(|(_, meant)| meant);
            assert_eq!(found.as_deref(), Some(header), "{comment}");
        }
        let sentences =
            ["// When: the customer cancels the order. Then it waits.", "// mode: see below", "// a == b"];
        for comment in sentences {
            assert_eq!(meant_for_header(comment), None, "{comment}");
        }
    }

    #[test]
    fn header_mistakes_have_a_place() {
        let text = "//! priorty: 3\n//! may: aprove\n//! hello\n//! mode: on\n//! id: A b\n//! id: b\n//! until: soon\n//! from: 2026-12-01T10:00\n/// mode: off\n// when it is late: go\nlet x = 1; //! mode: off\n";
        let (_, errors) = parse("a.rhai", text);
        let lines: Vec<String> = errors.iter().map(Diagnostic::one_line).collect();
        let expected = [
            "a.rhai:1:5: error[header]: a header has no 'priorty' (did you mean 'priority'?)",
            "a.rhai:2:5: error[header]: 'aprove' is not an outcome: write approve, reject or escalate",
            "a.rhai:3:5: error[header]: 'hello' is not 'key: value'",
            "a.rhai:4:5: error[header]: 'on' is not a mode: write active, shadow, audit or off",
            "a.rhai:5:5: error[header]: the id 'A b' is not lower-case words joined by '-'",
            "a.rhai:6:5: error[header]: the header has 'id' twice",
            "a.rhai:7:5: error[header]: 'soon' is not a day such as 2026-11-22; a rule runs for whole days of UTC, both included",
            "a.rhai:8:5: error[header]: '2026-12-01T10:00' is not a day such as 2026-11-22; a rule runs for whole days of UTC, both included",
            "a.rhai:9:1: error[header]: 'mode: off' is in an ordinary comment and has no effect (write '//! mode: off', or reword the comment)",
            "a.rhai:11:16: error[header]: a header line must be above the first statement (move it to the top of the file)",
        ];
        assert_eq!(lines, expected);
    }
}
