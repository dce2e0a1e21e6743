//! What a proposal's files are made of.

use super::columns::{self, Column};
use super::scale::Test;
use crate::verdict::Outcome;

/// The longest code, in characters, with room for what is put before and after it.
const MAX_CODE_CHARS: usize = 44;

/// What a draft is made of.
pub(super) struct Wanted<'a> {
    /// The rule that asks for a person today.
    pub(super) rule: Option<&'a str>,
    pub(super) code: &'a str,
    pub(super) outcome: Outcome,
    /// From 1: the place among the conditions of one reason and answer.
    pub(super) number: usize,
    pub(super) condition: &'a str,
    pub(super) tests: Vec<(&'a Column, &'a Test)>,
    /// The evidence for it, in words.
    pub(super) why: String,
    /// Rows that meet it, decided so, and rows that do not meet it.
    pub(super) inside: Vec<usize>,
    pub(super) outside: Vec<usize>,
}

impl Wanted<'_> {
    /// The verdict's code, and the stem of the files' names.
    pub(super) fn name(&self) -> String {
        let end = self.code.char_indices().nth(MAX_CODE_CHARS).map_or(self.code.len(), |(end, _)| end);
        let code = self.code[..end].trim_end_matches('-');
        let number = if self.number > 1 { format!("-{}", self.number) } else { String::new() };
        format!("people-{}-{code}{number}", self.outcome.as_str())
    }

    fn words(&self) -> String {
        columns::quoted(&format!("people {} such orders: {}", self.outcome.as_str(), self.condition))
    }

    /// The lines that decide.
    pub(super) fn lines(&self, indent: &str) -> String {
        format!(
            "{indent}// {}.\n{indent}if {} {{\n{indent}    {}({}, {});\n{indent}}}\n",
            self.why,
            self.condition,
            self.outcome.as_str(),
            columns::quoted(&self.name()),
            self.words()
        )
    }
}
