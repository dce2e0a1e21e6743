//! An expression about a task, such as the `when` of a test's `[[never]]`.

use rhai::Scope;

use crate::compiled::Compiled;
use crate::kind::kind;
use crate::ruleset::Ruleset;
use crate::script;
use crate::task_facts::Facts;

/// The expression, compiled.
#[derive(Debug)]
pub(crate) struct Condition(Compiled);

impl Condition {
    /// Compiles it. Err says what is wrong.
    pub(crate) fn new(ruleset: &Ruleset, expression: &str) -> Result<Condition, String> {
        let names = ["order", "task"].into_iter().chain(ruleset.shared.iter().map(|(name, _)| name.as_str()));
        let mut scope = Scope::new();
        for name in names {
            scope.push(name.to_owned(), ());
        }
        let ast = ruleset.engine.compile_expression_with_scope(&scope, expression);
        ast.map(|ast| Condition(Compiled::new(ast))).map_err(|error| format!("when: {error}"))
    }

    /// Its syntax tree, to look at.
    pub(crate) fn script(&self) -> &Compiled {
        &self.0
    }

    /// Whether it is true of a task whose facts are already prepared. Err says why that is unknown.
    pub(crate) fn holds_of(&self, ruleset: &Ruleset, facts: &Facts) -> Result<bool, String> {
        let run = |scope: &mut Scope<'static>| script::run(ruleset, &self.0, scope);
        let value = facts.with_scope(ruleset, run).map_err(|stop| stop.message())?;
        value.as_bool().map_err(|_| format!("when is {}, not true or false", kind(&value)))
    }
}
