//! Four eyes: who may not decide a task that the rules left to people, and whether two people must approve it.

use crate::evaluate;
use crate::json::{Json, parser};
use crate::ruleset::{Ruleset, TaskFacts};
use crate::settings::Second;

/// The longest requester that is compared, in bytes. No person's name is longer.
const MAX_REQUESTER_BYTES: usize = 1_024;

/// What a ruleset asks of the people who decide one task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FourEyes {
    /// Whom the task is for, as its order says: this person must not decide it. See [`same_person`].
    pub requester: Option<String>,
    /// Two people must approve it.
    pub needs_second: bool,
}

/// What an order says about its requester.
enum Requester {
    Named(String),
    /// The order has no such field, or null.
    NotNamed,
    /// The field is not a name, or the order cannot be read.
    Unreadable,
}

/// The form of a name in which two spellings of one person are equal: without the spaces around it, in lower case.
pub fn same_person(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Ruleset {
    /// What people must observe when they decide this task. In doubt two people must approve: if the amount is missing,
    /// masked or not a number, if the order does not match the schema, or if its requester cannot be read.
    pub fn four_eyes(&self, task: &TaskFacts<'_>) -> FourEyes {
        let path = self.schema.as_ref().and_then(|schema| schema.requester.as_deref());
        let requester = path.map_or(Requester::NotNamed, |path| requester(task.order, path));
        let is_doubtful = matches!(requester, Requester::Unreadable);
        FourEyes {
            requester: match requester {
                Requester::Named(name) => Some(name),
                Requester::NotNamed | Requester::Unreadable => None,
            },
            needs_second: is_doubtful
                || self.settings.second.as_ref().is_some_and(|second| self.is_large(second, task)),
        }
    }

    fn is_large(&self, second: &Second, task: &TaskFacts<'_>) -> bool {
        let Ok(facts) = evaluate::prepare(self, task).facts else { return true };
        // A refund of a million is as large as a payment of a million.
        let is_small = facts.number(&second.amount).is_some_and(|amount| amount.abs() < second.from);
        !is_small || facts.is_masked(&second.amount)
    }
}

/// Reads the requester from the order as it arrived: an order that does not match the schema has one too.
fn requester(order: Option<&str>, path: &str) -> Requester {
    let Some(order) = order else { return Requester::NotNamed };
    let Ok(mut value) = parser::parse(order) else { return Requester::Unreadable };
    for name in path.split('.') {
        let Json::Record(fields) = value else { return Requester::Unreadable };
        let found = fields.into_iter().find(|(field, _)| field == name);
        match found {
            None | Some((_, Json::Null)) => return Requester::NotNamed,
            Some((_, inner)) => value = inner,
        }
    }
    match value {
        Json::Text(name) if name.len() <= MAX_REQUESTER_BYTES && !name.trim().is_empty() => {
            Requester::Named(name.into_owned())
        }
        _ => Requester::Unreadable,
    }
}
