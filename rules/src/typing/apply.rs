//! The functions of a script, looked into with the values that they are called with.

use std::rc::Rc;

use rhai::Position;

use super::checker::Checker;
use super::functions::Function;
use super::known::{Implied, Known};

/// How many calls are looked into, each with its own values: functions that call each other twice double them.
const MAX_CALLS: usize = 2_000;

impl<'a> Checker<'_, 'a> {
    /// What one of the script's functions gives for these values; its body is checked with them.
    pub(super) fn apply(&mut self, name: &str, values: Vec<Known<'a>>) -> Known<'a> {
        let Some(function) = self.function(name, values.len()) else { return Known::Anything };
        let key = (name.to_owned(), format!("{:?} {values:?} {:?}", self.this, self.sure));
        if let Some(known) = self.results.get(&key) {
            return known.clone();
        }
        if self.active.iter().any(|active| active == name) || self.calls >= MAX_CALLS {
            return Known::Anything;
        }
        self.calls += 1;
        self.active.push(name.to_owned());
        let sure = self.sure.clone();
        let first_visible = std::mem::replace(&mut self.first_visible, self.variables.len());
        let returned = std::mem::replace(&mut self.returned, Known::Never);
        let known = self.scope(|checker| {
            for (param, known) in function.params.iter().zip(values) {
                checker.declare(param, known, Implied::default(), Position::NONE);
            }
            checker.block(&function.body, true)
        });
        let returned = std::mem::replace(&mut self.returned, returned);
        self.first_visible = first_visible;
        self.sure = sure;
        self.active.pop();
        let known = known.or(returned);
        if !self.is_quiet {
            self.results.insert(key, known.clone());
        }
        known
    }

    /// One of the script's functions, by name and number of parameters.
    pub(super) fn function(&self, name: &str, arity: usize) -> Option<Rc<Function>> {
        let is_it = |function: &&Rc<Function>| function.name == name && function.params.len() == arity;
        self.functions.iter().find(is_it).cloned()
    }

    /// The script has a function of this name.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.functions.iter().any(|function| function.name == name)
    }

    /// One of the script's functions of this name does more than give a value.
    pub(super) fn decides(&self, name: &str) -> bool {
        self.functions.iter().any(|function| function.name == name && function.decides)
    }

    /// Notes what a `return` gives.
    pub(super) fn give(&mut self, known: Known<'a>) {
        let returned = std::mem::replace(&mut self.returned, Known::Never);
        self.returned = returned.or(known);
    }

    /// A function's body is being looked into.
    pub(super) fn is_in_function(&self) -> bool {
        !self.active.is_empty()
    }
}
