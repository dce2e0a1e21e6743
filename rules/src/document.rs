//! TOML files as JSON values whose numbers keep their text, with the place of every key.

use serde_json::{Map, Number, Value};
use toml_edit::{ImDocument, Item, TableLike};

use crate::diagnostic::Diagnostic;
use crate::number;

/// A TOML file, read.
#[derive(Debug)]
pub(crate) struct Document {
    file: String,
    toml: ImDocument<String>,
}

impl Document {
    /// Parses a file.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Document, Box<Diagnostic>> {
        match ImDocument::parse(text.to_owned()) {
            Ok(toml) => Ok(Document { file: file.to_owned(), toml }),
            Err(error) => {
                let message = error.message().trim().replace('\n', ", ");
                let diagnostic = Diagnostic::error(file, "toml", message);
                Err(Box::new(match error.span() {
                    Some(span) => place(diagnostic, text, span.start),
                    None => diagnostic,
                }))
            }
        }
    }

    /// The file's top table.
    pub(crate) fn table(&self) -> &dyn TableLike {
        self.toml.as_table()
    }

    /// An error at a key of `table`.
    pub(crate) fn error(
        &self,
        table: &dyn TableLike,
        key: &str,
        code: &str,
        message: impl Into<String>,
    ) -> Diagnostic {
        let diagnostic = Diagnostic::error(&self.file, code, message);
        let span = table.get_key_value(key).and_then(|(key, item)| key.span().or_else(|| item.span()));
        match span {
            Some(span) => place(diagnostic, self.toml.raw(), span.start),
            None => diagnostic,
        }
    }

    /// The line of a key, from 1; 0 where it is not known.
    pub(crate) fn line_of(&self, table: &dyn TableLike, key: &str) -> usize {
        self.error(table, key, "", "").line
    }

    /// The line of each entry of the list at a key, from 1; empty where there is no list.
    pub(crate) fn entry_lines(&self, table: &dyn TableLike, key: &str) -> Vec<usize> {
        let entries = table.get(key).and_then(Item::as_array).into_iter().flatten();
        let start = |entry: &toml_edit::Value| entry.span().map_or(0, |span| span.start);
        entries.map(|entry| line_and_column(self.toml.raw(), start(entry)).0).collect()
    }

    /// A value of `table` as JSON. Numbers keep their text; dates become text.
    pub(crate) fn value(&self, table: &dyn TableLike, key: &str) -> Result<Value, Box<Diagnostic>> {
        let item = table.get(key).unwrap_or(&Item::None);
        json(item, self.toml.raw()).map_err(|message| Box::new(self.error(table, key, "toml", message)))
    }

    /// Errors for keys of `table` that are not in `known`.
    pub(crate) fn unknown_keys(&self, table: &dyn TableLike, known: &[&str]) -> Vec<Diagnostic> {
        let unknown = table.iter().map(|(key, _)| key).filter(|key| !known.contains(key));
        unknown
            .map(|key| {
                let error = self.error(table, key, "unknown-key", format!("there is no setting '{key}'"));
                error.help(format!("the settings here are {}", known.join(", ")))
            })
            .collect()
    }
}

/// The line and column, from 1, of a byte offset.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn place(diagnostic: Diagnostic, text: &str, offset: usize) -> Diagnostic {
    let (line, column) = line_and_column(text, offset);
    diagnostic.at(text, line, column)
}

fn json(item: &Item, text: &str) -> Result<Value, String> {
    match item {
        Item::None => Ok(Value::Null),
        Item::Value(value) => json_value(value, text),
        Item::Table(table) => json_table(table, text),
        Item::ArrayOfTables(tables) => {
            Ok(Value::Array(tables.iter().map(|table| json_table(table, text)).collect::<Result<_, _>>()?))
        }
    }
}

fn json_table(table: &dyn TableLike, text: &str) -> Result<Value, String> {
    let mut map = Map::new();
    for (key, item) in table.iter() {
        map.insert(key.to_owned(), json(item, text)?);
    }
    Ok(Value::Object(map))
}

fn json_value(value: &toml_edit::Value, text: &str) -> Result<Value, String> {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(value) => Ok(Value::String(value.value().clone())),
        Toml::Boolean(value) => Ok(Value::Bool(*value.value())),
        Toml::Datetime(value) => Ok(Value::String(value.value().to_string())),
        Toml::Integer(value) => Ok(Value::Number(Number::from(*value.value()))),
        Toml::Float(float) => {
            let raw = float.span().and_then(|span| text.get(span)).unwrap_or_default();
            exact(raw).ok_or_else(|| format!("{raw} is not a number that can be kept exactly"))
        }
        Toml::Array(values) => {
            Ok(Value::Array(values.iter().map(|value| json_value(value, text)).collect::<Result<_, _>>()?))
        }
        Toml::InlineTable(table) => json_table(table, text),
    }
}

/// A TOML float's own text as a JSON number.
fn exact(raw: &str) -> Option<Value> {
    let text = raw.replace('_', "");
    let text = text.strip_prefix('+').unwrap_or(&text);
    number::parse(text)?;
    text.parse().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let text = "a = 4000.10\nb = 1_000.50\nc = 7\nd = [{ e = +0.1 }]\n[f]\ng = 12345678901234567890.1\n";
        let document = Document::parse("x.toml", text).unwrap();
        let json = json_table(document.table(), text).unwrap().to_string();
        assert_eq!(
            json,
            r#"{"a":4000.10,"b":1000.50,"c":7,"d":[{"e":0.1}],"f":{"g":12345678901234567890.1}}"#
        );
    }

    #[test]
    fn errors_have_a_place() {
        let broken = Document::parse("x.toml", "a = 1\nb = = 2\n").unwrap_err();
        assert_eq!((broken.place().as_str(), broken.snippet.as_str()), ("x.toml:2:5", "b = = 2"));
        let document = Document::parse("x.toml", "a = 1\n[t]\nb = inf\n").unwrap();
        let table = document.table().get("t").and_then(Item::as_table_like).unwrap();
        let infinite = document.value(table, "b").unwrap_err();
        assert_eq!(
            infinite.one_line(),
            "x.toml:3:1: error[toml]: inf is not a number that can be kept exactly"
        );
        let unknown = document.unknown_keys(document.table(), &["a", "u"]);
        assert_eq!(unknown[0].place(), "x.toml:2:2");
    }
}
