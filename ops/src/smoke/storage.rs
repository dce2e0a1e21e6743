//! The table, its stream, and the queue.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodbstreams::types::{ShardFilter, ShardFilterType, ShardIteratorType, StreamViewType};
use aws_sdk_sqs::types::QueueAttributeName;

use super::{Answer, Site};

/// As many as the workers' readers make in a second, per shard.
const READS: usize = 4;
/// What a state's input may have, the message of a workflow included.
const LARGEST_MESSAGE: u64 = 262_144;

pub(super) async fn ask(site: &Site) -> Result<Vec<Answer>> {
    let mut answers = vec![site.refused_put().await?];
    answers.extend(site.stream().await?);
    answers.push(site.queue().await?);
    Ok(answers)
}

impl Site {
    /// A put whose condition fails must bring the stored item, the winner of a race. This condition never holds, even if
    /// the item is deleted meanwhile: nothing is written.
    async fn refused_put(&self) -> Result<Answer> {
        const NAME: &str = "refused put brings the item";
        let (client, table) = (&self.clients.dynamodb, &self.stack.tasks_table);
        let scan =
            client.scan().table_name(table).limit(1).send().await.context("cannot read the tasks table")?;
        let Some(item) = scan.items().first().cloned() else {
            return Ok(Answer::new(NAME, false, "the table is empty, although this run stored a task"));
        };
        let put = client.put_item().table_name(table).set_item(Some(item.clone()));
        let put = put.condition_expression("attribute_exists(taskId) AND attribute_not_exists(taskId)");
        let put = put.return_values_on_condition_check_failure(OnFailure::AllOld).send().await;
        let stored = match put.as_ref().map_err(|error| error.as_service_error()) {
            Err(Some(PutItemError::ConditionalCheckFailedException(failed))) => failed.item(),
            _ => None,
        };
        let key = |item: &std::collections::HashMap<String, AttributeValue>| item.get("taskId").cloned();
        let is_it = stored.is_some_and(|stored| key(stored) == key(&item));
        Ok(Answer::new(NAME, is_it, if is_it { "ALL_OLD has it" } else { "the error has no item" }))
    }

    async fn stream(&self) -> Result<Vec<Answer>> {
        let (client, arn) = (&self.clients.streams, &self.stack.tasks_stream_arn);
        let described =
            client.describe_stream().stream_arn(arn).send().await.context("cannot read the stream")?;
        let described = described.stream_description.context("a stream has a description")?;
        let view = described.stream_view_type().cloned();
        let mut answers = vec![Answer::new(
            "view of the stream",
            view == Some(StreamViewType::NewImage),
            view.map_or_else(|| "none".to_owned(), |view| view.as_str().to_owned()),
        )];
        let shard = described.shards().last().and_then(|shard| shard.shard_id());
        let shard = shard.context("a stream has a shard")?;
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(shard).build();
        let children = client.describe_stream().stream_arn(arn).shard_filter(filter).send().await;
        answers.push(Answer::new(
            "children of a shard",
            children.is_ok(),
            children.map_or_else(
                |error| error.code().unwrap_or("no answer").to_owned(),
                |answer| {
                    format!(
                        "{} of the newest shard",
                        answer.stream_description().map_or(0, |it| it.shards().len())
                    )
                },
            ),
        ));
        answers.extend(self.records(shard).await?);
        Ok(answers)
    }

    /// Reads a shard from its start, as often in a second as a worker does.
    async fn records(&self, shard: &str) -> Result<Vec<Answer>> {
        let (client, arn) = (&self.clients.streams, &self.stack.tasks_stream_arn);
        let iterator = client.get_shard_iterator().stream_arn(arn).shard_id(shard);
        let iterator =
            iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?.shard_iterator;
        let iterator = iterator.context("a shard that is listed has an iterator")?;
        let reads = (0..READS).map(|_| client.get_records().shard_iterator(&iterator).limit(1_000).send());
        let reads = futures::future::join_all(reads).await;
        let refused = reads.iter().filter(|read| read.is_err()).count();
        let records = reads.iter().flatten().flat_map(|page| page.records());
        let numbers = records.filter_map(|record| record.dynamodb()?.sequence_number());
        let lengths: Vec<usize> = numbers
            .map(|number| if number.bytes().all(|it| it.is_ascii_digit()) { number.len() } else { 0 })
            .collect();
        let (shortest, longest) = (lengths.iter().min().copied(), lengths.iter().max().copied());
        Ok(vec![
            Answer::new(
                "reads in a second",
                refused == 0,
                format!("{READS} reads of one shard at once, {refused} refused"),
            ),
            Answer::new(
                "sequence numbers",
                shortest.is_none_or(|shortest| shortest > 0),
                shortest.zip(longest).map_or_else(
                    || "no record yet".to_owned(),
                    |(shortest, longest)| format!("{} of {shortest} to {longest} digits", lengths.len()),
                ),
            ),
        ])
    }

    async fn queue(&self) -> Result<Answer> {
        let request = self.clients.sqs.get_queue_attributes().queue_url(&self.stack.task_queue_url);
        let answer = request.attribute_names(QueueAttributeName::MaximumMessageSize).send().await;
        let answer = answer.context("cannot read the task queue")?;
        let attributes = answer.attributes();
        let bytes =
            attributes.and_then(|all| all.get(&QueueAttributeName::MaximumMessageSize)?.parse::<u64>().ok());
        Ok(Answer::new(
            "largest message",
            bytes.is_some_and(|bytes| bytes >= LARGEST_MESSAGE),
            bytes.map_or_else(|| "not told".to_owned(), |bytes| format!("{bytes} bytes")),
        ))
    }
}
