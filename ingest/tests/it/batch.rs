//! The outcome of each message of a batch: in the table, in the response to SQS, and in the log.

use std::io;
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::sqs::SqsEvent;
use ingest::handler::{self, Handled};
use ingest::metrics::Counts;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;

use crate::dynamodb::{Answer, Table};

const SENT: &str = "1795341600123";

fn record(message_id: &str, body: &str) -> Value {
    json!({"messageId": message_id, "body": body, "attributes": {"SentTimestamp": SENT}})
}

fn order(order_id: &str) -> Value {
    record(&format!("m-{order_id}"), &body(order_id))
}

fn token(order_id: &str) -> String {
    format!("SECRET-token-of-{order_id}")
}

fn body(order_id: &str) -> String {
    json!({
        "transactionId": "arn:aws:states:us-east-1:1:execution:shop:e",
        "taskToken": token(order_id),
        "startTime": "2026-11-22T10:00:00Z",
        "orderId": order_id,
    })
    .to_string()
}

/// The log of one run, as production formats it.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one line that tells a message's outcome.
    fn outcome(&self, message_id: &str) -> Value {
        let mut of_message = self.lines();
        of_message.retain(|line| line["message.id"] == message_id && line["outcome"].is_string());
        assert_eq!(of_message.len(), 1, "one line an outcome: {of_message:?}");
        of_message.remove(0)
    }
}

/// Handles a batch; the ids to deliver again, sorted, and the log.
async fn handle(table: &Table, records: Vec<Value>) -> (Vec<String>, Log) {
    let (failed, log, _) = counted(table, records).await;
    (failed, log)
}

/// Two seconds after the messages were sent.
fn now() -> Timestamp {
    Timestamp::from_millisecond(SENT.parse::<i64>().unwrap() + 2_000).unwrap()
}

/// The same with what was counted.
async fn counted(table: &Table, records: Vec<Value>) -> (Vec<String>, Log, Counts) {
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    let store = table.store();
    let handled = handler::handle(event, &store, now);
    let Handled { response, counts, .. } = handled.with_subscriber(subscriber).await;
    let mut failed: Vec<String> =
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    failed.sort();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("SECRET"), "the log holds a token: {text}");
    assert!(!format!("{:?}", counts.lines("ingest", now())).contains("SECRET"));
    (failed, log, counts)
}

#[tokio::test]
async fn a_message_becomes_a_pending_task() {
    let table = Table::default();
    let mut message = order("o-1");
    message["attributes"]["AWSTraceHeader"] =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".into();
    let (failed, log) = handle(&table, vec![message]).await;

    assert!(failed.is_empty());
    let item = &table.items()["o-1"];
    assert_eq!(item["status"]["S"], "PENDING");
    assert_eq!(item["revision"]["N"], "1");
    assert_eq!(item["receivedAt"]["S"], "2026-11-22T10:00:00.123Z");
    assert_eq!(item["listAt"]["N"], "1795341660");
    assert_eq!(item["traceparent"]["S"], "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    let line = log.outcome("m-o-1");
    assert_eq!((&line["outcome"], &line["order.id"]), (&"stored".into(), &"o-1".into()));
    assert_eq!(line["task.id"], item["taskId"]["S"]);
}

#[tokio::test]
async fn a_redelivery_is_a_success_and_changes_nothing() {
    let table = Table::default();
    handle(&table, vec![order("o-1")]).await;
    let first = table.items();
    let mut again = order("o-1");
    again["attributes"]["SentTimestamp"] = "1795349999999".into();
    let (failed, log) = handle(&table, vec![again]).await;

    assert!(failed.is_empty());
    assert_eq!(table.items(), first);
    assert_eq!(log.outcome("m-o-1")["outcome"], "duplicate");
}

/// By then the task may be decided, delivered, settled, or repaired by hand.
#[tokio::test]
async fn a_redelivery_long_after_is_a_success_whatever_happened_to_the_task() {
    let table = Table::default();
    handle(&table, vec![order("o-1")]).await;
    table.change("o-1", |item| {
        item["status"] = json!({"S": "APPROVED"});
        item["delivery"] = json!({"S": "DELIVERED"});
        item["decision"] = json!({"M": {"id": {"S": "01JD"}}});
        item["attempts"] = json!({"N": "3"});
        item["revision"] = json!({"N": "4"});
        item["list"] = json!({"S": "2026-11-22#07"});
        item.as_object_mut().unwrap().remove("listAt");
    });
    let (failed, log) = handle(&table, vec![order("o-1")]).await;
    assert!(failed.is_empty());
    assert_eq!(log.outcome("m-o-1")["outcome"], "duplicate");
}

/// Another version of this function may have stored it.
#[tokio::test]
async fn a_long_order_is_stored_compressed_and_known_again_in_either_form() {
    let long = |price: &str| json!((0..400).map(|n| json!({"sku": n, "price": price})).collect::<Vec<_>>());
    let of = |price: &str| {
        let mut message: Value = serde_json::from_str(&body("o-1")).unwrap();
        message["order"] = long(price);
        record("m-o-1", &message.to_string())
    };
    let table = Table::default();
    handle(&table, vec![of("1.50")]).await;
    let item = table.items()["o-1"].clone();
    let stored = item["order"]["B"].as_str().expect("it is compressed");
    assert!(stored.len() * 4 < long("1.50").to_string().len(), "{} bytes", stored.len());
    assert_eq!(item["format"]["N"], "2");

    let (failed, log) = handle(&table, vec![of("1.50")]).await;
    assert!(failed.is_empty());
    assert_eq!(log.outcome("m-o-1")["outcome"], "duplicate");
    table.change("o-1", |item| item["order"] = json!({"S": long("1.50").to_string()}));
    let (failed, log) = handle(&table, vec![of("1.50")]).await;
    assert!(failed.is_empty());
    assert_eq!(log.outcome("m-o-1")["outcome"], "duplicate");

    let (failed, log) = handle(&table, vec![of("1.51")]).await;
    assert_eq!(failed, ["m-o-1"]);
    assert_eq!(log.outcome("m-o-1")["outcome"], "rejected");
}

/// A state that passes a fixed text as its token loses every workflow but the first, if nobody says so.
#[tokio::test]
async fn another_task_under_the_same_token_is_rejected_and_changes_nothing() {
    let parsed = |body: &str| -> Value { serde_json::from_str(body).unwrap() };
    let mut stored = parsed(&body("o-1"));
    stored["order"] = json!({"amount": 1});
    let table = Table::default();
    handle(&table, vec![record("first", &stored.to_string())]).await;
    let before = table.items();
    for (name, value) in [
        ("transactionId", json!("arn:aws:states:us-east-1:1:execution:shop:f")),
        ("startTime", json!("2026-11-22T10:00:01Z")),
        ("orderId", json!("o-2")),
        ("order", json!({"amount": 2})),
        ("order", Value::Null),
    ] {
        let mut other = stored.clone();
        other[name] = value;
        let (failed, log) = handle(&table, vec![record("other", &other.to_string())]).await;
        assert_eq!(failed, ["other"], "{name}");
        assert_eq!(table.items(), before);
        let line = log.outcome("other");
        assert_eq!((&line["outcome"], &line["level"]), (&"rejected".into(), &"ERROR".into()));
        let task_id = before["o-1"]["taskId"]["S"].as_str().unwrap();
        let expected = format!(
            "message other: rejected: task {task_id} is stored under the same task token with another {name}: the \
             workflow must pass its own token, $$.Task.Token (JSONPath) or $states.context.Task.Token (JSONata)"
        );
        assert_eq!(line["message"], expected);
    }
}

#[tokio::test]
async fn a_stored_task_that_dynamodb_does_not_return_is_no_proof_of_a_redelivery() {
    let failed = Answer::Error(400, "ConditionalCheckFailedException", "The conditional request failed");
    let line = fails_alone(&Table::answering("o-2", failed), order("o-2")).await;
    assert_eq!(
        line["message"],
        "message m-o-2: not stored yet: the table has a task with this token, and DynamoDB did not return it"
    );
}

#[tokio::test]
async fn a_batch_of_hundreds_is_stored_whole() {
    let table = Table::default();
    let records = (0..300).map(|n| order(&format!("o-{n}"))).collect();
    let (failed, _) = handle(&table, records).await;
    assert!(failed.is_empty());
    assert_eq!(table.items().len(), 300);
}

/// Puts one message between two good ones: only it may fail. Gives its log line.
async fn fails_alone(table: &Table, bad: Value) -> Value {
    let message_id = bad["messageId"].as_str().unwrap().to_owned();
    let (failed, log) = handle(table, vec![order("first"), bad, order("last")]).await;
    assert_eq!(failed, [message_id.as_str()]);
    assert_eq!(table.items().into_keys().collect::<Vec<_>>(), ["first", "last"]);
    log.outcome(&message_id)
}

#[tokio::test]
async fn a_poison_message_fails_alone_with_its_reason() {
    for (bad, reason) in [
        (record("bad", "{\"taskToken\":\"SECRET\""), "the body is not JSON: error at line 1, column 21"),
        (record("bad", &body("o-2").replace("taskToken", "token")), "field taskToken is missing"),
        (json!({"messageId": "bad", "attributes": {"SentTimestamp": SENT}}), "the message has no body"),
        (
            json!({"messageId": "bad", "body": body("o-2")}),
            "attribute SentTimestamp is missing; it must be the number of milliseconds since 1970 that SQS sets",
        ),
        (
            record("bad", &body("o-2").replace(&token("o-2"), "$$.Task.Token")),
            "field taskToken holds an expression instead of its value: in a JSONPath state its name in MessageBody \
             must end in .$, and in a JSONata state its value must be written as {% … %}",
        ),
        (
            record(
                "bad",
                &json!({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": body("o-2")})
                    .to_string(),
            ),
            "the body is a notification of SNS: enable raw message delivery on the queue's subscription",
        ),
        (
            record("bad", &body("o-2").replace('}', &format!(",\"order\":\"{}\"}}", "x".repeat(350_000)))),
            "field order is not at most 350000 bytes of JSON",
        ),
    ] {
        let line = fails_alone(&Table::default(), bad).await;
        assert_eq!((&line["outcome"], &line["level"]), (&"rejected".into(), &"ERROR".into()));
        assert_eq!(line["message"], format!("message bad: rejected: {reason}"));
    }
}

/// The token in a field that is logged and listed; `handle` searches the log for it.
#[tokio::test]
async fn a_token_in_the_wrong_field_is_rejected_by_the_name_of_the_field() {
    for name in ["transactionId", "startTime", "orderId"] {
        for before in ["", "execution-of-"] {
            let mut message: Value = serde_json::from_str(&body("o-2")).unwrap();
            let misplaced = format!("arn:aws:states:us-east-1:1:execution:shop:{before}{}", token("o-2"));
            message[name] = misplaced.into();
            let line = fails_alone(&Table::default(), record("bad", &message.to_string())).await;
            assert_eq!(
                line["message"],
                format!(
                    "message bad: rejected: field {name} holds the task token; correct the workflow's MessageBody"
                )
            );
        }
    }
}

/// A workflow that passes its whole context object passes its token: the order is stored as it came, and never logged.
#[tokio::test]
async fn a_token_in_the_order_is_stored_and_not_logged() {
    let table = Table::default();
    let order = format!(r#"{{"Task":{{"Token":"{}"}},"amount":1.50}}"#, token("o-1"));
    let message = record("m", &body("o-1").replace('}', &format!(r#","order":{order}}}"#)));
    let (failed, log) = handle(&table, vec![message]).await;
    assert!(failed.is_empty());
    assert_eq!(table.items()["o-1"]["order"]["S"], order);
    assert_eq!(log.outcome("m")["outcome"], "stored");
}

#[tokio::test]
async fn an_item_that_dynamodb_refuses_is_rejected_without_its_token() {
    let refusal = Answer::Error(400, "ValidationException", "bad value SECRET-token-of-o-2 in it");
    let line = fails_alone(&Table::answering("o-2", refusal), order("o-2")).await;
    assert_eq!(
        line["message"],
        "message m-o-2: rejected: DynamoDB rejected the item: ValidationException: bad value (hidden) in it"
    );
}

#[tokio::test]
async fn a_failure_of_dynamodb_is_for_another_try() {
    for (answer, reason) in [
        (
            Answer::Error(400, "ThrottlingException", "slow down"),
            "DynamoDB answered ThrottlingException: slow down",
        ),
        (Answer::Error(500, "InternalServerError", "oh"), "DynamoDB answered InternalServerError: oh"),
        (
            Answer::Error(400, "AccessDeniedException", "not authorized"),
            "DynamoDB answered AccessDeniedException: not authorized",
        ),
        (Answer::Silence, "DynamoDB did not answer: "),
    ] {
        let line = fails_alone(&Table::answering("o-2", answer), order("o-2")).await;
        assert_eq!((&line["outcome"], &line["level"]), (&"retry".into(), &"WARN".into()));
        let message = line["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("message m-o-2: not stored yet: {reason}")), "{message}");
    }
}

#[tokio::test]
async fn what_becomes_of_each_message_is_counted() {
    let table = Table::answering("o-9", Answer::Error(400, "ThrottlingException", "slow down"));
    handle(&table, vec![order("o-1")]).await;
    let batch = vec![
        order("o-1"),
        order("o-2"),
        order("o-9"),
        record("a", "no"),
        record("b", "[]"),
        record("c", "?"),
    ];
    let (failed, _, counts) = counted(&table, batch).await;
    assert_eq!(failed.len(), 4);
    assert_eq!((counts.stored, counts.duplicates, counts.retried), (1, 1, 1));
    assert_eq!(counts.rejected, [("not-json", 2), ("not-an-object", 1)].into());
    assert_eq!(counts.delays_ms, [2_000]);
}

#[tokio::test]
async fn a_panic_fails_its_own_message_only() {
    let line = fails_alone(&Table::answering("o-2", Answer::Panic), order("o-2")).await;
    assert_eq!(line["message"], "message m-o-2: not stored yet: the handler of the message panicked");
}

#[tokio::test]
async fn a_message_without_an_id_fails_the_batch_rather_than_get_lost() {
    let (failed, _) = handle(&Table::default(), vec![json!({"body": "not JSON"})]).await;
    assert_eq!(failed, [""]);
}

#[tokio::test]
async fn an_unknown_field_is_a_warning_and_no_more() {
    let table = Table::default();
    let (failed, log) =
        handle(&table, vec![record("m", &body("o-1").replace('}', ",\"oder\":{\"a\":\"SECRET\"}}"))]).await;
    assert!(failed.is_empty());
    assert_eq!(log.outcome("m")["outcome"], "stored");
    let warnings: Vec<Value> = log.lines().into_iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings.len(), 1);
    assert_eq!((&warnings[0]["message.id"], &warnings[0]["unknown"]), (&"m".into(), &"oder".into()));
}
