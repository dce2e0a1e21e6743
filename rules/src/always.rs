//! Conditions that are true, or false, of every order: `a != 1 || a != 2`, `a == 1 && a == 2`, `a.contains("")`.
//!
//! Their author means another operator. The one approves everything, the other guards against nothing.

use std::cmp::Ordering;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position};
use rust_decimal::Decimal;

use crate::compare;
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

/// A comparison of a fact with a literal.
struct Comparison<'a> {
    fact: String,
    operator: &'a str,
    literal: Literal<'a>,
    position: Position,
}

#[derive(PartialEq)]
enum Literal<'a> {
    Number(Decimal),
    Text(&'a str),
}

impl Comparison<'_> {
    fn of(expr: &Expr) -> Option<Comparison<'_>> {
        let Expr::FnCall(call, position) = expr else { return None };
        let [left, right] = call.args.as_slice() else { return None };
        let (fact, literal, operator) = match (literal(left), literal(right)) {
            (None, Some(literal)) => (left, literal, call.name.as_str()),
            (Some(literal), None) => (right, literal, turned(&call.name)?),
            _ => return None,
        };
        let is_comparison = matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">=");
        let fact = chain(fact).filter(|_| is_comparison && call.is_operator_call())?;
        Some(Comparison { fact, operator, literal, position: *position })
    }

    /// Whether the comparison is true of a value that stands so to its literal.
    fn holds(&self, ordering: Ordering) -> bool {
        compare::holds(self.operator, ordering)
    }
}

/// Two comparisons of one fact of which one always holds (of an Or), or which never hold both (of an And).
fn clash(parts: &[Expr], is_or: bool) -> Option<Misreading> {
    let comparisons: Vec<Comparison<'_>> = parts.iter().filter_map(Comparison::of).collect();
    for (place, second) in comparisons.iter().enumerate() {
        for first in comparisons[..place].iter().filter(|first| first.fact == second.fact) {
            if regions(first, second)?.iter().all(|(a, b)| {
                let (a, b) = (first.holds(*a), second.holds(*b));
                if is_or { a || b } else { !(a && b) }
            }) {
                let (code, word, other) =
                    if is_or { ("always-true", "true", "&&") } else { ("never-true", "false", "||") };
                let message = format!("whatever {} is, this is {word}", first.fact);
                let help = format!("did you mean {other}?");
                let position = second.position;
                return Some(Misreading { position, code, message, help: Some(help), is_warning: false });
            }
        }
    }
    None
}

/// How a value can stand to both literals.
fn regions(first: &Comparison<'_>, second: &Comparison<'_>) -> Option<Vec<(Ordering, Ordering)>> {
    use Ordering::{Equal, Greater, Less};
    let order = match (&first.literal, &second.literal) {
        (Literal::Number(a), Literal::Number(b)) => a.cmp(b),
        (Literal::Text(a), Literal::Text(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match order {
        Less => vec![(Less, Less), (Equal, Less), (Greater, Less), (Greater, Equal), (Greater, Greater)],
        Equal => vec![(Less, Less), (Equal, Equal), (Greater, Greater)],
        Greater => vec![(Less, Less), (Less, Equal), (Less, Greater), (Equal, Greater), (Greater, Greater)],
    })
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

/// The case in which a text is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Case {
    Upper,
    Lower,
}

impl Case {
    pub(crate) fn function(self) -> &'static str {
        match self {
            Case::Upper => "to_upper",
            Case::Lower => "to_lower",
        }
    }

    /// Whether a text can be in this case.
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            Case::Upper => text.to_uppercase() == text,
            Case::Lower => text.to_lowercase() == text,
        }
    }
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
    let is_told = call.is_operator_call() && matches!(call.name.as_str(), "==" | "!=") && !case.fits(text);
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

fn literal(expr: &Expr) -> Option<Literal<'_>> {
    match expr {
        Expr::IntegerConstant(number, _) => Some(Literal::Number((*number).into())),
        Expr::DynamicConstant(value, _) => value.as_decimal().ok().map(Literal::Number),
        Expr::StringConstant(text, _) => Some(Literal::Text(text)),
        _ => None,
    }
}

fn turned(operator: &str) -> Option<&'static str> {
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

/// A variable, or fields of one: what has the same value wherever it stands in one condition.
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
