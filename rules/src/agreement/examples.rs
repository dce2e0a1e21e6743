//! The test cases of a proposal: a stored order that meets its condition, the edges of its numbers, and an order that
//! does not meet it. They expect what the changed ruleset says.

use rust_decimal::Decimal;
use serde_json::{Number, Value};

use super::columns::Column;
use super::scale::Test;
use super::table::{Row, Table};
use super::wanted::Wanted;
use crate::cases::from_task::{self, bare_or_quoted, quoted};
use crate::cases::paths::assign;
use crate::evaluate;
use crate::ruleset::{Ruleset, TaskFacts};
use crate::verdict::{Outcome, Verdict};

/// How many stored orders are tried as examples.
const MAX_TRIED: usize = 50;

/// A stored order as a test shows it, and its row.
type Example = (Value, usize);

/// What writes the test file of one proposal.
struct Writer<'a> {
    changed: &'a Ruleset,
    table: &'a Table,
    wanted: &'a Wanted<'a>,
    name: String,
    text: String,
}

/// The test file. None if no stored order that is kept says the same once it is masked.
pub(super) fn tests(changed: &Ruleset, table: &Table, wanted: &Wanted<'_>) -> Option<String> {
    let text = format!("# From stored tasks. {}.\n\n", wanted.why);
    let mut writer = Writer { changed, table, wanted, name: wanted.name(), text };
    let name = writer.name.clone();
    let inside = writer.example(&wanted.inside, Writer::is_decided)?;
    let outside = writer.example(&wanted.outside, Writer::is_left);
    writer.base(&name, &inside)?;
    let title = format!("people {}: {}", wanted.outcome.as_str(), wanted.condition);
    writer.case(&title, &name, &inside, None)?;
    for (path, number) in wanted.tests.iter().flat_map(|(column, test)| edges(column, test)) {
        let mut edge = inside.clone();
        let value = Value::Number(number.to_string().parse::<Number>().ok()?);
        if assign(&mut edge.0, path, Some(value.clone())).is_ok() {
            writer.case(&format!("{path} = {number}"), &name, &edge, Some((path, value)));
        }
    }
    if let Some(outside) = outside {
        let name = format!("{name}-not");
        writer.base(&name, &outside)?;
        writer.case("another is still left to a person", &name, &outside, None)?;
    }
    Some(writer.text.trim_end().to_owned() + "\n")
}

impl Writer<'_> {
    fn is_decided(&self, verdict: &Verdict) -> bool {
        verdict.outcome() == self.wanted.outcome && verdict.code() == self.name
    }

    fn is_left(&self, verdict: &Verdict) -> bool {
        verdict.outcome() == Outcome::Escalate && verdict.code() == self.wanted.code
    }

    /// The first kept order of these rows that the changed ruleset answers so.
    fn example(&self, rows: &[usize], is_so: fn(&Self, &Verdict) -> bool) -> Option<Example> {
        let kept = rows.iter().filter_map(|row| Some((self.table.rows[*row].order.as_deref()?, *row)));
        let shown = kept.filter_map(|(order, row)| Some((from_task::shown(self.changed, order)?, row)));
        shown.take(MAX_TRIED).find(|example| is_so(self, &self.verdict(example)))
    }

    fn verdict(&self, (order, row): &Example) -> Verdict {
        let Row { received_at, .. } = &self.table.rows[*row];
        let order = order.to_string();
        let task = TaskFacts {
            order: Some(&order),
            order_id: "test-order",
            start_time: "2026-01-15T12:00:00Z",
            transaction_id: "arn:aws:states:eu-central-1:000000000000:execution:test:test",
            received_at,
        };
        evaluate::evaluate(self.changed, &task, &mut evaluate::Extras::default()).verdict
    }

    fn base(&mut self, name: &str, (order, _): &Example) -> Option<()> {
        self.text.push_str(&format!("[base.{name}]\n"));
        for (key, value) in order.as_object()? {
            self.text.push_str(&format!("{} = {}\n", bare_or_quoted(key), from_task::toml(value, 0).ok()?));
        }
        self.text.push('\n');
        Some(())
    }

    /// Writes a case; none for one that another rule decides.
    fn case(&mut self, title: &str, from: &str, example: &Example, set: Option<(&str, Value)>) -> Option<()> {
        let verdict = self.verdict(example);
        let expect = if self.is_decided(&verdict) {
            let by = self.wanted.rule.unwrap_or(&self.name);
            let outcome = self.wanted.outcome.as_str();
            format!("expect = \"{outcome}\"\nby = {}\ncodes = [\"{}\"]\n", quoted(by), self.name)
        } else if self.is_left(&verdict) {
            format!("expect = \"escalate\"\ncodes = [{}]\n", quoted(self.wanted.code))
        } else {
            return None;
        };
        let set = match set {
            None => String::new(),
            Some((path, value)) => {
                format!("set = {{ {} = {} }}\n", quoted(path), from_task::toml(&value, 1).ok()?)
            }
        };
        let (title, now) = (quoted(title), quoted(&self.table.rows[example.1].received_at));
        self.text.push_str(&format!(
            "[[case]]\nname = {title}\nfrom = \"{from}\"\n{set}task = {{ now = {now} }}\n{expect}\n"
        ));
        Some(())
    }
}

/// The numbers just inside and just outside a comparison with a number, of a fact that a test can set.
fn edges<'a>(column: &'a Column, test: &Test) -> Vec<(&'a str, Decimal)> {
    let (Test::Below(number) | Test::AtMost(number) | Test::Above(number) | Test::AtLeast(number)) = test
    else {
        return Vec::new();
    };
    let Some(path) = &column.path else { return Vec::new() };
    let beside = match test {
        Test::Below(_) | Test::AtLeast(_) => number.checked_sub(column.unit),
        _ => number.checked_add(column.unit),
    };
    beside.into_iter().chain([*number]).map(|number| (path.as_str(), number)).collect()
}
