//! Bodies in which another service has wrapped the message: each is told by the fields that this service writes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A body that is another service's, with the message somewhere inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Envelope {
    /// An SNS topic delivered it.
    #[error("a notification of SNS: enable raw message delivery on the queue's subscription")]
    Sns,
    /// A rule of EventBridge delivered it.
    #[error("an event of EventBridge: give the rule's target the input path $.detail")]
    EventBridge,
    /// A pipe of EventBridge delivered its source's record.
    #[error(
        "a record of an EventBridge pipe: give the pipe's target an input template that is the message itself"
    )]
    Pipe,
    /// A destination of a Lambda function.
    #[error("a record of a Lambda function's destination: let the function send the message itself")]
    LambdaDestination,
    /// A notification of S3, or another event with a list of records.
    #[error("an event with a list of records, not one message: only workflows may send to this queue")]
    Records,
    /// The SQS Extended Client Library stored the body in S3.
    #[error(
        "a pointer of the SQS extended client, whose S3 object is not read: send the message itself, and a large order \
         as a reference"
    )]
    Pointer,
    /// JSON in a JSON string.
    #[error("a JSON string that holds the message as text: it was converted to JSON twice")]
    Text,
}

/// The fields that tell each envelope.
const MARKS: [(&[&str], Envelope); 5] = [
    (&["Type", "TopicArn", "MessageId"], Envelope::Sns),
    (&["detail-type", "source", "detail"], Envelope::EventBridge),
    // Before the pipe: S3 names its records so, too.
    (&["Records"], Envelope::Records),
    (&["requestContext", "requestPayload"], Envelope::LambdaDestination),
    (&["eventSource", "awsRegion"], Envelope::Pipe),
];
/// How the extended clients for Java and Python name a pointer: `software.amazon.payloadoffloading.PayloadS3Pointer`,
/// and in older versions `com.amazon.sqs.javamessaging.MessageS3Pointer`.
const POINTER: &str = "S3Pointer";

impl Envelope {
    /// The envelope that an object is, if it is one.
    pub(super) fn of(fields: &BTreeMap<String, Box<RawValue>>) -> Option<Envelope> {
        let is = |marks: &[&str]| marks.iter().all(|mark| fields.contains_key(*mark));
        MARKS.into_iter().find(|(marks, _)| is(marks)).map(|(_, envelope)| envelope)
    }

    /// The envelope that a list or a string is, if it is one.
    pub(super) fn of_other_json(body: &str) -> Option<Envelope> {
        if let Ok(text) = serde_json::from_str::<String>(body) {
            return text.trim_start().starts_with('{').then_some(Envelope::Text);
        }
        let list: Vec<&RawValue> = serde_json::from_str(body).ok()?;
        let first = list.first()?.get();
        if let Ok(class) = serde_json::from_str::<String>(first) {
            return class.ends_with(POINTER).then_some(Envelope::Pointer);
        }
        Envelope::of(&serde_json::from_str(first).ok()?)
    }
}
