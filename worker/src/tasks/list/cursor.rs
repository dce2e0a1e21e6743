//! The place where the next page begins, as an opaque text that the caller sends back.

use aws_smithy_types::base64;
use serde::{Deserialize, Serialize};
use statemachine::item::{Item, text};
use statemachine::task::attribute;
use statemachine::token::TaskId;

/// The longest accepted cursor in bytes: 64 positions of 64 bytes, in base64, and some room.
const MAX_BYTES: usize = 8_192;

/// The text is not a cursor of this query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not from this query; omit it to start at the first page")]
pub struct InvalidCursor;

/// The last task that was shown for each key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cursor {
    /// For the keys of worklists or of a day. A key without any shown task is absent.
    Lists(Vec<Position>),
    /// For an order.
    Order { order_id: String, start_time: String, task_id: TaskId },
}

/// A position in one key of the `worklist` index: key, `listAt`, task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position(pub(super) String, pub(super) i64, pub(super) TaskId);

impl Cursor {
    pub(super) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("texts and numbers can always be serialised");
        // The URL-safe alphabet, so that a cursor can be pasted into a query string unchanged.
        base64::encode(json).trim_end_matches('=').replace('+', "-").replace('/', "_")
    }

    pub(super) fn decode(cursor: &str) -> Result<Cursor, InvalidCursor> {
        if cursor.len() > MAX_BYTES {
            return Err(InvalidCursor);
        }
        let padding = "=".repeat((4 - cursor.len() % 4) % 4);
        let base64 = format!("{}{padding}", cursor.replace('-', "+").replace('_', "/"));
        let json = base64::decode(base64).map_err(|_| InvalidCursor)?;
        serde_json::from_slice(&json).map_err(|_| InvalidCursor)
    }

    /// The position at which a query for an order ended.
    pub(super) fn of_order(key: &Item) -> Option<Cursor> {
        Some(Cursor::Order {
            order_id: text(key, attribute::ORDER_ID).ok()?,
            start_time: text(key, attribute::START_TIME).ok()?,
            task_id: TaskId::parse(&text(key, attribute::TASK_ID).ok()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_is_safe_in_a_query_string() {
        let id = TaskId::parse("7a7816bf8f01cfea414140de5dae2223").unwrap();
        for order_id in ["", "o", "o-1", "ü?>~/\u{1}"] {
            let cursor = Cursor::Order {
                order_id: order_id.to_owned(),
                start_time: "t?>>>???".to_owned(),
                task_id: id.clone(),
            };
            let text = cursor.encode();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert_eq!(Cursor::decode(&text), Ok(cursor));
        }
        let full = Cursor::Lists(vec![Position("ESCALATED#07".to_owned(), i64::MIN, id); 64]);
        assert!(full.encode().len() <= MAX_BYTES);
        assert_eq!(Cursor::decode(&full.encode()), Ok(full));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "=", "e30", "bm90IGpzb24", "ü", "a b", &"A".repeat(8_193)] {
            assert_eq!(Cursor::decode(text), Err(InvalidCursor), "{text}");
        }
    }
}
