//! The files of a ruleset's folder that do not count: each is named, and most are an error.

use crate::diagnostic::Diagnostic;
use crate::suggest;

const FOLDERS: [&str; 5] = ["rules", "schema", "lists", "params", "tests"];
/// How a definition file for editors begins; see [`definitions`](crate::definitions::definitions).
const DEFINITIONS: &[u8] = b"module static;";

/// The content that represents a pipe, a socket or a device, none of which is read.
pub(crate) const NOT_A_FILE: &[u8] = b"not a regular file";

/// What a file that does not count is.
pub(crate) enum Stranger {
    /// Nobody takes it for a part of a ruleset.
    Note,
    /// Its author may believe that it counts.
    Finding(Box<Diagnostic>),
}

/// Judges a file by its path; the content is known of definition files only.
pub(crate) fn judge(path: &str, content: &[u8]) -> Stranger {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let looks_like_ours = [".rhai", ".toml", ".txt"].iter().any(|suffix| name.contains(suffix));
    if (is_definitions(path) && content.starts_with(DEFINITIONS)) || name.ends_with(".md") {
        return Stranger::Note;
    }
    if is_leftover(name) {
        if !looks_like_ours {
            return Stranger::Note;
        }
        let warning =
            Diagnostic::error(path, "not-read", "hidden files and editors' backup copies are not read");
        return Stranger::Finding(Box::new(warning.into_warning().help("delete it, or rename it")));
    }
    if content == NOT_A_FILE {
        let shown = path.trim_end_matches('/');
        let message = format!("'{shown}' is not a regular file, so it is not read");
        let error = Diagnostic::error(shown, "not-read", message);
        return Stranger::Finding(Box::new(error.help("delete it: it is a pipe, a socket or a device")));
    }
    let error =
        Diagnostic::error(path, "not-read", format!("'{path}' is not part of a ruleset, so it is not read"));
    let error = error.help(remedy(path, name));
    Stranger::Finding(Box::new(if is_foreign(path, name) { error.into_warning() } else { error }))
}

/// A file of another kind outside of a ruleset's own folders, such as a `Makefile` or an order to try the rules on: its
/// author is unlikely to take it for a part of the ruleset.
fn is_foreign(path: &str, name: &str) -> bool {
    let folder = path.trim_end_matches('/').split_once('/').map(|(folder, _)| folder);
    let is_ours = |folder: &str| suggest::nearest(folder, FOLDERS.into_iter()).is_some();
    if folder.is_some_and(is_ours) || path.ends_with('/') {
        return false;
    }
    match name.rsplit_once('.') {
        None => name.starts_with(|c: char| c.is_ascii_uppercase()),
        Some((_, suffix)) => {
            let ours = ["rhai", "toml", "txt", "yaml", "yml", "csv"].into_iter();
            suggest::nearest(suffix, ours).is_none() && !looks_like_a_rule(name)
        }
    }
}

/// Hidden files, and those that editors leave behind.
pub(crate) fn is_leftover(name: &str) -> bool {
    name.starts_with(['.', '#']) || name.ends_with('~')
}

/// Editors' definition files describe rules; they are none.
pub(crate) fn is_definitions(path: &str) -> bool {
    path.ends_with(".d.rhai")
}

/// What its author may have meant.
fn remedy(path: &str, name: &str) -> String {
    let keep_out = || "move it out of the ruleset's folder; notes may stay here as .md files".to_owned();
    if is_definitions(path) {
        return "a definition file begins with 'module static;'; a rule's name ends in .rhai only".to_owned();
    }
    let mut folders: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    folders.pop();
    match folders.as_slice() {
        [] if suggest::nearest(name, ["ruleset.toml"].into_iter()).is_some() => {
            "the settings belong in ruleset.toml".to_owned()
        }
        [] if name.ends_with(".toml") || name.ends_with(".txt") => {
            "parameters belong in params/, lists in lists/, the schema in schema/order.toml, tests in tests/"
                .to_owned()
        }
        [] if looks_like_a_rule(name) => "the name of a rule's file ends in .rhai".to_owned(),
        [] => keep_out(),
        ["rules"] => "rules/ holds files that end in .rhai".to_owned(),
        ["schema"] => "the schema is schema/order.toml".to_owned(),
        ["lists"] => "lists/ holds files that end in .txt, one entry a line".to_owned(),
        [folder @ ("params" | "tests")] => format!("{folder}/ holds files that end in .toml"),
        [folder, ..] if FOLDERS.contains(folder) => {
            format!("folders inside {folder}/ are not read: move the file to {folder}/")
        }
        [folder, ..] => match suggest::nearest(folder, FOLDERS.into_iter()) {
            Some(known) => format!("did you mean {known}/{name}?"),
            None => keep_out(),
        },
    }
}

fn looks_like_a_rule(name: &str) -> bool {
    let suffix = name.rsplit('.').next().unwrap_or_default();
    suggest::nearest(suffix, ["rhai"].into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, content: &str) -> String {
        match judge(path, content.as_bytes()) {
            Stranger::Note => "note".to_owned(),
            Stranger::Finding(finding) => {
                format!("{}: {}", finding.severity.as_str(), finding.help.unwrap_or_default())
            }
        }
    }

    #[test]
    fn every_stranger_is_told_apart() {
        let meant = [
            ("rules/old/a.rhai", "error: folders inside rules/ are not read: move the file to rules/"),
            ("rules/a.rhia", "error: rules/ holds files that end in .rhai"),
            ("rules/a.RHAI", "error: rules/ holds files that end in .rhai"),
            ("Rules/a.rhai", "error: did you mean rules/a.rhai?"),
            ("rule/a.rhai", "error: did you mean rules/a.rhai?"),
            ("a.rhia", "error: the name of a rule's file ends in .rhai"),
            ("lists/a.csv", "error: lists/ holds files that end in .txt, one entry a line"),
            ("params/a.yaml", "error: params/ holds files that end in .toml"),
            ("schema/orders.toml", "error: the schema is schema/order.toml"),
            ("Ruleset.toml", "error: the settings belong in ruleset.toml"),
            ("docs/a.rhai", "error: move it out of the ruleset's folder; notes may stay here as .md files"),
            ("order.json", "warning: move it out of the ruleset's folder; notes may stay here as .md files"),
            ("docs/a.png", "warning: move it out of the ruleset's folder; notes may stay here as .md files"),
            ("10-stop", "error: move it out of the ruleset's folder; notes may stay here as .md files"),
            ("lists/a.png", "error: lists/ holds files that end in .txt, one entry a line"),
            ("Makefile", "warning: move it out of the ruleset's folder; notes may stay here as .md files"),
            ("rules/.a.rhai", "warning: delete it, or rename it"),
            ("rules/a.rhai~", "warning: delete it, or rename it"),
            ("README.md", "note"),
            (".git/", "note"),
        ];
        for (path, expected) in meant {
            assert_eq!(told(path, ""), expected, "{path}");
        }
        let pipe = judge("rules/a.rhai/", NOT_A_FILE);
        let Stranger::Finding(pipe) = pipe else { panic!("a pipe counts for nothing") };
        assert_eq!(
            (pipe.file.as_str(), pipe.message.as_str()),
            ("rules/a.rhai", "'rules/a.rhai' is not a regular file, so it is not read")
        );
        assert_eq!(told("facts.d.rhai", "module static;\n"), "note");
        assert!(told("rules/stop.d.rhai", "reject(\"no\", \"no\");").starts_with("error: a definition file"));
    }
}
