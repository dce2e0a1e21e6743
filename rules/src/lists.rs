//! `lists/NAME.txt`: one entry a line, and the entries that are probably mistakes.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization as _;

use crate::diagnostic::Diagnostic;

const QUOTES: [char; 11] = [
    '"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{ab}',
    '\u{bb}',
];
/// What other formats put between or before entries.
const SEPARATORS: [char; 4] = [',', ';', '|', '\t'];
/// What begins a comment elsewhere, and an item of a list in prose.
const OTHER_MARKS: [&str; 11] =
    ["//", "--", "/*", "<!--", "- ", "* ", "+ ", "\u{2022}", "\u{2013} ", "\u{2014} ", "\\"];
/// What joins entries in prose.
const JOINTS: [&str; 4] = [" / ", " + ", " & ", " and "];

/// The entries, sorted, and what their author should look at.
pub(crate) fn parse(path: &str, text: &str) -> (Vec<String>, Vec<Diagnostic>) {
    let mut list = List { path, text, findings: Vec::new(), seen: BTreeMap::new() };
    let mut entries = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let entry = without_comment(line).trim();
        if !entry.is_empty() {
            list.look(index + 1, entry);
            entries.insert(entry.to_owned());
        }
    }
    (entries.into_iter().collect(), list.findings)
}

/// A `#` begins a comment at the start of a line and after a blank; inside a word it belongs to the entry.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (index, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..index];
        }
        before = c;
    }
    line
}

struct List<'a> {
    path: &'a str,
    text: &'a str,
    findings: Vec<Diagnostic>,
    /// The entries and their lines, by how they look to a reader in a hurry.
    seen: BTreeMap<String, (String, usize)>,
}

impl List<'_> {
    fn find(&mut self, line: usize, code: &str, message: String, help: &str) {
        let error = self.at(line, code, message).help(help);
        self.findings.push(error);
    }

    fn at(&self, line: usize, code: &str, message: String) -> Diagnostic {
        Diagnostic::error(self.path, code, message).at(self.text, line, 0)
    }

    fn warn(&mut self, line: usize, code: &str, message: String, help: &str) {
        let warning = self.at(line, code, message).help(help).into_warning();
        self.findings.push(warning);
    }

    fn look(&mut self, line: usize, entry: &str) {
        let chars: Vec<char> = entry.chars().collect();
        let ends = [chars[0], chars[chars.len() - 1]];
        if ends.iter().all(|c| QUOTES.contains(c)) {
            let message = format!("the quotes are part of the entry {entry}");
            self.find(line, "quoted-entry", message, "write the entry without quotes");
        } else if ends.iter().any(|c| SEPARATORS.contains(c)) {
            let message = format!("the separator at its end is part of the entry '{entry}'");
            self.find(line, "joined-entries", message, "write one entry a line, and nothing else");
        } else if looks_joined(entry) {
            let message = format!("'{entry}' is one entry, but looks like several");
            self.warn(line, "joined-entries", message, "write one entry a line");
        } else if ends.iter().any(|c| QUOTES.contains(c)) || entry.starts_with(['[', ']', '{', '}']) {
            let message = format!("'{entry}' looks like a piece of another format");
            self.warn(line, "quoted-entry", message, "write one entry a line, and nothing else");
        } else if entry.contains("  ") {
            let message = format!("'{entry}' holds two blanks in a row");
            self.warn(line, "marked-entry", message, "write one blank, or one entry a line");
        } else if OTHER_MARKS.iter().any(|mark| entry.starts_with(mark))
            || entry.contains(" //")
            || is_numbered(entry)
            || is_pattern(entry)
        {
            let message = format!("'{entry}' is an entry as a whole");
            self.warn(
                line,
                "marked-entry",
                message,
                "begin a comment with #, and write entries without a mark",
            );
        }
        self.look_closely(line, entry);
    }

    /// The list has Latin letters.
    fn is_latin(&self) -> bool {
        self.text.bytes().any(|byte| byte.is_ascii_alphabetic())
    }

    /// What the eye takes for the same, or for something else.
    fn look_closely(&mut self, line: usize, entry: &str) {
        if let Some(odd) = entry.chars().find(|c| *c != ' ' && *c != '\t' && is_blank(*c)) {
            let message =
                format!("'{entry}' holds U+{:04X}, which looks like a space or nothing", u32::from(odd));
            self.find(line, "invisible-character", message, "write a normal space, or delete it");
        }
        if let Some(other) = look_alike(entry).or_else(|| self.is_latin().then(|| other_letter(entry))?) {
            let message = format!(
                "'{entry}' holds '{other}' (U+{:04X}), which is not a Latin letter",
                u32::from(other)
            );
            self.warn(line, "look-alike", message, "type the entry again, with Latin letters");
        }
        let looks = entry.nfkc().collect::<String>().to_lowercase();
        match self.seen.get(&looks) {
            Some((other, first)) if other != entry => {
                let message =
                    format!("'{entry}' differs from '{other}' in line {first} by case or Unicode form only");
                self.warn(line, "near-duplicate", message, "keep one of them, as orders write it");
            }
            Some(_) => {}
            None => {
                self.seen.insert(looks, (entry.to_owned(), line));
            }
        }
    }
}

/// An entry that looks like several.
pub(crate) fn looks_joined(entry: &str) -> bool {
    entry.contains(SEPARATORS) || is_row_of_codes(entry) || has_joined_codes(entry)
}

/// Two or more words of two or three capitals: `KP SY`.
fn is_row_of_codes(entry: &str) -> bool {
    let is_code =
        |word: &str| matches!(word.len(), 2 | 3) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    entry.split_whitespace().count() > 1 && entry.split_whitespace().all(is_code)
}

/// Codes joined as prose joins them: `KP / SY`. A name such as `Bosnia and Herzegovina` is one entry.
fn has_joined_codes(entry: &str) -> bool {
    let is_code = |word: &str| !word.is_empty() && !word.bytes().any(|byte| byte.is_ascii_lowercase());
    JOINTS.iter().any(|joint| entry.contains(joint) && entry.split(joint).map(str::trim).all(is_code))
}

/// An item of a numbered list: `1. KP`, `2) SY`.
fn is_numbered(entry: &str) -> bool {
    let rest = entry.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < entry.len() && (rest.starts_with(". ") || rest.starts_with(") "))
}

/// A pattern, a negation, a quotation, a value with its name or a piece of markup: `S*`, `/^SY$/`, `!SY`, `> SY`,
/// `SY = Syria`, `SY: Syria`, `<c>SY</c>`, `(SY)`. No list has patterns.
fn is_pattern(entry: &str) -> bool {
    let is_enclosed = |first: char, last: char| entry.starts_with(first) && entry.ends_with(last);
    let begins = ['!', '^', '>', '<', '='].iter().any(|mark| entry.starts_with(*mark) && entry.len() > 1);
    begins
        || entry.contains('*')
        || entry.contains(" = ")
        || entry.contains(": ")
        || is_enclosed('(', ')')
        || is_enclosed('/', '/') && entry.len() > 1
}

/// A letter of another alphabet in a word with Latin ones, or in full width.
pub(crate) fn look_alike(text: &str) -> Option<char> {
    let is_latin = |word: &str| word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_wide = |c: char| ('\u{ff10}'..='\u{ff5a}').contains(&c);
    let mut words = text.split_whitespace();
    words.find_map(|word| word.chars().find(|c| is_look_alike(*c) && (is_latin(word) || is_wide(*c))))
}

/// A letter that looks like a Latin one.
fn other_letter(text: &str) -> Option<char> {
    text.chars().find(|c| is_look_alike(*c))
}

/// Spaces that are not the usual one, and joiners.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{200c}' | '\u{200d}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}')
}

/// Greek, Cyrillic and full-width letters, as they slip into Latin codes.
fn is_look_alike(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{52f}' | '\u{ff10}'..='\u{ff5a}') && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_its_whole_line() {
        let text = "# title\n KP \nA#12\nNew York # the state\n\t# note\nO'Brien\nBosnia and Herzegovina\n1.5\nYahoo!\nAcme (UK)\n";
        let (entries, findings) = parse("lists/x.txt", text);
        assert_eq!(
            entries,
            ["1.5", "A#12", "Acme (UK)", "Bosnia and Herzegovina", "KP", "New York", "O'Brien", "Yahoo!"]
        );
        assert_eq!(findings, []);
    }

    #[test]
    fn an_entry_that_its_author_hardly_means_is_told() {
        let cases = [
            ("\"KP\"", "error quoted-entry"),
            ("\u{201c}KP\u{201d}", "error quoted-entry"),
            ("KP,", "error joined-entries"),
            ("\"KP\",", "error joined-entries"),
            ("KP, SY", "warning joined-entries"),
            ("KP;SY", "warning joined-entries"),
            ("KP\tNorth Korea", "warning joined-entries"),
            ("KP SY", "warning joined-entries"),
            ("- KP", "warning marked-entry"),
            ("S*", "warning marked-entry"),
            ("/^SY$/", "warning marked-entry"),
            ("!SY", "warning marked-entry"),
            ("> SY", "warning marked-entry"),
            ("(SY)", "warning marked-entry"),
            ("SY = Syria", "warning marked-entry"),
            ("SY: Syria", "warning marked-entry"),
            ("<c>SY</c>", "warning marked-entry"),
            ("// KP", "warning marked-entry"),
            ("KP // North Korea", "warning marked-entry"),
            ("1. KP", "warning marked-entry"),
            ("2) KP", "warning marked-entry"),
            ("\u{2013} KP", "warning marked-entry"),
            ("\\#KP", "warning marked-entry"),
            ("KP / SY", "warning joined-entries"),
            ("KP and SY", "warning joined-entries"),
            ("New  York", "warning marked-entry"),
            ("[KP]", "warning quoted-entry"),
            ("New\u{a0}York", "error invisible-character"),
            ("KP\u{fe0f}", "error invisible-character"),
            ("\u{41a}\u{420}\nSY", "warning look-alike"),
            ("\u{ff2b}\u{ff30}\nSY", "warning look-alike"),
            ("KP\nkp", "warning near-duplicate"),
            ("S\u{e3}o\nSa\u{303}o", "warning near-duplicate"),
        ];
        for (text, expected) in cases {
            let (_, findings) = parse("lists/x.txt", text);
            let told: Vec<String> = findings
                .iter()
                .map(|finding| format!("{} {}", finding.severity.as_str(), finding.code))
                .collect();
            assert_eq!(told, [expected], "{text:?}");
        }
    }
}
