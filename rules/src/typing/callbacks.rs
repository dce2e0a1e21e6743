//! The functions that `filter`, `some`, `map` and the like call with each entry of a list.

use rhai::Position;

use super::checker::Checker;
use super::known::{Doubt, Kind, Known};

/// The functions that ask their callback about each entry: it must return true or false.
const ASK: [&str; 4] = ["all", "filter", "find", "some"];
/// The functions that take a callback.
const CALL: [&str; 7] = ["all", "filter", "find", "for_each", "map", "reduce", "some"];

impl<'a> Checker<'_, 'a> {
    /// The callback of a function over a list: how many values it takes, and what it returns.
    pub(super) fn callback(&mut self, name: &str, values: &[Known<'a>], position: Position) {
        let (Some(list), Some(callback)) = (values.first(), values.get(1)) else { return };
        if !CALL.contains(&name) {
            return;
        }
        let Known::Function(function, captured) = callback else {
            if callback.kind().is_some() && list.kind() == Some(Kind::List) {
                let message = format!("{name} takes a function, and {}", callback.claim());
                self.find(position, "type-mismatch", message).help = Some(example(name));
            }
            return;
        };
        let mut given = captured.clone();
        if name == "reduce" {
            given.push(Known::Anything);
        }
        given.push(list.element());
        let (wanted, arity) = (given.len() - captured.len(), given.len());
        let own = self.function(function, arity);
        if self.is_own(function) && own.is_none() {
            let message = format!(
                "{name} calls its function with {}",
                if wanted == 1 { "one value, the entry" } else { "two values, the total and the entry" }
            );
            self.find(position, "type-mismatch", message).help = Some(example(name));
            return;
        }
        // A variable that it changes is reported as such.
        let has_effect = own.is_none_or(|own| own.decides || own.assigns);
        let returned = self.apply(function, given);
        match name {
            "for_each" => {
                if !has_effect {
                    let message = "the function of for_each has no effect".to_owned();
                    self.find(position, "lost-value", message).help =
                        Some("use filter, some or map, or give a verdict in it".to_owned());
                }
            }
            _ if ASK.contains(&name) => self.answer(name, returned, position),
            _ => self.some_value(name, returned, position),
        }
    }

    /// A callback that is asked about entries returns true or false for each.
    fn answer(&mut self, name: &str, returned: Known<'a>, position: Position) {
        self.some_value(name, returned.clone(), position);
        if let Some(kind) = returned.kind()
            && !matches!(kind, Kind::Boolean | Kind::Nothing)
        {
            let message = format!("the function of {name} returns {}, not true or false", kind.name());
            self.find(position, "type-mismatch", message).help =
                Some("compare it: |entry| entry.field == …".to_owned());
        }
    }

    /// A callback returns a value for every entry.
    fn some_value(&mut self, name: &str, returned: Known<'a>, position: Position) {
        let wanted = if ASK.contains(&name) { "true or false" } else { "a value" };
        match returned {
            Known::Nothing => {
                let message = format!("the function of {name} returns nothing, not {wanted}");
                self.find(position, "type-mismatch", message).help = Some(example(name));
            }
            Known::Maybe(_, Doubt::NoValue) => {
                let message = format!("the function of {name} does not return {wanted} in every branch");
                self.find(position, "type-mismatch", message).help =
                    Some("give each branch a value; after an if, write the else too".to_owned());
            }
            Known::Maybe(..) => drop(self.sure(returned, position)),
            _ => {}
        }
    }
}

/// How a callback of this function looks.
fn example(name: &str) -> String {
    let example = match name {
        "for_each" => "for_each(|entry| if entry.price > 5 { escalate(\"a-code\", \"a text\"); })",
        "map" => "map(|entry| entry.price * 2)",
        "reduce" => "reduce(|total, entry| total + entry.price, 0)",
        _ => return format!("write {name}(|entry| entry.price > 5)"),
    };
    format!("write {example}")
}
