//! The kinds of `traps/`, in other shapes: small rulesets in `relatives/`, each with what must come of it.
//!
//! A case has a `name`, `want` and `says` as in `traps/`, `files` and an `order`.

use std::fs;

use rules::Files;
use toml_edit::{ImDocument, TableLike};

use crate::traps::{Case, problem, task_with};

fn wrong(case: &dyn TableLike) -> Option<String> {
    let text = |key: &str| case.get(key).and_then(|item| item.as_str());
    let files = case.get("files").and_then(|item| item.as_table_like()).expect("a ruleset");
    let file = |text: &str| text.as_bytes().to_vec();
    let files: Files =
        files.iter().map(|(path, item)| (path.to_owned(), file(item.as_str().expect("text")))).collect();
    let order = text("order").unwrap_or("{}").to_owned();
    let problem = problem(&Case::of(case), Ok(files), &|| task_with(order.clone()))?;
    Some(format!("{}: {problem}", text("name").expect("a name")))
}

fn hold(file: &str) {
    let text = fs::read_to_string(format!("tests/it/relatives/{file}")).expect("the cases are there");
    let toml = ImDocument::parse(text).expect("it is TOML");
    let cases = toml.get("case").and_then(|item| item.as_array_of_tables()).expect("cases");
    let wrong: Vec<String> = cases.iter().filter_map(|case| wrong(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn nothing_of_a_folder_is_dropped_in_silence() {
    hold("folders.toml");
}
