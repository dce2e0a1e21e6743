//! The lock file beside a ruleset's folder: the version that somebody has accepted.
//!
//! Where `rules.strict` is true, nothing else decides. The lock is no part of the version. It names everything that the
//! set has, so that a review of a change shows what went away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml_edit::Item;

use crate::diagnostic::{Diagnostic, Refused};
use crate::document::Document;
use crate::files::{self, Kind};
use crate::ruleset::Ruleset;

const COMMENT: &str =
    "# Written by `countersign rules check --accept`. With rules.strict = true, nothing else decides.\n";
const KEYS: [&str; 4] = ["name", "version", "tests", "parts"];

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The ruleset's name.
    name: String,
    /// The ruleset's SHA-256.
    version: String,
    /// The SHA-256 of its tests, which are no part of the version.
    tests: String,
    /// What it has, as [`Part`](crate::parts::Part) prints it.
    parts: BTreeSet<String>,
}

impl Lock {
    /// The lock that accepts a ruleset.
    pub fn of(ruleset: &Ruleset) -> Lock {
        let tests = ruleset.files.iter().filter(|(path, _)| Kind::of(path) == Some(Kind::Tests));
        let tests: String =
            tests.map(|(path, content)| format!("{}  {path}\n", files::hex(content))).collect();
        Lock {
            name: ruleset.name().to_owned(),
            version: ruleset.sha256.to_string(),
            tests: files::hex(tests.as_bytes()),
            parts: ruleset.parts().iter().map(ToString::to_string).collect(),
        }
    }

    /// The lock file of a ruleset's folder: beside it, with its name and `.lock`. None for a folder without a name.
    pub fn path(dir: &Path) -> Option<PathBuf> {
        beside(dir, ".lock")
    }

    /// Reads a lock file.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it is not what [`Lock::to_text`] wrote.
    pub fn parse(file: &str, text: &str) -> Result<Lock, Refused> {
        let refused = |diagnostic| Refused { diagnostics: vec![diagnostic], sha256: None };
        let damaged = |message: String| {
            let error = Diagnostic::error(file, "lock", message);
            refused(error.help("write it again with `countersign rules check --accept`"))
        };
        let document = Document::parse(file, text).map_err(|error| refused(*error))?;
        let top = document.table();
        if let Some(unknown) = document.unknown_keys(top, &KEYS).into_iter().next() {
            return Err(refused(unknown));
        }
        let text = |key: &str| {
            let text = top.get(key).and_then(Item::as_str).map(str::to_owned);
            text.ok_or_else(|| damaged(format!("the lock has no text '{key}'")))
        };
        let parts = top.get("parts").and_then(Item::as_array);
        let parts = parts.map(|parts| parts.iter().map(|part| part.as_str().map(str::to_owned)));
        let parts: Option<BTreeSet<String>> = parts.and_then(Iterator::collect);
        Ok(Lock {
            name: text("name")?,
            version: text("version")?,
            tests: text("tests")?,
            parts: parts.ok_or_else(|| damaged("the lock has no list of texts 'parts'".to_owned()))?,
        })
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let Lock { name, version, tests, parts } = self;
        let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        let parts: String = parts.iter().map(|part| format!("    {},\n", quoted(part))).collect();
        format!(
            "{COMMENT}name = {}\nversion = {}\ntests = {}\nparts = [\n{parts}]\n",
            quoted(name),
            quoted(version),
            quoted(tests)
        )
    }

    /// What the accepted set has and another one lacks.
    pub fn lacking(&self, other: &Lock) -> Vec<String> {
        self.parts.difference(&other.parts).cloned().collect()
    }

    /// Whether it accepts a ruleset: its version, with its tests.
    ///
    /// # Errors
    ///
    /// [`Refused`], with what differs.
    pub fn accepts(&self, file: &str, ruleset: &Ruleset) -> Result<(), Refused> {
        let other = Lock::of(ruleset);
        let message = if self.version != other.version {
            let accepted = self.version.get(..8).unwrap_or(&self.version);
            format!("{} is not accepted: the lock accepts {}@{accepted}", ruleset.label(), self.name)
        } else if self.tests != other.tests {
            format!("{} was accepted with different tests", ruleset.label())
        } else {
            return Ok(());
        };
        let mut diagnostics = vec![
            Diagnostic::error(file, "not-accepted", message)
                .help("look at the change, then run `countersign rules check --accept`"),
        ];
        let lacking = self.lacking(&other).into_iter();
        diagnostics.extend(lacking.map(|part| {
            Diagnostic::error(
                file,
                "lacking",
                format!("the accepted set has the {part}, but this one does not"),
            )
        }));
        Err(Refused { diagnostics, sha256: Some(other.version) })
    }
}

/// The path of a file beside a folder, named after it.
pub fn beside(dir: &Path, suffix: &str) -> Option<PathBuf> {
    // `.` and `..` have no name of their own.
    let dir = match dir.file_name() {
        Some(_) => dir.to_owned(),
        None => dir.canonicalize().ok()?,
    };
    let mut name = dir.file_name()?.to_owned();
    name.push(suffix);
    Some(dir.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(tests: &str) -> Ruleset {
        let entries = [("a.rhai", "approve(\"a\");"), ("tests/\"odd\".toml", tests)];
        let files = entries.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        Ruleset::from_files(files.into_iter().filter(|(_, text)| !text.is_empty()).collect()).unwrap()
    }

    #[test]
    fn a_lock_reads_back_and_accepts_its_set_with_its_tests_only() {
        let accepted = set("[[case]]\nname = \"one\\u0001\"\nexpect = \"approve\"\n");
        let lock = Lock::of(&accepted);
        assert_eq!(Lock::parse("rules.lock", &lock.to_text()).unwrap(), lock);
        assert_eq!(lock.accepts("rules.lock", &accepted), Ok(()));
        let untested = set("");
        assert_eq!(untested.sha256(), accepted.sha256());
        let refused = lock.accepts("rules.lock", &untested).unwrap_err();
        let told: Vec<String> = refused.diagnostics.iter().map(Diagnostic::one_line).collect();
        assert!(told[0].contains("was accepted with different tests"), "{told:?}");
        assert!(told[1].contains("has the test tests/\"odd\".toml: one"), "{told:?}");
        let other = Ruleset::from_files([("b.rhai".to_owned(), b"pass();".to_vec())].into()).unwrap();
        let refused = lock.accepts("rules.lock", &other).unwrap_err();
        assert!(refused.to_string().contains("is not accepted: the lock accepts rules@"), "{refused}");
        for broken in
            ["", "version = 5\n", "name = \"a\"\nversion = \"\"\ntests = \"\"\nparts = [1]\n", "x = "]
        {
            Lock::parse("rules.lock", broken).unwrap_err();
        }
    }

    #[test]
    fn the_lock_stands_beside_the_folder() {
        let path = |dir: &str| Lock::path(Path::new(dir)).map(|path| path.display().to_string());
        assert_eq!(path("rules/scripts").as_deref(), Some("rules/scripts.lock"));
        assert_eq!(path("rules/scripts/").as_deref(), Some("rules/scripts.lock"));
        assert_eq!(path("rules").as_deref(), Some("rules.lock"));
        assert!(path(".").unwrap().ends_with("/rules.lock"), "the crate's own folder");
        assert_eq!(path("/"), None);
    }
}
