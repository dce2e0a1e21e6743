//! One column of some tasks, cut into buckets, and the comparisons that the cuts allow.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::columns::{self, Cell, Column};
use super::table::Table;

/// The most different texts of a column that are compared with; the most frequent ones.
const MAX_TEXTS: usize = 60;
/// A text that fewer tasks have is not worth a comparison.
const MIN_TASKS: usize = 3;
/// The leading digits of a round number.
const ROUND: [i64; 20] = [10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95];
/// Whole numbers that people count days, hours and dozens by.
const CALENDAR: [i64; 8] = [14, 21, 24, 28, 36, 48, 365, 730];
/// From the largest number of a column down, so many powers of ten are cut.
const DECADES: i32 = 5;
/// The range of a column is cut into steps of equal size, at most so many.
const STEPS: i64 = 40;

/// A comparison of a fact with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Below(Decimal),
    AtMost(Decimal),
    Above(Decimal),
    AtLeast(Decimal),
    Is(String),
    IsNot(String),
    Yes,
    No,
}

/// A comparison, as the buckets in which it holds: from `from` to before `to`, or all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) test: Test,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) outside: bool,
    /// How far from round the number is: 0 for 1, 2 or 5 of a power of ten.
    pub(super) rank: u32,
}

/// A column of some tasks.
#[derive(Debug)]
pub(super) struct Scale {
    /// Its place among the table's columns.
    pub(super) column: usize,
    /// The bucket of each task, in their order.
    pub(super) buckets: Vec<u16>,
    /// How many buckets there are.
    pub(super) count: usize,
    pub(super) atoms: Vec<Atom>,
}

impl Test {
    /// As a rule writes it.
    pub(super) fn text(&self, expression: &str) -> String {
        match self {
            Test::Below(number) => format!("{expression} < {number}"),
            Test::AtMost(number) => format!("{expression} <= {number}"),
            Test::Above(number) => format!("{expression} > {number}"),
            Test::AtLeast(number) => format!("{expression} >= {number}"),
            Test::Is(text) => format!("{expression} == {}", columns::quoted(text)),
            Test::IsNot(text) => format!("{expression} != {}", columns::quoted(text)),
            Test::Yes => expression.to_owned(),
            Test::No if expression.contains(" in ") => format!("!({expression})"),
            Test::No => format!("!{expression}"),
        }
    }
}

impl Scale {
    /// Cuts a column of these rows. None where the column says nothing of them, or not of all.
    pub(super) fn new(table: &Table, column: usize, rows: &[usize]) -> Option<Scale> {
        let cells: Vec<Cell> = rows.iter().map(|row| table.cell(*row, column)).collect();
        let first = *cells.first()?;
        if cells.iter().all(|cell| *cell == first) || !cells.iter().all(|cell| is_alike(first, *cell)) {
            return None;
        }
        let (buckets, count, atoms) = match first {
            Cell::Absent => return None,
            Cell::Flag(_) => flags(&cells),
            Cell::Number(_) => numbers(&cells, &table.columns[column]),
            Cell::Text(_) => texts(&cells, &table.columns[column]),
        };
        (!atoms.is_empty()).then_some(Scale { column, buckets, count, atoms })
    }
}

impl Atom {
    /// Whether a bucket is one in which it holds.
    pub(super) fn holds(&self, bucket: u16) -> bool {
        (self.from..self.to).contains(&usize::from(bucket)) != self.outside
    }

    /// Whether it holds nowhere but where `other` does.
    pub(super) fn is_within(&self, other: &Atom) -> bool {
        self == other || (!self.outside && !other.outside && other.from <= self.from && self.to <= other.to)
    }
}

fn is_alike(a: Cell, b: Cell) -> bool {
    matches!(
        (a, b),
        (Cell::Flag(_), Cell::Flag(_)) | (Cell::Number(_), Cell::Number(_)) | (Cell::Text(_), Cell::Text(_))
    )
}

fn flags(cells: &[Cell]) -> (Vec<u16>, usize, Vec<Atom>) {
    let buckets = cells.iter().map(|cell| u16::from(*cell == Cell::Flag(true))).collect();
    let atom = |test, from| Atom { test, from, to: from + 1, outside: false, rank: 0 };
    (buckets, 2, vec![atom(Test::Yes, 1), atom(Test::No, 0)])
}

/// Bucket 2i + 1 is the i-th threshold itself, those beside it what lies between two.
fn numbers(cells: &[Cell], column: &Column) -> (Vec<u16>, usize, Vec<Atom>) {
    let values =
        || cells.iter().filter_map(|cell| if let Cell::Number(value) = cell { Some(*value) } else { None });
    let (Some(least), Some(most)) = (values().min(), values().max()) else {
        return (Vec::new(), 0, Vec::new());
    };
    let is_whole = values().all(|value| value.fract().is_zero());
    let thresholds = thresholds(least, most, if is_whole { Decimal::ONE } else { column.unit });
    let bucket = |value: Decimal| match thresholds.binary_search_by(|(threshold, _)| threshold.cmp(&value)) {
        Ok(place) => 2 * place + 1,
        Err(place) => 2 * place,
    };
    let buckets = values().map(|value| u16::try_from(bucket(value)).expect("there are few")).collect();
    let count = 2 * thresholds.len() + 1;
    let mut atoms = Vec::new();
    for (place, (threshold, rank)) in thresholds.iter().enumerate() {
        let mut add = |test, from, to| atoms.push(Atom { test, from, to, outside: false, rank: *rank });
        add(Test::Below(*threshold), 0, 2 * place + 1);
        add(Test::AtMost(*threshold), 0, 2 * place + 2);
        add(Test::Above(*threshold), 2 * place + 2, count);
        add(Test::AtLeast(*threshold), 2 * place + 1, count);
    }
    (buckets, count, atoms)
}

/// The round numbers from `least` to `most` that are multiples of `unit`, with their ranks.
fn thresholds(least: Decimal, most: Decimal, unit: Decimal) -> Vec<(Decimal, u32)> {
    let mut found = BTreeSet::from([Decimal::ZERO]);
    let largest = least.abs().max(most.abs());
    // Two leading digits, 10 to 95, times a power of ten.
    let mut power = power_below(largest) / Decimal::TEN;
    for _ in 0..DECADES {
        found.extend(ROUND.iter().filter_map(|digits| power.checked_mul(Decimal::from(*digits))));
        power /= Decimal::TEN;
    }
    if unit == Decimal::ONE {
        found.extend(CALENDAR.map(Decimal::from));
    }
    let below: Vec<_> = found.iter().map(|number| -*number).collect();
    found.extend(below);
    // Steps of 1, 2 or 5 of a power of ten: between 10,000 and 12,000 few numbers have two digits.
    if let Some(range) = most.checked_sub(least).filter(|range| !range.is_zero()) {
        let wanted = range / Decimal::from(STEPS);
        let power = power_below(wanted);
        let step =
            [1, 2, 5, 10].map(|digit| power * Decimal::from(digit)).into_iter().find(|step| *step >= wanted);
        let step = step.unwrap_or(wanted).max(unit);
        let first = (least / step).ceil() * step;
        found.extend((0..=STEPS).map(|count| first + step * Decimal::from(count)));
    }
    found.retain(|number| least <= *number && *number <= most && (*number % unit).is_zero());
    found.into_iter().map(|number| (number.normalize(), rank(number, unit == Decimal::ONE))).collect()
}

/// The largest power of ten that is not above a number; a small one for small numbers.
fn power_below(number: Decimal) -> Decimal {
    let mut power = Decimal::new(1, 8);
    while power.checked_mul(Decimal::TEN).is_some_and(|next| next <= number) {
        power *= Decimal::TEN;
    }
    power
}

/// How far from round a number is: the fewer digits, the rounder.
fn rank(number: Decimal, is_whole: bool) -> u32 {
    let mut digits = number.normalize().mantissa().unsigned_abs();
    while digits > 9 && digits.is_multiple_of(10) {
        digits /= 10;
    }
    match digits {
        0 | 1 | 2 | 5 => 0,
        3..=9 | 15 | 25 | 75 => 1,
        _ if is_whole && CALENDAR.iter().any(|known| Decimal::from(*known) == number) => 1,
        _ => digits.ilog10() + 1,
    }
}

/// A bucket for each frequent text, in the order of the alphabet, and one for all others. Where rare texts were seen, others
/// will come that nobody has decided yet. `!=` would cover them too, so it is not tried.
fn texts(cells: &[Cell], column: &Column) -> (Vec<u16>, usize, Vec<Atom>) {
    let mut tasks: BTreeMap<u32, usize> = BTreeMap::new();
    for cell in cells {
        if let Cell::Text(text) = cell {
            *tasks.entry(*text).or_default() += 1;
        }
    }
    let mut frequent: Vec<(usize, &str, u32)> = tasks
        .iter()
        .filter(|(_, tasks)| **tasks >= MIN_TASKS)
        .filter_map(|(text, tasks)| Some((*tasks, column.texts.get(*text as usize)?.as_str(), *text)))
        .collect();
    let all_are_known = frequent.len() == tasks.len();
    frequent.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    frequent.truncate(MAX_TEXTS);
    frequent.sort_by(|a, b| a.1.cmp(b.1));
    let places: BTreeMap<u32, u16> =
        (0u16..).zip(&frequent).map(|(place, (_, _, text))| (*text, place)).collect();
    let others = u16::try_from(frequent.len()).expect("there are few");
    let bucket = |cell: &Cell| match cell {
        Cell::Text(text) => places.get(text).copied().unwrap_or(others),
        Cell::Absent | Cell::Flag(_) | Cell::Number(_) => others,
    };
    let atoms = frequent.iter().enumerate().flat_map(|(place, (_, text, _))| {
        let atom = |test, outside| Atom { test, from: place, to: place + 1, outside, rank: 0 };
        let is_not = all_are_known.then(|| atom(Test::IsNot((*text).to_owned()), true));
        [Some(atom(Test::Is((*text).to_owned()), false)), is_not].into_iter().flatten()
    });
    (cells.iter().map(bucket).collect(), frequent.len() + 1, atoms.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_round_and_within_what_was_seen() {
        let shown = |least: &str, most: &str, unit: &str| {
            let parse = |text: &str| text.parse::<Decimal>().unwrap();
            let found = thresholds(parse(least), parse(most), parse(unit));
            found.iter().map(|(number, _)| number.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("1", "9", "1"), "1 2 3 4 5 6 7 8 9");
        assert_eq!(
            shown("11980", "12007", "1"),
            (11980..12008).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
        );
        let wide = shown("0", "12000", "0.01");
        for number in ["1.5", "90", "750", "10500", "11000", "12000"] {
            assert!(wide.split(' ').any(|shown| shown == number), "{number} of {wide}");
        }
        assert!(!wide.contains("730 ") && wide.split(' ').count() < 130, "{wide}");
        assert_eq!(shown("-3", "1", "1"), "-3 -2 -1 0 1");
        assert_eq!(shown("0.55", "0.61", "0.01"), "0.55 0.56 0.57 0.58 0.59 0.6 0.61");
    }
}
