//! What check says of broken rulesets, each kept as a folder in `broken/`.

use std::fs;
use std::path::{Path, PathBuf};

use rules::check::{Format, check};
use rules::{Files, Ruleset, Severity};

/// The day that `until` is judged by.
const TODAY: &str = "2026-11-22";

fn folder(path: &Path, inside: &str, files: &mut Files) {
    for entry in fs::read_dir(path).expect("the folder is there") {
        let entry = entry.expect("it can be read").path();
        let name = entry.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
        let name = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        if entry.is_dir() {
            folder(&entry, &name, files);
        } else {
            files.insert(name, fs::read(&entry).expect("it can be read"));
        }
    }
}

fn read(path: &Path) -> Files {
    let mut files = Files::new();
    folder(path, "", &mut files);
    files
}

fn broken() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/it/broken").expect("the cases are there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_broken_ruleset_is_told_what_is_wrong() {
    let folders = broken();
    assert!(folders.len() >= 25);
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("names are UTF-8").to_owned();
        let checked = check(read(&folder), TODAY);
        assert!(!checked.findings.is_empty(), "{name}");
        insta::assert_snapshot!(name, checked.render(Format::Text));
    }
}

#[test]
fn what_check_refuses_is_what_loading_refuses() {
    for folder in broken() {
        let checked = check(read(&folder), TODAY);
        let loaded = Ruleset::load(&folder);
        assert_eq!(checked.ruleset.is_some(), loaded.is_ok(), "{}", folder.display());
        if let Err(refused) = loaded {
            assert_eq!(refused.diagnostics, checked.findings, "{}", folder.display());
            assert!(refused.diagnostics.iter().any(|finding| finding.severity == Severity::Error));
        }
    }
}

#[test]
fn the_sample_is_clean() {
    let checked = check(read(Path::new("scripts")), TODAY);
    assert!(checked.is_ok());
    assert_eq!(checked.findings, [], "{}", checked.render(Format::Text));
}

#[test]
fn findings_come_in_the_format_of_the_reader() {
    let checked = check(read(Path::new("tests/it/broken/07-outcome-outside-may")), TODAY);
    insta::assert_snapshot!("format-json", checked.render(Format::Json));
    insta::assert_snapshot!("format-github", checked.render(Format::Github));
}

#[test]
fn editors_get_definitions() {
    let ruleset = Ruleset::load(Path::new("scripts")).expect("the sample compiles");
    insta::assert_snapshot!(rules::definitions::definitions(&ruleset));
}

/// What an edit that is half saved, or went wrong, leaves: each is refused.
#[test]
fn a_file_that_says_nothing_is_an_error() {
    let whole = [
        ("rules/a.rhai", "//! id: a\nif order.c in lists.l || order.x > p.most { reject(\"a\", \"a\"); }\n"),
        ("lists/l.txt", "KP\n"),
        ("params/p.toml", "most = 5\n"),
        ("ruleset.toml", "[budget]\napprovals_per_hour = 5\n"),
        ("schema/order.toml", "[fields]\nx = \"integer\"\nc = \"text\"\n"),
        ("tests/t.toml", "[[case]]\nname = \"c\"\nset = { x = 5, c = \"KP\" }\nexpect = \"reject\"\n"),
    ];
    let check_with = |path: &str, text: &str| {
        let mut files = crate::evaluate::files(&whole);
        files.insert(path.to_owned(), text.as_bytes().to_vec());
        check(files, TODAY)
    };
    assert!(check_with(whole[0].0, whole[0].1).is_ok());
    for (path, text) in [
        ("rules/b.rhai", ""),
        ("rules/b.rhai", "//! id: b\n//! may: reject\n"),
        ("rules/b.rhai", "// a comment\n"),
        ("lists/l.txt", ""),
        ("lists/l.txt", "# Export policy\n\n"),
        ("params/q.toml", ""),
        ("params/q.toml", "# numbers\n[tier]\n"),
        ("ruleset.toml", ""),
        ("ruleset.toml", "[budget]\n"),
        ("schema/order.toml", "[fields]\n"),
        ("tests/t.toml", ""),
        ("tests/t.toml", "[base.usual]\n"),
    ] {
        let checked = check_with(path, text);
        let is_told = checked.findings.iter().any(|finding| {
            finding.severity == Severity::Error && finding.file == path && finding.code.starts_with("empty")
        });
        assert!(is_told || checked.ruleset.is_none(), "{path} as {text:?}: {:?}", checked.findings);
    }
}
