//! A finding in a script.

use rhai::Position;

/// One finding in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misreading {
    pub(crate) position: Position,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// It works, and its author should look.
    pub(crate) is_warning: bool,
}
