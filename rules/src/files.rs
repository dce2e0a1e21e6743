//! A ruleset's files: which of a folder's count, in which form, and their hash.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Refused};
use crate::names::composed;
use crate::strangers::{self, Stranger, is_definitions, is_leftover};

/// Path inside the folder, with `/`, to content with line feeds only.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The largest ruleset, in bytes of content, and the most files: far above any that people can oversee.
const MAX_TOTAL_BYTES: usize = 1024 * 1024;
pub(crate) const MAX_FILES: usize = 1_000;
/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The paths of the schema and of the settings.
pub(crate) const SCHEMA_FILE: &str = "schema/order.toml";
pub(crate) const SETTINGS_FILE: &str = "ruleset.toml";

/// What a file is to a ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Settings,
    Schema,
    Rule,
    List,
    Params,
    Tests,
}

impl Kind {
    /// The kind of a path inside the folder; none for a file that is not part of a ruleset.
    pub(crate) fn of(path: &str) -> Option<Kind> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop()?;
        if is_leftover(name) {
            return None;
        }
        match (parts.as_slice(), name) {
            ([], SETTINGS_FILE) => Some(Kind::Settings),
            (["schema"], "order.toml") => Some(Kind::Schema),
            (_, name) if is_definitions(name) => None,
            ([] | ["rules"], name) if name.ends_with(".rhai") => Some(Kind::Rule),
            (["lists"], name) if name.ends_with(".txt") => Some(Kind::List),
            (["params"], name) if name.ends_with(".toml") => Some(Kind::Params),
            (["tests"], name) if name.ends_with(".toml") => Some(Kind::Tests),
            _ => None,
        }
    }

    /// Tests say what a version should do; they are not part of it.
    pub(crate) fn is_versioned(self) -> bool {
        match self {
            Kind::Settings | Kind::Schema | Kind::Rule | Kind::List | Kind::Params => true,
            Kind::Tests => false,
        }
    }
}

/// The hash of the versioned files: SHA-256 of what `sha256sum` prints for them, sorted by path.
pub(crate) fn sha256(files: &Files) -> String {
    let mut lines = String::new();
    for (path, content) in files {
        if Kind::of(path).is_some_and(Kind::is_versioned) {
            lines.push_str(&format!("{}  {path}\n", hex(content)));
        }
    }
    hex(lines.as_bytes())
}

/// SHA-256 in hexadecimal.
pub(crate) fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder's files, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// The files that count, in their canonical form.
    pub(crate) files: Files,
    /// What is wrong with the others.
    pub(crate) findings: Vec<Diagnostic>,
    /// Notes and the like, which nobody would mistake for a part of a ruleset.
    pub(crate) unread: Vec<String>,
}

/// Tells the files that count from those that do not; no file is left out in silence.
pub(crate) fn sort_out(files: Files) -> Result<Sorted, Refused> {
    let mut sorted = Sorted::default();
    for (path, content) in files {
        match Kind::of(&path) {
            Some(_) => drop(sorted.files.insert(path, canonical(content))),
            None => match strangers::judge(&path, &content) {
                Stranger::Note => sorted.unread.push(path),
                Stranger::Finding(finding) => sorted.findings.push(*finding),
            },
        }
    }
    check_size(&sorted.files)?;
    sorted.findings.extend(twins(&sorted.files));
    Ok(sorted)
}

/// Files whose names are one on a computer that does not tell upper from lower case, or one form of a letter from another:
/// a copy made there has only one of them.
fn twins(files: &Files) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let twin = |path| {
        let first = seen.insert(composed(path).to_lowercase(), path)?;
        let message = format!("on some computers '{path}' and '{first}' are one file");
        let warning = Diagnostic::error(path, "similar-names", message).into_warning();
        Some(warning.help("rename one of them: the names differ only in case or in the form of a letter"))
    };
    files.keys().map(String::as_str).filter_map(twin).collect()
}

/// Line feeds only, and no byte order mark.
pub(crate) fn canonical(mut content: Vec<u8>) -> Vec<u8> {
    let mut after_return = content.iter().skip(1).copied().chain([0]).collect::<Vec<u8>>().into_iter();
    content.retain(|byte| !(after_return.next() == Some(b'\n') && *byte == b'\r'));
    if content.starts_with(BYTE_ORDER_MARK) {
        content.drain(..BYTE_ORDER_MARK.len());
    }
    content
}

pub(crate) fn check_size(files: &Files) -> Result<(), Refused> {
    let bytes: usize = files.values().map(Vec::len).sum();
    let message = if files.len() > MAX_FILES {
        format!("more than {MAX_FILES} files")
    } else if bytes > MAX_TOTAL_BYTES {
        format!("{bytes} bytes of content, more than {MAX_TOTAL_BYTES}")
    } else {
        return Ok(());
    };
    Err(refused(Diagnostic::error("", "too-large", message)))
}

/// A folder that cannot be used for one reason.
pub(crate) fn refused(diagnostic: Diagnostic) -> Refused {
    Refused { diagnostics: vec![diagnostic], sha256: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn sorted(entries: &[(&str, &str)]) -> Files {
        sort_out(files(entries)).unwrap().files
    }

    #[test]
    fn line_ends_byte_order_marks_and_tests_do_not_make_a_version() {
        let unix = sorted(&[("a.rhai", "pass();\n\n"), ("lists/x.txt", "a\nb\n")]);
        let dos = sorted(&[("a.rhai", "pass();\r\n\r\n"), ("lists/x.txt", "\u{feff}a\r\nb\r\n")]);
        assert_eq!(unix, dos);
        let mut tested = unix.clone();
        tested.insert("tests/a.toml".to_owned(), b"x = 1".to_vec());
        assert_eq!(sha256(&unix), sha256(&tested));
        let mut other = unix.clone();
        other.insert("b.rhai".to_owned(), Vec::new());
        assert_ne!(sha256(&unix), sha256(&other));
    }

    #[test]
    fn only_a_rulesets_files_count() {
        let kinds = [
            ("ruleset.toml", Some(Kind::Settings)),
            ("a.rhai", Some(Kind::Rule)),
            ("rules/a.rhai", Some(Kind::Rule)),
            ("rules/.a.rhai.swp", None),
            ("rules/.#a.rhai", None),
            ("rules/a.rhai~", None),
            ("rules/old/a.rhai", None),
            ("facts.d.rhai", None),
            ("lists/a.txt", Some(Kind::List)),
            ("lists/a.csv", None),
            ("README.md", None),
        ];
        for (path, kind) in kinds {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }
}
