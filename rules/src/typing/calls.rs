//! Calls: of operators, of the script's own functions, and of what every script is given.

use rhai::{Expr, FnCallExpr, Position};

use super::checker::Checker;
use super::known::{Doubt, Kind, Known, may_be_empty};
use super::methods;
use crate::ending;

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const ARITHMETIC: [&str; 6] = ["+", "-", "*", "/", "%", "**"];
/// The functions for which an empty list is a surprise, and what they give for it.
const OF_NOTHING: [(&str, &str); 3] = [("all", "true"), ("sum", "0"), ("sum_product", "0")];

impl<'a> Checker<'_, 'a> {
    /// A call with its receiver, if it has one, among the arguments.
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Known<'a> {
        let name = call.name.as_str();
        if name == "curry" {
            return self.capture(call);
        }
        if let ("contains", [list, value]) = (name, call.args.as_slice()) {
            // `value in list`, as the parser writes it.
            return self.membership(list, value, position);
        }
        if call.is_operator_call() {
            return self.operator(call, position);
        }
        let values: Vec<Known<'a>> = call.args.iter().map(|arg| self.value(arg)).collect();
        if self.function(name, values.len()).is_some() {
            return self.apply(name, values);
        }
        let args: Vec<&Expr> = call.args.iter().collect();
        self.native(name, values, &args, position, false)
    }

    /// `receiver.name(…)`.
    pub(super) fn method(&mut self, receiver: Known<'a>, call: &FnCallExpr, position: Position) -> Known<'a> {
        let mut values = vec![receiver];
        values.extend(call.args.iter().map(|arg| self.value(arg)).collect::<Vec<_>>());
        if self.function(&call.name, call.args.len()).is_some() {
            let given = values.split_off(1);
            let receiver = values.pop().unwrap_or(Known::Anything);
            let this = std::mem::replace(&mut self.this, receiver);
            let known = self.apply(&call.name, given);
            self.this = this;
            return known;
        }
        let args: Vec<&Expr> = call.args.iter().collect();
        self.native(&call.name, values, &args, position, true)
    }

    /// A function without a name, with the values that it captures.
    fn capture(&mut self, call: &FnCallExpr) -> Known<'a> {
        let values: Vec<Known<'a>> = call.args.iter().map(|arg| self.value(arg)).collect();
        let mut values = values.into_iter();
        match values.next() {
            Some(Known::Function(name, _)) => Known::Function(name, values.collect()),
            _ => Known::Anything,
        }
    }

    fn native(
        &mut self,
        name: &str,
        values: Vec<Known<'a>>,
        args: &[&Expr],
        position: Position,
        is_method: bool,
    ) -> Known<'a> {
        // Of `get` the default, and of verdicts nothing, may be missing.
        let mut sure: Vec<Known<'a>> = Vec::with_capacity(values.len());
        for (n, known) in values.into_iter().enumerate() {
            let at = args.get(n.wrapping_sub(usize::from(is_method))).map(|arg| arg.start_position());
            let is_default = name == "get" && n == 2;
            let known = if is_default { known } else { self.sure(known, at.unwrap_or(position)) };
            sure.push(known);
        }
        if ending::NAMES.contains(&name) {
            self.verdict(name, &sure, args, position);
            return Known::Never;
        }
        if sure.len() > 1 && methods::names_fields(name) {
            self.field_names(name, &sure, args, position, is_method);
        }
        if let ("contains", [list, value], [arg]) = (name, sure.as_slice(), args)
            && list.kind() == Some(Kind::List)
        {
            self.compare(value, &list.element(), name, arg, position);
        }
        if let ("sum" | "join", [list]) = (name, sure.as_slice()) {
            self.whole_entries(name, list, position);
        }
        self.signature(name, &sure, position, is_method);
        self.part(name, &sure, position);
        self.wanted(name, &sure, position);
        self.surprise(name, &sure, position);
        self.callback(name, &sure, position);
        methods::result(self, name, &sure, position)
    }

    /// The texts of a verdict.
    fn verdict(&mut self, name: &str, values: &[Known<'a>], args: &[&Expr], position: Position) {
        for (known, arg) in values.iter().zip(args) {
            if let Some(kind) = known.kind()
                && kind != Kind::Text
            {
                let message = format!("{name} takes texts, and {}", known.claim());
                let position = if arg.start_position().is_none() { position } else { arg.start_position() };
                self.find(position, "type-mismatch", message).help =
                    Some("put it into a text: `${…}`".to_owned());
            }
        }
    }

    /// The values are of types that the function takes.
    fn signature(&mut self, name: &str, values: &[Known<'a>], position: Position, is_method: bool) {
        if self.signatures.take(name, values) {
            return;
        }
        let Some(first) = values.first() else { return };
        if !self.signatures.take_first(name, first) {
            let message = match is_method {
                true => format!("{} and has no '{name}'", first.claim()),
                false => format!("{name} does not take {}", first.describe().trim_end_matches(',')),
            };
            let methods = if is_method { self.signatures.methods_of(first) } else { Vec::new() };
            let help = methods::hint(name, &methods);
            self.find(position, "type-mismatch", message).help = help;
            return;
        }
        let others: Vec<String> =
            values[1..].iter().map(|known| known.describe().trim_end_matches(',').to_owned()).collect();
        let message = format!("{name} does not work with {}", others.join(" and "));
        self.find(position, "type-mismatch", message);
    }

    /// `all` of no entries is true, and their sum is 0: an order without lines passes.
    fn surprise(&mut self, name: &str, values: &[Known<'a>], position: Position) {
        let Some((_, gives)) = OF_NOTHING.iter().find(|(known, _)| *known == name) else { return };
        let (path, may_be_part) = match values.first() {
            Some(Known::Fact(path, shape)) if may_be_empty(shape) => (path, false),
            Some(Known::Part(path, _)) if name == "all" => (path, true),
            _ => return,
        };
        let doubt = Doubt::Empty(path.clone());
        if name != "all" && self.fields.is_asked(path) || !may_be_part && self.sure.contains(&doubt) {
            return;
        }
        let message = match may_be_part {
            true => format!("{path} may have no such entries, and '{name}' of no entries is {gives}"),
            false => format!("{path} may be empty, and '{name}' of no entries is {gives}"),
        };
        self.warn(position, "maybe-empty", message).help =
            Some("check is_empty() first, or give the list a min_length of 1 in the schema".to_owned());
    }

    fn operator(&mut self, call: &FnCallExpr, position: Position) -> Known<'a> {
        let name = call.name.as_str();
        match call.args.as_slice() {
            [inner] if name == "!" => {
                self.condition(inner);
                Known::Boolean
            }
            [inner] => {
                let known = self.operand(inner);
                self.number(&known, name, inner.start_position());
                Known::Number
            }
            [left, right] => {
                let (a, b) = (self.operand(left), self.operand(right));
                if COMPARISONS.contains(&name) {
                    self.comparison(name, (&a, left), (&b, right), position);
                    Known::Boolean
                } else if ARITHMETIC.contains(&name) {
                    self.arithmetic(name, (&a, left), (&b, right), position)
                } else if let "&" | "|" | "^" = name {
                    let message = format!("{name} does not join conditions");
                    self.find(position, "type-mismatch", message).help =
                        Some(if name == "^" { "write !=".to_owned() } else { format!("write {name}{name}") });
                    Known::Boolean
                } else if name.starts_with("..") {
                    self.number(&a, name, left.start_position());
                    self.number(&b, name, right.start_position());
                    Known::List(Box::new(Known::Number))
                } else {
                    Known::Anything
                }
            }
            _ => Known::Anything,
        }
    }

    fn operand(&mut self, expr: &Expr) -> Known<'a> {
        let known = self.value(expr);
        self.sure(known, expr.start_position())
    }

    fn arithmetic(
        &mut self,
        operator: &str,
        (a, left): (&Known<'a>, &Expr),
        (b, right): (&Known<'a>, &Expr),
        position: Position,
    ) -> Known<'a> {
        let is_text = |known: &Known<'_>| known.kind() == Some(Kind::Text);
        if operator == "+" && (is_text(a) || is_text(b)) {
            if let (Some(first), Some(second)) = (a.kind(), b.kind())
                && first != second
            {
                let message =
                    format!("+ adds numbers or joins texts, not {} and {}", first.name(), second.name());
                self.find(position, "type-mismatch", message).help =
                    Some("write a text with both inside: `${…} ${…}`".to_owned());
            }
            return match (a.literal(), b.literal()) {
                (Some(first), Some(second)) => Known::text(&format!("{first}{second}")),
                _ => Known::Text(None),
            };
        }
        self.number(a, operator, left.start_position());
        self.number(b, operator, right.start_position());
        Known::Number
    }

    fn number(&mut self, known: &Known<'a>, operator: &str, position: Position) {
        let Some(kind) = known.kind() else { return };
        if kind == Kind::Number {
            return;
        }
        let message = format!("{operator} computes with numbers, and {}", known.claim());
        let help = match kind {
            Kind::Date => Some("use days_between or hours_between"),
            Kind::Text => Some("use decimal(…) if it holds a number"),
            _ => None,
        };
        self.find(position, "type-mismatch", message).help = help.map(str::to_owned);
    }
}
