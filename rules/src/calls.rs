//! Calls whose arguments can be judged as they stand: patterns, time zones, and quotients without an end.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use rust_decimal::Decimal;

use crate::dates::Moment;
use crate::pattern;
use crate::typing::Misreading;

/// The errors in a script's calls.
pub(crate) fn check(ast: &AST) -> Vec<Misreading> {
    let mut findings = Vec::new();
    ast.walk(&mut |path| {
        let call = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                judge(call, 1)
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => judge(call, 0),
            _ => None,
        };
        findings.extend(call);
        true
    });
    findings
}

/// What is wrong with a call whose argument after the value it is about has the number `next`.
fn judge(call: &FnCallExpr, next: usize) -> Option<Misreading> {
    let argument = call.args.get(next);
    let found = |position, code, message: String, help: &str| {
        Some(Misreading { position, code, message, help: Some(help.to_owned()), is_warning: false })
    };
    match (call.name.as_str(), argument) {
        ("matches", Some(Expr::StringConstant(text, position))) => {
            let problem = pattern::whole(text).err()?;
            found(*position, "pattern", format!("'{text}' is {problem}"), "a pattern matches the whole text")
        }
        ("matches", Some(other)) if !is_parameter(other) => {
            let message = "the pattern of matches must be written out, or be a parameter".to_owned();
            found(other.start_position(), "pattern", message, "to search a text, use contains or starts_with")
        }
        ("weekday" | "hour", Some(Expr::StringConstant(zone, position))) => {
            let problem = Moment::parse("2026-11-22T00:00:00Z").ok()?.weekday(zone).err()?;
            found(*position, "time-zone", problem, "zones are named after cities: Europe/Berlin")
        }
        _ => None,
    }
}

/// A chain of names that does not begin with what a task brings.
fn is_parameter(expr: &Expr) -> bool {
    let mut root = expr;
    while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = root {
        root = &parts.lhs;
    }
    let is_chain = matches!(expr, Expr::Dot(..) | Expr::Index(..));
    matches!(root, Expr::Variable(variable, ..) if is_chain && variable.1 != "order" && variable.1 != "task")
}

/// The divisions whose quotient may have no end: by anything but a number made of twos and fives.
pub(crate) fn endless_quotients(ast: &AST) -> Vec<Position> {
    let mut places = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position))) = path.last()
            && call.is_operator_call()
            && call.name == "/"
            && let [_, divisor] = call.args.as_slice()
            && !ends(divisor)
        {
            places.push(*position);
        }
        true
    });
    places
}

fn ends(divisor: &Expr) -> bool {
    let number = match divisor {
        Expr::IntegerConstant(number, _) => Decimal::from(*number),
        Expr::DynamicConstant(value, _) => value.as_decimal().unwrap_or_default(),
        _ => return false,
    };
    let mut rest = number.normalize().mantissa();
    for factor in [2, 5] {
        while rest != 0 && rest % factor == 0 {
            rest /= factor;
        }
    }
    rest.abs() == 1
}
