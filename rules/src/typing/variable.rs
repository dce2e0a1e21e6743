//! A variable of a script, and which variables a script changes.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::known::{Implied, Known};

/// A variable of the script.
#[derive(Debug)]
pub(super) struct Variable<'a> {
    pub(super) name: String,
    pub(super) known: Known<'a>,
    /// What it makes sure of, where it holds a condition.
    pub(super) implied: Implied,
    pub(super) position: Position,
    pub(super) is_used: bool,
}

/// The names that a script assigns to.
pub(super) fn assigned(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(parts))) = path.last()
            && let Expr::Variable(variable, ..) = &parts.1.lhs
        {
            names.insert(variable.1.to_string());
        }
        true
    });
    names
}
