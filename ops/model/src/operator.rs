//! What a test can do to the world and see of it without a call: create things, break things, look at things.

use std::sync::Arc;

use super::dynamodb::{Item, TableSchema};
use super::sqs::{MessageView, QueueSettings};
use super::stepfunctions::{ExecutionView, Start, Started};
use super::streams::ShardView;
use super::world::World;

/// Tables.
impl World {
    /// Creates a table.
    pub fn create_table(&self, schema: TableSchema) {
        self.with(|state, now_ms| {
            state
                .change(now_ms, |services, turn| services.dynamodb.add_table(schema, services.streams, turn));
        });
    }

    /// Every current item of a table.
    pub fn items(&self, table: &str) -> Vec<Arc<Item>> {
        self.with(|state, _| state.dynamodb.items(table))
    }

    /// The current state of one item.
    pub fn item(&self, table: &str, key: &Item) -> Option<Arc<Item>> {
        self.with(|state, _| state.dynamodb.item(table, key))
    }

    /// Deletes an item by hand; returns false if there was none.
    pub fn delete_item(&self, table: &str, key: &Item) -> bool {
        self.delete(table, key, false)
    }

    /// Deletes an item as TTL does; returns false if there was none.
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

    /// Every shard of a stream, in the order of creation.
    pub fn shards(&self, stream_arn: &str) -> Vec<ShardView> {
        self.with(|state, _| state.streams.view(stream_arn))
    }

    /// Closes an open shard and creates one child, as DynamoDB does about every four hours. Returns the child.
    ///
    /// # Panics
    ///
    /// If the shard is not open.
    pub fn roll_shard(&self, stream_arn: &str, shard_id: &str) -> String {
        self.split_shard(stream_arn, shard_id, 1).remove(0)
    }

    /// Rolls every open shard of a stream.
    pub fn roll_all(&self, stream_arn: &str) {
        for shard in self.shards(stream_arn).into_iter().filter(|shard| shard.is_open) {
            self.roll_shard(stream_arn, &shard.id);
        }
    }

    /// Closes an open shard and creates several children. Returns them.
    ///
    /// # Panics
    ///
    /// If the shard is not open.
    pub fn split_shard(&self, stream_arn: &str, shard_id: &str, pieces: u64) -> Vec<String> {
        self.with(|state, now_ms| {
            state.change(now_ms, |services, turn| services.streams.split(stream_arn, shard_id, pieces, turn))
        })
    }

    /// Closes two adjacent open shards and creates one child, which names the first as its parent. Returns the child.
    ///
    /// # Panics
    ///
    /// If either is not open, or if they are not adjacent.
    pub fn merge_shards(&self, stream_arn: &str, shards: [&str; 2]) -> String {
        self.with(|state, now_ms| {
            state.change(now_ms, |services, turn| services.streams.merge(stream_arn, shards, turn))
        })
    }

    /// Drops the records of a shard that are older than an age in milliseconds; zero drops all except those written at
    /// this very moment.
    pub fn trim_shard(&self, stream_arn: &str, shard_id: &str, older_than_ms: u64) {
        self.with(|state, now_ms| state.streams.trim(stream_arn, shard_id, older_than_ms, now_ms));
    }

    /// Makes reads of a shard fail as unknown; `stays_listed` is whether listings still show it.
    pub fn forget_shard(&self, stream_arn: &str, shard_id: &str, stays_listed: bool) {
        self.with(|state, _| state.streams.forget(stream_arn, shard_id, stays_listed));
    }

    /// Disables a table's stream.
    ///
    /// # Panics
    ///
    /// If the table has no stream.
    pub fn disable_stream(&self, table: &str) {
        let arn = self.stream_arn(table).expect("the table has an enabled stream");
        self.with(|state, now_ms| {
            state.dynamodb.set_stream(table, None);
            state.change(now_ms, |services, turn| services.streams.disable(&arn, turn));
        });
    }

    /// Enables a table's stream again: it has a new ARN and no connection to the old stream.
    ///
    /// # Panics
    ///
    /// If there is no such table.
    pub fn enable_stream(&self, table: &str) -> String {
        self.with(|state, now_ms| {
            let key = state.dynamodb.key_schema(table).expect("the test created this table").clone();
            let arn = state.change(now_ms, |services, turn| services.streams.open(table, key, turn));
            state.dynamodb.set_stream(table, Some(arn.clone()));
            arn
        })
    }
}

/// Queues.
impl World {
    /// Creates a queue and returns its URL.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> String {
        self.with(|state, _| state.sqs.add_queue(name, settings))
    }

    /// Sends the events of executions that end without success to this queue.
    pub fn send_closed_executions_to(&self, queue_url: &str) {
        self.with(|state, _| state.closed_executions_url = Some(queue_url.to_owned()));
    }

    /// Puts a message into a queue.
    ///
    /// # Panics
    ///
    /// If there is no such queue.
    pub fn send(&self, queue_url: &str, body: &str) {
        self.with(|state, now_ms| state.send(queue_url, body, now_ms));
    }

    /// The messages of a queue, visible or not.
    pub fn messages(&self, queue_url: &str) -> Vec<MessageView> {
        self.with(|state, now_ms| state.sqs.view(queue_url, now_ms))
    }

    /// Makes a message visible immediately, even if it was received: at-least-once delivery.
    pub fn redeliver(&self, queue_url: &str, message_id: &str) -> bool {
        self.with(|state, now_ms| {
            state.has_new_messages = true;
            state.sqs.redeliver(queue_url, message_id, now_ms)
        })
    }
}

/// Executions.
impl World {
    /// Starts an execution and runs it until it waits for its token.
    ///
    /// # Panics
    ///
    /// If there is already an execution with that name.
    pub fn start(&self, start: Start) -> Started {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| step_functions.start(start, turn, effects))
        })
    }

    /// Stops an execution, as an operator does; returns false if it has already ended.
    pub fn stop(&self, execution_arn: &str) -> bool {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| {
                step_functions.stop(execution_arn, turn, effects)
            })
        })
    }

    /// Redrives an execution that ended without success; returns false if it did not.
    pub fn redrive(&self, execution_arn: &str) -> bool {
        self.with(|state, now_ms| {
            state.act(now_ms, |step_functions, turn, effects| {
                step_functions.redrive(execution_arn, turn, effects)
            })
        })
    }

    /// The current state of an execution.
    pub fn execution(&self, execution_arn: &str) -> Option<ExecutionView> {
        self.with(|state, _| state.step_functions.view(execution_arn))
    }

    /// The current state of every execution.
    pub fn executions(&self) -> Vec<ExecutionView> {
        self.with(|state, _| state.step_functions.views())
    }

    /// How many closing calls a token has accepted: never more than one.
    pub fn accepted(&self, token: &str) -> u32 {
        self.with(|state, _| state.step_functions.accepted(token))
    }
}
