//! The texts of verdicts that may tell a masked fact, and the values of a script that may.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::compiled::{self, CAPTURE, CHANGING};
use crate::ending;

/// Where the verdicts of a script stand: those whose text tells no masked fact, and the texts of the others.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// The places of the calls.
    pub(crate) open: BTreeSet<Position>,
    /// The places of the texts.
    pub(crate) closed: Vec<Position>,
}

/// Judges the verdicts' texts of a script. `shared` are the names of the parameters and `lists`.
pub(crate) fn texts(ast: &AST, masked: &BTreeSet<String>, shared: &BTreeSet<&str>) -> Texts {
    let judge = Judge::new(ast, masked, shared);
    let mut texts = Texts::default();
    ast.walk(&mut |path| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)),
        ) = path.last()
            && ending::NAMES.contains(&call.name.as_str())
        {
            let is_closed = |text: &&Expr| !matches!(text, Expr::StringConstant(..)) && !judge.is_open(text);
            match call.args.get(1).filter(is_closed) {
                None => drop(texts.open.insert(*position)),
                Some(text) => texts.closed.push(text.start_position()),
            }
        }
        true
    });
    texts
}

/// Tells which values of a script are made of no masked fact.
pub(super) struct Judge<'a> {
    masked: &'a BTreeSet<String>,
    shared: &'a BTreeSet<&'a str>,
    /// The functions of the script.
    functions: BTreeSet<&'a str>,
    /// The variables that may hold something made of a masked fact, or hold what cannot be judged.
    closed: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        ast: &'a AST,
        masked: &'a BTreeSet<String>,
        shared: &'a BTreeSet<&'a str>,
    ) -> Judge<'a> {
        let functions = ast.iter_functions().map(|function| function.name).collect();
        let mut judge = Judge { masked, shared, functions, closed: BTreeSet::new() };
        // A function without a name has the variables that it captures among its parameters.
        let mut captured = BTreeSet::new();
        ast.walk(&mut |path| {
            if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = path.last()
                && call.name == CAPTURE
            {
                captured.extend(compiled::captured(call));
            }
            true
        });
        for function in ast.iter_functions() {
            let own = function
                .params
                .into_iter()
                .filter(|name| !compiled::is_nameless(function.name) || !captured.contains(*name));
            judge.closed.extend(own.map(str::to_owned));
        }
        // What is put into a variable may come from one that is found to be closed later.
        let mut before = usize::MAX;
        while before != judge.closed.len() {
            before = judge.closed.len();
            ast.walk(&mut |path| {
                path.last().into_iter().for_each(|node| judge.puts(node));
                true
            });
        }
        judge
    }

    /// Takes note of what a statement or call puts into a variable.
    fn puts(&mut self, node: &ASTNode<'_>) {
        let (name, is_open) = match node {
            ASTNode::Stmt(Stmt::Var(parts, ..)) => (Some(parts.0.name.to_string()), self.is_open(&parts.1)),
            ASTNode::Stmt(Stmt::For(parts, _)) => {
                (Some(parts.0.name.to_string()), self.is_open(&parts.2.expr))
            }
            ASTNode::Stmt(Stmt::Assignment(parts)) => {
                (root(&parts.1.lhs), self.is_open(&parts.1.lhs) && self.is_open(&parts.1.rhs))
            }
            ASTNode::Expr(Expr::Dot(parts, ..)) => (root(&parts.lhs), self.changes_openly(&parts.rhs)),
            ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))
                if CHANGING.contains(&call.name.as_str()) =>
            {
                (call.args.first().and_then(root), call.args.iter().skip(1).all(|arg| self.is_open(arg)))
            }
            _ => return,
        };
        if let (Some(name), false) = (name, is_open) {
            self.closed.insert(name);
        }
    }

    /// A chain that changes what it is called on only with what is open, or not at all.
    fn changes_openly(&self, rest: &Expr) -> bool {
        match rest {
            Expr::MethodCall(call, _) if self.is_own(call) => false,
            Expr::MethodCall(call, _) if CHANGING.contains(&call.name.as_str()) => {
                call.args.iter().all(|arg| self.is_open(arg))
            }
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => {
                self.changes_openly(&parts.lhs) && self.changes_openly(&parts.rhs)
            }
            _ => true,
        }
    }

    pub(super) fn is_open(&self, expr: &Expr) -> bool {
        match expr {
            Expr::DynamicConstant(value, _) => !value.is_fnptr(),
            Expr::BoolConstant(..) | Expr::IntegerConstant(..) | Expr::CharConstant(..) | Expr::Unit(_) => {
                true
            }
            Expr::StringConstant(text, _) => !self.masked.contains(text.as_str()),
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => {
                parts.iter().all(|part| match part {
                    // A piece of a text, not a name.
                    Expr::StringConstant(..) => true,
                    part => self.is_open(part),
                })
            }
            Expr::Map(parts, _) => parts.0.iter().all(|(_, value)| self.is_open(value)),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                parts.iter().all(|part| self.is_open(part))
            }
            // The name of a function is a value too.
            Expr::Variable(variable, ..) => {
                let name = variable.1.as_str();
                !self.closed.contains(name) && !self.functions.contains(name)
            }
            Expr::FnCall(call, _) => self.is_open_call(call),
            Expr::MethodCall(call, _) => !self.is_own(call) && self.are_open(call, 0),
            Expr::Stmt(block) => self.is_open_block(block.statements()),
            Expr::Property(property, _) => !self.masked.contains(property.2.as_str()),
            Expr::Dot(..) | Expr::Index(..) => {
                let is_shared = root(expr).is_some_and(|name| self.shared.contains(name.as_str()));
                self.is_open_chain(expr, is_shared)
            }
            _ => false,
        }
    }

    /// What a function of the script gives cannot be judged.
    fn is_open_call(&self, call: &FnCallExpr) -> bool {
        !self.is_own(call) && self.are_open(call, 1)
    }

    /// It calls a function of the script, which may read or change what it is called on.
    fn is_own(&self, call: &FnCallExpr) -> bool {
        self.functions.contains(call.name.as_str())
    }

    /// The value of a block is that of its last statement; what is in its variables is known.
    fn is_open_block(&self, statements: &[Stmt]) -> bool {
        match statements.last() {
            None => true,
            Some(Stmt::Expr(expr)) => self.is_open(expr),
            Some(Stmt::FnCall(call, _)) => self.is_open_call(call),
            Some(Stmt::If(parts, _)) => {
                self.is_open_block(parts.body.statements()) && self.is_open_block(parts.branch.statements())
            }
            Some(Stmt::Block(block)) => self.is_open_block(block.statements()),
            Some(_) => false,
        }
    }

    /// A chain `a.b[c].d`. Of what is not shared, a field whose name is not written out may be a masked one.
    fn is_open_chain(&self, expr: &Expr, is_shared: bool) -> bool {
        match expr {
            Expr::Dot(parts, ..) => {
                self.is_open_chain(&parts.lhs, is_shared) && self.is_open_chain(&parts.rhs, is_shared)
            }
            Expr::Index(parts, ..) => {
                let is_known =
                    matches!(leftmost(&parts.rhs), Expr::StringConstant(..) | Expr::IntegerConstant(..));
                (is_known || is_shared)
                    && self.is_open_chain(&parts.lhs, is_shared)
                    && self.is_open_chain(&parts.rhs, is_shared && is_known)
            }
            expr => self.is_open(expr),
        }
    }

    /// A call that names no masked fact, and no field whose name is not written out. `next` is the place of the first
    /// argument after the value that the call is about.
    fn are_open(&self, call: &FnCallExpr, next: usize) -> bool {
        let names_field = matches!(call.name.as_str(), "get" | "has");
        let is_written_out = matches!(call.args.get(next), Some(Expr::StringConstant(..)));
        (is_written_out || !names_field) && call.args.iter().all(|arg| self.is_open(arg) && !is_function(arg))
    }
}

fn is_function(expr: &Expr) -> bool {
    matches!(expr, Expr::FnCall(call, _) if call.name == CAPTURE)
}

/// The variable at the left end of `a.b[c]`.
fn root(expr: &Expr) -> Option<String> {
    match leftmost(expr) {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        _ => None,
    }
}

fn leftmost(expr: &Expr) -> &Expr {
    let mut left = expr;
    while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = left {
        left = &parts.lhs;
    }
    left
}
