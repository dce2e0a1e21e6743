//! Reading `tests/*.toml`: bases, cases, tables of cases, and what must never happen.

use serde_json::{Map, Value};
use toml_edit::{Item, TableLike};

use super::case::{Base, Case, Expect, Never, UsedPath};
use super::paths::{assign, paths_of};
use crate::diagnostic::Diagnostic;
use crate::document::{self, Document};
use crate::files::Kind;
use crate::names::composed;
use crate::ruleset::Ruleset;
use crate::suggest;
use crate::verdict::Outcome;

const CASE_KEYS: [&str; 11] =
    ["name", "from", "set", "unset", "order", "task", "expect", "by", "not_by", "codes", "reason"];
const TABLE_KEYS: [&str; 4] = ["name", "from", "columns", "rows"];
const NEVER_KEYS: [&str; 3] = ["name", "when", "expect_not"];
const TASK_KEYS: [&str; 4] = ["orderId", "startTime", "transactionId", "now"];

/// All tests of a ruleset.
#[derive(Debug, Default)]
pub(crate) struct Tests {
    pub(crate) bases: Vec<Base>,
    pub(crate) cases: Vec<Case>,
    pub(crate) nevers: Vec<Never>,
    pub(crate) paths: Vec<UsedPath>,
    pub(crate) errors: Vec<Diagnostic>,
}

impl Tests {
    /// All of a ruleset's tests.
    pub(crate) fn of(ruleset: &Ruleset) -> Tests {
        let mut tests = Tests::default();
        for (path, content) in &ruleset.files {
            if Kind::of(path) == Some(Kind::Tests)
                && let Ok(text) = std::str::from_utf8(content)
            {
                tests.read(path, &composed(text));
            }
        }
        tests
    }

    /// The name of each test: its file and its own name; for a row, the table's name and the row's number.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let cases = self.cases.iter().map(|case| match &case.row {
            Some((table, row)) => format!("{}: {table}, row {row}", case.file),
            None => format!("{}: {}", case.file, case.name),
        });
        cases.chain(self.nevers.iter().map(|never| format!("{}: {}", never.file, never.name)))
    }

    fn read(&mut self, file: &str, text: &str) {
        let document = match Document::parse(file, text) {
            Ok(document) => document,
            Err(error) => return self.errors.push(*error),
        };
        let top = document.table();
        self.errors.extend(document.unknown_keys(top, &["base", "case", "table", "never"]));
        let bases = match top.get("base").map(|_| document.value(top, "base")) {
            None => Map::new(),
            Some(Ok(Value::Object(bases))) => bases,
            Some(Ok(_)) => {
                return self.errors.push(document.error(top, "base", "test", "base is not a table"));
            }
            Some(Err(error)) => return self.errors.push(*error),
        };
        let mut reader = Reader { document: &document, file, text, bases: &bases, tests: self };
        reader.each(top, "case", &CASE_KEYS, Reader::case);
        reader.each(top, "table", &TABLE_KEYS, Reader::table);
        reader.each(top, "never", &NEVER_KEYS, Reader::never);
        let base = |(name, order)| Base { file: file.to_owned(), name, order };
        self.bases.extend(bases.into_iter().map(base));
    }
}

pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    bases: &'a Map<String, Value>,
    pub(super) tests: &'a mut Tests,
}

pub(super) type Read = Result<(), String>;

impl Reader<'_> {
    fn each(
        &mut self,
        top: &dyn TableLike,
        key: &str,
        known: &[&str],
        read: fn(&mut Self, &dyn TableLike, usize) -> Read,
    ) {
        let Some(item) = top.get(key) else { return };
        let Some(tables) = item.as_array_of_tables() else {
            return self.tests.errors.push(self.document.error(top, key, "test", format!("write [[{key}]]")));
        };
        for table in tables {
            let unknown = self.document.unknown_keys(table, known);
            let line = match self.document.line_of(table, "name") {
                0 => table.span().map_or(1, |span| document::line_and_column(self.text, span.start).0),
                line => line,
            };
            if !unknown.is_empty() {
                self.tests.errors.extend(unknown);
            } else if let Err(message) = read(self, table, line) {
                let error = Diagnostic::error(self.file, "test", message);
                self.tests.errors.push(error.at(self.text, line, 0));
            }
        }
    }

    fn case(&mut self, table: &dyn TableLike, line: usize) -> Read {
        let mut order = self.base(table)?;
        if let Some(set) = self.json(table, "set")? {
            let Value::Object(set) = set else { return Err("set is not a table".to_owned()) };
            for (path, value) in set {
                self.uses(&path, line);
                let mut inside = Vec::new();
                paths_of(&value, &path, &mut inside);
                inside.iter().for_each(|path| self.uses(path, line));
                assign(&mut order, &path, Some(value))?;
            }
        }
        for path in texts(table, "unset")? {
            self.uses(&path, line);
            assign(&mut order, &path, None)?;
        }
        let task = match self.json(table, "task")? {
            None => Map::new(),
            Some(Value::Object(task)) => task,
            Some(_) => return Err("task is not a table".to_owned()),
        };
        if let Some(key) = task.keys().find(|key| !TASK_KEYS.contains(&key.as_str())) {
            return Err(format!("a task has no '{key}' (it has {})", TASK_KEYS.join(", ")));
        }
        let has_order = match table.get("order") {
            None => true,
            Some(item) => item.as_bool().ok_or("order is true, or false for a task without an order")?,
        };
        let changes = ["from", "set", "unset"].into_iter().find(|key| table.get(key).is_some());
        if let (false, Some(key)) = (has_order, changes) {
            return Err(format!("order = false is a task without an order, so {key} changes nothing"));
        }
        let expect = Expect {
            outcome: optional(table, "expect")?.map(|text| outcome(&text)).transpose()?,
            by: optional(table, "by")?,
            not_by: texts(table, "not_by")?,
            codes: texts(table, "codes")?,
            reason: optional(table, "reason")?,
        };
        let expects = expect.outcome.is_some() || expect.by.is_some() || !expect.codes.is_empty();
        if !expects && expect.reason.is_none() && expect.not_by.is_empty() {
            return Err("the case expects nothing: add expect, by, not_by, codes or reason".to_owned());
        }
        let empty = [&expect.reason, &expect.by].into_iter().flatten().chain(&expect.codes);
        if empty.chain(&expect.not_by).any(|text| text.trim().is_empty()) {
            return Err("an empty text expects nothing".to_owned());
        }
        let name = required(table, "name")?;
        let order = has_order.then_some(order);
        self.tests.cases.push(Case {
            file: self.file.to_owned(),
            line,
            name,
            row: None,
            order,
            task,
            expect,
        });
        Ok(())
    }

    pub(super) fn uses(&mut self, path: &str, line: usize) {
        self.tests.paths.push(UsedPath { file: self.file.to_owned(), line, path: path.to_owned() });
    }

    fn never(&mut self, table: &dyn TableLike, line: usize) -> Read {
        let never = Never {
            file: self.file.to_owned(),
            line,
            name: required(table, "name")?,
            when: required(table, "when")?,
            outcome: outcome(&required(table, "expect_not")?)?,
        };
        self.tests.nevers.push(never);
        Ok(())
    }

    pub(super) fn base(&self, table: &dyn TableLike) -> Result<Value, String> {
        let Some(name) = optional(table, "from")? else { return Ok(Value::Object(Map::new())) };
        self.bases.get(&name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.bases.keys().map(String::as_str).collect();
            format!("there is no [base.{name}]{}", suggest::did_you_mean(&name, names.into_iter()))
        })
    }

    pub(super) fn json(&self, table: &dyn TableLike, key: &str) -> Result<Option<Value>, String> {
        if table.get(key).is_none() {
            return Ok(None);
        }
        self.document.value(table, key).map(Some).map_err(|error| error.message)
    }
}

fn optional(table: &dyn TableLike, key: &str) -> Result<Option<String>, String> {
    let text = |item: &Item| item.as_str().map(str::to_owned).ok_or_else(|| format!("{key} is not text"));
    table.get(key).map(text).transpose()
}

pub(super) fn required(table: &dyn TableLike, key: &str) -> Result<String, String> {
    optional(table, key)?.ok_or_else(|| format!("{key} is missing"))
}

pub(super) fn texts(table: &dyn TableLike, key: &str) -> Result<Vec<String>, String> {
    let Some(item) = table.get(key) else { return Ok(Vec::new()) };
    let texts = item.as_array().map(|array| array.iter().map(|value| value.as_str().map(str::to_owned)));
    let texts: Option<Vec<String>> = texts.and_then(Iterator::collect);
    texts.ok_or_else(|| format!("{key} is not a list of texts"))
}

pub(super) fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text)
        .ok_or_else(|| format!("'{text}' is not an outcome: write approve, reject or escalate"))
}
