//! What the workflow puts on the queue, parsed once into a message that cannot be wrong.
//!
//! Errors name fields and places, never values: the body holds the token, and a misplaced token must not reach a log.

mod envelope;
mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::token::TaskToken;

pub use self::envelope::Envelope;
use self::fields::Fields;

/// The longest `order` text that is stored, in bytes. DynamoDB allows 400 KB an item; the rest is kept for the token,
/// the decision and the payload.
pub const MAX_ORDER_BYTES: usize = 350_000;
/// The longest `orderId` and `startTime`: each is an index key, and DynamoDB's sort keys end at 1,024 bytes.
pub const MAX_KEY_BYTES: usize = 1_024;
/// The longest `timeoutSeconds` accepted: Step Functions' own default, 99,999,999 s.
pub const MAX_TIMEOUT_SECONDS: u64 = 99_999_999;

/// One approval a workflow waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The execution's ARN.
    pub transaction_id: String,
    /// The secret that resumes the workflow.
    pub task_token: TaskToken,
    /// When the workflow started waiting, as the workflow wrote it.
    pub start_time: String,
    /// The business key; a number in the message becomes its text.
    pub order_id: String,
    /// The workflow's input, as the JSON text that arrived. Absent in the minimal message.
    pub order: Option<String>,
    /// How long the workflow waits. Absent in the minimal message.
    pub timeout_seconds: Option<u64>,
    /// Names of fields the message has and the contract has not, for a warning.
    pub unknown_fields: Vec<String>,
}

/// A message that can never become a task. No retry helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The body is not JSON at all.
    #[error("the body is not JSON: error at line {line}, column {column}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1; 0 where the text ends too early.
        column: usize,
    },
    /// The body is JSON, but a list or a scalar.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// Another service has wrapped the message.
    #[error("the body is {0}")]
    Wrapped(Envelope),
    /// A field that must be there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field that must be there is written in another way.
    #[error("field {name} is missing; the message has {found} instead: correct the workflow's MessageBody")]
    Misspelled {
        /// As it must be written.
        name: &'static str,
        /// As the message writes it: the same letters.
        found: String,
    },
    /// Two fields of one name: readers disagree which of them counts.
    #[error("field {0} is there twice")]
    Twice(&'static str),
    /// A field of another type or outside its range.
    #[error("field {0} is not {1}")]
    Not(&'static str, String),
    /// An expression that Step Functions passed on instead of evaluating it.
    #[error(
        "field {0} holds an expression instead of its value: in a JSONPath state its name in MessageBody must end in \
         .$, and in a JSONata state its value must be written as {{% … %}}"
    )]
    Unevaluated(&'static str),
    /// A text that no task token is.
    #[error(
        "field taskToken is not a task token, which has 16 to 2048 letters, digits and signs of + / = - _ . and no \
         others: pass $$.Task.Token (JSONPath) or $states.context.Task.Token (JSONata)"
    )]
    NotAToken,
    /// A text that is not the ARN of an execution.
    #[error(
        "field transactionId is not the ARN of an execution: pass $$.Execution.Id (JSONPath) or \
         $states.context.Execution.Id (JSONata)"
    )]
    NotAnExecution,
    /// The ARN of an Express workflow's execution.
    #[error("field transactionId is an execution of an Express workflow, which cannot wait for a task token")]
    Express,
    /// A field that is logged and listed holds the secret.
    #[error("field {0} holds the task token; correct the workflow's MessageBody")]
    HoldsToken(&'static str),
}

impl Message {
    /// Parses the body of an SQS message.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says which field is wrong and what was expected, without its value.
    pub fn parse(body: &str) -> Result<Message, Invalid> {
        let mut fields = parse_object(body)?;
        let message = Message {
            transaction_id: fields.execution()?,
            task_token: fields.token()?,
            start_time: fields.key("startTime")?,
            order_id: fields.key("orderId")?,
            order: fields.order()?,
            timeout_seconds: fields.timeout()?,
            unknown_fields: fields.into_names(),
        };
        for (name, text) in [
            ("transactionId", &message.transaction_id),
            ("startTime", &message.start_time),
            ("orderId", &message.order_id),
        ] {
            if message.task_token.is_in(text) {
                return Err(Invalid::HoldsToken(name));
            }
        }
        Ok(message)
    }
}

const FIELDS: [&str; 6] = ["transactionId", "taskToken", "startTime", "orderId", "order", "timeoutSeconds"];

fn parse_object(body: &str) -> Result<Fields, Invalid> {
    let pairs = match serde_json::from_str::<&RawValue>(body) {
        Err(error) => return Err(Invalid::NotJson { line: error.line(), column: error.column() }),
        Ok(_) => serde_json::from_str::<Pairs>(body)
            .map_err(|_| Envelope::of_other_json(body).map_or(Invalid::NotAnObject, Invalid::Wrapped))?,
    };
    let mut fields = BTreeMap::new();
    for (name, raw) in pairs.0 {
        let known = FIELDS.into_iter().find(|known| *known == name);
        if let (Some(_), Some(known)) = (fields.insert(name, raw), known) {
            return Err(Invalid::Twice(known));
        }
    }
    // A message may have any other field, also one that an envelope has.
    if !FIELDS.iter().any(|name| fields.contains_key(*name))
        && let Some(envelope) = Envelope::of(&fields)
    {
        return Err(Invalid::Wrapped(envelope));
    }
    Ok(Fields::new(fields))
}

/// An object's fields in the order they stand, equal names and all.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
