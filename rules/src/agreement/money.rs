//! Exact sums of what tasks are about.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// An amount. It is printed with at least two decimal places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub Decimal);

impl Money {
    /// Adds an amount. A sum beyond 28 digits stays where it is.
    pub(super) fn add(&mut self, amount: Option<Money>) {
        let sum = amount.and_then(|amount| self.0.checked_add(amount.0));
        self.0 = sum.unwrap_or(self.0);
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.0.normalize();
        if amount.scale() < 2 {
            amount.rescale(2);
        }
        f.pad(&amount.to_string())
    }
}

/// As text, so that no reader turns it into a float.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
