//! Which statements end a rule, so that nothing after them runs.

use rhai::{Expr, FnCallExpr, Stmt};

use crate::ending;

/// The statement always ends the rule.
pub(crate) fn ends_the_rule(statement: &Stmt) -> bool {
    let is_verdict = |call: &FnCallExpr| ending::NAMES.contains(&call.name.as_str());
    match statement {
        Stmt::FnCall(call, _) => is_verdict(call),
        Stmt::Expr(expr) => matches!(&**expr, Expr::FnCall(call, _) if is_verdict(call)),
        // Also the end of a round of a loop.
        Stmt::Return(..) | Stmt::BreakLoop(..) => true,
        Stmt::Block(block) => block.statements().iter().any(ends_the_rule),
        Stmt::If(parts, _) => {
            let ends = |statements: &[Stmt]| statements.iter().any(ends_the_rule);
            ends(parts.body.statements()) && ends(parts.branch.statements())
        }
        _ => false,
    }
}
