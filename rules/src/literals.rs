//! Comparisons with a text or a number that the other side never is: `hour(…) > 23`, `"order.country" == "KP"`,
//! `[…, "KP, SY"]`.
//!
//! A rule with one works and guards nothing.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position};
use rust_decimal::Decimal;

use crate::always::{Literal, literal, turned};
use crate::typing::Misreading;
use crate::{compare, lists};

/// The functions that give whole numbers: the least and the greatest.
const WHOLE: [(&str, Option<i64>, Option<i64>); 10] = [
    ("ceiling", None, None),
    ("days_between", None, None),
    ("floor", None, None),
    ("hour", Some(0), Some(23)),
    ("hours_between", None, None),
    ("index_of", Some(-1), None),
    ("int", None, None),
    ("len", Some(0), None),
    ("parse_int", None, None),
    ("weekday", Some(1), Some(7)),
];

/// The findings of a script.
pub(crate) fn check(ast: &AST) -> Vec<Misreading> {
    let mut findings = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position))) = path.last() {
            findings.extend(empty_range(call, *position));
            match (call.name.as_str(), call.args.as_slice()) {
                ("contains", [Expr::Array(entries, place), asked]) => {
                    findings.extend(
                        entries.is_empty().then(|| {
                            told("never-true", *place, "nothing is in an empty list".to_owned(), "")
                        }),
                    );
                    findings.extend(entries.iter().filter_map(joined));
                    findings.extend(entries.iter().chain([asked]).filter_map(odd));
                }
                ("contains", [_, asked]) => findings.extend(odd(asked)),
                (operator, [left, right]) if call.is_operator_call() && turned(operator).is_some() => {
                    findings.extend([left, right].into_iter().filter_map(odd));
                    findings.extend(constant(call, *position).or_else(|| never_given(call, *position)));
                }
                _ => {}
            }
        }
        true
    });
    findings
}

fn told(code: &'static str, position: Position, message: String, help: &str) -> Misreading {
    let help = Some(help.to_owned()).filter(|help| !help.is_empty());
    Misreading { position, code, message, help, is_warning: false }
}

fn warned(code: &'static str, position: Position, message: String, help: &str) -> Misreading {
    Misreading { is_warning: true, ..told(code, position, message, help) }
}

/// `5..0`.
fn empty_range(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let [Expr::IntegerConstant(from, _), Expr::IntegerConstant(to, _)] = call.args.as_slice() else {
        return None;
    };
    let is_empty = match call.name.as_str() {
        ".." => from >= to,
        "..=" => from > to,
        _ => false,
    };
    let message = || format!("the range {from}{}{to} is empty", call.name);
    is_empty.then(|| told("never-true", position, message(), "write the smaller number first"))
}

/// `"a" == "b"`.
fn constant(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let [left, right] = call.args.as_slice() else { return None };
    let ordering = literal(left)?.partial_cmp(&literal(right)?)?;
    let holds = compare::holds(&call.name, ordering);
    let code = if holds { "always-true" } else { "never-true" };
    Some(told(code, position, format!("both sides are written out, so this is always {holds}"), ""))
}

/// `hour(task.now, "Europe/Berlin") == 24`, `order.note.len() < 0`, `money(order.amount) == "5"`.
fn never_given(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let [left, right] = call.args.as_slice() else { return None };
    let (given, literal, operator) = match (literal(left), literal(right)) {
        (None, Some(literal)) => (left, literal, call.name.as_str()),
        (Some(literal), None) => (right, literal, turned(&call.name)?),
        _ => return None,
    };
    let given = called(given)?;
    let (what, holds) = match &literal {
        Literal::Text(text) if given.name == "money" && given.args.len() == 1 => {
            let is_other = matches!(operator, "==" | "!=") && !is_amount(text);
            ("texts with two decimal places or more".to_owned(), is_other.then(|| operator == "!=")?)
        }
        Literal::Text(_) => return None,
        Literal::Number(number) => {
            let (_, least, greatest) = WHOLE.iter().find(|(name, ..)| *name == given.name)?;
            let what = match (least, greatest) {
                (Some(least), Some(greatest)) => format!("whole numbers from {least} to {greatest}"),
                (Some(least), None) => format!("whole numbers from {least}"),
                _ => "whole numbers".to_owned(),
            };
            (what, answer(operator, *number, *least, *greatest)?)
        }
    };
    let code = if holds { "always-true" } else { "never-true" };
    Some(told(code, position, format!("{} gives {what}, so this is always {holds}", given.name), ""))
}

/// The answer of a comparison with a number, if it is the same for every whole number between these.
fn answer(operator: &str, number: Decimal, least: Option<i64>, greatest: Option<i64>) -> Option<bool> {
    let (least, greatest) = (least.map(Decimal::from), greatest.map(Decimal::from));
    let near = [number.floor(), number.ceil()];
    let samples = near.into_iter().chain(near.map(|near| near - Decimal::ONE));
    let samples = samples.chain(near.map(|near| near + Decimal::ONE)).chain(least).chain(greatest);
    let is_given = |sample: &Decimal| {
        least.is_none_or(|least| *sample >= least) && greatest.is_none_or(|greatest| *sample <= greatest)
    };
    let mut answers = samples.filter(is_given).map(|sample| compare::holds(operator, sample.cmp(&number)));
    let first = answers.next()?;
    answers.all(|answer| answer == first).then_some(first)
}

/// The call that gives an expression's value: the last of a chain.
fn called(expr: &Expr) -> Option<&FnCallExpr> {
    match expr {
        Expr::FnCall(call, _) | Expr::MethodCall(call, _) => Some(call),
        Expr::Dot(parts, ..) => called(&parts.rhs),
        _ => None,
    }
}

/// What `money` gives: `5.00`.
fn is_amount(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.strip_prefix('-').unwrap_or(text).split_once('.');
    parts.is_some_and(|(whole, places)| is_number(whole) && is_number(places) && places.len() > 1)
}

/// A text in quotes that no order has as it stands.
fn odd(expr: &Expr) -> Option<Misreading> {
    let Some(Literal::Text(text)) = literal(expr) else { return None };
    let position = expr.start_position();
    let of_fact = ["order.", "task.", "lists."].iter().find_map(|start| text.strip_prefix(start));
    let is_path = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if of_fact.is_some_and(|rest| !rest.is_empty() && is_path(rest)) {
        let message = format!("\"{text}\" in quotes is a text, not the fact");
        return Some(warned("quoted-name", position, message, &format!("write {text} without quotes")));
    }
    if text.trim() != text && !text.trim().is_empty() {
        let message = format!("{} begins or ends with a blank or a line break", quoted(&text));
        return Some(warned("blank-at-end", position, message, "delete it, unless orders have it too"));
    }
    if let Some(other) = lists::look_alike(&text) {
        let message =
            format!("'{text}' holds '{other}' (U+{:04X}), which is not a Latin letter", u32::from(other));
        return Some(warned("look-alike", position, message, "type the text again, with Latin letters"));
    }
    None
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `"KP, SY"` as one entry of a list that is written out.
fn joined(expr: &Expr) -> Option<Misreading> {
    let Some(Literal::Text(text)) = literal(expr) else { return None };
    let message = || format!("'{text}' is one entry, but looks like several");
    lists::looks_joined(text.trim())
        .then(|| warned("joined-entries", expr.start_position(), message(), "put each entry in quotes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_order_ever_is_is_told() {
        let engine = crate::engine::new();
        let mut scope = rhai::Scope::new();
        for name in ["order", "task", "lists"] {
            scope.push(name, ());
        }
        for (condition, codes) in [
            ("hour(task.now, \"Europe/Berlin\") > 23", "never-true"),
            ("24 != hour(task.now, \"Europe/Berlin\")", "always-true"),
            ("weekday(task.now, \"Europe/Berlin\") == 0", "never-true"),
            ("order.note.trim().len() < 0", "never-true"),
            ("order.items.len() >= 0", "always-true"),
            ("order.note.index_of(\"x\") < -1", "never-true"),
            ("floor(order.amount) == 10.5", "never-true"),
            ("money(order.amount) == \"10\"", "never-true"),
            ("money(order.amount) != \"10.0\"", "always-true"),
            ("\"order.country\" in lists.bad", "quoted-name"),
            ("order.country == \"lists.bad\"", "quoted-name"),
            ("order.country == \"KP\\n\"", "blank-at-end"),
            ("order.country in [\"KP\", \" SY\"]", "blank-at-end"),
            ("order.country == \"\u{405}Y\"", "look-alike"),
            ("order.country == \"\u{ff33}\u{ff39}\"", "look-alike"),
            ("order.country in [\"KP SY\"]", "joined-entries"),
            ("order.country in [\"KP,SY\", \"IR\"]", "joined-entries"),
            ("order.country in []", "never-true"),
            ("order.amount in 10..=9", "never-true"),
            ("order.amount in 5..5", "never-true"),
            ("\"order\" == \"\"", "never-true"),
            ("5 < 6", "always-true"),
            ("hour(task.now, \"Europe/Berlin\") >= 22", ""),
            ("weekday(task.now, \"Europe/Berlin\") > 5", ""),
            ("order.items.len() > 0", ""),
            ("order.note.index_of(\"x\") >= 0", ""),
            ("floor(order.amount) <= 10.5", ""),
            ("days_between(order.since, task.now) < 0", ""),
            ("money(order.amount) == \"-10.00\" || money(order.amount, 0) == \"10\"", ""),
            ("order.title == \"order.\" || order.title == \"order. now\"", ""),
            ("order.name in [\"Smith\", \"New York\", \"\u{421}\u{43e}\u{444}\u{438}\u{44f}\"]", ""),
            ("order.note == \" \" || order.note == \"\"", ""),
            ("order.amount in 1..10 && order.amount in 5..=5", ""),
        ] {
            let ast = engine.compile_expression_with_scope(&scope, condition).unwrap();
            let found: Vec<&str> = check(&ast).iter().map(|found| found.code).collect();
            assert_eq!(found.join(" "), codes, "{condition}");
        }
    }
}
