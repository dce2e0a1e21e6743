//! Exact sums of a fact over tasks, by what each ruleset said.

use rust_decimal::Decimal;
use serde::Serialize;

/// The decimal places of a sum.
pub(super) const TOTAL_SCALE: u32 = 8;

/// The sum of a fact by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// By the old ruleset's outcome, in the order of [`Outcome::ALL`](crate::Outcome::ALL).
    pub old: [Total; 3],
    /// By the new ruleset's outcome.
    pub new: [Total; 3],
    /// Tasks without this number, with a masked one, or with one beyond 10^18 or of more than eight decimal places.
    pub left_out: u64,
}

/// An exact sum. It counts whole units of the eighth decimal place, so that no order of adding changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total(pub(super) i128);

impl Sums {
    pub(super) fn add(&mut self, amount: Option<Decimal>, old: usize, new: usize) {
        match amount.and_then(units) {
            Some(units) => {
                self.old[old].0 += units;
                self.new[new].0 += units;
            }
            None => self.left_out += 1,
        }
    }

    pub(super) fn merge(&mut self, other: &Sums) {
        for place in 0..3 {
            self.old[place].0 += other.old[place].0;
            self.new[place].0 += other.new[place].0;
        }
        self.left_out += other.left_out;
    }
}

/// A number in units of the eighth decimal place. Below 10^18, so that 10^12 tasks cannot overflow a sum.
fn units(amount: Decimal) -> Option<i128> {
    let amount = amount.normalize();
    let missing = TOTAL_SCALE.checked_sub(amount.scale())?;
    let units = amount.mantissa().checked_mul(10i128.pow(missing))?;
    (units.unsigned_abs() <= 10u128.pow(18 + TOTAL_SCALE)).then_some(units)
}
