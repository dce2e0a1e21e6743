//! One rule file, compiled: one AST a rule, so that no rule's functions reach another.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{Engine, ParseError, Position, Scope};

use crate::compiled::Compiled;
use crate::diagnostic::Diagnostic;
use crate::header::{self, Header};
use crate::shared_text::SharedText;
use crate::{files, parse_error};

/// A rule, ready to run.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) header: Header,
    /// The header's, for those who keep it.
    pub(crate) id: SharedText,
    pub(crate) file: String,
    pub(crate) text: String,
    /// The first eight hexadecimal digits of the file's SHA-256.
    pub(crate) hash: SharedText,
    pub(crate) ast: Compiled,
    pub(crate) when: Option<Compiled>,
    /// Where the verdicts stand whose text tells no masked fact; empty if nothing is masked.
    pub(crate) open_texts: BTreeSet<Position>,
}

/// What every script of a ruleset can name.
#[derive(Debug)]
pub(crate) struct Names {
    /// The functions, with the numbers of arguments they take.
    pub(crate) functions: BTreeMap<String, BTreeSet<usize>>,
    /// `order`, `task`, `lists` and the parameter files.
    pub(crate) globals: Vec<String>,
    /// The fields of the order that the schema names.
    pub(crate) fields: Vec<String>,
}

impl Names {
    fn given(&self) -> parse_error::Given<'_> {
        parse_error::Given { globals: &self.globals, fields: &self.fields }
    }

    /// The scope to compile in: names only, because constants would be baked into the rule.
    pub(crate) fn scope(&self) -> Scope<'static> {
        let mut scope = Scope::new();
        for name in &self.globals {
            scope.push(name.clone(), ());
        }
        scope
    }
}

/// Parses a rule file; every error of its header, and the first of its script.
pub(crate) fn parse(engine: &Engine, names: &Names, file: &str, text: &str) -> Result<Rule, Vec<Diagnostic>> {
    let (header, mut errors) = header::parse(file, text);
    let scope = names.scope();
    let when = header.when.as_ref().map(|when| {
        let expression = engine.compile_expression_with_scope(&scope, &when.expression);
        expression
            .map(Compiled::new)
            .map_err(|error| vec![parse_error(names, file, text, &error, Some((when.line, when.column)))])
    });
    let script = engine.compile_with_scope(&scope, text);
    let script = script.map(Compiled::new).map_err(|error| parse_error(names, file, text, &error, None));
    match (script, when.transpose()) {
        (Ok(mut ast), Ok(when)) if errors.is_empty() => {
            ast.set_source(file);
            Ok(Rule {
                id: header.id.as_str().into(),
                header,
                file: file.to_owned(),
                text: text.to_owned(),
                hash: files::hex(text.as_bytes())[..8].into(),
                ast,
                when,
                open_texts: BTreeSet::new(),
            })
        }
        (script, when) => {
            errors.extend(when.err().into_iter().flatten());
            errors.extend(script.err());
            Err(errors)
        }
    }
}

/// A parse error as a finding. `origin` is the line and column of an expression in its file.
pub(crate) fn parse_error(
    names: &Names,
    file: &str,
    text: &str,
    error: &ParseError,
    origin: Option<(usize, usize)>,
) -> Diagnostic {
    let (line, column) = place(error.position(), origin);
    let found = word_at(text, line, column);
    let (code, message, help) = parse_error::describe(names.given(), error.err_type(), found);
    let mut diagnostic = Diagnostic::error(file, code, message);
    diagnostic.help = help;
    // An end that comes too early has no place of its own.
    let line = if line == 0 { text.lines().count().max(1) } else { line };
    diagnostic.at(text, line, column)
}

/// The word, or the run of symbols, at a position.
fn word_at(text: &str, line: usize, column: usize) -> &str {
    let line = line.checked_sub(1).and_then(|index| text.lines().nth(index)).unwrap_or_default();
    let at = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(index, _)| index);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_operator = |c: char| "=<>!&|+-*/?:%^~#".contains(c);
    let Some(first) = line[at..].chars().next() else { return "" };
    if !is_word(first) && !is_operator(first) {
        return &line[at..at + first.len_utf8()];
    }
    let other = |c: char| is_word(c) != is_word(first) || is_operator(c) != is_operator(first);
    let end = line[at..].find(other).map_or(line.len(), |length| at + length);
    let start = line[..at].rfind(other).map_or(0, |index| index + 1);
    line.get(start..end).unwrap_or_default()
}

/// A position in a script as a place in its file.
pub(crate) fn place(position: Position, origin: Option<(usize, usize)>) -> (usize, usize) {
    let line = position.line().unwrap_or(0);
    let column = position.position().unwrap_or(usize::from(line > 0));
    match origin {
        Some((first_line, first_column)) => (first_line, first_column + column.max(1) - 1),
        None => (line, column),
    }
}
