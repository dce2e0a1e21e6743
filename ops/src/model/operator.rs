//! What a test does to the world, and sees of it, without a call: make things, break things, look.

use std::sync::Arc;

use super::dynamodb::{Item, TableSchema};
use super::sqs::{MessageView, QueueSettings};
use super::stepfunctions::{ExecutionView, Start, Started};
use super::streams::ShardView;
use super::world::World;

/// Tables.
impl World {
    /// Makes a table.
    pub fn create_table(&self, schema: TableSchema) {
        self.with(|state, now_ms| {
            state
                .change(now_ms, |services, turn| services.dynamodb.add_table(schema, services.streams, turn));
        });
    }

    /// Every item of a table, as it is.
    pub fn items(&self, table: &str) -> Vec<Arc<Item>> {
        self.with(|state, _| state.dynamodb.items(table))
    }

    /// One item, as it is.
    pub fn item(&self, table: &str, key: &Item) -> Option<Arc<Item>> {
        self.with(|state, _| state.dynamodb.item(table, key))
    }

    /// Deletes an item by hand; false when there was none.
    pub fn delete_item(&self, table: &str, key: &Item) -> bool {
        self.delete(table, key, false)
    }

    /// Deletes an item as TTL does; false when there was none.
    pub fn expire_item(&self, table: &str, key: &Item) -> bool {
        self.delete(table, key, true)
    }

    fn delete(&self, table: &str, key: &Item, by_ttl: bool) -> bool {
        self.with(|state, now_ms| {
            state.change(now_ms, |services, turn| {
                services.dynamodb.delete(table, key, by_ttl, services.streams, turn)
            })
        })
    }
}

/// Streams.
impl World {
    /// The ARN of a table's stream, unless it is disabled.
    pub fn stream_arn(&self, table: &str) -> Option<String> {
        self.with(|state, _| state.dynamodb.stream_arn(table).map(str::to_owned))
    }

    /// Every shard of a stream, in the order they were made.
    pub fn shards(&self, stream_arn: &str) -> Vec<ShardView> {
        self.with(|state, _| state.streams.view(stream_arn))
    }

    /// Closes an open shard for one child, as DynamoDB does about every four hours. Gives the child.
    ///
    /// # Panics
    ///
    /// When the shard is not open.
    pub fn roll_shard(&self, stream_arn: &str, shard_id: &str) -> String {
        self.split_shard(stream_arn, shard_id, 1).remove(0)
    }

    /// Rolls every open shard of a stream.
    pub fn roll_all(&self, stream_arn: &str) {
        for shard in self.shards(stream_arn).into_iter().filter(|shard| shard.is_open) {
            self.roll_shard(stream_arn, &shard.id);
        }
    }

    /// Closes an open shard for several children. Gives them.
    ///
    /// # Panics
    ///
    /// When the shard is not open.
    pub fn split_shard(&self, stream_arn: &str, shard_id: &str, pieces: u64) -> Vec<String> {
        self.with(|state, now_ms| {
            state.change(now_ms, |services, turn| services.streams.split(stream_arn, shard_id, pieces, turn))
        })
    }

    /// Closes two neighbouring open shards for one child, which names the first as its parent. Gives the child.
    ///
    /// # Panics
    ///
    /// When either is not open, or they are no neighbours.
    pub fn merge_shards(&self, stream_arn: &str, shards: [&str; 2]) -> String {
        self.with(|state, now_ms| {
            state.change(now_ms, |services, turn| services.streams.merge(stream_arn, shards, turn))
        })
    }

    /// Drops the records of a shard that are older than an age, in milliseconds; zero drops all that are not of this
    /// very moment.
    pub fn trim_shard(&self, stream_arn: &str, shard_id: &str, older_than_ms: u64) {
        self.with(|state, now_ms| state.streams.trim(stream_arn, shard_id, older_than_ms, now_ms));
    }

    /// Makes a shard unknown to reads; whether listings still show it is `stays_listed`.
    pub fn forget_shard(&self, stream_arn: &str, shard_id: &str, stays_listed: bool) {
        self.with(|state, _| state.streams.forget(stream_arn, shard_id, stays_listed));
    }

    /// Disables a table's stream.
    ///
    /// # Panics
    ///
    /// When the table has none.
    pub fn disable_stream(&self, table: &str) {
        let arn = self.stream_arn(table).expect("only an enabled stream is disabled");
        self.with(|state, now_ms| {
            state.dynamodb.set_stream(table, None);
            state.change(now_ms, |services, turn| services.streams.disable(&arn, turn));
        });
    }

    /// Enables a table's stream again: a new ARN, without lineage to the old.
    ///
    /// # Panics
    ///
    /// When there is no such table.
    pub fn enable_stream(&self, table: &str) -> String {
        self.with(|state, now_ms| {
            let key = state.dynamodb.key_schema(table).expect("the test names a table it made").clone();
            let arn = state.change(now_ms, |services, turn| services.streams.open(table, key, turn));
            state.dynamodb.set_stream(table, Some(arn.clone()));
            arn
        })
    }
}

/// Queues.
impl World {
    /// Makes a queue and gives its URL.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> String {
        self.with(|state, _| state.sqs.add_queue(name, settings))
    }

    /// Sends the events of executions that end without success to a queue.
    pub fn send_closed_executions_to(&self, queue_url: &str) {
        self.with(|state, _| state.closed_executions_url = Some(queue_url.to_owned()));
    }

    /// Puts a message on a queue.
    ///
    /// # Panics
    ///
    /// When there is no such queue.
    pub fn send(&self, queue_url: &str, body: &str) {
        self.with(|state, now_ms| state.send(queue_url, body, now_ms));
    }

    /// The messages of a queue, visible or not.
    pub fn messages(&self, queue_url: &str) -> Vec<MessageView> {
        self.with(|state, now_ms| state.sqs.view(queue_url, now_ms))
    }

    /// Makes a message visible at once, received or not: at-least-once delivery.
    pub fn redeliver(&self, queue_url: &str, message_id: &str) -> bool {
        self.with(|state, now_ms| {
            state.has_new_messages = true;
            state.sqs.redeliver(queue_url, message_id, now_ms)
        })
    }
}

/// Executions.
impl World {
    /// Starts an execution, up to the state that waits for its token.
    ///
    /// # Panics
    ///
    /// When one of that name exists.
    pub fn start(&self, start: Start) -> Started {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| step_functions.start(start, turn, effects))
        })
    }

    /// Stops an execution, as an operator does; false when it has ended already.
    pub fn stop(&self, execution_arn: &str) -> bool {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| {
                step_functions.stop(execution_arn, turn, effects)
            })
        })
    }

    /// Redrives an execution that ended without success; false when it did not.
    pub fn redrive(&self, execution_arn: &str) -> bool {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| {
                step_functions.redrive(execution_arn, turn, effects)
            })
        })
    }

    /// An execution, as it is.
    pub fn execution(&self, execution_arn: &str) -> Option<ExecutionView> {
        self.with(|state, _| state.step_functions.view(execution_arn))
    }

    /// Every execution, as it is.
    pub fn executions(&self) -> Vec<ExecutionView> {
        self.with(|state, _| state.step_functions.views())
    }

    /// How many closing calls a token accepted: never more than one.
    pub fn accepted(&self, token: &str) -> u32 {
        self.with(|state, _| state.step_functions.accepted(token))
    }
}
