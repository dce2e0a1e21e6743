//! EventBridge: a bus that keeps what is put on it.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::turn::Turn;
use super::wire::{Answer, Call, Service, ServiceError, success};

/// The most entries of one call (PutEvents, API reference).
const MOST_ENTRIES: usize = 10;
/// The largest entry, in bytes.
const MOST_BYTES: usize = 262_144;

/// An event that was put on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct PutEvent {
    /// The bus.
    pub bus: String,
    /// Its source.
    pub source: String,
    /// Its type.
    pub detail_type: String,
    /// What it says.
    pub detail: Json,
}

/// Every event, in order.
#[derive(Debug, Default)]
pub(super) struct EventBridge {
    pub(super) events: Vec<PutEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    event_bus_name: String,
    source: String,
    detail_type: String,
    detail: String,
}

impl EventBridge {
    pub(super) fn answer(&mut self, call: &Call, turn: &mut Turn<'_>) -> Answer {
        if call.operation != "PutEvents" {
            panic!("the model's EventBridge has no {}", call.operation);
        }
        let Request { entries } = call.request()?;
        if entries.is_empty() || entries.len() > MOST_ENTRIES {
            return Err(Service::EventBridge.validation("Member must have length between 1 and 10"));
        }
        let answers: Vec<Json> = entries.into_iter().map(|entry| self.put(entry, turn)).collect();
        let failed = answers.iter().filter(|answer| answer.get("ErrorCode").is_some()).count();
        success(&json!({ "FailedEntryCount": failed, "Entries": answers }))
    }

    /// Each entry fails or succeeds by itself.
    fn put(&mut self, entry: Entry, turn: &mut Turn<'_>) -> Json {
        let Ok(detail @ Json::Object(_)) = serde_json::from_str(&entry.detail) else {
            return json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." });
        };
        if entry.detail.len() > MOST_BYTES {
            return json!({ "ErrorCode": "InvalidArgument", "ErrorMessage": "The entry is too large." });
        }
        let Entry { event_bus_name: bus, source, detail_type, .. } = entry;
        self.events.push(PutEvent { bus, source, detail_type, detail });
        json!({ "EventId": format!("{:032x}-{}", self.events.len(), turn.now_ms) })
    }
}

impl Service {
    /// How an event bus says that it does not exist.
    pub fn no_such_bus(self) -> ServiceError {
        ServiceError::new(self, "ResourceNotFoundException", "Event bus does not exist.")
    }
}
