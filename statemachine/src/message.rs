//! What the workflow puts on the queue, parsed once into a message that cannot be wrong.
//!
//! Errors name fields and places, never values: the body holds the token, and a misplaced token must not reach a log.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::token::TaskToken;

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
    /// Whatever the workflow was started with: the very JSON text that arrived. Absent in the minimal message.
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
    /// A field that must be there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// Two fields of one name: readers disagree which of them counts.
    #[error("field {0} is there twice")]
    Twice(&'static str),
    /// A field of another type or outside its range.
    #[error("field {0} is not {1}")]
    Not(&'static str, String),
    /// A field that is logged and listed holds the secret.
    #[error("field {0} holds the task token; mend the MessageBody of the workflow")]
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
            transaction_id: fields.key("transactionId", 2_048)?,
            task_token: fields.token()?,
            start_time: fields.key("startTime", MAX_KEY_BYTES)?,
            order_id: fields.key("orderId", MAX_KEY_BYTES)?,
            order: fields.order()?,
            timeout_seconds: fields.timeout()?,
            unknown_fields: fields.0.into_keys().collect(),
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
        Ok(_) => serde_json::from_str::<Pairs>(body).map_err(|_| Invalid::NotAnObject)?,
    };
    let mut fields = BTreeMap::new();
    for (name, raw) in pairs.0 {
        let known = FIELDS.into_iter().find(|known| *known == name);
        if let (Some(_), Some(known)) = (fields.insert(name, raw), known) {
            return Err(Invalid::Twice(known));
        }
    }
    Ok(Fields(fields))
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

struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// A field's JSON text; `null` counts as absent.
    fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name).map(|raw| raw.get().to_owned()).filter(|raw| raw != "null")
    }

    fn key(&mut self, name: &'static str, max_bytes: usize) -> Result<String, Invalid> {
        let raw = self.take(name).ok_or(Invalid::Missing(name))?;
        let text = match raw.as_bytes().first() {
            // Workflows number their orders; the text of the number is as good a key.
            Some(b'-' | b'0'..=b'9') => raw,
            _ => serde_json::from_str::<String>(&raw)
                .map_err(|_| Invalid::Not(name, "a string or a number".to_owned()))?,
        };
        if text.is_empty() || text.len() > max_bytes {
            return Err(Invalid::Not(name, format!("1 to {max_bytes} bytes long")));
        }
        Ok(text)
    }

    fn token(&mut self) -> Result<TaskToken, Invalid> {
        let name = "taskToken";
        let raw = self.take(name).ok_or(Invalid::Missing(name))?;
        let text: String =
            serde_json::from_str(&raw).map_err(|_| Invalid::Not(name, "a string".to_owned()))?;
        TaskToken::new(text).map_err(|_| Invalid::Not(name, "1 to 2048 bytes long".to_owned()))
    }

    fn order(&mut self) -> Result<Option<String>, Invalid> {
        match self.take("order") {
            Some(raw) if raw.len() > MAX_ORDER_BYTES => {
                Err(Invalid::Not("order", format!("at most {MAX_ORDER_BYTES} bytes of JSON")))
            }
            order => Ok(order),
        }
    }

    fn timeout(&mut self) -> Result<Option<u64>, Invalid> {
        let name = "timeoutSeconds";
        let Some(raw) = self.take(name) else { return Ok(None) };
        match raw.parse() {
            Ok(seconds @ 1..=MAX_TIMEOUT_SECONDS) => Ok(Some(seconds)),
            _ => Err(Invalid::Not(name, format!("a whole number from 1 to {MAX_TIMEOUT_SECONDS}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        r#"{"transactionId":"arn:e","taskToken":"tok","startTime":"2026-11-22T10:00:00Z","orderId":"o-1"}"#;

    #[test]
    fn the_original_message_is_a_full_citizen() {
        let message = Message::parse(MINIMAL).unwrap();
        assert_eq!((message.order_id.as_str(), message.order, message.timeout_seconds), ("o-1", None, None));
    }

    #[test]
    fn an_order_keeps_its_very_text() {
        let body = MINIMAL
            .replace('}', r#","order":{"amount": 100.00,"n":1234567890123456789012},"timeoutSeconds":120}"#);
        let message = Message::parse(&body).unwrap();
        assert_eq!(message.order.as_deref(), Some(r#"{"amount": 100.00,"n":1234567890123456789012}"#));
        assert_eq!(message.timeout_seconds, Some(120));
    }

    #[test]
    fn a_numeric_order_id_keeps_its_digits() {
        let message = Message::parse(&MINIMAL.replace("\"o-1\"", "12345678901234567890123")).unwrap();
        assert_eq!(message.order_id, "12345678901234567890123");
    }

    #[test]
    fn a_key_of_a_library_is_a_plain_key() {
        let number = MINIMAL.replace("\"o-1\"", r#"{"$serde_json::private::Number":"5"}"#);
        let error = Message::parse(&number).unwrap_err();
        assert_eq!(error.to_string(), "field orderId is not a string or a number");
        for order in
            [r#"{"$serde_json::private::RawValue":"1"}"#, r#"{"a":{"$serde_json::private::Number":"5"}}"#]
        {
            let message = Message::parse(&MINIMAL.replace('}', &format!(",\"order\":{order}}}"))).unwrap();
            assert_eq!(message.order.as_deref(), Some(order));
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        for (twice, name) in [
            (r#","order":{"amount":9000},"order":{"amount":40}}"#, "order"),
            (r#","\u006frderId":"o-2"}"#, "orderId"),
            (r#","timeoutSeconds":null,"timeoutSeconds":5}"#, "timeoutSeconds"),
        ] {
            let error = Message::parse(&MINIMAL.replace('}', twice)).unwrap_err();
            assert_eq!(error.to_string(), format!("field {name} is there twice"));
        }
        // Of others nothing is read; and what an order says twice is for its rules to judge.
        let other = MINIMAL.replace('}', r#","x":1,"x":2,"order":{"a":1,"a":2}}"#);
        let message = Message::parse(&other).unwrap();
        assert_eq!(message.order.as_deref(), Some(r#"{"a":1,"a":2}"#));
        assert_eq!(message.unknown_fields, ["x"]);
    }

    #[test]
    fn unknown_fields_are_named() {
        let message = Message::parse(&MINIMAL.replace('}', r#","oder":{}}"#)).unwrap();
        assert_eq!(message.unknown_fields, ["oder"]);
    }

    #[test]
    fn a_token_in_a_field_that_is_shown_is_refused_without_being_quoted() {
        let token = "AAAAKgAAAAIAAAAA/secret+token==";
        let body = MINIMAL.replace("tok\"", &format!("{token}\""));
        assert!(Message::parse(&body.replace('}', &format!(r#","order":"{token}"}}"#))).is_ok());
        for (name, value) in
            [("transactionId", "arn:e"), ("startTime", "2026-11-22T10:00:00Z"), ("orderId", "o-1")]
        {
            for misplaced in [token.to_owned(), format!("x {token}"), token.replace('/', "\\/")] {
                let error = Message::parse(&body.replace(value, &misplaced)).unwrap_err().to_string();
                let expected =
                    format!("field {name} holds the task token; mend the MessageBody of the workflow");
                assert_eq!(error, expected);
            }
        }
    }

    #[test]
    fn every_refusal_names_the_field_and_never_the_value() {
        for (body, expected) in [
            ("", "the body is not JSON: error at line 1, column 0"),
            ("{\"taskToken\":\"tok\"", "the body is not JSON: error at line 1, column 18"),
            ("[\"tok\"]", "the body is not a JSON object"),
            ("{}", "field transactionId is missing"),
            (&MINIMAL.replace("\"tok\"", "null"), "field taskToken is missing"),
            (&MINIMAL.replace("\"tok\"", "[\"tok\"]"), "field taskToken is not a string"),
            (&MINIMAL.replace("tok", ""), "field taskToken is not 1 to 2048 bytes long"),
            (&MINIMAL.replace("\"o-1\"", "{\"x\":\"tok\"}"), "field orderId is not a string or a number"),
            (&MINIMAL.replace("o-1", ""), "field orderId is not 1 to 1024 bytes long"),
            (
                &MINIMAL.replace('}', r#","timeoutSeconds":"tok"}"#),
                "field timeoutSeconds is not a whole number from 1 to 99999999",
            ),
        ] {
            let error = Message::parse(body).unwrap_err().to_string();
            assert_eq!(error, expected, "{body}");
            assert!(!error.contains("tok\"") && !error.contains("\"tok"));
        }
    }
}
