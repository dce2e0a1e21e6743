//! One vocabulary of log and span fields over ingest and worker: every field that a source names is in the README's table,
//! and every row of the table is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MACROS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
/// The keys that the JSON layer writes itself: a field of that name would be a second one in the same object.
const RESERVED: [&str; 7] = ["timestamp", "level", "target", "message", "fields", "span", "spans"];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The arguments of a macro whose bracket is open, by their commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut is_text, mut parts) = (0, false, vec![String::new()]);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().expect("never empty");
        match c {
            '\\' if is_text => {
                part.extend([Some(c), chars.next()].into_iter().flatten());
                continue;
            }
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text && depth == 0 => break,
            ')' | ']' | '}' if !is_text => depth -= 1,
            ',' if !is_text && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The names of the fields in one macro's arguments: those before an event's text, and all of a span's.
fn fields(arguments: &[String], is_span: bool) -> Vec<String> {
    let named = arguments.iter().filter(|argument| !argument.starts_with("target:"));
    let fields: Vec<&String> = if is_span {
        named.filter(|argument| !argument.starts_with('"')).collect()
    } else {
        named.take_while(|argument| !argument.starts_with('"')).collect()
    };
    let name = |field: &String| {
        field.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']).to_owned()
    };
    fields.into_iter().map(name).collect()
}

/// Every field with a place that names it.
fn used() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["ingest/src", "worker/src"] {
        sources(&root.join(dir), &mut files);
    }
    let mut used = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        // The attributes of exported spans.
        for attribute in text.split("KeyValue::new(\"").skip(1) {
            let name = attribute.split('"').next().unwrap_or_default();
            used.insert(name.to_owned(), file.display().to_string());
        }
        for name in MACROS {
            for (ending, is_span) in [("!(", false), ("_span!(", true)] {
                let macro_name = format!("{name}{ending}");
                for (at, _) in text.match_indices(&macro_name) {
                    let before = text[..at].chars().next_back().unwrap_or(' ');
                    // `print_error!(` is another macro.
                    if before.is_ascii_alphanumeric() || before == '_' {
                        continue;
                    }
                    for field in fields(&arguments(&text[at + macro_name.len()..]), is_span) {
                        used.insert(field, file.display().to_string());
                    }
                }
            }
        }
    }
    used
}

/// The first column of the README's table of fields.
fn listed() -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let table = readme.split("| field | meaning |").nth(1).expect("the README has a table of fields");
    let rows = table.split("\n\n").next().expect("the table").lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn every_field_is_in_the_readme_and_every_one_there_is_used() {
    let (used, listed) = (used(), listed());
    let unlisted: Vec<_> = used.iter().filter(|(field, _)| !listed.contains(*field)).collect();
    assert!(
        unlisted.is_empty(),
        "add these to the table in worker/README.md, or use a field that is in it: {unlisted:#?}"
    );
    let unused: Vec<_> = listed.iter().filter(|field| !used.contains_key(*field)).collect();
    assert!(unused.is_empty(), "in the table of worker/README.md, and logged nowhere: {unused:?}");
    assert!(used.len() > 20, "{used:?}");
}

#[test]
fn no_field_is_a_second_key_of_its_line() {
    let doubled: Vec<_> =
        used().into_iter().filter(|(field, _)| RESERVED.contains(&field.as_str())).collect();
    assert!(doubled.is_empty(), "{doubled:#?}");
}

#[test]
fn the_reader_of_macros_sees_every_form() {
    let seen = |text: &str, is_span| fields(&arguments(text), is_span);
    assert_eq!(seen("task.id = %task.id, %address, \"a, {b}\", c = d)", false), ["task.id", "address"]);
    assert_eq!(seen("\"decision\", task.id = f(a, b)); x = 1", true), ["task.id"]);
    assert_eq!(seen("error = format!(\"{e:#}\"), ?change, \"x\")", false), ["error", "change"]);
}
