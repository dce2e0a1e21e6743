//! A stored task as a test case: its facts, masked as the schema says, and what the rules say of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::failure::codes;
use crate::backtest::StoredTask;
use crate::evaluate;
use crate::number;
use crate::ruleset::Ruleset;
use crate::schema::{Shape, Type};
use crate::verdict::Verdict;

/// Writes a test file with one base and one case from a stored task.
///
/// The order is what the schema names of it: other fields are invisible to rules, so they are left out. Masked facts are
/// replaced by stand-ins. The case expects what `ruleset` says of the order as it is written.
///
/// # Errors
///
/// When the order is not JSON, or has a number that a test file cannot hold; the text says so.
pub fn from_task(ruleset: &Ruleset, task: &StoredTask) -> Result<String, String> {
    let order: Option<Value> =
        task.order.as_deref().map(serde_json::from_str).transpose().map_err(|error| {
            format!("the order is not JSON: error at line {}, column {}", error.line(), error.column())
        })?;
    let short: String = task.task_id.chars().take(8).collect();
    let name = if short.is_empty() { "task".to_owned() } else { format!("task-{short}") };
    let mut kept = Kept::default();
    let order = order.map(|order| kept.order(ruleset, order));
    let written = StoredTask { order: order.as_ref().map(Value::to_string), ..task.clone() };
    let evaluation = evaluate::evaluate(ruleset, &written.facts(), &mut evaluate::Extras::default());
    let verdict = &evaluation.verdict;
    let mut text = format!("# Task {}, received at {}.\n", quoted(&task.task_id), quoted(&task.received_at));
    kept.explain(ruleset, &mut text);
    let real = evaluate::evaluate(ruleset, &task.facts(), &mut evaluate::Extras::default()).verdict;
    if answer(&real) != answer(verdict) {
        let (outcome, code) = (real.outcome().as_str(), real.code());
        let _ = writeln!(text, "# Of the order as it was stored, the rules say {outcome} [{code}].");
    }
    if let Some(Value::Object(fields)) = &order {
        let _ = writeln!(text, "[base.{name}]");
        for (key, value) in fields {
            let _ = writeln!(text, "{} = {}", bare_or_quoted(key), toml(value, 0)?);
        }
        text.push('\n');
    } else if let Some(other) = &order {
        return Err(format!("a test's order is a record; this one is {other}"));
    }
    let from = if order.is_some() { format!("from = \"{name}\"") } else { "order = false".to_owned() };
    let _ = writeln!(text, "[[case]]\nname = {}\n{from}", quoted(&format!("task {}", task.task_id)));
    let _ = writeln!(
        text,
        "task = {{ orderId = {}, startTime = {}, transactionId = {}, now = {} }}",
        quoted(&task.order_id),
        quoted(&task.start_time),
        quoted(&task.transaction_id),
        quoted(&task.received_at)
    );
    let _ = writeln!(text, "expect = \"{}\"", verdict.outcome().as_str());
    if let Some(rule) = verdict.rule() {
        let _ = writeln!(text, "by = {}", quoted(rule));
    }
    let mut given: Vec<String> = codes(&evaluation).map(quoted).collect();
    given.sort();
    given.dedup();
    let _ = writeln!(text, "codes = [{}]", given.join(", "));
    Ok(text)
}

/// An order as a test may show it: what the schema names of it, with stand-ins for what it masks.
pub(crate) fn shown(ruleset: &Ruleset, order: &str) -> Option<Value> {
    Some(Kept::default().order(ruleset, serde_json::from_str(order).ok()?))
}

fn answer(verdict: &Verdict) -> (&str, &str, Option<&str>) {
    (verdict.outcome().as_str(), verdict.code(), verdict.rule())
}

/// What a written order does not say as the stored one did.
#[derive(Debug, Default)]
struct Kept {
    masked: Vec<String>,
    left_out: Vec<String>,
    nulls: Vec<String>,
}

impl Kept {
    fn order(&mut self, ruleset: &Ruleset, order: Value) -> Value {
        match (&ruleset.schema, order) {
            (Some(schema), Value::Object(fields)) => self.record("order", &schema.fields, fields),
            (_, order) => self.whole("order", order),
        }
    }

    fn record(&mut self, path: &str, shapes: &BTreeMap<String, Shape>, fields: Map<String, Value>) -> Value {
        let mut kept = Map::new();
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            match shapes.get(&name) {
                None => self.left_out.push(path),
                Some(_) if value.is_null() => self.nulls.push(path),
                Some(shape) => drop(kept.insert(name, self.fact(path, shape, value))),
            }
        }
        Value::Object(kept)
    }

    fn fact(&mut self, path: String, shape: &Shape, value: Value) -> Value {
        match (&shape.kind, value) {
            (_, value) if shape.masked => {
                self.masked.push(path);
                stand_in(shape, &value)
            }
            (Type::Record(shapes), Value::Object(fields)) => self.record(&path, shapes, fields),
            (Type::List(shape), Value::Array(values)) => {
                let path = format!("{path}[]");
                values.into_iter().map(|value| self.fact(path.clone(), shape, value)).collect()
            }
            (_, value) => self.whole(&path, value),
        }
    }

    /// A value as it is, without what TOML has no word for.
    fn whole(&mut self, path: &str, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    if value.is_null() {
                        self.nulls.push(path);
                    } else {
                        kept.insert(name, self.whole(&path, value));
                    }
                }
                Value::Object(kept)
            }
            Value::Array(values) => {
                let path = format!("{path}[]");
                let kept = values.into_iter().filter(|value| {
                    if value.is_null() {
                        self.nulls.push(path.clone());
                    }
                    !value.is_null()
                });
                let kept: Vec<Value> = kept.collect();
                kept.into_iter().map(|value| self.whole(&path, value)).collect()
            }
            other => other,
        }
    }

    fn explain(mut self, ruleset: &Ruleset, text: &mut String) {
        for (paths, what) in [
            (&mut self.masked, "Masked by the schema, replaced here"),
            (&mut self.left_out, "Not in the schema, left out"),
            (&mut self.nulls, "Null in the task, left out"),
        ] {
            paths.sort();
            paths.dedup();
            if !paths.is_empty() {
                // A name may hold anything; a comment ends with its line.
                let paths: String = paths.join(", ").chars().filter(|c| !c.is_control()).collect();
                let _ = writeln!(text, "# {what}: {paths}.");
            }
        }
        if ruleset.schema.is_none() {
            text.push_str("# No schema masks anything: remove what must not be kept beside the rules.\n");
        }
    }
}

/// A value of the right type that says nothing of the one it replaces.
fn stand_in(shape: &Shape, value: &Value) -> Value {
    match &shape.kind {
        Type::Text { choices } => choices.first().map_or("masked", String::as_str).into(),
        Type::Integer | Type::Decimal | Type::Money { .. } => 0.into(),
        Type::Boolean => false.into(),
        Type::Date => "2000-01-01".into(),
        Type::List(_) => Value::Array(Vec::new()),
        Type::Record(shapes) => {
            let has = |name: &String| value.get(name).is_some_and(|value| !value.is_null());
            let needed = shapes.iter().filter(|(name, shape)| !shape.optional || has(name));
            needed.map(|(name, shape)| (name.clone(), stand_in(shape, &Value::Null))).collect()
        }
    }
}

/// A value in TOML, on one line unless it is a list of records.
pub(crate) fn toml(value: &Value, depth: usize) -> Result<String, String> {
    Ok(match value {
        Value::Null => {
            return Err("a list in the order contains null, which a test file cannot express".to_owned());
        }
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => toml_number(number.as_str())?,
        Value::String(text) => quoted(text),
        Value::Array(values) => {
            let entries: Vec<String> =
                values.iter().map(|value| toml(value, depth + 1)).collect::<Result<_, _>>()?;
            if depth == 0 && values.iter().any(Value::is_object) {
                let lines: String = entries.iter().map(|entry| format!("    {entry},\n")).collect();
                format!("[\n{lines}]")
            } else {
                format!("[{}]", entries.join(", "))
            }
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                Ok::<_, String>(format!("{} = {}", bare_or_quoted(name), toml(value, depth + 1)?))
            };
            let fields: Vec<String> = fields.iter().map(field).collect::<Result<_, _>>()?;
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
    })
}

/// A JSON number as TOML: the same digits. Whole numbers beyond 64 bits have no other form than with a decimal point.
fn toml_number(text: &str) -> Result<String, String> {
    number::parse(text).ok_or_else(|| format!("{text} has more digits than can be kept exactly (28)"))?;
    let is_whole = !text.contains(['.', 'e', 'E']);
    Ok(if is_whole && text.parse::<i64>().is_err() { format!("{text}.0") } else { text.to_owned() })
}

/// A text as TOML's basic string, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

pub(crate) fn bare_or_quoted(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_bare { key.to_owned() } else { quoted(key) }
}
