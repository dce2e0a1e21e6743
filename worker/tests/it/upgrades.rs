//! What an earlier version stored: this one reads all of it, and would store it again as it is.
//!
//! The data are of the programs of commit 6f6f479, on the emulator: the Lambda function, the worker and the command line
//! stored tasks in every state, leases, a heartbeat, a published ruleset and the history of the switch.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use rules::FourEyes;
use serde_json::{Value as Json, json};
use statemachine::item::{Item, Value};
use statemachine::task::{Escalation, GivenBack, Task};
use worker::lease::table::LeaseTable;
use worker::tasks::table::Notes;

use crate::office::{CONTROL, Office, TABLE};

/// Items by table, in the JSON of the API.
fn stored() -> BTreeMap<String, Vec<serde_json::Map<String, Json>>> {
    serde_json::from_str(include_str!("data/stored-6f6f479.json")).expect("the file is JSON")
}

fn of_api(value: &Json) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|it| it.iter().next()).expect("one kind and its value");
    match (kind.as_str(), value) {
        ("S", Json::String(text)) => AttributeValue::S(text.clone()),
        ("N", Json::String(digits)) => AttributeValue::N(digits.clone()),
        ("BOOL", Json::Bool(flag)) => AttributeValue::Bool(*flag),
        ("M", Json::Object(map)) => {
            AttributeValue::M(map.iter().map(|(name, value)| (name.clone(), of_api(value))).collect())
        }
        other => panic!("{other:?} is not stored"),
    }
}

fn of_contract(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::N(digits) => Value::Number(digits.clone()),
        AttributeValue::M(map) => Value::Map(to_item(map)),
        AttributeValue::B(bytes) => Value::Bytes(bytes.as_ref().to_vec()),
        _ => Value::Other,
    }
}

fn to_item(map: &HashMap<String, AttributeValue>) -> Item {
    map.iter().map(|(name, value)| (name.clone(), of_contract(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_stored_is_read_and_kept_whole() {
    let office = Office::open();
    let client = office.world.client_for("operator").dynamodb();
    let mut tasks = vec![];
    for (name, items) in stored() {
        let table = if name == "tasks" { TABLE } else { CONTROL };
        for item in items {
            let item: HashMap<String, AttributeValue> =
                item.iter().map(|(name, value)| (name.clone(), of_api(value))).collect();
            let put = client.put_item().table_name(table).set_item(Some(item.clone()));
            put.send().await.expect("the model answers");
            if name == "tasks" {
                tasks.push(to_item(&item));
            }
        }
    }

    assert_eq!(tasks.len(), 8);
    for item in &tasks {
        let task = Task::from_item(item).expect("this version reads it");
        // A count of zero means the same as none.
        let is_none = |(name, value): &(&String, &Value)| {
            name.as_str() == "attempts" && **value == Value::Number("0".to_owned())
        };
        let kept: Item = item
            .iter()
            .filter(|field| !is_none(field))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        assert_eq!(task.to_item(), kept, "order {}: nothing is lost or changed", task.order_id);
        let shown = office.get(&format!("/v1/tasks/{}", task.id)).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    }

    let control = &office.state.control_table;
    let (leases, unreadable) =
        LeaseTable::new(control.clone(), "me").list_whole().await.expect("the model answers");
    assert_eq!((leases.len(), unreadable.len()), (3, 0));
    let beats = control.heartbeats().await.expect("the model answers");
    assert_eq!((beats.len(), beats[0].version.as_str()), (1, "0.1.0"));
    assert!(beats[0].report.is_some() && beats[0].uptime.is_some());
    let item = control.read_control_item().await.expect("this version reads it");
    assert_eq!((item.revision, item.paused), (3, None));
    let ruleset = control.load_ruleset(&item.active.expect("one is published")).await.expect("it compiles");
    assert_eq!(ruleset.label(), "approval@37e9f3eb");
    assert_eq!(control.history().await.expect("the model answers").len(), 3);
}

/// An earlier version leaves the compressed form as it is, and stores its own beside it.
#[tokio::test(start_paused = true)]
async fn the_evaluation_of_the_last_round_is_shown_in_whichever_form_it_is_stored() {
    let office = Office::open();
    let tasks = &office.state.tasks;
    let (_, received) = office.receive("o-1", None).await;
    let id = received.id.clone();
    let asked = Escalation {
        code: "look".to_owned(),
        reason: "why".to_owned(),
        rule: None,
        ruleset: None,
        at: worker::clock::text(office.now()),
    };
    let long = |round: i64| {
        let rules: Vec<Json> =
            (0..30).map(|n| json!({"rule": format!("rule-{n}"), "ended": "pass"})).collect();
        json!({"round": round, "verdicts": rules}).to_string()
    };
    let current = async || tasks.get(&id).await.expect("the model answers").expect("it is stored");
    let shown = async || {
        let shown = office.get(&format!("/v1/tasks/{id}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        shown.json()["evaluation"].clone()
    };
    let forms = || {
        let items = office.world.items(TABLE);
        let item = items.into_iter().next().expect("the task");
        ["evaluation", "packedEvaluation"].map(|name| item.contains_key(name))
    };
    let set = async |expression: &str, value: AttributeValue| {
        let client = office.world.client_for("operator").dynamodb();
        let request = client.update_item().table_name(TABLE).update_expression(expression);
        let request = request.key("taskId", AttributeValue::S(id.to_string()));
        request.expression_attribute_values(":value", value).send().await.expect("the model answers");
    };

    for (round, text, stored) in [
        (0, long(0), [false, true]),
        (1, long(1), [false, true]),
        (2, json!({"round": 2}).to_string(), [true, false]),
        (3, long(3), [false, true]),
    ] {
        let read = current().await;
        assert_eq!(read.round, round);
        let notes = Notes { evaluation: Some(&text), ..Notes::default() };
        tasks.escalate(&read, &asked, &FourEyes::default(), notes, office.now()).await.expect("it is stored");
        assert_eq!(forms(), stored, "round {round}");
        assert_eq!(shown().await.to_string(), serde_json::from_str::<Json>(&text).expect("JSON").to_string());

        let (by, at) = ("ada".to_owned(), worker::clock::text(office.now()));
        let given = GivenBack { round, escalation: asked.clone(), by, worker: None, at };
        tasks.give_back(&current().await, given, office.now()).await.expect("it is stored");
        let of_before = json!({"by": "an earlier version"});
        set("SET evaluation = :value", AttributeValue::S(of_before.to_string())).await;
        assert_eq!(shown().await, of_before);
    }

    // By hand. The task goes on without it.
    set("REMOVE evaluation SET packedEvaluation = :value", AttributeValue::B(Blob::new(b"by hand"))).await;
    assert_eq!(shown().await, "it is not a compressed text of up to 409600 bytes");
}
