//! Masked facts, and the texts of verdicts that may tell one: such a text is never shown.
//!
//! What a text is made of is judged by the names in it, whichever record they stand in, and where that cannot be judged
//! the text counts as one that tells. Better a text too few than one too many.

mod texts;

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, Stmt};

use self::texts::Judge;
pub(crate) use self::texts::texts;
use crate::compiled::Compiled;
use crate::schema::{Schema, Shape, Type};

/// The names of the masked facts, and of those derived from them. A name that is masked anywhere counts everywhere.
pub(crate) fn names(schema: &Schema, derived: &[Compiled]) -> BTreeSet<String> {
    let mut masked = of_schema(schema);
    for (derived, script) in schema.derived.iter().zip(derived) {
        if reads(script, &masked) {
            masked.insert(derived.name.clone());
        }
    }
    masked
}

/// The names of the masked fields of an order.
pub(crate) fn of_schema(schema: &Schema) -> BTreeSet<String> {
    let mut masked = BTreeSet::new();
    masked_names(&schema.fields, &mut masked);
    masked
}

/// Those names, and also the derived facts of which it cannot be judged.
pub(crate) fn doubtful_names(
    schema: &Schema,
    derived: &[Compiled],
    shared: &BTreeSet<&str>,
) -> BTreeSet<String> {
    let mut masked = names(schema, derived);
    if masked.is_empty() {
        return masked;
    }
    for (derived, script) in schema.derived.iter().zip(derived) {
        let is_open = match script.statements() {
            [Stmt::Expr(expr)] => Judge::new(script, &masked, shared).is_open(expr),
            _ => false,
        };
        if !is_open {
            masked.insert(derived.name.clone());
        }
    }
    masked
}

fn masked_names(fields: &BTreeMap<String, Shape>, found: &mut BTreeSet<String>) {
    for (name, shape) in fields {
        if shape.masked {
            found.insert(name.clone());
        }
        let mut kind = &shape.kind;
        while let Type::List(element) = kind {
            if element.masked {
                found.insert(name.clone());
            }
            kind = &element.kind;
        }
        if let Type::Record(inner) = kind {
            masked_names(inner, found);
        }
    }
}

/// Whether a script names one of the masked facts.
pub(crate) fn reads(ast: &AST, masked: &BTreeSet<String>) -> bool {
    let is_masked = |expr: &Expr| match expr {
        Expr::Property(property, _) => masked.contains(property.2.as_str()),
        Expr::StringConstant(text, _) => masked.contains(text.as_str()),
        _ => false,
    };
    let mut reads = false;
    ast.walk(&mut |path| {
        reads |= match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)))
            | Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => call.args.iter().any(is_masked),
            Some(ASTNode::Expr(expr)) => is_masked(expr),
            _ => false,
        };
        true
    });
    reads
}
