//! Conditions that are true, or false, of every order: `a != 1 || a != 2`, `a == 1 && a == 2`, `a.contains("")`.
//!
//! Their author means another operator. The one approves everything, the other guards against nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position};
use rust_decimal::Decimal;

use crate::compare;
use crate::limits::Case;
use crate::typing::Misreading;

/// The findings of a script.
pub(crate) fn check(ast: &AST) -> Vec<Misreading> {
    let mut findings = Vec::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Or(parts, _))) => findings.extend(clash(parts, true)),
            Some(ASTNode::Expr(Expr::And(parts, _))) => findings.extend(clash(parts, false)),
            Some(ASTNode::Expr(Expr::FnCall(call, position))) => {
                findings.extend(with_itself(call, *position).or_else(|| other_case(call, *position)))
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                findings.extend(of_nothing(call, *position))
            }
            _ => {}
        }
        true
    });
    findings
}

/// A condition about one fact: a comparison with a literal, membership in a list that is written out, or several of them.
enum About<'a> {
    Compared(&'a str, Literal<'a>),
    Among(Vec<Literal<'a>>),
    Not(Box<About<'a>>),
    All(Vec<About<'a>>),
    Any(Vec<About<'a>>),
}

/// A value that is written out.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) enum Literal<'a> {
    Number(Decimal),
    Text(Cow<'a, str>),
}

impl<'a> About<'a> {
    /// The condition, and the fact that it is about.
    fn of(expr: &'a Expr) -> Option<(String, About<'a>)> {
        match expr {
            Expr::And(parts, _) => About::parts(parts).map(|(fact, parts)| (fact, About::All(parts))),
            Expr::Or(parts, _) => About::parts(parts).map(|(fact, parts)| (fact, About::Any(parts))),
            Expr::FnCall(call, _) => match (call.name.as_str(), call.args.as_slice()) {
                ("!", [inner]) => About::of(inner).map(|(fact, about)| (fact, About::Not(Box::new(about)))),
                ("contains", [Expr::Array(entries, _), fact]) => {
                    let entries = entries.iter().map(literal).collect::<Option<_>>()?;
                    Some((chain(fact)?, About::Among(entries)))
                }
                (operator, [left, right]) if call.is_operator_call() => {
                    let (fact, literal, operator) = match (literal(left), literal(right)) {
                        (None, Some(literal)) => (left, literal, operator),
                        (Some(literal), None) => (right, literal, turned(operator)?),
                        _ => return None,
                    };
                    let is_comparison = turned(operator).is_some();
                    Some((chain(fact).filter(|_| is_comparison)?, About::Compared(operator, literal)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn parts(parts: &'a [Expr]) -> Option<(String, Vec<About<'a>>)> {
        let mut all = parts.iter().map(About::of).collect::<Option<Vec<_>>>()?;
        let (fact, _) = all.first()?;
        let fact = fact.clone();
        let is_one = all.iter().all(|(other, _)| *other == fact);
        is_one.then(|| (fact, all.drain(..).map(|(_, about)| about).collect()))
    }

    /// Whether it is true of a value.
    fn holds(&self, value: &Literal<'_>) -> bool {
        match self {
            About::Compared(operator, literal) => {
                value.partial_cmp(literal).is_some_and(|ordering| compare::holds(operator, ordering))
            }
            About::Among(entries) => entries.contains(value),
            About::Not(inner) => !inner.holds(value),
            About::All(parts) => parts.iter().all(|part| part.holds(value)),
            About::Any(parts) => parts.iter().any(|part| part.holds(value)),
        }
    }

    fn literals(&self, found: &mut Vec<Literal<'a>>) {
        match self {
            About::Compared(_, literal) => found.push(literal.clone()),
            About::Among(entries) => found.extend(entries.iter().cloned()),
            About::Not(inner) => inner.literals(found),
            About::All(parts) | About::Any(parts) => parts.iter().for_each(|part| part.literals(found)),
        }
    }
}

/// Each of these values, and one between every two neighbours and beyond both ends: no other value can be told from all
/// of them by comparisons. None if they are of two types.
fn samples<'a>(mut literals: Vec<Literal<'a>>) -> Option<Vec<Literal<'a>>> {
    let is_number = matches!(literals.first()?, Literal::Number(_));
    if literals.iter().any(|literal| matches!(literal, Literal::Number(_)) != is_number) {
        return None;
    }
    literals.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    literals.dedup();
    let mut samples = Vec::new();
    for (n, literal) in literals.iter().enumerate() {
        match (literal, n.checked_sub(1).map(|before| &literals[before])) {
            (Literal::Number(number), None) => {
                samples.push(Literal::Number(number.checked_sub(Decimal::ONE)?))
            }
            (Literal::Number(number), Some(Literal::Number(before))) => {
                samples.push(Literal::Number(before.checked_add(*number)?.checked_div(Decimal::TWO)?));
            }
            // Before the first text there is the empty one, and after each text the same with a character more.
            (Literal::Text(_), None) => samples.push(Literal::Text("".into())),
            _ => {}
        }
        samples.push(literal.clone());
        match literal {
            Literal::Text(text) => samples.push(Literal::Text(format!("{text}\0").into())),
            Literal::Number(number) if n + 1 == literals.len() => {
                samples.push(Literal::Number(number.checked_add(Decimal::ONE)?));
            }
            Literal::Number(_) => {}
        }
    }
    Some(samples)
}

/// Conditions about one fact that are always true together (of an Or), or never (of an And).
fn clash(parts: &[Expr], is_or: bool) -> Option<Misreading> {
    let mut by_fact: BTreeMap<String, Vec<(About<'_>, Position)>> = BTreeMap::new();
    for part in parts {
        if let Some((fact, about)) = About::of(part) {
            by_fact.entry(fact).or_default().push((about, place(part)));
        }
    }
    for (fact, conditions) in by_fact.into_iter().filter(|(_, conditions)| conditions.len() > 1) {
        let mut literals = Vec::new();
        conditions.iter().for_each(|(about, _)| about.literals(&mut literals));
        let Some(samples) = samples(literals) else { continue };
        let mut answers = samples.iter().map(|value| {
            let mut answers = conditions.iter().map(|(about, _)| about.holds(value));
            if is_or { answers.any(|holds| holds) } else { answers.all(|holds| holds) }
        });
        if answers.any(|answer| answer != is_or) {
            continue;
        }
        let (code, word, other) =
            if is_or { ("always-true", "true", "&&") } else { ("never-true", "false", "||") };
        let message = format!("whatever {fact} is, this is {word}");
        let help = Some(format!("did you mean {other}?"));
        let position = conditions.last()?.1;
        return Some(Misreading { position, code, message, help, is_warning: false });
    }
    None
}

/// Where a condition is: an operator's own place.
fn place(expr: &Expr) -> Position {
    match expr {
        Expr::FnCall(call, position) if position.is_none() => {
            call.args.first().map_or(*position, Expr::start_position)
        }
        Expr::FnCall(_, position) => *position,
        other => other.start_position(),
    }
}

/// `order.a == order.a`.
fn with_itself(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let [left, right] = call.args.as_slice() else { return None };
    let code = match call.name.as_str() {
        "==" | "<=" | ">=" => "always-true",
        "!=" | "<" | ">" => "never-true",
        _ => return None,
    };
    let fact = chain(left).filter(|fact| call.is_operator_call() && chain(right).as_ref() == Some(fact))?;
    let message = format!("{fact} is compared with itself");
    Some(Misreading { position, code, message, help: None, is_warning: false })
}

/// The case of a text that ends in `.to_lower()` or `.to_upper()`.
pub(crate) fn cased(expr: &Expr) -> Option<Case> {
    match expr {
        Expr::Dot(parts, ..) => cased(&parts.rhs),
        Expr::MethodCall(call, _) | Expr::FnCall(call, _) if call.name == "to_lower" => Some(Case::Lower),
        Expr::MethodCall(call, _) | Expr::FnCall(call, _) if call.name == "to_upper" => Some(Case::Upper),
        _ => None,
    }
}

/// `order.country.to_lower() == "KP"`.
fn other_case(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let [left, right] = call.args.as_slice() else { return None };
    let (case, text) = match (cased(left), literal(right), cased(right), literal(left)) {
        (Some(case), Some(Literal::Text(text)), ..) | (.., Some(case), Some(Literal::Text(text))) => {
            (case, text)
        }
        _ => return None,
    };
    let is_told = call.is_operator_call() && matches!(call.name.as_str(), "==" | "!=") && !case.fits(&text);
    let code = if call.name == "==" { "never-true" } else { "always-true" };
    is_told.then(|| Misreading {
        position,
        code,
        message: format!("{} never gives '{text}'", case.function()),
        help: Some("write the text in the same case".to_owned()),
        is_warning: false,
    })
}

/// `order.note.contains("")`.
fn of_nothing(call: &FnCallExpr, position: Position) -> Option<Misreading> {
    let asks = matches!(call.name.as_str(), "contains" | "starts_with" | "ends_with");
    let is_empty = matches!(call.args.first(), Some(Expr::StringConstant(text, _)) if text.is_empty());
    (asks && is_empty).then(|| Misreading {
        position,
        code: "always-true",
        message: format!("every text has \"\" in it, so {} is always true", call.name),
        help: Some("whether a text is empty: text.is_empty()".to_owned()),
        is_warning: false,
    })
}

pub(crate) fn literal(expr: &Expr) -> Option<Literal<'_>> {
    match expr {
        Expr::IntegerConstant(number, _) => Some(Literal::Number((*number).into())),
        Expr::DynamicConstant(value, _) => value.as_decimal().ok().map(Literal::Number),
        Expr::StringConstant(text, _) => Some(Literal::Text(text.as_str().into())),
        _ => None,
    }
}

/// The comparison with its sides exchanged; none if it is no comparison.
pub(crate) fn turned(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "==" => "==",
        "!=" => "!=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    })
}

/// A variable, or fields of one: an expression that has the same value everywhere in one condition.
fn chain(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::Dot(parts, ..) => Some(format!("{}.{}", chain(&parts.lhs)?, chain(&parts.rhs)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_or_false_of_every_order_is_told() {
        let engine = crate::engine::new();
        let mut scope = rhai::Scope::new();
        scope.push("order", ());
        for (condition, codes) in [
            ("order.a != \"KP\" || order.a != \"SY\"", "always-true"),
            ("\"KP\" != order.a || order.b || order.a != \"SY\"", "always-true"),
            ("!(order.a == 1 && order.a == 2)", "never-true"),
            ("order.a == \"KP\" && order.c > 5 && order.a == \"SY\"", "never-true"),
            ("order.a <= 100 || order.a > 50", "always-true"),
            ("order.a < 100 || order.a >= 100.00", "always-true"),
            ("order.a > 100 && order.a < 50", "never-true"),
            ("5 > order.a && 7 < order.a", "never-true"),
            ("order.a == order.a", "always-true"),
            ("order.x.y > order.x.y", "never-true"),
            ("order.a.contains(\"\")", "always-true"),
            ("order.a.starts_with(\"\") && order.b", "always-true"),
            ("order.a.to_lower() == \"KP\"", "never-true"),
            ("\"kp\" != order.a.trim().to_upper()", "always-true"),
            ("!(order.a == \"KP\") || !(order.a == \"SY\")", "always-true"),
            ("order.a !in [\"KP\"] || order.a !in [\"SY\", \"IR\"]", "always-true"),
            ("order.a in [\"KP\", \"SY\"] && order.a in [\"DE\"]", "never-true"),
            ("order.b || (order.a != 1 || order.a != 2) || order.c", "always-true"),
            ("order.a < 10 || order.a == 10 || order.a > 10", "always-true"),
            ("order.a >= 5 && order.a != 5 && order.a <= 5", "never-true"),
            ("(order.a > 5 || order.a < 3) && order.a == 4", "never-true"),
            ("(order.a == 1 || order.a == 2) && (order.a == 3 || order.a == 4)", "never-true"),
            ("order.a > 1 && order.a < 2", ""),
            ("order.a > \"a\" && order.a < \"b\"", ""),
            ("order.a in [\"KP\", \"SY\"] && order.a != \"KP\"", ""),
            ("order.a !in [\"KP\"] || order.a !in [\"KP\", \"SY\"]", ""),
            ("!(order.a == \"KP\" || order.a == \"SY\")", ""),
            ("order.a.to_lower() == \"kp-1\"", ""),
            ("order.a != \"KP\" && order.a != \"SY\"", ""),
            ("order.a == \"KP\" || order.a == \"SY\"", ""),
            ("order.a == \"KP\" || order.b != \"SY\"", ""),
            ("order.a > 50 && order.a < 100", ""),
            ("order.a < 50 || order.a > 100", ""),
            ("order.a < 100 || order.a > 100", ""),
            ("order.a == order.b", ""),
            ("order.a[0] != 1 || order.a[1] != 2", ""),
            ("order.a.len() != 1 || order.b.len() != 2", ""),
            ("order.a.contains(\"x\") || order.a.is_empty()", ""),
        ] {
            let ast = engine.compile_expression_with_scope(&scope, condition).unwrap();
            let found: Vec<&str> = check(&ast).iter().map(|found| found.code).collect();
            assert_eq!(found.join(" "), codes, "{condition}");
        }
    }
}
