//! The floor: the stream read, and the worker's three calls for each new task, in a bare loop of the same SDK.
//!
//! No rules, leases, checkpoints, limits, retries or log. The values are those of a task that the worker settled, so that
//! the bytes are the same.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_sdk_dynamodbstreams::types::{AttributeValue as StreamValue, OperationType, ShardIteratorType};
use aws_smithy_http_client::Builder;
use model::{Item, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::schema::TASKS;

/// What the floor does.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The model's address
    #[arg(long)]
    endpoint: String,
    /// Tasks in hand at once
    #[arg(long)]
    at_once: usize,
    /// Ends when so many tasks are settled
    #[arg(long)]
    tasks: usize,
    /// A file with a settled task in the API's form
    #[arg(long)]
    sample: PathBuf,
}

struct Floor {
    dynamodb: aws_sdk_dynamodb::Client,
    streams: aws_sdk_dynamodbstreams::Client,
    sfn: aws_sdk_sfn::Client,
    decision: AttributeValue,
    evaluation: AttributeValue,
    payload: String,
    turns: Arc<Semaphore>,
}

/// A client of the SDK with nothing but an address.
macro_rules! client {
    ($service:ident, $endpoint:expr, $http:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .region($service::config::Region::new("us-east-1"))
                .credentials_provider(aws_credential_types::Credentials::new(
                    "bench", "bench", None, None, "bench",
                ))
                .endpoint_url($endpoint)
                .http_client($http)
                .build(),
        )
    };
}
pub(crate) use client;

/// Settles the tasks of the stream, and prints what the process took.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let http = Builder::new().build_http();
    let sample: Item = serde_json::from_str(&std::fs::read_to_string(&arguments.sample)?)?;
    let decision = sample.get("decision").context("a settled task has a decision")?;
    let payload = match decision {
        Value::M(decision) => decision.get("payload").and_then(Value::as_text).unwrap_or("{}").to_owned(),
        _ => "{}".to_owned(),
    };
    let floor = Arc::new(Floor {
        dynamodb: client!(aws_sdk_dynamodb, &arguments.endpoint, http.clone()),
        streams: client!(aws_sdk_dynamodbstreams, &arguments.endpoint, http.clone()),
        sfn: client!(aws_sdk_sfn, &arguments.endpoint, http),
        decision: attribute(decision),
        evaluation: sample.get("packedEvaluation").map_or(AttributeValue::Null(true), attribute),
        payload,
        turns: Arc::new(Semaphore::new(arguments.at_once)),
    });
    let (settled, mut all) = tokio::sync::mpsc::unbounded_channel();
    let stream = floor.streams.list_streams().table_name(TASKS).send().await?;
    let arn = stream.streams().first().and_then(|stream| stream.stream_arn()).context("a stream")?;
    let described = floor.streams.describe_stream().stream_arn(arn).send().await?;
    let shards = described.stream_description().context("a description")?.shards().to_vec();
    let mut readers = JoinSet::new();
    for shard in shards {
        let shard_id = shard.shard_id().context("a shard has an id")?.to_owned();
        readers.spawn(read(Arc::clone(&floor), arn.to_owned(), shard_id, settled.clone()));
    }
    for _ in 0..arguments.tasks {
        tokio::select! {
            biased;
            settled = all.recv() => settled.context("the readers go on")??,
            Some(ended) = readers.join_next() => return ended?,
        }
    }
    let taken = crate::process::Taken::of("self")?;
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

type Settled = tokio::sync::mpsc::UnboundedSender<Result<()>>;

/// Reads a shard for ever.
async fn read(floor: Arc<Floor>, arn: String, shard_id: String, settled: Settled) -> Result<()> {
    let start = floor.streams.get_shard_iterator().stream_arn(arn).shard_id(shard_id);
    let start = start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?;
    let mut iterator = start.shard_iterator;
    while let Some(at) = iterator {
        let page = floor.streams.get_records().shard_iterator(at).limit(1_000).send().await;
        let page = page.map_err(|error| anyhow!("GetRecords: {error:?}"))?;
        let is_empty = page.records().is_empty();
        iterator = page.next_shard_iterator;
        for record in page.records.unwrap_or_default() {
            if record.event_name != Some(OperationType::Insert) {
                continue;
            }
            let image = record.dynamodb.and_then(|record| record.new_image).context("an image")?;
            let turn = Arc::clone(&floor.turns).acquire_owned().await?;
            let (floor, settled) = (Arc::clone(&floor), settled.clone());
            #[expect(clippy::disallowed_methods, reason = "the process ends with its last task")]
            tokio::spawn(async move { drop(settled.send(floor.settle(image, turn).await)) });
        }
        if is_empty {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

impl Floor {
    async fn settle(&self, image: HashMap<String, StreamValue>, _turn: OwnedSemaphorePermit) -> Result<()> {
        let text = |name: &str| match image.get(name) {
            Some(StreamValue::S(text)) => Ok(text.clone()),
            _ => Err(anyhow!("no {name}")),
        };
        let (id, token) = (text("taskId")?, text("taskToken")?);
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let n = |number: &str| AttributeValue::N(number.to_owned());
        let decide = self.update(&id).condition_expression(
            "attribute_not_exists(#decision) AND #status = :pending AND attribute_not_exists(#round)",
        );
        let decide = decide.update_expression(
            "SET #decision = :decision, #delivery = :due, #list = :list, #listAt = :at, #attempts = :none, #packedEvaluation = :evaluation, #revision = #revision + :one",
        );
        let decide = [
            "decision",
            "delivery",
            "list",
            "listAt",
            "attempts",
            "packedEvaluation",
            "revision",
            "status",
            "round",
        ]
        .iter()
        .fold(decide, |call, name| call.expression_attribute_names(format!("#{name}"), *name));
        let values = [
            (":decision", self.decision.clone()),
            (":due", s("DUE")),
            (":list", s(&format!("DUE#{}", &id[..1]))),
            (":at", n("1795305602")),
            (":none", n("0")),
            (":pending", s("PENDING")),
            (":evaluation", self.evaluation.clone()),
            (":one", n("1")),
        ];
        let decide = values
            .into_iter()
            .fold(decide, |call, (name, value)| call.expression_attribute_values(name, value));
        decide.send().await.map_err(|error| anyhow!("decide: {error:?}"))?;

        let callback = self.sfn.send_task_success().task_token(token).output(&self.payload);
        callback.send().await.map_err(|error| anyhow!("SendTaskSuccess: {error:?}"))?;

        let settle = self.update(&id).condition_expression("#delivery IN (:due, :unverified)");
        let settle = settle.update_expression(
            "SET #status = :status, #list = :list, #listAt = :at, #expiresAt = :until, #delivery = :delivery, #revision = #revision + :one",
        );
        let settle = ["delivery", "list", "listAt", "expiresAt", "revision", "status"]
            .iter()
            .fold(settle, |call, name| call.expression_attribute_names(format!("#{name}"), *name));
        let values = [
            (":status", s("APPROVED")),
            (":list", s(&format!("2026-11-22#{}", &id[..1]))),
            (":at", n("1795305602")),
            (":until", n("1803081602")),
            (":delivery", s("DELIVERED")),
            (":due", s("DUE")),
            (":unverified", s("UNVERIFIED")),
            (":one", n("1")),
        ];
        let settle = values
            .into_iter()
            .fold(settle, |call, (name, value)| call.expression_attribute_values(name, value));
        settle.send().await.map_err(|error| anyhow!("settle: {error:?}"))?;
        Ok(())
    }

    fn update(
        &self,
        id: &str,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.dynamodb
            .update_item()
            .table_name(TASKS)
            .key("taskId", AttributeValue::S(id.to_owned()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// A value of the model in the SDK's form.
pub(crate) fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.as_ref())),
        Value::M(map) => {
            AttributeValue::M(map.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        Value::L(list) => AttributeValue::L(list.iter().map(attribute).collect()),
        _ => AttributeValue::Null(true),
    }
}
