//! What a test says: a task and what must come of it, or what must never happen.

use serde_json::{Map, Value};

use crate::verdict::Outcome;

/// One task and what must come of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) name: String,
    /// The table's name and the row's number, from 1, where it is one.
    pub(crate) row: Option<(String, usize)>,
    /// None for the minimal message.
    pub(crate) order: Option<Value>,
    /// `task` facts that differ from the usual.
    pub(crate) task: Map<String, Value>,
    pub(crate) expect: Expect,
}

/// What must come of it; what is empty may be anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expect {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) by: Option<String>,
    pub(crate) not_by: Vec<String>,
    pub(crate) codes: Vec<String>,
    pub(crate) reason: Option<String>,
}

/// A condition under which an outcome must never happen.
#[derive(Debug, Clone)]
pub(crate) struct Never {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) when: String,
    pub(crate) outcome: Outcome,
}

/// An order that cases begin with.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) order: Value,
}

/// A field that a test sets, removes or has a column for.
#[derive(Debug)]
pub(crate) struct UsedPath {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) path: String,
}
