//! What two rulesets have in common: the facts of a task are made once, and rules that must say the same are asked once.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr};

use crate::files::SCHEMA_FILE;
use crate::rule::Rule;
use crate::ruleset::Ruleset;

/// Whether every task has the same facts for both: the same schema, and derived facts that read the same parameters and
/// lists.
pub(super) fn facts(old: &Ruleset, new: &Ruleset) -> bool {
    let changed = Changed::between(old, new);
    old.schema == new.schema && !new.derived.iter().any(|ast| changed.is_read_by(ast))
}

/// For each rule of `new`, in its order, the place in `old` of a rule with the same file that reads the same facts,
/// parameters and lists.
pub(super) fn rules(old: &Ruleset, new: &Ruleset) -> Vec<Option<usize>> {
    let changed = Changed::between(old, new);
    let derived_changed = new.derived.iter().any(|ast| changed.is_read_by(ast));
    let place = |rule: &Rule| {
        if derived_changed || rule.when.iter().chain([&rule.ast]).any(|ast| changed.is_read_by(ast)) {
            return None;
        }
        old.rules.iter().position(|other| other.file == rule.file && other.text == rule.text)
    };
    new.rules.iter().map(place).collect()
}

/// The files that differ between two rulesets.
struct Changed<'a>(BTreeSet<&'a String>);

impl<'a> Changed<'a> {
    fn between(old: &'a Ruleset, new: &'a Ruleset) -> Changed<'a> {
        let paths = old.files.keys().chain(new.files.keys());
        Changed(paths.filter(|path| old.files.get(*path) != new.files.get(*path)).collect())
    }

    /// Whether a script names what one of them holds.
    fn is_read_by(&self, ast: &AST) -> bool {
        names(ast).iter().any(|name| {
            self.0.iter().any(|path| match name.as_str() {
                "order" => path.as_str() == SCHEMA_FILE,
                // Its settings say how lists compare.
                "lists" => path.starts_with("lists/") || path.as_str() == "ruleset.toml",
                _ => **path == format!("params/{name}.toml"),
            })
        })
    }
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
