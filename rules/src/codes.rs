//! Every verdict that a ruleset can give, by name: the labels of a metric.

use std::collections::BTreeSet;

use rhai::{ASTNode, Expr, FnCallExpr, Stmt};

use crate::header::Mode;
use crate::ruleset::Ruleset;
use crate::verdict::Outcome;

/// A verdict by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    /// The rule that gives it.
    pub rule: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// Its code.
    pub code: String,
}

impl Ruleset {
    /// The verdicts that its active rules write out, as `reject("sanctioned-country", …)`: a ruleset whose scripts compute
    /// a code does not load. The codes of failures are not among them.
    pub fn named_verdicts(&self) -> BTreeSet<Named> {
        let mut named = BTreeSet::new();
        for rule in self.rules.iter().filter(|rule| rule.header.mode == Mode::Active) {
            rule.ast.walk(&mut |path| {
                if let Some(
                    ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
                    | ASTNode::Stmt(Stmt::FnCall(call, _)),
                ) = path.last()
                    && let Some((outcome, code)) = written_out(call)
                {
                    named.insert(Named { rule: rule.header.id.clone(), outcome, code });
                }
                true
            });
        }
        named
    }
}

fn written_out(call: &FnCallExpr) -> Option<(Outcome, String)> {
    let outcome = Outcome::parse(&call.name)?;
    match call.args.first() {
        Some(Expr::StringConstant(code, _)) => Some((outcome, code.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_out_verdict_is_named() {
        let script = "//! id: limits\n\
                      fn stop(order) { reject(\"blocked\", \"no\"); }\n\
                      if order.amount > 100 { escalate(\"over-limit\", `${order.amount}`); }\n\
                      if order.a { approve(\"small\") } else if order.b { approve(\"known\"); } else { stop(order) }";
        let files = [
            ("rules/limits.rhai", script),
            ("rules/other.rhai", "if order.c { approve(\"small\"); }"),
            ("rules/shadow.rhai", "//! mode: shadow\nreject(\"never\", \"no\");"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let named = Ruleset::from_files(files.into()).unwrap().named_verdicts();
        let named: Vec<String> = named
            .iter()
            .map(|named| format!("{} {} {}", named.rule, named.outcome.as_str(), named.code))
            .collect();
        assert_eq!(
            named,
            [
                "limits approve known",
                "limits approve small",
                "limits reject blocked",
                "limits escalate over-limit",
                "other approve small"
            ]
        );
    }
}
