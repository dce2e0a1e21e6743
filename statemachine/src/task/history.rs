//! What became of a task before it was returned to the rules. Stored as the `history` attribute, by round.

use serde::{Deserialize, Serialize};

use crate::item::{self, Item, Malformed, Value};
use crate::task::attribute;
use crate::task::escalation::Escalation;

/// How many rounds are kept: the last ones.
pub const MAX_ROUNDS: usize = 5;

/// One time that a task was returned to the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenBack {
    /// The round that ended, from 0.
    pub round: i64,
    /// Why the task had been left to a person.
    pub escalation: Escalation,
    /// Who gave it back.
    pub by: String,
    /// The worker that had left it to a person, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

impl GivenBack {
    /// The `history` attribute of all rounds.
    pub fn to_item(history: &[GivenBack]) -> Item {
        let rounds = history.iter().map(|given| {
            let mut map = given.escalation.to_item();
            item::put_text(&mut map, "givenBackBy", Some(&given.by));
            item::put_text(&mut map, "worker", given.worker.as_deref());
            item::put_text(&mut map, "givenBackAt", Some(&given.at));
            (given.round.to_string(), Value::Map(map))
        });
        rounds.collect()
    }
}

/// Reads the `history` attribute, the oldest round first.
pub(super) fn from_item(map: &Item) -> Result<Vec<GivenBack>, Malformed> {
    let malformed = Malformed::Not(attribute::HISTORY, "a map of rounds");
    let mut history = Vec::new();
    for (round, value) in item::optional_map(map, attribute::HISTORY)?.into_iter().flatten() {
        let (Ok(round), Value::Map(map)) = (round.parse(), value) else { return Err(malformed) };
        history.push(GivenBack {
            round,
            escalation: Escalation::from_item(map)?,
            by: item::text(map, "givenBackBy")?,
            worker: item::optional_text(map, "worker")?,
            at: item::text(map, "givenBackAt")?,
        });
    }
    history.sort_by_key(|given| given.round);
    Ok(history)
}
