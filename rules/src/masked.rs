//! Masked facts that a verdict's text would show: the text is stored, logged and sent to the workflow.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::compiled::Compiled;
use crate::ending;
use crate::rule::Rule;
use crate::schema::{Schema, Shape, Type};

/// Each masked fact, or one derived of it, that a rule puts into a verdict: its path and where.
pub(crate) fn shown(rule: &Rule, schema: &Schema, derived: &[Compiled]) -> Vec<(String, Position)> {
    let mut found = Vec::new();
    let of_masked: Vec<&str> = schema
        .derived
        .iter()
        .zip(derived)
        .filter(|(_, ast)| reads_masked(ast, schema))
        .map(|(derived, _)| derived.name.as_str())
        .collect();
    rule.ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(chain @ Expr::Dot(..))) = path.last()
            && path.iter().any(is_verdict)
            && let Some(names) = names(chain)
            && (is_masked(&schema.fields, &names) || of_masked.contains(&names[0]))
        {
            found.push((format!("order.{}", names.join(".")), chain.start_position()));
        }
        true
    });
    found
}

fn reads_masked(ast: &AST, schema: &Schema) -> bool {
    let mut reads = false;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(chain @ Expr::Dot(..))) = path.last()
            && let Some(names) = names(chain)
        {
            reads |= is_masked(&schema.fields, &names);
        }
        true
    });
    reads
}

fn is_verdict(node: &ASTNode<'_>) -> bool {
    let ends = |call: &FnCallExpr| ending::NAMES.contains(&call.name.as_str());
    match node {
        ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) => ends(call),
        _ => false,
    }
}

/// The names after `order.` in a plain chain of fields.
fn names(chain: &Expr) -> Option<Vec<&str>> {
    let Expr::Dot(parts, ..) = chain else { return None };
    let Expr::Variable(variable, ..) = &parts.lhs else { return None };
    if variable.1 != "order" {
        return None;
    }
    let (mut names, mut rest) = (Vec::new(), &parts.rhs);
    loop {
        match rest {
            Expr::Property(property, _) => {
                names.push(property.2.as_str());
                return Some(names);
            }
            Expr::Dot(parts, ..) => {
                let Expr::Property(property, _) = &parts.lhs else { return Some(names) };
                names.push(property.2.as_str());
                rest = &parts.rhs;
            }
            _ => return Some(names),
        }
    }
}

fn is_masked(fields: &std::collections::BTreeMap<String, Shape>, names: &[&str]) -> bool {
    let Some((name, rest)) = names.split_first() else { return false };
    match fields.get(*name) {
        None => false,
        Some(shape) if shape.masked => true,
        Some(shape) => matches!(&shape.kind, Type::Record(fields) if is_masked(fields, rest)),
    }
}
