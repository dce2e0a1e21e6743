//! The amount of a task, as lists show it: the first of the facts that the ruleset names as amounts.

use std::collections::BTreeSet;

use rules::Ruleset;
use serde_json::value::RawValue;

use crate::tasks::order;

/// Where orders have their amount.
#[derive(Debug)]
pub(crate) struct Amount {
    /// The fact, such as `order.amount`; empty without any.
    fact: String,
    masked: BTreeSet<String>,
}

impl Amount {
    pub(crate) fn of(ruleset: &Ruleset) -> Amount {
        let fact = ruleset.settings().amounts.first().cloned().unwrap_or_default();
        Amount { fact, masked: ruleset.masked_names() }
    }

    /// The heading of the amounts; empty without any.
    pub(crate) fn heading(&self) -> String {
        self.fact.rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// Whether an order may have an amount.
    pub(crate) fn is_in_orders(&self) -> bool {
        self.fact.starts_with("order.")
    }

    /// The amount in an order; none if it has none, or a masked one.
    pub(crate) fn in_order(&self, order: &RawValue) -> Option<String> {
        order::at(order, self.fact.strip_prefix("order.")?, &self.masked)
    }
}
