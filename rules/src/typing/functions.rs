//! The functions of a script, with and without a name.

use std::rc::Rc;

use rhai::{AST, ASTNode, Expr, Stmt};

use crate::ending;

/// The functions that are called for what they do, not for what they give.
const EFFECTS: [&str; 3] = ["push", "pop", "for_each"];

/// A function, apart from its script.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) params: Vec<String>,
    pub(super) body: Vec<Stmt>,
    /// It gives a verdict or changes something, by itself or by what it calls.
    pub(super) decides: bool,
    /// It changes a variable.
    pub(super) assigns: bool,
}

/// It is called for what it does.
pub(super) fn has_effect(name: &str) -> bool {
    ending::NAMES.contains(&name) || EFFECTS.contains(&name)
}

/// All functions of a script.
pub(super) fn of(ast: &AST) -> Vec<Rc<Function>> {
    let described: Vec<(String, Vec<String>)> = ast
        .iter_functions()
        .map(|function| (function.name.to_owned(), function.params.into_iter().map(str::to_owned).collect()))
        .collect();
    let mut functions = Vec::new();
    for (name, params) in described {
        // Alone in a tree of its own: walking is the only way to a function's body.
        let mut alone = ast.clone_functions_only();
        alone.retain_functions(|_, _, other, arity| other == name && arity == params.len());
        let (mut body, mut decides, mut assigns) = (Vec::new(), false, false);
        alone.walk(&mut |path| {
            if let [ASTNode::Stmt(statement)] = path {
                body.push((*statement).clone());
            }
            assigns |= matches!(path.last(), Some(ASTNode::Stmt(Stmt::Assignment(_))));
            decides |= match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))) => {
                    has_effect(&call.name)
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => has_effect(&call.name),
                _ => false,
            };
            true
        });
        functions.push(Function { name, params, body, decides, assigns });
    }
    spread(&mut functions);
    functions.into_iter().map(Rc::new).collect()
}

/// What calls one that decides, decides.
fn spread(functions: &mut [Function]) {
    loop {
        let deciding: Vec<String> = functions
            .iter()
            .filter(|function| function.decides)
            .map(|function| function.name.clone())
            .collect();
        let mut changed = false;
        for function in functions.iter_mut().filter(|function| !function.decides) {
            function.decides = function.body.iter().any(|statement| calls_any(statement, &deciding));
            changed |= function.decides;
        }
        if !changed {
            return;
        }
    }
}

fn calls_any(statement: &Stmt, names: &[String]) -> bool {
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        found |= match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))) => {
                names.iter().any(|name| *name == call.name)
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => names.iter().any(|name| *name == call.name),
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => value
                .read_lock::<rhai::FnPtr>()
                .is_some_and(|function| names.iter().any(|name| name == function.fn_name())),
            _ => false,
        };
        true
    });
    found
}
