//! Random guards and orders, the same for a seed on every machine.

use super::guard::Guard;
use super::value::{Number, Value};

const NUMBERS: [&str; 3] = ["amount", "limit", "rate"];
const TEXTS: [&str; 3] = ["country", "tier", "code"];
const WORDS: [&str; 6] = ["DE", "gold", "900", "", "2026-11-22", "B7"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("it is below a usize")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Something like a number; now and then a text.
fn number(random: &mut Random, in_item: bool, depth: usize) -> Guard {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 if in_item => Guard::Item(random.pick(&["price", "qty"])),
        0..=2 => Guard::Order(random.pick(&NUMBERS)),
        3 => Guard::Least,
        4 => Guard::Most,
        5 if random.one_in(8) => Guard::Order(random.pick(&TEXTS)),
        5 => Guard::Number(some_number(random)),
        6 => Guard::Default(
            Guard::Order(random.pick(&NUMBERS)).into(),
            Guard::Number(some_number(random)).into(),
        ),
        7 if !in_item => Guard::Sum,
        _ => {
            let operator = random.pick(&["+", "-", "*"]);
            let (a, b) = (number(random, in_item, depth - 1), number(random, in_item, depth - 1));
            Guard::Reckon(operator, a.into(), b.into())
        }
    }
}

fn some_number(random: &mut Random) -> Number {
    let places = random.pick(&[0, 0, 1, 2]);
    Number { parts: i128::try_from(random.below(2_000)).expect("it is small") - 200, places }
}

fn text(random: &mut Random, in_item: bool) -> Guard {
    match random.below(5) {
        0 if in_item => Guard::Item("sku"),
        0..=2 => Guard::Order(random.pick(&TEXTS)),
        3 => {
            Guard::Default(Guard::Order(random.pick(&TEXTS)).into(), Guard::Text(random.pick(&WORDS)).into())
        }
        _ => Guard::Reckon("+", Guard::Order(random.pick(&TEXTS)).into(), Guard::Text("7").into()),
    }
}

pub(super) fn guard(random: &mut Random, in_item: bool, depth: usize) -> Guard {
    if depth > 0 && random.one_in(2) {
        let (a, b) = (guard(random, in_item, depth - 1).into(), guard(random, in_item, depth - 1).into());
        return match random.below(5) {
            0 | 1 => Guard::And(a, b),
            2 | 3 => Guard::Or(a, b),
            _ => Guard::Not(a),
        };
    }
    match random.below(if in_item { 9 } else { 11 }) {
        0..=2 => {
            // A field on the left: check knows what literals are, and would refuse the rule.
            let left = Guard::Order(random.pick(&NUMBERS));
            let left = if in_item && random.one_in(2) { Guard::Item("price") } else { left };
            Guard::Compare(random.pick(&COMPARISONS), left.into(), number(random, in_item, 2).into())
        }
        3 | 4 => {
            let right =
                if random.one_in(2) { text(random, in_item) } else { Guard::Text(random.pick(&WORDS)) };
            Guard::Compare(random.pick(&COMPARISONS), text(random, in_item).into(), right.into())
        }
        5 => Guard::InTexts(text(random, in_item).into(), vec![random.pick(&WORDS), random.pick(&WORDS)]),
        6 => Guard::InNames(text(random, in_item).into()),
        7 => match random.below(4) {
            0 => Guard::InTags(text(random, in_item).into()),
            1 => Guard::InTags(Guard::Order(random.pick(&NUMBERS)).into()),
            2 => Guard::Order("flag"),
            _ => Guard::Shown(text(random, in_item).into()),
        },
        8 => Guard::Has(random.pick(&["amount", "country", "flag", "absent"])),
        9 => Guard::Some(guard(random, true, 1).into()),
        _ => Guard::All(guard(random, true, 1).into()),
    }
}

/// A field's value: mostly of its type, now and then nothing, another, or none at all.
fn value(random: &mut Random, usual: fn(&mut Random) -> Value) -> Option<Value> {
    match random.below(30) {
        0 => None,
        1 => Some(Value::Nothing),
        2 => Some(Value::Bool(random.one_in(2))),
        3 => Some(Value::Text(random.pick(&WORDS))),
        4 => Some(Value::Number(some_number(random))),
        _ => Some(usual(random)),
    }
}

pub(super) fn an_order(random: &mut Random) -> Value {
    let number: fn(&mut Random) -> Value = |random| Value::Number(some_number(random));
    let word: fn(&mut Random) -> Value = |random| Value::Text(random.pick(&WORDS));
    let mut fields = Vec::new();
    let mut add = |name, value: Option<Value>| fields.extend(value.map(|value| (name, value)));
    for name in NUMBERS {
        add(name, value(random, number));
    }
    for name in TEXTS {
        add(name, value(random, word));
    }
    add("flag", value(random, |random| Value::Bool(random.one_in(2))));
    add(
        "tags",
        value(random, |random| {
            Value::List((0..random.below(3)).map(|_| Value::Text(random.pick(&WORDS))).collect())
        }),
    );
    add(
        "items",
        value(random, |random| {
            let number: fn(&mut Random) -> Value = |random| Value::Number(some_number(random));
            let items = (0..random.below(4)).map(|_| {
                let fields = [
                    ("price", value(random, number)),
                    ("qty", value(random, number)),
                    ("sku", value(random, |random| Value::Text(random.pick(&WORDS)))),
                ];
                let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
                Value::Record(fields.collect())
            });
            Value::List(items.collect())
        }),
    );
    Value::Record(fields)
}
