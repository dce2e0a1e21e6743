//! Who answers: the model, or the emulator. The cases speak to both with the same SDK calls.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use model::{Start, World};
use ops::clients::Clients;
use serde_json::json;

/// The table with a stream and an index: key `id`, index `worklist` (`list`, `listAt`).
pub(crate) const ITEMS: &str = "items";
/// The table with a sort key: `pk`, `sk`.
pub(crate) const PAIRS: &str = "pairs";

pub(crate) struct Target {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) streams: aws_sdk_dynamodbstreams::Client,
    pub(crate) sfn: aws_sdk_sfn::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    place: Place,
    started: AtomicU64,
}

enum Place {
    Model(World),
    /// With the means to make a role, which its state machines need.
    Emulator(aws_sdk_cloudformation::Client),
}

/// How a waiting execution is started.
#[derive(Default)]
pub(crate) struct Wait {
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) retries: u32,
}

/// A waiting execution.
pub(crate) struct Waiting {
    pub(crate) arn: String,
    pub(crate) token: String,
    pub(crate) queue_url: String,
}

impl Target {
    pub(crate) fn model(world: World) -> Target {
        let node = world.client_for("conformance");
        Target {
            dynamodb: node.dynamodb(),
            streams: node.streams(),
            sfn: node.step_functions(),
            sqs: node.sqs(),
            place: Place::Model(world),
            started: AtomicU64::new(0),
        }
    }

    pub(crate) fn emulator(clients: Clients) -> Target {
        let Clients { dynamodb, streams, sfn, sqs, cloudformation } = clients;
        Target {
            dynamodb,
            streams,
            sfn,
            sqs,
            place: Place::Emulator(cloudformation),
            started: AtomicU64::new(0),
        }
    }

    /// Makes the tables, and the role of the state machines.
    pub(crate) async fn prepare(&self) {
        if let Place::Emulator(cloudformation) = &self.place {
            let request = cloudformation.create_stack().stack_name("role").template_body(role());
            request.capabilities("CAPABILITY_NAMED_IAM".into()).send().await.unwrap();
            while self.sfn_refuses_role().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let request = self.dynamodb.create_table().table_name(ITEMS).billing_mode(BillingMode::PayPerRequest);
        let index = GlobalSecondaryIndex::builder()
            .index_name("worklist")
            .key_schema(key("list", KeyType::Hash))
            .key_schema(key("listAt", KeyType::Range))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::Include)
                    .non_key_attributes("kept")
                    .build(),
            )
            .build()
            .unwrap();
        let stream =
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
        request
            .attribute_definitions(attribute("id", ScalarAttributeType::S))
            .attribute_definitions(attribute("list", ScalarAttributeType::S))
            .attribute_definitions(attribute("listAt", ScalarAttributeType::N))
            .key_schema(key("id", KeyType::Hash))
            .global_secondary_indexes(index)
            .stream_specification(stream.build().unwrap())
            .send()
            .await
            .unwrap();
        let request = self.dynamodb.create_table().table_name(PAIRS).billing_mode(BillingMode::PayPerRequest);
        request
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .attribute_definitions(attribute("sk", ScalarAttributeType::S))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .send()
            .await
            .unwrap();
    }

    /// A table with a stream and nothing else; its stream's ARN.
    pub(crate) async fn create_streamed_table(&self, name: &str) -> String {
        let stream =
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
        let request = self.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let answer = request
            .attribute_definitions(attribute("id", ScalarAttributeType::S))
            .key_schema(key("id", KeyType::Hash))
            .stream_specification(stream.build().unwrap())
            .send()
            .await
            .unwrap();
        answer.table_description().unwrap().latest_stream_arn().unwrap().to_owned()
    }

    /// A queue of its own for a case.
    pub(crate) async fn queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        let mut request = self.sqs.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes((*name).into(), *value);
        }
        request.send().await.unwrap().queue_url().unwrap().to_owned()
    }

    /// Starts an execution that waits for a token.
    pub(crate) async fn start(&self, wait: Wait) -> Waiting {
        let name = format!("wait-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let queue_url = self.queue(&name, &[]).await;
        match &self.place {
            Place::Model(world) => {
                let mut start = Start::new(&name, "o-1");
                (start.timeout_seconds, start.retries) = (wait.timeout_seconds, wait.retries);
                start.queue_url = Some(queue_url.clone());
                let started = world.start(start);
                assert_eq!(self.token(&queue_url).await, started.token);
                Waiting { arn: started.execution_arn, token: started.token, queue_url }
            }
            Place::Emulator(_) => {
                let machine = self
                    .sfn
                    .create_state_machine()
                    .name(&name)
                    .role_arn(ROLE_ARN)
                    .definition(definition(&queue_url, &wait))
                    .send()
                    .await
                    .unwrap();
                let request = self.sfn.start_execution().state_machine_arn(machine.state_machine_arn());
                let arn = request.input("{}").send().await.unwrap().execution_arn().to_owned();
                Waiting { arn, token: self.token(&queue_url).await, queue_url }
            }
        }
    }

    /// The token of the next message of a queue.
    pub(crate) async fn token(&self, queue_url: &str) -> String {
        let request = self.sqs.receive_message().queue_url(queue_url).wait_time_seconds(20);
        let answer = request.send().await.unwrap();
        let body =
            answer.messages().first().and_then(|message| message.body()).unwrap_or_default().to_owned();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["taskToken"].as_str().unwrap().to_owned()
    }

    /// Tells whether the role is not there yet.
    async fn sfn_refuses_role(&self) -> bool {
        let definition = definition("https://example.com/queue", &Wait::default());
        let request = self.sfn.create_state_machine().name("probe").role_arn(ROLE_ARN).definition(definition);
        request.send().await.is_err()
    }

    /// Stops an execution, as an operator does.
    pub(crate) async fn stop(&self, arn: &str) {
        match &self.place {
            Place::Model(world) => assert!(world.stop(arn)),
            Place::Emulator(_) => drop(self.sfn.stop_execution().execution_arn(arn).send().await.unwrap()),
        }
    }
}

/// The role of the emulator's state machines.
const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/workflow";

fn role() -> String {
    let allow = |principal| json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
    let send = json!({ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*" });
    json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": {
        "RoleName": "workflow",
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17", "Statement": [allow(json!({ "Service": "states.amazonaws.com" }))]
        },
        "Policies": [{
            "PolicyName": "send", "PolicyDocument": { "Version": "2012-10-17", "Statement": [send] }
        }],
    } } } })
    .to_string()
}

fn definition(queue_url: &str, wait: &Wait) -> String {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": { "QueueUrl": queue_url, "MessageBody": { "taskToken.$": "$$.Task.Token" } },
        "End": true,
    });
    if let Some(seconds) = wait.timeout_seconds {
        state["TimeoutSeconds"] = json!(seconds);
    }
    if wait.retries > 0 {
        state["Retry"] = json!([{
            "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": wait.retries
        }]);
    }
    json!({ "StartAt": "Wait", "States": { "Wait": state } }).to_string()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// `ok`, or the error's code.
pub(crate) fn code<T, E: ProvideErrorMetadata, R>(result: &Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(SdkError::ServiceError(error)) => error.err().code().unwrap_or("no code").to_owned(),
        Err(_) => "no answer".to_owned(),
    }
}
