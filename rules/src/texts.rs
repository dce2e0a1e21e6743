//! A ruleset's files as text: UTF-8, with something in it, and nothing that the eye cannot see.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::files::{Files, Kind};
use crate::names::composed;

/// The text of each file; every file that has none, or that shows another text than it holds.
///
/// Accents are composed, as in an order's texts, so that two texts that look equal are equal. Lists are as they stand:
/// they compare in a form of their own, and tell which entries differ in nothing else.
pub(crate) fn of(files: &Files) -> Result<BTreeMap<&str, Cow<'_, str>>, Vec<Diagnostic>> {
    let mut texts = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, content) in files {
        match std::str::from_utf8(content) {
            Ok(text) => {
                errors.extend(problem(path, text));
                let is_list = Kind::of(path) == Some(Kind::List);
                texts.insert(path.as_str(), if is_list { text.into() } else { composed(text) });
            }
            Err(error) => {
                let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                errors.push(Diagnostic::error(path, "encoding", "the file is not UTF-8").at("", line, 0));
            }
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(errors) }
}

fn problem(path: &str, text: &str) -> Option<Diagnostic> {
    if text.trim().is_empty() {
        let error = Diagnostic::error(path, "empty-file", "the file is empty");
        return Some(error.help("delete it, or write what it should say"));
    }
    for (index, line) in text.split('\n').enumerate() {
        let Some(column) = line.chars().position(is_unseen) else { continue };
        let unseen = line.chars().nth(column).unwrap_or_default();
        let message = match unseen {
            '\r' => "a carriage return that does not end a line".to_owned(),
            unseen => format!("the invisible character U+{:04X}", u32::from(unseen)),
        };
        let help = match unseen {
            '\r' => "save the file with line feeds (LF) or CRLF",
            _ => "delete it: the program reads it, although nobody sees it",
        };
        let error = Diagnostic::error(path, "invisible-character", message);
        return Some(error.at(text, index + 1, column + 1).help(help));
    }
    None
}

/// Characters that show nothing, or change the direction of their neighbours. Tabs, and what the world's scripts need to
/// join their letters, are not among them.
fn is_unseen(c: char) -> bool {
    match c {
        '\t' | '\u{200c}' | '\u{200d}' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_told() {
        let cases = [
            ("a = 1\n", None),
            ("\ta = \"fa\u{e7}ade \u{1f468}\u{200d}\u{1f469}\"\n", None),
            (
                " \n\n",
                Some("x.toml: error[empty-file]: the file is empty (delete it, or write what it should say)"),
            ),
            (
                "a\nb\u{202e}c\n",
                Some(
                    "x.toml:2:2: error[invisible-character]: the invisible character U+202E (delete it: the program reads it, although nobody sees it)",
                ),
            ),
            (
                "a\rb\n",
                Some(
                    "x.toml:1:2: error[invisible-character]: a carriage return that does not end a line (save the file with line feeds (LF) or CRLF)",
                ),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                problem("x.toml", text).map(|error| error.one_line()).as_deref(),
                expected,
                "{text:?}"
            );
        }
    }
}
