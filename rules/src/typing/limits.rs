//! Texts beside a field whose schema leaves them no chance: another case, a pattern that they do not match.

use rhai::Position;

use super::checker::Checker;
use super::known::Known;
use crate::facts::Fact;
use crate::limits::Limits;
use crate::names::Fold;
use crate::schema::Type;

impl<'a> Checker<'_, 'a> {
    /// Why a text of the schema is never equal to one that is written out.
    pub(super) fn never(&self, known: &Known<'a>, text: &str) -> Option<String> {
        self.limits(known)?.never(text)
    }

    /// Each entry of a list can be equal to the text that is looked for in it.
    pub(super) fn entries(&mut self, value: &Known<'a>, list: &Known<'a>, position: Position) {
        let Known::Fact(path, _) = value else { return };
        let (Known::Given(given, Fact::Names(names)), Some(limits)) = (list, self.limits(value)) else {
            return;
        };
        let found = names.iter().find_map(|entry| {
            // A list that takes upper and lower case for the same finds the text as the schema reads it.
            let compared = match names.fold() {
                Fold::Form => entry.to_owned(),
                Fold::Case => limits.normal(entry).into_owned(),
            };
            limits.never(&compared).map(|why| (entry.to_owned(), why))
        });
        let Some((entry, why)) = found else { return };
        let message = format!("{given} has '{entry}', which {path} never is");
        self.warn(position, "never-equal", message).help = Some(why);
    }

    fn limits(&self, known: &Known<'a>) -> Option<&'a Limits> {
        let Known::Fact(path, Type::Text { .. }) = known else { return None };
        self.fields.schema?.limits(path)
    }
}
