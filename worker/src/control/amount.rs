//! The amount of a task, as lists show it: the first of the facts that the ruleset names as amounts.

use std::collections::BTreeSet;

use rules::Ruleset;
use serde_json::value::RawValue;

use crate::tasks::order;

/// Where orders have their amount.
#[derive(Debug)]
pub(crate) struct Amount {
    /// The fact, such as `order.amount`; empty without any, or if it is masked.
    fact: String,
    masked: BTreeSet<String>,
}

impl Amount {
    pub(crate) fn of(ruleset: &Ruleset) -> Amount {
        let masked = ruleset.masked_names();
        let fact = ruleset.settings().amounts.first();
        let is_shown =
            |fact: &&String| fact.starts_with("order.") && !fact.split('.').any(|name| masked.contains(name));
        let fact = fact.filter(is_shown);
        Amount { fact: fact.cloned().unwrap_or_default(), masked }
    }

    /// The heading of the amounts; empty without any that may be shown.
    pub(crate) fn heading(&self) -> String {
        self.fact.rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// The amount in an order; none if it has none, or a masked one.
    pub(crate) fn in_order(&self, order: &RawValue) -> Option<String> {
        order::at(order, self.fact.strip_prefix("order.")?, &self.masked)
    }
}
