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
