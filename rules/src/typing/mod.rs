//! Checks what a script does with the values it reads: names, types, fields that may be missing, lists
//! that may be empty, values that nothing uses.

mod access;
mod apply;
mod asked;
mod callbacks;
mod calls;
mod chain;
mod checker;
mod comparisons;
mod fields;
mod functions;
mod known;
mod limits;
mod methods;
mod misreading;
mod presence;
mod scopes;
mod signatures;
mod statements;
mod variable;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

pub(crate) use self::asked::asked_lists;
pub(crate) use self::fields::Fields;
pub(crate) use self::known::Known;
pub(crate) use self::misreading::Misreading;
use crate::compiled::is_nameless;
use checker::Checker;

/// The errors that check refuses and that a ruleset can be run with: where such a line runs, it is an error, does nothing,
/// or says what it said before. Rulesets that were accepted before check knew them still load.
pub(crate) const DOUBTS: [&str; 6] =
    ["type-mismatch", "lost-value", "always-fails", "always-true", "never-true", "reserved-code"];

/// The findings of a rule's script. `when`, its condition, is true where the script runs.
pub(crate) fn check_rule(fields: &Fields<'_>, ast: &AST, when: Option<&AST>) -> Vec<Misreading> {
    let mut checker = Checker::new(fields, ast);
    if let Some(condition) = when.and_then(expression) {
        let implied = checker.implied(condition);
        checker.sure.extend(implied.yes);
    }
    checker.block(ast.statements(), false);
    unused_functions(&mut checker, ast);
    checker.findings()
}

/// The findings of a condition: `when`, and what must never happen.
pub(crate) fn check_condition(fields: &Fields<'_>, ast: &AST) -> Vec<Misreading> {
    let mut checker = Checker::new(fields, ast);
    if let Some(condition) = expression(ast) {
        checker.condition(condition);
    }
    checker.findings()
}

/// The findings of an expression, and what is known of its value.
pub(crate) fn check_expression<'a>(fields: &Fields<'a>, ast: &AST) -> (Known<'a>, Vec<Misreading>) {
    let mut checker = Checker::new(fields, ast);
    let known = expression(ast).map_or(Known::Anything, |expression| checker.value(expression));
    (known, checker.findings())
}

fn expression(ast: &AST) -> Option<&Expr> {
    match ast.statements() {
        [Stmt::Expr(expression)] => Some(expression),
        _ => None,
    }
}

/// Functions with a name that nothing calls; they are checked all the same, for any values.
fn unused_functions(checker: &mut Checker<'_, '_>, ast: &AST) {
    let mut called = Vec::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))) => {
                called.push(call.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => called.push(call.name.to_string()),
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) => called.push(variable.1.to_string()),
            _ => {}
        }
        true
    });
    for function in ast.iter_functions() {
        // A function with a predefined name is reported as a redefinition.
        if is_nameless(function.name)
            || checker.signatures.know(function.name)
            || called.iter().any(|name| name == function.name)
        {
            continue;
        }
        checker.apply(function.name, vec![Known::Anything; function.params.len()]);
        let message = format!("nothing calls the function '{}'", function.name);
        checker.warn(Position::NONE, "unused-function", message).help =
            Some("call it, or delete it".to_owned());
    }
}
