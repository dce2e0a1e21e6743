//! SQS: standard queues with visibility, receive counts and dead-letter queues.

mod shapes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand::Rng as _;
use serde_json::{Map, Value as Json, json};

use self::shapes::{AttributesRequest, CreateRequest, ReceiptRequest, ReceiveRequest, Received, SendRequest};
use super::turn::Turn;
use super::wire::{Answer, Call, Service, ServiceError, success};

/// The longest visibility timeout: 12 hours, in seconds (API_ChangeMessageVisibility, SQS API reference).
const MAX_VISIBILITY_SECONDS: u64 = 43_200;

/// The settings of a queue.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// VisibilityTimeout.
    pub visibility_seconds: u64,
    /// maxReceiveCount and the dead-letter queue's URL.
    pub redrive: Option<(u32, String)>,
}

impl Default for QueueSettings {
    /// The settings with which SQS creates a queue: 30 seconds, no dead-letter queue.
    fn default() -> QueueSettings {
        QueueSettings { visibility_seconds: 30, redrive: None }
    }
}

/// A message as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Its body.
    pub body: String,
    /// How often it has been received.
    pub receives: u32,
    /// Whether a receive call would return it now.
    pub is_visible: bool,
}

/// All queues, by URL.
#[derive(Debug, Default)]
pub(super) struct Sqs {
    queues: BTreeMap<String, Queue>,
}

#[derive(Debug)]
struct Queue {
    settings: QueueSettings,
    /// In the order in which they were sent.
    messages: Vec<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    sent_ms: u64,
    first_received_ms: u64,
    visible_ms: u64,
    receives: u32,
    /// The receipt handle of the latest receive.
    receipt: Option<String>,
}

impl Sqs {
    /// Answers a call. For a long poll, the connector calls again until [`Sqs::wait_until`] says that it is time.
    ///
    /// # Panics
    ///
    /// If the model does not support the operation.
    pub(super) fn answer(&mut self, call: &Call, turn: &mut Turn<'_>) -> Answer {
        match call.operation.as_str() {
            "ReceiveMessage" => self.receive_message(call.request()?, turn),
            "SendMessage" => self.send_message(call.request()?, turn),
            "DeleteMessage" => self.delete_message(&call.request()?),
            "ChangeMessageVisibility" => self.change_message_visibility(&call.request()?, turn),
            "GetQueueAttributes" => self.get_queue_attributes(&call.request()?, turn),
            "CreateQueue" => self.create_queue(call.request()?),
            other => panic!("the model of SQS does not support {other}"),
        }
    }

    /// Creates a queue and returns its URL.
    pub(super) fn add_queue(&mut self, name: &str, settings: QueueSettings) -> String {
        let url = format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}");
        self.queues.insert(url.clone(), Queue { settings, messages: Vec::new() });
        url
    }

    /// Puts a message into a queue.
    pub(super) fn send(&mut self, url: &str, body: &str, visible_ms: u64, turn: &mut Turn<'_>) -> String {
        let id = format!("{:032x}", turn.rng.random::<u128>());
        let queue = self.queues.get_mut(url).expect("the world sends only to queues that exist");
        queue.messages.push(Message {
            id: id.clone(),
            body: body.to_owned(),
            sent_ms: turn.now_ms,
            first_received_ms: 0,
            visible_ms,
            receives: 0,
            receipt: None,
        });
        id
    }

    /// The messages of a queue.
    pub(super) fn view(&self, url: &str, now_ms: u64) -> Vec<MessageView> {
        let messages = self.queues.get(url).into_iter().flat_map(|queue| &queue.messages);
        messages
            .map(|message| MessageView {
                id: message.id.clone(),
                body: message.body.clone(),
                receives: message.receives,
                is_visible: message.visible_ms <= now_ms,
            })
            .collect()
    }

    /// Makes a message visible again immediately: at-least-once delivery.
    pub(super) fn redeliver(&mut self, url: &str, message_id: &str, now_ms: u64) -> bool {
        let messages = self.queues.get_mut(url).into_iter().flat_map(|queue| &mut queue.messages);
        let found =
            messages.filter(|message| message.id == message_id).map(|message| message.visible_ms = now_ms);
        found.count() > 0
    }

    /// When to answer a ReceiveMessage that arrived at a given time: now if there is a message or the call does not
    /// wait, otherwise when the next message becomes visible or the wait ends.
    pub(super) fn wait_until(&self, call: &Call, arrived_ms: u64, now_ms: u64) -> u64 {
        let wait_ms = call.body["WaitTimeSeconds"].as_u64().unwrap_or(0) * 1_000;
        let Some(queue) = call.text("QueueUrl").and_then(|url| self.queues.get(url)) else { return now_ms };
        let next_ms = queue.messages.iter().map(|message| message.visible_ms).min().unwrap_or(u64::MAX);
        next_ms.min(arrived_ms + wait_ms).max(now_ms)
    }

    /// API_ReceiveMessage: returns at most 10 messages; each becomes invisible for the visibility timeout and gets a
    /// new receipt handle.
    fn receive_message(&mut self, request: ReceiveRequest, turn: &mut Turn<'_>) -> Answer {
        let wanted = request.max_number_of_messages.unwrap_or(1);
        if !(1..=10).contains(&wanted) || request.wait_time_seconds.is_some_and(|seconds| seconds > 20) {
            return Err(invalid("ReadCountOutOfRange or WaitTimeSeconds out of range"));
        }
        let now_ms = turn.now_ms;
        let queue = self.queue(&request.queue_url)?;
        let visibility_ms = request.visibility_timeout.unwrap_or(queue.settings.visibility_seconds) * 1_000;
        let dead = queue.take_dead(now_ms);
        let mut received = Vec::new();
        for message in queue.messages.iter_mut().filter(|message| message.visible_ms <= now_ms).take(wanted) {
            message.receives += 1;
            message.visible_ms = now_ms + visibility_ms;
            if message.receives == 1 {
                message.first_received_ms = now_ms;
            }
            let receipt = format!("{}|{:016x}", message.id, turn.rng.random::<u64>());
            message.receipt = Some(receipt.clone());
            let wants = |name: &str| {
                let names = request.attribute_names.iter().chain(&request.message_system_attribute_names);
                names.into_iter().any(|wanted| wanted == name || wanted == "All")
            };
            let attributes = [
                ("SentTimestamp", message.sent_ms.to_string()),
                ("ApproximateReceiveCount", message.receives.to_string()),
                ("ApproximateFirstReceiveTimestamp", message.first_received_ms.to_string()),
            ];
            received.push(Received {
                message_id: message.id.clone(),
                receipt_handle: receipt,
                body: message.body.clone(),
                attributes: attributes.into_iter().filter(|(name, _)| wants(name)).collect(),
            });
        }
        if let (Some((_, url)), false) = (queue.settings.redrive.clone(), dead.is_empty()) {
            self.queue(&url)?.messages.extend(dead);
        }
        success(&if received.is_empty() { json!({}) } else { json!({ "Messages": received }) })
    }

    /// API_SendMessage.
    fn send_message(&mut self, request: SendRequest, turn: &mut Turn<'_>) -> Answer {
        self.queue(&request.queue_url)?;
        let visible_ms = turn.now_ms + request.delay_seconds.unwrap_or(0) * 1_000;
        let id = self.send(&request.queue_url, &request.message_body, visible_ms, turn);
        success(&json!({ "MessageId": id }))
    }

    /// API_DeleteMessage: a call with an older receipt handle succeeds and deletes nothing.
    fn delete_message(&mut self, request: &ReceiptRequest) -> Answer {
        let queue = self.queue(&request.queue_url)?;
        check_receipt(&request.receipt_handle)?;
        queue.messages.retain(|message| message.receipt.as_ref() != Some(&request.receipt_handle));
        success(&json!({}))
    }

    /// API_ChangeMessageVisibility.
    fn change_message_visibility(&mut self, request: &ReceiptRequest, turn: &Turn<'_>) -> Answer {
        let seconds = request.visibility_timeout.unwrap_or(0);
        if seconds > MAX_VISIBILITY_SECONDS {
            return Err(invalid(&format!("VisibilityTimeout is above {MAX_VISIBILITY_SECONDS}")));
        }
        let queue = self.queue(&request.queue_url)?;
        check_receipt(&request.receipt_handle)?;
        let message = queue
            .messages
            .iter_mut()
            .find(|message| message.receipt.as_ref() == Some(&request.receipt_handle))
            .filter(|message| message.visible_ms > turn.now_ms);
        let Some(message) = message else {
            let words = "The specified message isn't in flight.";
            return Err(ServiceError::new(Service::Sqs, "MessageNotInflight", words));
        };
        message.visible_ms = turn.now_ms + seconds * 1_000;
        success(&json!({}))
    }

    /// API_GetQueueAttributes: the message counts, the visibility timeout and the ARN.
    fn get_queue_attributes(&mut self, request: &AttributesRequest, turn: &Turn<'_>) -> Answer {
        let queue = self.queue(&request.queue_url)?;
        let visible = queue.messages.iter().filter(|message| message.visible_ms <= turn.now_ms).count();
        let name = request.queue_url.rsplit('/').next().unwrap_or_default();
        let attributes: Map<String, Json> = [
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", (queue.messages.len() - visible).to_string()),
            ("VisibilityTimeout", queue.settings.visibility_seconds.to_string()),
            ("QueueArn", format!("arn:aws:sqs:us-east-1:000000000000:{name}")),
        ]
        .into_iter()
        .filter(|(name, _)| request.attribute_names.iter().any(|wanted| wanted == name || wanted == "All"))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
        success(&json!({ "Attributes": attributes }))
    }

    /// API_CreateQueue: supports VisibilityTimeout and RedrivePolicy.
    fn create_queue(&mut self, request: CreateRequest) -> Answer {
        let mut settings = QueueSettings::default();
        for (name, value) in &request.attributes {
            match name.as_str() {
                "VisibilityTimeout" => {
                    settings.visibility_seconds =
                        value.parse().map_err(|_| invalid("VisibilityTimeout is not a number"))?;
                }
                "RedrivePolicy" => settings.redrive = Some(self.redrive(value)?),
                other => panic!("the model's CreateQueue does not support the attribute {other}"),
            }
        }
        success(&json!({ "QueueUrl": self.add_queue(&request.queue_name, settings) }))
    }

    fn redrive(&self, policy: &str) -> Result<(u32, String), ServiceError> {
        let policy: Json = serde_json::from_str(policy).map_err(|_| invalid("RedrivePolicy is not JSON"))?;
        let name = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next());
        let count = policy["maxReceiveCount"].to_string().trim_matches('"').parse();
        let url = name.and_then(|name| self.queues.keys().find(|url| url.ends_with(&format!("/{name}"))));
        match (count, url) {
            (Ok(count), Some(url)) => Ok((count, url.clone())),
            _ => Err(invalid("RedrivePolicy has no queue or no count")),
        }
    }

    fn queue(&mut self, url: &str) -> Result<&mut Queue, ServiceError> {
        self.queues.get_mut(url).ok_or_else(|| {
            ServiceError::new(Service::Sqs, "QueueDoesNotExist", "The specified queue does not exist.")
        })
    }
}

impl Queue {
    /// Removes the messages that are visible again and were received too often. A message keeps its age: the
    /// dead-letter queue counts retention from the time when the message was sent to the first queue.
    fn take_dead(&mut self, now_ms: u64) -> Vec<Message> {
        let Some((max_receives, _)) = self.settings.redrive else { return Vec::new() };
        let is_dead = |message: &Message| message.receives >= max_receives && message.visible_ms <= now_ms;
        let dead = self.messages.iter().filter(|message| is_dead(message)).cloned().collect();
        self.messages.retain(|message| !is_dead(message));
        dead
    }
}

fn check_receipt(receipt: &str) -> Result<(), ServiceError> {
    if receipt.contains('|') {
        return Ok(());
    }
    let words = "The input receipt handle is invalid.";
    Err(ServiceError::new(Service::Sqs, "ReceiptHandleIsInvalid", words))
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::new(Service::Sqs, "InvalidParameterValue", message)
}
