//! `[[table]]`: each row is a case.

use serde_json::{Map, Value};
use toml_edit::TableLike;

use super::case::{Case, Expect};
use super::file::{Read, Reader, outcome, required, texts};
use super::paths::assign;
use crate::diagnostic::Diagnostic;

impl Reader<'_> {
    pub(super) fn table(&mut self, table: &dyn TableLike, line: usize) -> Read {
        let name = required(table, "name")?;
        let columns = texts(table, "columns")?;
        if !columns.iter().any(|column| column == "expect") {
            return Err("a table needs the column 'expect'".to_owned());
        }
        if let Some(twice) = (1..columns.len()).find(|n| columns[..*n].contains(&columns[*n])) {
            return Err(format!("the column '{}' appears twice", columns[twice]));
        }
        for column in columns.iter().filter(|column| !matches!(column.as_str(), "expect" | "by" | "code")) {
            self.uses(column, line);
        }
        let Some(Value::Array(rows)) = self.json(table, "rows")? else {
            return Err("rows is not a list of rows".to_owned());
        };
        if rows.is_empty() {
            return Err("a table without rows tests nothing".to_owned());
        }
        let base = self.base(table)?;
        let lines = self.document.entry_lines(table, "rows");
        for (n, row) in rows.into_iter().enumerate() {
            let line = lines.get(n).copied().unwrap_or(line);
            match self.row((&name, n + 1), &columns, base.clone(), row, line) {
                Ok(case) => self.tests.cases.push(case),
                Err(message) => {
                    let error = Diagnostic::error(self.file, "test", format!("row {}: {message}", n + 1));
                    self.tests.errors.push(error.at(self.text, line, 0));
                }
            }
        }
        Ok(())
    }

    /// One row of a table, as a case at the row's own line.
    fn row(
        &self,
        (table, number): (&str, usize),
        columns: &[String],
        mut order: Value,
        row: Value,
        line: usize,
    ) -> Result<Case, String> {
        let Value::Array(cells) = row else { return Err("it is not a list".to_owned()) };
        if cells.len() != columns.len() {
            return Err(format!(
                "it needs a value for each of the {} columns, and has {}",
                columns.len(),
                cells.len()
            ));
        }
        let shown: Vec<String> = cells.iter().map(ToString::to_string).collect();
        let mut expect = Expect::default();
        for (column, cell) in columns.iter().zip(cells) {
            match (column.as_str(), &cell) {
                ("expect", Value::String(text)) => expect.outcome = Some(outcome(text)?),
                ("by", Value::String(text)) => expect.by = Some(text.clone()),
                ("code", Value::String(text)) => expect.codes = vec![text.clone()],
                ("expect" | "by" | "code", _) => return Err(format!("{column} is not text")),
                _ => assign(&mut order, column, Some(cell))?,
            }
        }
        Ok(Case {
            file: self.file.to_owned(),
            line,
            name: format!("{table}: {}", shown.join(", ")),
            row: Some((table.to_owned(), number)),
            order: Some(order),
            task: Map::new(),
            expect,
        })
    }
}
