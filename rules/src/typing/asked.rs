//! The lists that a script asks whether they have entries.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr};

use super::chain::Chain;

/// The paths of lists of the order of which a script asks `is_empty` or `len`.
pub(crate) fn asked_lists(ast: &AST) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(expr @ Expr::Dot(..))) = path.last() {
            paths.extend(asked(expr));
        }
        true
    });
    paths
}

fn asked(expr: &Expr) -> Option<String> {
    let chain = Chain::of(expr)?;
    let Expr::Variable(variable, ..) = chain.base else { return None };
    let (Expr::MethodCall(call, _), names) =
        chain.links.split_last().map(|(last, names)| (last.expr, names))?
    else {
        return None;
    };
    if variable.1 != "order" || !matches!(call.name.as_str(), "is_empty" | "len") {
        return None;
    }
    names.iter().try_fold("order".to_owned(), |path, link| match link.expr {
        Expr::Property(property, _) => Some(format!("{path}.{}", property.2)),
        _ => None,
    })
}
