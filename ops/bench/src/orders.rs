//! Orders that the sample rules approve, of a chosen size, and their tasks as ingest stores them.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use statemachine::item::{Item, Value};
use statemachine::message::Message;
use statemachine::task::{ReceivedAt, Task};

/// The text of an order with at least `bytes` bytes.
pub(crate) fn order(number: u64, bytes: usize) -> String {
    let cents = 500 + number * 7_919 % 44_500;
    let (euros, cents) = (cents / 100, cents % 100);
    let head = format!(
        r#"{{"orderId":"o-{number}","amount":{euros}.{cents:02},"currency":"EUR","customer":{{"id":"c-{number}","tier":"silver","country":"DE","ageDays":{}}},"items":[{{"sku":"BK-1042","category":"books","quantity":1,"price":{euros}.{cents:02}}},{{"sku":"TY-0815","category":"toys","quantity":2,"price":0}}],"note":""#,
        100 + number % 1_000
    );
    let note = note(number, bytes.saturating_sub(head.len() + 2));
    format!("{head}{note}\"}}")
}

/// Words and numbers in no order, so that a compressed order is as large as one of real life, or larger.
fn note(seed: u64, bytes: usize) -> String {
    const WORDS: [&str; 16] = [
        "delivery",
        "pallet",
        "warehouse",
        "invoice",
        "fragile",
        "courier",
        "discount",
        "returned",
        "customs",
        "signature",
        "carton",
        "weight",
        "partial",
        "express",
        "reorder",
        "supplier",
    ];
    let mut state = seed;
    let mut note = String::with_capacity(bytes + 16);
    while note.len() < bytes {
        // Constants of Knuth's MMIX; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[usize::try_from(state >> 60).unwrap_or_default()];
        note.push_str(&format!("{word} {:05} ", (state >> 40) % 100_000));
    }
    note.truncate(bytes);
    note
}

/// Messages of one batch.
pub(crate) const BATCH: u64 = 10;

/// A message with a token of its own, for no execution that there is.
pub(crate) fn message(number: u64) -> String {
    let order = order(number, 512);
    let at = format!("{:.3}", Timestamp::now());
    format!(
        r#"{{"transactionId":"arn:aws:states:us-east-1:000000000000:execution:orders:m{number}","taskToken":"{number:0>640}","startTime":"{at}","orderId":"o-{number}","order":{order}}}"#
    )
}

/// The item that ingest would put for a message that arrives now, in the form of the API.
pub(crate) fn item(message: &str) -> Result<Json> {
    let now = Timestamp::now();
    let received_at = ReceivedAt { text: format!("{now:.3}"), epoch_seconds: now.as_second() };
    Ok(Json::Object(attributes(Task::new(Message::parse(message)?, received_at, None).to_item())))
}

fn attributes(item: Item) -> Map<String, Json> {
    let attribute = |value| match value {
        Value::Text(text) => json!({ "S": text }),
        Value::Number(digits) => json!({ "N": digits }),
        Value::Map(map) => json!({ "M": attributes(map) }),
        Value::Bytes(bytes) => json!(model::Value::B(bytes.into())),
        Value::Other => json!({ "NULL": true }),
    };
    item.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_its_size_and_its_message_makes_a_task() {
        for bytes in [0, 512, 32 * 1_024] {
            let text = order(7, bytes);
            assert!(text.len() >= bytes && text.len() < bytes + 512, "{}", text.len());
            let read: Json = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(read["orderId"], "o-7");
        }
        let item = item(&message(7)).expect("ingest stores it");
        assert_eq!(item["status"]["S"], "PENDING");
        assert_eq!(item["orderId"]["S"], "o-7");
    }
}
