//! Random guards on random orders, against an oracle that knows nothing of the engine: its own numbers, its own rules
//! for what may be compared with what. A guard that holds must escalate, one that does not must approve, and one that
//! cannot be told must fail.
//!
//! `GUARDS=1000000` evaluates more of them, `SEED=7` others.

use std::fmt::Write as _;

use rules::{Cause, Ended, Files, Outcome, Ruleset};

use crate::evaluate::{files, task};

const RULES: usize = 50;
const ORDERS: usize = 25;

/// SplitMix64: a seed gives the same guards on every machine.
struct Random(u64);

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

/// A number: so many of the `10^places`-th parts.
#[derive(Debug, Clone, Copy)]
struct Number {
    parts: i128,
    places: u32,
}

impl Number {
    fn at(self, places: u32) -> i128 {
        self.parts * 10_i128.pow(places - self.places)
    }

    fn with(self, other: Number, reckon: fn(i128, i128) -> i128) -> Number {
        let places = self.places.max(other.places);
        Number { parts: reckon(self.at(places), other.at(places)), places }
    }

    fn order(self, other: Number) -> std::cmp::Ordering {
        let places = self.places.max(other.places);
        self.at(places).cmp(&other.at(places))
    }

    fn text(self) -> String {
        let sign = if self.parts < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", self.parts.unsigned_abs(), self.places as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.places as usize);
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }
}

#[derive(Debug, Clone)]
enum Value {
    Nothing,
    Bool(bool),
    Number(Number),
    Text(&'static str),
    Joined(String),
    List(Vec<Value>),
    Record(Vec<(&'static str, Value)>),
}

impl Value {
    fn json(&self) -> String {
        match self {
            Value::Nothing => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.text(),
            Value::Text(text) => format!("\"{text}\""),
            Value::Joined(text) => format!("\"{text}\""),
            Value::List(values) => {
                format!("[{}]", values.iter().map(Value::json).collect::<Vec<_>>().join(","))
            }
            Value::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{}", value.json())).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Joined(text) => Some(text),
            _ => None,
        }
    }

    fn field(&self, wanted: &str) -> Option<&Value> {
        let Value::Record(fields) = self else { return None };
        fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }
}

#[derive(Debug, Clone)]
enum Guard {
    /// A field of the order, or of the item.
    Order(&'static str),
    Item(&'static str),
    /// `let least = 2;` and `limits.most`.
    Least,
    Most,
    Number(Number),
    Text(&'static str),
    Reckon(&'static str, Box<Guard>, Box<Guard>),
    Compare(&'static str, Box<Guard>, Box<Guard>),
    And(Box<Guard>, Box<Guard>),
    Or(Box<Guard>, Box<Guard>),
    Not(Box<Guard>),
    InTexts(Box<Guard>, Vec<&'static str>),
    InNames(Box<Guard>),
    InTags(Box<Guard>),
    Has(&'static str),
    Default(Box<Guard>, Box<Guard>),
    Shown(Box<Guard>),
    Some(Box<Guard>),
    All(Box<Guard>),
    Sum,
}

const NUMBERS: [&str; 3] = ["amount", "limit", "rate"];
const TEXTS: [&str; 3] = ["country", "tier", "code"];
const WORDS: [&str; 6] = ["DE", "gold", "900", "", "2026-11-22", "B7"];
const NAMES: [&str; 3] = ["DE", "B7", "silver"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// None where it is an error.
type Told = Option<Value>;

impl Guard {
    fn script(&self) -> String {
        match self {
            Guard::Order(name) => format!("order.{name}"),
            Guard::Item(name) => format!("item.{name}"),
            Guard::Least => "least".to_owned(),
            Guard::Most => "limits.most".to_owned(),
            Guard::Number(number) => number.text(),
            Guard::Text(text) => format!("\"{text}\""),
            Guard::Reckon(operator, a, b) | Guard::Compare(operator, a, b) => {
                format!("({} {operator} {})", a.script(), b.script())
            }
            Guard::And(a, b) => format!("({} && {})", a.script(), b.script()),
            Guard::Or(a, b) => format!("({} || {})", a.script(), b.script()),
            Guard::Not(a) => format!("!({})", a.script()),
            Guard::InTexts(a, texts) => format!("({} in {texts:?})", a.script()),
            Guard::InNames(a) => format!("({} in lists.names)", a.script()),
            Guard::InTags(a) => format!("({} in order.tags)", a.script()),
            Guard::Has(name) => format!("order.has(\"{name}\")"),
            Guard::Default(a, b) => format!("({} ?? {})", a.script(), b.script()),
            Guard::Shown(a) => format!("(`<${{{}}}>` == \"<DE>\")", a.script()),
            Guard::Some(a) => format!("order.items.some(|item| {})", a.script()),
            Guard::All(a) => format!("order.items.all(|item| {})", a.script()),
            Guard::Sum => "order.items.sum(\"price\")".to_owned(),
        }
    }

    fn told(&self, order: &Value, item: Option<&Value>) -> Told {
        let bool_of = |guard: &Guard| match guard.told(order, item)? {
            Value::Bool(value) => Some(value),
            _ => None,
        };
        Some(match self {
            Guard::Order(name) => order.field(name)?.clone(),
            Guard::Item(name) => item?.field(name)?.clone(),
            Guard::Least => Value::Number(Number { parts: 2, places: 0 }),
            Guard::Most => Value::Number(Number { parts: 55, places: 1 }),
            Guard::Number(number) => Value::Number(*number),
            Guard::Text(text) => Value::Text(text),
            Guard::Reckon(operator, a, b) => {
                reckoned(operator, &a.told(order, item)?, &b.told(order, item)?)?
            }
            Guard::Compare(operator, a, b) => {
                Value::Bool(compared(operator, &a.told(order, item)?, &b.told(order, item)?)?)
            }
            Guard::And(a, b) => Value::Bool(bool_of(a)? && bool_of(b)?),
            Guard::Or(a, b) => Value::Bool(bool_of(a)? || bool_of(b)?),
            Guard::Not(a) => Value::Bool(!bool_of(a)?),
            Guard::InTexts(a, texts) => Value::Bool(texts.contains(&a.told(order, item)?.text()?)),
            Guard::InNames(a) => Value::Bool(NAMES.contains(&a.told(order, item)?.text()?)),
            Guard::InTags(a) => {
                // What stands right of `in` is asked first, and every entry of it.
                let Value::List(tags) = order.field("tags")? else { return None };
                let wanted = a.told(order, item)?;
                let mut found = false;
                for tag in tags {
                    found |= compared("==", tag, &wanted)?;
                }
                Value::Bool(found)
            }
            Guard::Has(name) => Value::Bool(!matches!(order.field(name), None | Some(Value::Nothing))),
            Guard::Default(a, b) => match a.told(order, item)? {
                Value::Nothing => b.told(order, item)?,
                value => value,
            },
            Guard::Shown(a) => Value::Bool(match a.told(order, item)? {
                Value::Nothing | Value::List(_) | Value::Record(_) => return None,
                Value::Text(text) => text == "DE",
                Value::Joined(text) => text == "DE",
                Value::Bool(_) | Value::Number(_) => false,
            }),
            Guard::Some(a) => Value::Bool(
                each(a, order)?.try_fold(false, |found, holds| if found { Some(true) } else { holds() })?,
            ),
            Guard::All(a) => Value::Bool(
                each(a, order)?.try_fold(true, |all, holds| if all { holds() } else { Some(false) })?,
            ),
            Guard::Sum => {
                let Value::List(items) = order.field("items")? else { return None };
                let mut sum = Number { parts: 0, places: 0 };
                for item in items {
                    let Value::Number(price) = item.field("price")? else { return None };
                    sum = sum.with(*price, |a, b| a + b);
                }
                Value::Number(sum)
            }
        })
    }
}

/// Whether a guard holds of each item, asked one by one.
fn each<'a>(
    guard: &'a Guard,
    order: &'a Value,
) -> Option<impl Iterator<Item = impl FnOnce() -> Option<bool> + 'a> + 'a> {
    let Value::List(items) = order.field("items")? else { return None };
    Some(items.iter().map(move |item| {
        move || match guard.told(order, Some(item))? {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }))
}

fn reckoned(operator: &str, a: &Value, b: &Value) -> Told {
    if let (Value::Number(a), Value::Number(b)) = (a, b) {
        return Some(Value::Number(match operator {
            "+" => a.with(*b, |a, b| a + b),
            "-" => a.with(*b, |a, b| a - b),
            _ => Number { parts: a.parts * b.parts, places: a.places + b.places },
        }));
    }
    match (operator, a.text(), b.text()) {
        ("+", Some(a), Some(b)) => Some(Value::Joined(format!("{a}{b}"))),
        _ => None,
    }
}

fn compared(operator: &str, a: &Value, b: &Value) -> Option<bool> {
    let is_equality = operator == "==" || operator == "!=";
    let ordering = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.order(*b),
        (Value::Bool(a), Value::Bool(b)) if is_equality => a.cmp(b),
        _ => {
            let (a, b) = (a.text()?, b.text()?);
            // Numbers and dates that came as text have no order.
            let is_unordered = |text: &str| {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                is_number || (text.len() == 10 && text.starts_with("2026-"))
            };
            if !is_equality && (is_unordered(a) || is_unordered(b)) {
                return None;
            }
            a.cmp(b)
        }
    };
    Some(match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
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

fn guard(random: &mut Random, in_item: bool, depth: usize) -> Guard {
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

fn an_order(random: &mut Random) -> Value {
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

/// A ruleset with one guard a rule.
fn ruleset(guards: &[Guard]) -> Files {
    let mut entries = files(&[("params/limits.toml", "most = 5.5\n")]);
    entries.insert("lists/names.txt".to_owned(), NAMES.join("\n").into_bytes());
    for (n, guard) in guards.iter().enumerate() {
        let mut script = format!("//! id: r-{n:02}\nlet least = 2;\n");
        let _ = write!(script, "if {} {{\n    escalate(\"hit\", \"it holds\");\n}}\n", guard.script());
        script.push_str(
            "if least == 2 && limits.most > 0 && \"DE\" in lists.names {\n    approve(\"ok\");\n}\n",
        );
        entries.insert(format!("rules/{n:02}.rhai"), script.into_bytes());
    }
    entries
}

fn environment(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn random_guards_decide_as_an_oracle_says() {
    let seed = environment("SEED").unwrap_or(20_261_122);
    let wanted = environment("GUARDS").unwrap_or(50_000);
    let mut random = Random(seed);
    let (mut evaluated, mut held, mut failed) = (0_u64, 0_u64, 0_u64);
    while evaluated < wanted {
        let guards: Vec<Guard> = (0..RULES).map(|_| guard(&mut random, false, 2)).collect();
        let compiled = Ruleset::from_files(ruleset(&guards));
        let compiled = compiled.unwrap_or_else(|refused| panic!("SEED={seed}: {refused}"));
        for _ in 0..ORDERS {
            let order = an_order(&mut random);
            let json = order.json();
            let evaluation = compiled.evaluate(&task(Some(&json)));
            assert_eq!(evaluation.verdicts.len(), RULES, "SEED={seed}: {json}: {:?}", evaluation.verdict);
            for (guard, verdict) in guards.iter().zip(&evaluation.verdicts) {
                let told = match guard.told(&order, None) {
                    Some(Value::Bool(holds)) => Some(holds),
                    _ => None,
                };
                let answer = match &verdict.ended {
                    Ended::Gave { outcome: Outcome::Escalate, .. } => Some(true),
                    Ended::Gave { outcome: Outcome::Approve, .. } => Some(false),
                    Ended::Failed { cause: Cause::RuleError, .. } => None,
                    other => panic!("SEED={seed}: {other:?}"),
                };
                let ended = &verdict.ended;
                assert_eq!(answer, told, "SEED={seed}\n{}\n{json}\n{ended:?}", guard.script());
                evaluated += 1;
                held += u64::from(told == Some(true));
                failed += u64::from(told.is_none());
            }
        }
    }
    let enough = held > evaluated / 10 && failed > evaluated / 20 && held + failed < evaluated * 9 / 10;
    assert!(enough, "too one-sided: {held} held and {failed} failed of {evaluated}");
}
