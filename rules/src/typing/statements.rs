//! Statements: which of them do something, and what is sure behind them.

use rhai::{Expr, FnCallExpr, Stmt};

use super::chain::Chain;
use super::checker::Checker;
use super::functions::has_effect;
use super::known::{Implied, Kind, Known, of_constant};
use crate::flow::ends_the_rule;

impl<'a> Checker<'_, 'a> {
    /// The statements of a block, and its value if it is used.
    pub(super) fn block(&mut self, statements: &[Stmt], is_used: bool) -> Known<'a> {
        self.scope(|checker| {
            let (mut known, mut ends, mut is_behind) = (Known::Nothing, false, false);
            let last = statements.iter().rposition(|statement| !statement.is_noop());
            for (n, statement) in statements.iter().enumerate().filter(|(_, some)| !some.is_noop()) {
                if std::mem::take(&mut is_behind) {
                    checker.unreachable(statement);
                }
                known = checker.statement(statement, is_used && Some(n) == last);
                let has_ended = ends;
                ends |= matches!(known, Known::Never);
                is_behind = !has_ended && (ends || ends_the_rule(statement));
            }
            if ends { Known::Never } else { known }
        })
    }

    /// A statement behind one that always ends the rule, the function or the round of a loop.
    fn unreachable(&mut self, statement: &Stmt) {
        let ended = if self.is_in_function() { "function has returned" } else { "rule has ended" };
        let message = format!("this line can never run: the {ended}");
        self.warn(statement.position(), "unreachable", message);
    }

    fn statement(&mut self, statement: &Stmt, is_used: bool) -> Known<'a> {
        match statement {
            Stmt::Var(var, _, position) => {
                let known = self.value(&var.1);
                let implied = self.implied(&var.1);
                self.declare(&var.0.name, known, implied, *position);
                Known::Nothing
            }
            Stmt::If(parts, _) => {
                self.branches(&parts.expr, parts.body.statements(), parts.branch.statements(), is_used)
            }
            Stmt::For(parts, _) => {
                let list = self.value(&parts.2.expr);
                let list = self.sure(list, parts.2.expr.start_position());
                if !matches!(list.kind(), None | Some(Kind::List)) {
                    let message = format!("a loop goes over a list, and {}", list.claim());
                    self.find(parts.2.expr.start_position(), "type-mismatch", message);
                }
                let before = self.sure.clone();
                self.scope(|checker| {
                    checker.declare(&parts.0.name, list.element(), Implied::default(), rhai::Position::NONE);
                    if let Some(counter) = &parts.1 {
                        checker.declare(
                            &counter.name,
                            Known::Number,
                            Implied::default(),
                            rhai::Position::NONE,
                        );
                    }
                    checker.block(parts.2.body.statements(), false);
                });
                self.sure = before;
                Known::Nothing
            }
            Stmt::Assignment(parts) => {
                self.assignment(&parts.1.lhs, &parts.1.rhs);
                Known::Nothing
            }
            Stmt::Block(block) => self.block(block.statements(), is_used),
            Stmt::Return(expr, ..) => {
                if let Some(expr) = expr {
                    let known = self.value(expr);
                    if self.is_in_function() {
                        self.give(known);
                    } else {
                        self.lone(expr);
                    }
                } else if self.is_in_function() {
                    self.give(Known::Nothing);
                }
                Known::Never
            }
            Stmt::FnCall(call, position) => {
                let known = self.call(call, *position);
                if !is_used && self.is_pure_call(call) {
                    self.lost(*position);
                }
                known
            }
            Stmt::Expr(expr) => {
                let known = self.value(expr);
                if !is_used {
                    self.lone(expr);
                }
                known
            }
            _ => Known::Nothing,
        }
    }

    fn branches(&mut self, condition: &Expr, yes: &[Stmt], no: &[Stmt], is_used: bool) -> Known<'a> {
        self.condition(condition);
        if !is_used && yes.iter().chain(no).all(Stmt::is_noop) {
            let message = "this if does nothing, whatever its condition".to_owned();
            self.warn(leftmost(condition), "empty-block", message).help =
                Some("write the verdict between its braces, or delete it".to_owned());
        }
        let Implied { yes: if_true, no: if_false } = self.implied(condition);
        let before = self.sure.clone();
        self.sure.extend(if_true.iter().cloned());
        let first = self.block(yes, is_used);
        self.sure = before.clone();
        self.sure.extend(if_false.iter().cloned());
        let second = self.block(no, is_used);
        self.sure = before;
        // Behind the `if`, what made its branch end the rule is not so.
        if yes.iter().any(ends_the_rule) {
            self.sure.extend(if_false);
        }
        if no.iter().any(ends_the_rule) {
            self.sure.extend(if_true);
        }
        first.or(second)
    }

    fn assignment(&mut self, target: &Expr, value: &Expr) {
        self.value(value);
        // The expression in brackets is read; the variable itself is only written.
        if let Some(chain) = Chain::of(target) {
            for link in chain.links.iter().filter(|link| link.is_entry) {
                self.value(link.expr);
            }
        }
    }

    /// A value on its own decides nothing: the author forgot an `if`, or a verdict.
    fn lone(&mut self, expr: &Expr) {
        if self.is_pure(expr) {
            self.lost(leftmost(expr));
        }
    }

    fn lost(&mut self, position: rhai::Position) {
        let message = "this value is not used, and decides nothing".to_owned();
        self.find(position, "lost-value", message).help =
            Some("write if … { escalate(\"a-code\", \"a text that says why\"); }".to_owned());
    }

    /// It gives a value and does nothing.
    fn is_pure(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Unit(_) | Expr::Stmt(_) => false,
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => self.is_pure_call(call),
            Expr::Dot(..) | Expr::Index(..) => Chain::of(expr).is_some_and(|chain| {
                self.is_pure_part(chain.base) && chain.links.iter().all(|link| self.is_pure_part(link.expr))
            }),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                parts.iter().all(|part| self.is_pure_part(part))
            }
            _ => true,
        }
    }

    /// The same of a part: a block may be one.
    fn is_pure_part(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Stmt(block) => block.statements().iter().all(|statement| match statement {
                Stmt::Expr(expr) => {
                    self.is_pure(expr) || matches!(&**expr, Expr::FnCall(call, _) if call.name == "curry")
                }
                Stmt::Share(_) => true,
                _ => false,
            }),
            Expr::DynamicConstant(value, _) => match of_constant(value) {
                Known::Function(name, _) => !self.decides(&name),
                _ => true,
            },
            other => matches!(other, Expr::Unit(_)) || self.is_pure(other),
        }
    }

    fn is_pure_call(&self, call: &FnCallExpr) -> bool {
        let name = call.name.as_str();
        let is_known = call.is_operator_call() || self.signatures.know(name) || self.is_own(name);
        is_known
            && !has_effect(name)
            && !self.decides(name)
            && call.args.iter().all(|arg| self.is_pure_part(arg))
    }
}

/// Where an expression begins: an operator's own place is between its operands.
fn leftmost(expr: &Expr) -> rhai::Position {
    match expr {
        Expr::FnCall(call, position) if call.is_operator_call() => {
            call.args.first().map_or(*position, leftmost)
        }
        Expr::And(parts, position) | Expr::Or(parts, position) | Expr::Coalesce(parts, position) => {
            parts.first().map_or(*position, leftmost)
        }
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => leftmost(&parts.lhs),
        other => other.start_position(),
    }
}
