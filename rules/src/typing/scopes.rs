//! The variables of a script where they are visible: what each holds, and whether anything uses it.

use rhai::Position;

use super::checker::Checker;
use super::known::{Implied, Known};
use super::variable::Variable;

impl<'a> Checker<'_, 'a> {
    pub(super) fn variable(&mut self, name: &str) -> Known<'a> {
        if let Some(variable) = self.visible(name) {
            variable.is_used = true;
            return variable.known.clone();
        }
        if self.is_own(name) {
            return Known::Function(name.to_owned(), Vec::new());
        }
        self.fields.global(name).unwrap_or(Known::Anything)
    }

    /// What a variable that holds a condition makes sure of.
    pub(super) fn implied_by(&mut self, name: &str) -> Implied {
        self.visible(name).map(|variable| variable.implied.clone()).unwrap_or_default()
    }

    fn visible(&mut self, name: &str) -> Option<&mut Variable<'a>> {
        self.variables[self.first_visible..].iter_mut().rev().find(|variable| variable.name == name)
    }

    pub(super) fn declare(&mut self, name: &str, known: Known<'a>, implied: Implied, position: Position) {
        let changes = self.changing.contains(name);
        self.variables.push(Variable {
            name: name.to_owned(),
            known: if changes { Known::Anything } else { known },
            implied: if changes { Implied::default() } else { implied },
            position,
            is_used: false,
        });
    }

    /// Runs `inside` in a scope of its own, and tells the variables that nothing in it uses.
    pub(super) fn scope<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.variables.len();
        let answer = inside(self);
        for variable in self.variables.split_off(outside) {
            let is_given = self.fields.global(&variable.name).is_some();
            if !variable.is_used
                && !is_given
                && !variable.position.is_none()
                && !variable.name.starts_with('_')
            {
                let message = format!("nothing uses the variable '{}'", variable.name);
                self.warn(variable.position, "unused-variable", message).help =
                    Some("use it or delete it; a name that begins with _ is not reported".to_owned());
            }
        }
        answer
    }
}
