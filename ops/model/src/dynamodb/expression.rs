//! Parses condition, filter, key and update expressions into trees (Expressions, DynamoDB developer guide).
//!
//! A tree keeps its placeholders, so that a text is parsed once and then used with any names and values.

mod parser;

use std::collections::BTreeSet;

use self::parser::{Parser, parse};

/// A path into an item, as written: a step may be an alias (`#name`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

#[derive(Debug)]
pub(super) enum Operand {
    Path(Path),
    /// A placeholder (`:value`).
    Value(String),
    Size(Path),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Comparison, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Path, Operand),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// The right side of a SET action.
#[derive(Debug)]
pub(super) enum Source {
    Operand(Operand),
    IfNotExists(Path, Box<Source>),
    ListAppend(Box<Source>, Box<Source>),
    Plus(Box<Source>, Box<Source>),
    Minus(Box<Source>, Box<Source>),
}

#[derive(Debug, Default)]
pub(super) struct Update {
    pub(super) set: Vec<(Path, Source)>,
    pub(super) remove: Vec<Path>,
    pub(super) add: Vec<(Path, Operand)>,
    pub(super) delete: Vec<(Path, Operand)>,
}

/// A tree with the placeholders that it uses.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    pub(super) tree: T,
    pub(super) names: BTreeSet<String>,
    pub(super) values: BTreeSet<String>,
}

/// Why a text is not a valid expression: the words after `Invalid …Expression: `.
pub(super) type Refused = String;

pub(super) fn condition(text: &str) -> Result<Parsed<Condition>, Refused> {
    parse(text, |parser| parser.condition())
}

pub(super) fn update(text: &str) -> Result<Parsed<Update>, Refused> {
    parse(text, |parser| parser.update())
}

pub(super) fn projection(text: &str) -> Result<Parsed<Vec<Path>>, Refused> {
    parse(text, |parser| parser.list(Parser::path))
}
