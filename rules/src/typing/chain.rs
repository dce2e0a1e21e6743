//! `a.b[c].d()` as a base and its links: rhai's parser nests them to the right.

use rhai::{ASTFlags, Expr};

/// A base and what follows it.
#[derive(Debug)]
pub(super) struct Chain<'e> {
    pub(super) base: &'e Expr,
    pub(super) links: Vec<Link<'e>>,
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'e> {
    /// A property, a method call, or the expression in brackets.
    pub(super) expr: &'e Expr,
    /// It is in brackets.
    pub(super) is_entry: bool,
    /// `?.` and `?[`: of nothing they give nothing.
    pub(super) is_careful: bool,
}

impl<'e> Chain<'e> {
    /// The chain that an expression is, if it is one.
    pub(super) fn of(expr: &'e Expr) -> Option<Chain<'e>> {
        let mut rest = expr;
        let mut chain: Option<Chain<'e>> = None;
        loop {
            let (parts, flags, is_entry) = match rest {
                Expr::Dot(parts, flags, _) => (parts, flags, false),
                Expr::Index(parts, flags, _) => (parts, flags, true),
                _ => return chain,
            };
            let found = chain.get_or_insert_with(|| Chain { base: &parts.lhs, links: Vec::new() });
            let goes_on = !flags.contains(ASTFlags::BREAK);
            let next = match &parts.rhs {
                Expr::Dot(next, ..) | Expr::Index(next, ..) if goes_on => Some(&next.lhs),
                _ => None,
            };
            let is_careful = flags.contains(ASTFlags::NEGATED);
            found.links.push(Link { expr: next.unwrap_or(&parts.rhs), is_entry, is_careful });
            if next.is_none() {
                return chain;
            }
            rest = &parts.rhs;
        }
    }
}
