//! EventBridge: the one call that notices need.

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::{Value as Json, json};

use super::fault::{Fault, Resource};
use super::json_service::{JsonService, Names, Request};

/// The most events of one call (PutEvents, API reference).
pub const MOST_EVENTS: usize = 10;
/// The longest one call may take. Nobody waits for it but other notices.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const NAMES: Names = Names { id: "EventBridge", host: "events" };

/// One event to put on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What rules of the bus select it by, such as `Task Escalated`.
    pub detail_type: &'static str,
    /// What it says.
    pub detail: Json,
}

/// A bus, and the way to it.
#[derive(Debug, Clone)]
pub struct EventBus {
    name: String,
    events: JsonService,
}

impl EventBus {
    /// The bus of this name or ARN, with the credentials and the connector of the other clients.
    pub fn new(shared: &SdkConfig, name: &str) -> EventBus {
        EventBus { name: name.to_owned(), events: JsonService::new(shared, NAMES, CALL_TIMEOUT) }
    }

    /// Puts up to [`MOST_EVENTS`] events on the bus, and returns for each whether the bus has it.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call failed or the bus took none; it may have some of them nevertheless.
    pub async fn put(&self, source: &str, events: &[Event]) -> Result<Vec<bool>, Fault> {
        let on = || Resource::EventBus(self.name.clone());
        let entries = events.iter().map(|event| {
            json!({
                "EventBusName": self.name, "Source": source, "DetailType": event.detail_type,
                "Detail": event.detail.to_string(),
            })
        });
        let body = json!({ "Entries": entries.collect::<Vec<_>>() });
        let request = Request::Post("AWSEvents.PutEvents".to_owned(), body);
        let answer = self.events.call("events:PutEvents", on(), request).await?;
        let entries = answer["Entries"].as_array().filter(|entries| entries.len() == events.len());
        let entries =
            entries.ok_or_else(|| Fault::unreadable("PutEvents", on(), "an entry for each event"))?;
        let is_put = |entry: &Json| entry["EventId"].is_string();
        if let Some(code) = entries.iter().find_map(|entry| entry["ErrorCode"].as_str())
            && !entries.iter().any(is_put)
        {
            return Err(Fault::of_code("PutEvents", on(), code));
        }
        Ok(entries.iter().map(is_put).collect())
    }
}
