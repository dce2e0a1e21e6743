//! DynamoDB: tables, their operations, and the expressions in requests.

mod cache;
mod control;
mod evaluate;
mod expression;
mod lexer;
mod number;
mod query;
mod read;
mod reserved;
mod schema;
mod scope;
mod table;
mod transact;
mod units;
mod update;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::cache::Expressions;
pub use self::number::Number;
pub use self::schema::{IndexSchema, Key, KeyAttribute, KeySchema, Kind, Projection, TableSchema};
use self::table::Table;
pub use self::units::{WriteUnits, read_half_units, stored_bytes};
pub use self::value::{Bytes, Item, Value, item_bytes};
use self::write::Action;
use super::streams::Streams;
use super::turn::Turn;
use super::wire::{Answer, Call, Service, ServiceError};

/// All tables.
#[derive(Debug, Default)]
pub(super) struct DynamoDb {
    tables: BTreeMap<String, Table>,
    expressions: Expressions,
    /// Recent transactions by client token: when they arrived, and the request.
    transactions: BTreeMap<String, (u64, serde_json::Value)>,
}

fn refused(message: impl AsRef<str>) -> ServiceError {
    Service::DynamoDb.validation(message.as_ref())
}

impl DynamoDb {
    /// Answers a call.
    ///
    /// # Panics
    ///
    /// If the model does not support the operation.
    pub(super) fn answer(&mut self, call: &Call, streams: &mut Streams, turn: &mut Turn<'_>) -> Answer {
        match call.operation.as_str() {
            "GetItem" => self.get_item(call.request()?, turn),
            "BatchGetItem" => self.batch_get_item(call.request()?, turn),
            "PutItem" => self.write(Action::Put, call.request()?, streams, turn),
            "UpdateItem" => self.write(Action::Update, call.request()?, streams, turn),
            "DeleteItem" => self.write(Action::Delete, call.request()?, streams, turn),
            "TransactWriteItems" => self.transact_write_items(call, streams, turn),
            "Query" => self.query(call.request()?, turn),
            "Scan" => self.scan(call.request()?, turn),
            "CreateTable" => self.create_table(call.request()?, streams, turn),
            "DescribeTable" => self.describe_table(call.request()?, streams),
            "UpdateTimeToLive" => self.update_time_to_live(call.request()?),
            other => panic!("the model of DynamoDB does not support {other}"),
        }
    }

    /// Creates a table.
    ///
    /// # Panics
    ///
    /// If there is already a table with that name.
    pub(super) fn add_table(&mut self, schema: TableSchema, streams: &mut Streams, turn: &mut Turn<'_>) {
        let name = schema.name.clone();
        let mut table = Table::new(schema);
        if table.schema.has_stream {
            table.stream_arn = Some(streams.open(&name, table.schema.key.clone(), turn));
        }
        assert!(self.tables.insert(name.clone(), table).is_none(), "table {name} exists already");
    }

    /// Sets the stream of a table, or removes it.
    pub(super) fn set_stream(&mut self, table: &str, arn: Option<String>) {
        self.tables.get_mut(table).expect("the test created this table").stream_arn = arn;
    }

    /// The ARN of a table's stream, if it has one.
    pub(super) fn stream_arn(&self, table: &str) -> Option<&str> {
        self.tables.get(table)?.stream_arn.as_deref()
    }

    /// The key of a table.
    pub(super) fn key_schema(&self, table: &str) -> Option<&KeySchema> {
        Some(&self.tables.get(table)?.schema.key)
    }

    /// Every current item of a table.
    pub(super) fn items(&self, table: &str) -> Vec<Arc<Item>> {
        let rows = self.tables.get(table).into_iter().flat_map(|table| table.rows().values());
        rows.flat_map(|partition| partition.values().cloned()).collect()
    }

    /// The current state of one item.
    pub(super) fn item(&self, table: &str, key: &Item) -> Option<Arc<Item>> {
        let table = self.tables.get(table)?;
        table.get(&table.schema.key.of(key)?).cloned()
    }

    /// Deletes an item as an operator or as TTL does.
    pub(super) fn delete(
        &mut self,
        table: &str,
        key: &Item,
        by_ttl: bool,
        streams: &mut Streams,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(key) = self.tables.get(table).and_then(|table| table.schema.key.of(key)) else {
            return false;
        };
        self.commit(write::Planned::deletion(table, key, by_ttl), streams, turn)
    }

    fn table(&self, name: &str) -> Result<&Table, ServiceError> {
        self.tables.get(name).ok_or_else(not_found)
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, ServiceError> {
        self.tables.get_mut(name).ok_or_else(not_found)
    }
}

fn not_found() -> ServiceError {
    ServiceError::new(Service::DynamoDb, "ResourceNotFoundException", "Requested resource not found")
}
