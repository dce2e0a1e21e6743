//! What a condition that holds, or does not, makes sure of: that a field is there, that a list has entries.

use rhai::Expr;

use super::chain::Chain;
use super::checker::Checker;
use super::known::{Doubt, Implied, Known, Sure};

impl Checker<'_, '_> {
    /// What a condition makes sure of. It is not checked here.
    pub(super) fn implied(&mut self, condition: &Expr) -> Implied {
        match condition {
            Expr::And(parts, _) => {
                let parts: Vec<Implied> = parts.iter().map(|part| self.implied(part)).collect();
                Implied {
                    yes: union(parts.iter().map(|part| &part.yes)),
                    no: common(parts.iter().map(|part| &part.no)),
                }
            }
            Expr::Or(parts, _) => {
                let parts: Vec<Implied> = parts.iter().map(|part| self.implied(part)).collect();
                Implied {
                    yes: common(parts.iter().map(|part| &part.yes)),
                    no: union(parts.iter().map(|part| &part.no)),
                }
            }
            Expr::Variable(variable, ..) => self.implied_by(&variable.1),
            Expr::FnCall(call, _) => match (call.name.as_str(), call.args.as_slice()) {
                ("!", [inner]) => self.implied(inner).swapped(),
                ("contains" | "has", [record, name]) => self.has(record, name),
                ("is_empty", [list]) => Implied::yes(self.filled(list)).swapped(),
                ("==" | "!=" | "<" | "<=" | ">" | ">=", [left, right]) => {
                    self.compared(&call.name, left, right)
                }
                _ => Implied::default(),
            },
            Expr::Dot(..) => match method(condition) {
                Some((base, "has" | "contains", [name])) => self.has_after(&base, name),
                Some((base, "is_empty", [])) => Implied::yes(self.filled_after(&base)).swapped(),
                Some((base, "some" | "any_in", _)) => Implied::yes(self.filled_after(&base)),
                _ => Implied::default(),
            },
            _ => Implied::default(),
        }
    }

    fn has(&mut self, record: &Expr, name: &Expr) -> Implied {
        let base = self.quietly(|checker| checker.value(record));
        self.has_in(&base, name)
    }

    fn has_after(&mut self, chain: &Chain<'_>, name: &Expr) -> Implied {
        let base = self.quietly(|checker| checker.chain(chain));
        self.has_in(&base, name)
    }

    fn has_in(&mut self, base: &Known<'_>, name: &Expr) -> Implied {
        let name = self.quietly(|checker| checker.value(name));
        let doubt = match (base.path(), name.literal()) {
            (Some(path), Some(name)) => Some(Doubt::Optional(format!("{path}.{name}"))),
            _ => None,
        };
        Implied::yes(doubt)
    }

    fn filled(&mut self, list: &Expr) -> Option<Doubt> {
        let list = self.quietly(|checker| checker.value(list));
        list.path().map(|path| Doubt::Empty(path.to_owned()))
    }

    fn filled_after(&mut self, chain: &Chain<'_>) -> Option<Doubt> {
        let list = self.quietly(|checker| checker.chain(chain));
        list.path().map(|path| Doubt::Empty(path.to_owned()))
    }

    /// `list.len() > 0` and its like.
    fn compared(&mut self, operator: &str, left: &Expr, right: &Expr) -> Implied {
        let (length, number, operator) = match (left, right) {
            (length, Expr::IntegerConstant(number, _)) => (length, *number, operator),
            (Expr::IntegerConstant(number, _), length) => (length, *number, mirrored(operator)),
            _ => return Implied::default(),
        };
        let doubt = match (method(length), length) {
            (Some((base, "len", [])), _) => self.filled_after(&base),
            (None, Expr::FnCall(call, _)) if call.name == "len" && call.args.len() == 1 => {
                self.filled(&call.args[0])
            }
            _ => None,
        };
        let implied = Implied::yes(doubt);
        match (operator, number) {
            (">", 0..) | (">=", 1..) | ("==", 1..) | ("!=", 0) => implied,
            ("==", 0) | ("<", 1) | ("<=", 0) => implied.swapped(),
            _ => Implied::default(),
        }
    }
}

/// The method that a chain ends in: what it is called on, its name, its arguments.
fn method(expr: &Expr) -> Option<(Chain<'_>, &str, &[Expr])> {
    let mut chain = Chain::of(expr)?;
    let Expr::MethodCall(call, _) = chain.links.pop()?.expr else { return None };
    Some((chain, call.name.as_str(), call.args.as_slice()))
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

fn union<'s>(sets: impl Iterator<Item = &'s Sure>) -> Sure {
    sets.flatten().cloned().collect()
}

fn common<'s>(mut sets: impl Iterator<Item = &'s Sure>) -> Sure {
    let Some(first) = sets.next() else { return Sure::new() };
    sets.fold(first.clone(), |common, set| common.intersection(set).cloned().collect())
}
