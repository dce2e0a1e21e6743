//! The fields of a message, each read as what it must be.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Invalid, MAX_KEY_BYTES, MAX_ORDER_BYTES, MAX_TIMEOUT_SECONDS};
use crate::token::{self, TaskToken};

/// The longest `transactionId`: it is the partition key of an index (DynamoDB: 2,048 bytes).
const MAX_EXECUTION_BYTES: usize = 2_048;
/// What Step Functions evaluates where the workflow is written correctly: paths, intrinsic functions, JSONata. As a
/// value, such a text says that it was not evaluated.
const EXPRESSIONS: [&str; 6] = ["$.", "$[", "$$.", "$states.", "States.", "{%"];

/// Fields that were not read yet.
pub(super) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    pub(super) fn new(fields: BTreeMap<String, Box<RawValue>>) -> Fields {
        Fields(fields)
    }

    /// The names of the fields that were not read.
    pub(super) fn into_names(self) -> Vec<String> {
        self.0.into_keys().collect()
    }

    /// A field's JSON text; `null` counts as absent.
    fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name).map(|raw| raw.get().to_owned()).filter(|raw| raw != "null")
    }

    fn required(&mut self, name: &'static str) -> Result<String, Invalid> {
        self.take(name).ok_or_else(|| match self.0.keys().find(|found| is_misspelled(found, name)) {
            Some(found) => Invalid::Misspelled { name, found: found.clone() },
            None => Invalid::Missing(name),
        })
    }

    /// A key of an index.
    pub(super) fn key(&mut self, name: &'static str) -> Result<String, Invalid> {
        let raw = self.required(name)?;
        let text = match raw.as_bytes().first() {
            // Workflows number their orders; the text of the number is as good a key.
            Some(b'-' | b'0'..=b'9') => raw,
            _ => text(name, &raw)?.ok_or_else(|| Invalid::Not(name, "a string or a number".to_owned()))?,
        };
        if text.is_empty() || text.len() > MAX_KEY_BYTES {
            return Err(Invalid::Not(name, format!("1 to {MAX_KEY_BYTES} bytes long")));
        }
        Ok(text)
    }

    pub(super) fn execution(&mut self) -> Result<String, Invalid> {
        let name = "transactionId";
        let raw = self.required(name)?;
        let text = text(name, &raw)?.ok_or(Invalid::NotAnExecution)?;
        check_execution(&text)?;
        Ok(text)
    }

    pub(super) fn token(&mut self) -> Result<TaskToken, Invalid> {
        let name = "taskToken";
        let raw = self.required(name)?;
        let text = text(name, &raw)?.filter(|text| token::is_plausible(text)).ok_or(Invalid::NotAToken)?;
        TaskToken::new(text).map_err(|_| Invalid::NotAToken)
    }

    pub(super) fn order(&mut self) -> Result<Option<String>, Invalid> {
        let name = "order";
        let Some(raw) = self.take(name) else { return Ok(None) };
        if raw.len() > MAX_ORDER_BYTES {
            return Err(Invalid::Not(name, format!("at most {MAX_ORDER_BYTES} bytes of JSON")));
        }
        text(name, &raw)?;
        Ok(Some(raw))
    }

    /// Also `600.0` and `"600"`: a workflow that calculates its timeout, or passes it as text, means no other.
    pub(super) fn timeout(&mut self) -> Result<Option<u64>, Invalid> {
        let name = "timeoutSeconds";
        let Some(raw) = self.take(name) else { return Ok(None) };
        let digits = text(name, &raw)?.unwrap_or(raw);
        match whole(&digits) {
            Some(seconds @ 1..=MAX_TIMEOUT_SECONDS) => Ok(Some(seconds)),
            _ => Err(Invalid::Not(name, format!("a whole number from 1 to {MAX_TIMEOUT_SECONDS}"))),
        }
    }
}

/// The text of a JSON string; none for another JSON value.
fn text(name: &'static str, raw: &str) -> Result<Option<String>, Invalid> {
    let text: Option<String> = serde_json::from_str(raw).ok();
    if text.as_deref().is_some_and(is_expression) {
        return Err(Invalid::Unevaluated(name));
    }
    Ok(text)
}

fn is_expression(text: &str) -> bool {
    let text = text.trim_start();
    ["$", "$$"].contains(&text.trim_end()) || EXPRESSIONS.iter().any(|start| text.starts_with(start))
}

/// Tells whether a name has the letters of a field, but another case, other separators, or the `.$` that only a
/// JSONPath state takes off.
fn is_misspelled(found: &str, name: &str) -> bool {
    let letters = |text: &str| text.replace(['.', '$', '_', '-'], "").to_lowercase();
    found.len() <= name.len() + 4 && letters(found) == letters(name)
}

/// The value of a decimal number, written with or without fraction and exponent; none if it is not whole.
fn whole(digits: &str) -> Option<u64> {
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    // A double holds every whole number of this range.
    if number.fract() != 0.0 { None } else { format!("{number:.0}").parse().ok() }
}

/// Checks that a text is the ARN of an execution that can wait, also of one that a Distributed Map started
/// (`execution:NAME/LABEL:ID`).
fn check_execution(text: &str) -> Result<(), Invalid> {
    let is_printed = !text.chars().any(|character| character.is_whitespace() || character.is_control());
    let parts: Vec<&str> = text.split(':').collect();
    let (["arn", partition, "states", region, account, kind], rest) = parts.split_at(parts.len().min(6))
    else {
        return Err(Invalid::NotAnExecution);
    };
    let is_sound = is_printed
        && text.len() <= MAX_EXECUTION_BYTES
        && partition.starts_with("aws")
        && !region.is_empty()
        && !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && rest.iter().all(|part| !part.is_empty());
    match (*kind, rest.len()) {
        ("execution", 2) if is_sound => Ok(()),
        ("express", 2..) if is_sound => Err(Invalid::Express),
        _ => Err(Invalid::NotAnExecution),
    }
}
