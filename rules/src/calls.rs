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
            Some(ASTNode::Expr(Expr::Index(parts, ..))) => before_the_first(&parts.rhs),
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
        ("/" | "%", Some(divisor)) | ("divide", Some(divisor)) if number(divisor)?.is_zero() => {
            fails(divisor.start_position(), "this divides by 0", "say what applies instead")
        }
        ("**", Some(exponent)) if !number(exponent)?.is_integer() => {
            fails(exponent.start_position(), "the exponent of ** is a whole number", "multiply instead")
        }
        _ => None,
    }
}

/// An error for a line that fails for every order.
fn fails(position: Position, message: &str, help: &str) -> Option<Misreading> {
    let (message, help) = (message.to_owned(), Some(help.to_owned()));
    Some(Misreading { position, code: "always-fails", message, help, is_warning: false })
}

/// `list[-1]`.
fn before_the_first(index: &Expr) -> Option<Misreading> {
    let mut first = index;
    while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = first {
        first = &parts.lhs;
    }
    let is_negative = matches!(first, Expr::IntegerConstant(place, _) if *place < 0);
    let help = "entries are counted from 0; the last one is list[list.len() - 1]";
    is_negative.then(|| fails(first.start_position(), "no entry has a negative number", help)).flatten()
}

/// A number that is written out.
fn number(expr: &Expr) -> Option<Decimal> {
    match expr {
        Expr::IntegerConstant(number, _) => Some((*number).into()),
        Expr::DynamicConstant(value, _) => value.as_decimal().ok(),
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
    let Some(number) = number(divisor) else { return false };
    let mut rest = number.normalize().mantissa();
    for factor in [2, 5] {
        while rest != 0 && rest % factor == 0 {
            rest /= factor;
        }
    }
    // A division by 0 is reported elsewhere.
    rest.abs() <= 1
}
