//! Files that say nothing: an edit that is half saved, or one that went wrong, and never what its author means.

use toml_edit::{Item, TableLike};

use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::files::Kind;
use crate::ruleset::Ruleset;

/// An error for each file of a ruleset that is cut to its header, to comments, or to the heads of its tables.
pub(crate) fn hollow(ruleset: &Ruleset) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for rule in &ruleset.rules {
        if rule.ast.statements().is_empty() {
            errors.push(
                error(&rule.file, "the rule has no statement")
                    .help("restore it; or delete the file, or write `pass();`, if it should decide nothing"),
            );
        }
    }
    for (path, content) in &ruleset.files {
        let (Some(kind), Ok(text)) = (Kind::of(path), std::str::from_utf8(content)) else { continue };
        match kind {
            Kind::Rule => {}
            Kind::List if text.lines().any(is_entry) => {}
            Kind::List => {
                errors.push(error(path, "the list has no entry").help("restore it, or delete the file"))
            }
            Kind::Settings | Kind::Schema | Kind::Params | Kind::Tests => {
                if Document::parse(path, text).is_ok_and(|document| !has_value(document.table())) {
                    errors.push(error(path, "the file says nothing").help("restore it, or delete it"));
                }
            }
        }
    }
    errors
}

fn is_entry(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn has_value(table: &dyn TableLike) -> bool {
    table.iter().any(|(_, item)| match item {
        Item::None => false,
        Item::Value(_) => true,
        Item::Table(table) => has_value(table),
        Item::ArrayOfTables(tables) => tables.iter().any(|table| has_value(table)),
    })
}

fn error(path: &str, message: &str) -> Diagnostic {
    Diagnostic::error(path, "empty-file", message)
}
