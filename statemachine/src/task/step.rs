//! Which worker did a step of a task, when, and how it ended: what no other attribute says, for the task's story.

use crate::item::{self, Item, Value};
use crate::task::attribute;

/// One step, as the worker that wrote it stored it. No decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The worker's name.
    pub worker: String,
    /// When the worker began: it had read the task, or it called the workflow back. Milliseconds since the epoch.
    pub since_ms: i64,
    /// When it wrote the step, in milliseconds since the epoch; none where the decision or the escalation says so.
    pub at_ms: Option<i64>,
    /// How the step is known to have ended this way; only for the last one.
    pub how: Option<String>,
}

/// The steps of a task that have been taken. Each is written together with the change that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// The decision was stored.
    pub decided: Option<Step>,
    /// The task was left to a person, in its last round.
    pub escalated: Option<Step>,
    /// The token was found closed.
    pub unverified: Option<Step>,
    /// The task was settled, or expired.
    pub settled: Option<Step>,
}

impl Step {
    /// The attribute of a step.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        item::put_text(&mut map, "worker", Some(&self.worker));
        item::put_number(&mut map, "since", Some(self.since_ms));
        item::put_number(&mut map, "at", self.at_ms);
        item::put_text(&mut map, "how", self.how.as_deref());
        map
    }

    /// A step that cannot be read is none: it must not hold up its task.
    fn from_item(map: &Item, name: &'static str) -> Option<Step> {
        let map = item::optional_map(map, name).ok()??;
        Some(Step {
            worker: item::text(map, "worker").ok()?,
            since_ms: item::optional_number(map, "since").ok()??,
            at_ms: item::optional_number(map, "at").ok()?,
            how: item::optional_text(map, "how").ok()?,
        })
    }
}

impl Steps {
    pub(super) fn put(&self, map: &mut Item) {
        for (name, step) in [
            (attribute::DECIDE_STEP, &self.decided),
            (attribute::ESCALATE_STEP, &self.escalated),
            (attribute::VERIFY_STEP, &self.unverified),
            (attribute::SETTLE_STEP, &self.settled),
        ] {
            if let Some(step) = step {
                map.insert(name.to_owned(), Value::Map(step.to_item()));
            }
        }
    }

    pub(super) fn from_item(map: &Item) -> Steps {
        Steps {
            decided: Step::from_item(map, attribute::DECIDE_STEP),
            escalated: Step::from_item(map, attribute::ESCALATE_STEP),
            unverified: Step::from_item(map, attribute::VERIFY_STEP),
            settled: Step::from_item(map, attribute::SETTLE_STEP),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        let how = Some("accepted".to_owned());
        Step {
            worker: "i-0123456789abcdef0-ab12cd34".to_owned(),
            since_ms: 1_795_341_600_123,
            at_ms: Some(1_795_341_600_456),
            how,
        }
    }

    #[test]
    fn a_damaged_step_is_none() {
        let steps = Steps { settled: Some(step()), decided: Some(step()), ..Steps::default() };
        let mut map = Item::new();
        steps.put(&mut map);
        assert_eq!(Steps::from_item(&map), steps);
        map.insert(attribute::SETTLE_STEP.to_owned(), Value::Text("edited by hand".to_owned()));
        assert_eq!(Steps::from_item(&map), Steps { settled: None, ..steps });
    }

    /// DynamoDB counts names and texts in bytes, a number in half its digits and one, a map in three, and each of its
    /// entries in one more. A write costs a unit for each started kilobyte.
    #[test]
    fn the_steps_of_a_decided_task_are_small() {
        fn size(value: &Value) -> usize {
            match value {
                Value::Text(text) => text.len(),
                Value::Number(digits) => digits.len().div_ceil(2) + 1,
                Value::Map(map) => {
                    3 + map.iter().map(|(name, value)| name.len() + size(value) + 1).sum::<usize>()
                }
                Value::Bytes(bytes) => bytes.len(),
                Value::Other => 1,
            }
        }
        let decided = Some(Step { at_ms: None, how: None, ..step() });
        let steps = Steps { settled: Some(step()), decided, ..Steps::default() };
        let mut map = Item::new();
        steps.put(&mut map);
        let bytes: usize = map.iter().map(|(name, value)| name.len() + size(value)).sum();
        assert!(bytes <= 160, "{bytes} bytes");
    }
}
