//! Which rules of two rulesets must say the same: those are asked once.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr};

use crate::compile::SCHEMA_FILE;
use crate::rule::Rule;
use crate::ruleset::Ruleset;

/// For each rule of `new`, in its order, the place in `old` of a rule with the same file that reads the same facts,
/// parameters and lists.
pub(super) fn rules(old: &Ruleset, new: &Ruleset) -> Vec<Option<usize>> {
    let changed: BTreeSet<&String> = old
        .files
        .keys()
        .chain(new.files.keys())
        .filter(|path| old.files.get(*path) != new.files.get(*path))
        .collect();
    let is_changed = |name: &str| {
        changed.iter().any(|path| match name {
            "order" => path.as_str() == SCHEMA_FILE,
            "lists" => path.starts_with("lists/"),
            _ => **path == format!("params/{name}.toml"),
        })
    };
    let derived_changed = new.derived.iter().flat_map(names).any(|name| is_changed(&name));
    let place = |rule: &Rule| {
        let scripts = rule.when.iter().chain([&rule.ast]);
        let reads_changed = scripts.flat_map(names).any(|name| is_changed(&name));
        if reads_changed || derived_changed {
            return None;
        }
        old.rules.iter().position(|other| other.file == rule.file && other.text == rule.text)
    };
    new.rules.iter().map(place).collect()
}

/// Every variable that a script names.
fn names(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = path.last() {
            names.insert(variable.1.to_string());
        }
        true
    });
    names
}
