//! A compiled script, and what the engine needs to know about it while it runs.
//!
//! Three of rhai's ways are closed here. It calls one function for `x in text` and for `text.contains(x)`: where the
//! second stands is noted. It makes a variable that a function without a name uses *shared* between the two, and
//! shared values make rhai panic when lists and records hold them, and fail when both are read at once: such a
//! variable is resolved to its value instead, and check makes sure that nobody changes it. And a function with a name
//! sees nothing but its parameters: `order`, `task`, `lists` and parameters are resolved for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{AST, ASTNode, Caches, Dynamic, Engine, Expr, FnCallExpr, ImmutableString, Position, Scope, Stmt};

use crate::facts::Failure;

/// How rhai's parser calls what gives a function without a name its variables. Scripts cannot: the word is disabled.
pub(crate) const CAPTURE: &str = "curry";
/// The methods that change what they are called on.
pub(crate) const CHANGING: [&str; 2] = ["push", "pop"];

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A script, compiled. It reads as its syntax tree.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    ast: AST,
    /// The name of its file, where it has one.
    source: Option<ImmutableString>,
    notes: Option<Arc<Notes>>,
    resolved: Resolved,
}

/// The functions that rhai found for this script's calls, kept for its next evaluation. Never for another script's: a
/// function with the same name may be another one there.
#[derive(Debug, Default)]
struct Resolved(Mutex<Vec<Caches>>);

impl Clone for Resolved {
    fn clone(&self) -> Resolved {
        Resolved::default()
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    /// The positions of `.contains(…)`.
    contains: BTreeSet<Position>,
    /// The variables that functions without a name use.
    captured: BTreeSet<String>,
    /// It has functions with a name.
    has_functions: bool,
}

/// The script that runs on this thread.
struct Running {
    notes: Arc<Notes>,
    /// What every script is given.
    given: Vec<(String, Dynamic)>,
}

impl Compiled {
    pub(crate) fn new(ast: AST) -> Compiled {
        let has_functions = ast.iter_functions().any(|function| !is_nameless(function.name));
        let mut notes = Notes { has_functions, ..Notes::default() };
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) if call.name == "contains" => {
                    notes.contains.insert(*position);
                }
                Some(ASTNode::Expr(Expr::FnCall(call, _))) if call.name == CAPTURE => {
                    notes.captured.extend(captured(call));
                }
                _ => {}
            }
            true
        });
        Compiled {
            ast,
            source: None,
            notes: (notes != Notes::default()).then(|| Arc::new(notes)),
            resolved: Resolved::default(),
        }
    }

    pub(crate) fn set_source(&mut self, source: &str) {
        // The functions of the script know it too.
        self.ast.set_source(source);
        self.source = Some(source.into());
    }

    /// Where the script changes a variable that a function without a name uses: the function would see another value
    /// than the script, or lose its own.
    pub(crate) fn changed_captures(&self) -> Vec<(String, Position)> {
        let Some(notes) = self.notes.as_ref().filter(|notes| !notes.captured.is_empty()) else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        self.ast.walk(&mut |path| {
            let found = match path.last() {
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => root(&parts.1.lhs),
                Some(ASTNode::Expr(Expr::Dot(parts, ..))) if changes(&parts.rhs) => root(&parts.lhs),
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)))
                    if CHANGING.contains(&call.name.as_str()) =>
                {
                    call.args.first().and_then(root)
                }
                _ => None,
            };
            if let Some((name, position)) = found
                && notes.captured.contains(&name)
            {
                changed.push((name, position));
            }
            true
        });
        changed
    }

    /// Runs `run`, which evaluates this script with `scope`, and tells the engine of it meanwhile.
    pub(crate) fn while_running<T>(
        &self,
        scope: &mut Scope<'static>,
        run: impl FnOnce(&mut Scope<'static>) -> T,
    ) -> T {
        let Some(notes) = &self.notes else { return run(scope) };
        let given = match notes.has_functions {
            true => scope.iter().map(|(name, _, value)| (name.to_owned(), value)).collect(),
            false => Vec::new(),
        };
        RUNNING.set(Some(Running { notes: notes.clone(), given }));
        IS_RUNNING.set(true);
        let result = run(scope);
        IS_RUNNING.set(false);
        RUNNING.set(None);
        result
    }

    /// Evaluates the script, as [`Engine::eval_ast_with_scope`] does, with the functions that were found before.
    #[expect(deprecated, reason = "rhai offers no other way to keep its caches; the version is pinned")]
    pub(crate) fn evaluate(&self, engine: &Engine, scope: &mut Scope<'static>) -> Result<Dynamic, Failure> {
        let kept = self.resolved.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut caches = kept.unwrap_or_default();
        let mut global = engine.new_global_runtime_state();
        global.source = self.source.clone();
        global.lib.push(self.ast.shared_lib().clone());
        let result = engine.eval_statements_raw(&mut global, &mut caches, scope, self.ast.statements());
        self.resolved.0.lock().unwrap_or_else(PoisonError::into_inner).push(caches);
        result
    }
}

impl Deref for Compiled {
    type Target = AST;

    fn deref(&self) -> &AST {
        &self.ast
    }
}

/// Tells whether a call at this place of the running script is written `text.contains(…)`, and not `… in text`.
pub(crate) fn is_method(position: Position) -> bool {
    RUNNING.with_borrow(|running| running.as_ref().is_some_and(|it| it.notes.contains.contains(&position)))
}

/// Resolves what functions use.
#[expect(deprecated, reason = "rhai marks its volatile API so; the version is pinned")]
pub(crate) fn register(engine: &mut Engine) {
    engine.on_var(|name, _, context| {
        if !IS_RUNNING.get() {
            return Ok(None);
        }
        RUNNING.with_borrow(|running| {
            let Some(running) = running else { return Ok(None) };
            let in_scope = context.scope().get(name);
            if in_scope.is_some() {
                let captured = running.notes.captured.contains(name);
                return Ok(in_scope.filter(|_| captured).cloned());
            }
            let given = running.given.iter().find(|(given, _)| given == name);
            Ok(given.map(|(_, value)| value.clone()))
        })
    });
}

/// Tells whether a function is written `|x| …`.
pub(crate) fn is_nameless(function: &str) -> bool {
    function.contains('$')
}

/// The variables that a function without a name is given where it is made.
pub(crate) fn captured(call: &FnCallExpr) -> impl Iterator<Item = String> {
    call.args.iter().filter_map(|arg| match arg {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        _ => None,
    })
}

/// The variable at the left end of `a.b[c]`.
fn root(target: &Expr) -> Option<(String, Position)> {
    let mut root = target;
    while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = root {
        root = &parts.lhs;
    }
    match root {
        Expr::Variable(variable, ..) => Some((variable.1.to_string(), target.start_position())),
        _ => None,
    }
}

/// A chain that ends in a method which changes what it is called on.
fn changes(rest: &Expr) -> bool {
    match rest {
        Expr::MethodCall(call, _) => CHANGING.contains(&call.name.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => changes(&parts.lhs) || changes(&parts.rhs),
        _ => false,
    }
}
