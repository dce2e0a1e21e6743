//! What the tasks of a list come to.

use rust_decimal::Decimal;

/// How many, and their amounts together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) tasks: usize,
    /// Empty if no task has an amount, or if they are too large to add.
    pub(super) amount: String,
    /// How many have no amount that can be added.
    pub(super) without: usize,
}

impl Totals {
    /// Of tasks with these amounts; an empty text is none.
    pub(super) fn of<'a>(amounts: impl Iterator<Item = &'a str>) -> Totals {
        let (mut totals, mut sum) = (Totals::default(), Some(Decimal::ZERO));
        for amount in amounts {
            totals.tasks += 1;
            match amount.parse::<Decimal>().or_else(|_| Decimal::from_scientific(amount)) {
                Ok(amount) => sum = sum.and_then(|sum| sum.checked_add(amount)),
                Err(_) => totals.without += 1,
            }
        }
        if totals.without < totals.tasks {
            totals.amount = sum.map(|sum| sum.to_string()).unwrap_or_default();
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added_to_the_cent() {
        let of = |amounts: &[&str]| {
            let Totals { tasks, amount, without } = Totals::of(amounts.iter().copied());
            (tasks, amount, without)
        };
        assert_eq!(of(&["0.10", "0.20", "1e2"]), (3, "100.30".to_owned(), 0));
        assert_eq!(of(&["12", "", "twelve", "-2.5"]), (4, "9.5".to_owned(), 2));
        assert_eq!(of(&["", ""]), (2, String::new(), 2));
        assert_eq!(of(&[]), (0, String::new(), 0));
        let most = Decimal::MAX.to_string();
        assert_eq!(of(&[&most, &most]), (2, String::new(), 0));
    }
}
