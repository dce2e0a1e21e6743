//! DynamoDB: tables, their operations, and the expressions they take.

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
    /// Transactions of the last minutes by their client token: what was asked, and when.
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
    /// When the model does not have the operation.
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
            other => panic!("the model of DynamoDB has no {other}"),
        }
    }

    /// Makes a table.
    ///
    /// # Panics
    ///
    /// When there is one of that name.
    pub(super) fn add_table(&mut self, schema: TableSchema, streams: &mut Streams, turn: &mut Turn<'_>) {
        let name = schema.name.clone();
        let mut table = Table::new(schema);
        if table.schema.has_stream {
            table.stream_arn = Some(streams.open(&name, table.schema.key.clone(), turn));
        }
        assert!(self.tables.insert(name.clone(), table).is_none(), "table {name} exists already");
    }

    /// Points a table at another stream, or at none.
    pub(super) fn set_stream(&mut self, table: &str, arn: Option<String>) {
        self.tables.get_mut(table).expect("the test names a table it made").stream_arn = arn;
    }

    /// The ARN of a table's stream, when it has one.
    pub(super) fn stream_arn(&self, table: &str) -> Option<&str> {
        self.tables.get(table)?.stream_arn.as_deref()
    }

    /// A table's key.
    pub(super) fn key_schema(&self, table: &str) -> Option<&KeySchema> {
        Some(&self.tables.get(table)?.schema.key)
    }

    /// Every item of a table, as it is.
    pub(super) fn items(&self, table: &str) -> Vec<Arc<Item>> {
        let rows = self.tables.get(table).into_iter().flat_map(|table| table.rows().values());
        rows.flat_map(|partition| partition.values().cloned()).collect()
    }

    /// One item, as it is.
    pub(super) fn item(&self, table: &str, key: &Item) -> Option<Arc<Item>> {
        let table = self.tables.get(table)?;
        table.get(&table.schema.key.of(key)?).cloned()
    }

    /// Deletes an item as an operator would, or as TTL does.
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
