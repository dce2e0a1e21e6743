//! The kinds of `traps/`, in other shapes: small rulesets in `relatives/`, each with what must come of it.
//!
//! A case has a `name`, `want` and `says` as in `traps/`, `files` and an `order`, or the file's; `with` names files that
//! cases share.

use std::fs;

use rules::Files;
use toml_edit::{ImDocument, Item, TableLike};

use crate::traps::{Case, problem, task_with};

fn files(item: Option<&Item>) -> Files {
    let table = item.and_then(Item::as_table_like);
    let file = |item: &Item| item.as_str().expect("text").as_bytes().to_vec();
    table.iter().flat_map(|table| table.iter()).map(|(path, item)| (path.to_owned(), file(item))).collect()
}

fn wrong(case: &dyn TableLike, shared: &Files, order: &str) -> Option<String> {
    let text = |key: &str| case.get(key).and_then(|item| item.as_str());
    let mut files = files(case.get("files"));
    for path in case.get("with").and_then(Item::as_array).iter().flat_map(|paths| paths.iter()) {
        let path = path.as_str().expect("a path");
        files.insert(path.to_owned(), shared[path].clone());
    }
    let order = text("order").unwrap_or(order).to_owned();
    let problem = problem(&Case::of(case), Ok(files), &|| task_with(order.clone()))?;
    Some(format!("{}: {problem}", text("name").expect("a name")))
}

fn hold(file: &str) {
    let text = fs::read_to_string(format!("tests/it/relatives/{file}")).expect("the cases are there");
    let toml = ImDocument::parse(text).expect("it is TOML");
    let shared = files(toml.get("files"));
    let order = toml.get("order").and_then(Item::as_str).unwrap_or("{}");
    let cases = toml.get("case").and_then(|item| item.as_array_of_tables()).expect("cases");
    let wrong: Vec<String> = cases.iter().filter_map(|case| wrong(case, &shared, order)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn nothing_of_a_folder_is_dropped_in_silence() {
    hold("folders.toml");
}

#[test]
fn check_sees_everything_that_a_rule_says() {
    hold("scripts.toml");
}

#[test]
fn what_its_author_did_not_mean_approves_nothing() {
    hold("hostile.toml");
}

#[test]
fn check_sees_what_always_fails_and_tests_that_test_nothing() {
    hold("certain.toml");
}
