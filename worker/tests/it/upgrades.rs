//! What an earlier version stored: this one reads all of it, and would store it again as it is.
//!
//! The data are of the programs of commit 6f6f479, on the emulator: the Lambda function, the worker and the command line
//! stored tasks in every state, leases, a heartbeat, a published ruleset and the history of the switch.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use serde_json::Value as Json;
use statemachine::item::{Item, Value};
use statemachine::task::Task;
use worker::lease::table::LeaseTable;

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
