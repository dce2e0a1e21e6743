//! A ruleset's files: which of a folder's count, in which form, and their hash.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Refused};

/// Path inside the folder, with `/`, to content with line feeds only.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The largest ruleset, in bytes of content, and the most files: far above any that people can oversee.
const MAX_TOTAL_BYTES: usize = 1024 * 1024;
const MAX_FILES: usize = 1_000;
/// How often a folder is read again while it changes, before it is refused until the next look.
const MAX_READS: usize = 8;

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
        if name.starts_with(['.', '#']) || name.ends_with('~') {
            return None;
        }
        match (parts.as_slice(), name) {
            ([], "ruleset.toml") => Some(Kind::Settings),
            (["schema"], "order.toml") => Some(Kind::Schema),
            // Editors' definition files describe rules; they are none.
            (_, name) if name.ends_with(".d.rhai") => None,
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

/// The hash of a folder's content as a ruleset, without compiling it: 64 hexadecimal digits.
///
/// Equal to the [`sha256`](crate::Ruleset::sha256) of the ruleset that the folder holds, if it holds one.
///
/// # Errors
///
/// [`Refused`] when the folder cannot be read.
pub fn content_hash(dir: &Path) -> Result<String, Refused> {
    read(dir).map(|files| sha256(&files))
}

/// Reads a folder's ruleset files until two readings in a row agree: editors save in steps.
///
/// # Errors
///
/// [`Refused`] when the folder cannot be read.
pub fn snapshot(dir: &Path) -> Result<Files, Refused> {
    let mut last = read(dir)?;
    for _ in 0..MAX_READS {
        let next = read(dir)?;
        if next == last {
            return Ok(next);
        }
        last = next;
    }
    Err(refused(Diagnostic::error("", "unreadable", "the folder keeps changing while it is read")))
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

/// Keeps the files that count, in their canonical form.
pub(crate) fn canonical(files: Files) -> Result<Files, Refused> {
    let mut kept = Files::new();
    for (path, content) in files {
        if Kind::of(&path).is_some() {
            kept.insert(path, with_line_feeds(content));
        }
    }
    check_size(&kept)?;
    Ok(kept)
}

fn read(dir: &Path) -> Result<Files, Refused> {
    let mut files = Files::new();
    for folder in ["", "rules", "schema", "lists", "params", "tests"] {
        read_folder(dir, folder, &mut files).map_err(|error| {
            let path = dir.join(folder);
            refused(Diagnostic::error("", "unreadable", format!("cannot read {}: {error}", path.display())))
        })?;
        check_size(&files)?;
    }
    Ok(files)
}

fn read_folder(dir: &Path, folder: &str, files: &mut Files) -> io::Result<()> {
    let entries = match fs::read_dir(dir.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_empty() => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if Kind::of(&path).is_none() {
            continue;
        }
        // A file that vanished between listing and reading is an edit in progress: the next reading disagrees.
        match fs::read(dir.join(&path)) {
            Ok(content) => drop(files.insert(path, with_line_feeds(content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if files.len() > MAX_FILES {
            break;
        }
    }
    Ok(())
}

fn with_line_feeds(mut content: Vec<u8>) -> Vec<u8> {
    let mut after_return = content.iter().skip(1).copied().chain([0]).collect::<Vec<u8>>().into_iter();
    content.retain(|byte| !(after_return.next() == Some(b'\n') && *byte == b'\r'));
    content
}

fn check_size(files: &Files) -> Result<(), Refused> {
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

fn refused(diagnostic: Diagnostic) -> Refused {
    Refused { diagnostics: vec![diagnostic], sha256: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn line_ends_and_tests_do_not_make_a_version() {
        let unix = canonical(files(&[("a.rhai", "pass();\n\n"), ("lists/x.txt", "a\nb\n")])).unwrap();
        let dos = canonical(files(&[("a.rhai", "pass();\r\n\r\n"), ("lists/x.txt", "a\r\nb\r\n")])).unwrap();
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

    #[test]
    fn a_folder_reads_as_its_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("rules/a.rhai"), "pass();\r\n").unwrap();
        fs::write(dir.path().join("notes.md"), "x").unwrap();
        let expected = files(&[("rules/a.rhai", "pass();\n")]);
        assert_eq!(snapshot(dir.path()).unwrap(), expected);
        assert_eq!(content_hash(dir.path()).unwrap(), sha256(&expected));
        let missing = content_hash(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.diagnostics[0].code, "unreadable");
    }
}
