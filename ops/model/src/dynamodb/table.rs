//! The items of one table: their current and recent states, and the states that its indexes show.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::schema::{IndexSchema, Key, TableSchema};
use super::value::{Item, Value};

/// The position of a row in its partition: its sort key and, in an index, the key of the table.
pub(super) type Place = (Option<Value>, Option<Key>);
/// The rows of one partition.
pub(super) type Partition = BTreeMap<Place, Arc<Item>>;
/// A former state of an item, and until when it was current.
type Until = (u64, Option<Arc<Item>>);
/// All rows, by partition key.
pub(super) type Rows = BTreeMap<Value, Partition>;

#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: TableSchema,
    rows: Rows,
    /// Former states of items, oldest first, which an eventually consistent read may still return.
    superseded: BTreeMap<Key, VecDeque<Until>>,
    indexes: Vec<Index>,
    /// The stream that receives the changes.
    pub(super) stream_arn: Option<String>,
}

#[derive(Debug)]
struct Index {
    schema: IndexSchema,
    rows: Rows,
    /// The partition key under which each item is in `rows`.
    shown: BTreeMap<Key, Key>,
    /// Changes that have not arrived yet, with their times of arrival.
    pending: VecDeque<(u64, Key, Option<Arc<Item>>)>,
}

impl Table {
    pub(super) fn new(schema: TableSchema) -> Table {
        let indexes = schema.indexes.iter().map(|index| Index {
            schema: index.clone(),
            rows: Rows::new(),
            shown: BTreeMap::new(),
            pending: VecDeque::new(),
        });
        Table {
            indexes: indexes.collect(),
            schema,
            rows: Rows::new(),
            superseded: BTreeMap::new(),
            stream_arn: None,
        }
    }

    /// The current item.
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Item>> {
        self.rows.get(&key.hash)?.get(&(key.range.clone(), None))
    }

    /// The item at an earlier time, which must lie within the read lag.
    pub(super) fn get_as_of(&self, key: &Key, at_ms: u64) -> Option<&Arc<Item>> {
        let superseded =
            self.superseded.get(key).into_iter().flatten().find(|(until_ms, _)| *until_ms > at_ms);
        match superseded {
            Some((_, item)) => item.as_ref(),
            None => self.get(key),
        }
    }

    /// All current rows.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// One partition at an earlier time, which must lie within the read lag.
    pub(super) fn partition_as_of(&self, hash: &Value, at_ms: u64) -> Partition {
        let mut partition = self.rows.get(hash).cloned().unwrap_or_default();
        let from = Key { hash: hash.clone(), range: None };
        let of_partition = self.superseded.range(from..).take_while(|(key, _)| key.hash == *hash);
        for (key, _) in of_partition {
            let place = (key.range.clone(), None);
            match self.get_as_of(key, at_ms) {
                Some(item) => drop(partition.insert(place, item.clone())),
                None => drop(partition.remove(&place)),
            }
        }
        partition
    }

    /// An index by name, including the changes that have arrived.
    pub(super) fn index(&mut self, name: &str, now_ms: u64) -> Option<(&IndexSchema, &Rows)> {
        let index = self.indexes.iter_mut().find(|index| index.schema.name == name)?;
        index.catch_up(now_ms);
        Some((&index.schema, &index.rows))
    }

    /// Writes or deletes an item. `lag_ms` is the most by which indexes and stale reads may lag behind.
    pub(super) fn write(
        &mut self,
        key: &Key,
        new: Option<Arc<Item>>,
        (now_ms, read_lag_ms, index_lag_ms): (u64, u64, u64),
        rng: &mut SmallRng,
    ) {
        let place = (key.range.clone(), None);
        let old = match new.clone() {
            Some(item) => self.rows.entry(key.hash.clone()).or_default().insert(place, item),
            None => self.remove(key),
        };
        if read_lag_ms > 0 {
            let versions = self.superseded.entry(key.clone()).or_default();
            versions.push_back((now_ms, old.clone()));
            while versions.front().is_some_and(|(until_ms, _)| until_ms + read_lag_ms < now_ms) {
                versions.pop_front();
            }
        }
        for index in &mut self.indexes {
            let concerns =
                |item: &Option<Arc<Item>>| item.as_ref().and_then(|item| index.schema.key.of(item)).is_some();
            if !concerns(&old) && !concerns(&new) {
                continue;
            }
            let lag_ms = if index_lag_ms == 0 { 0 } else { rng.random_range(0..=index_lag_ms) };
            let last_ms = index.pending.back().map_or(0, |(arrives_ms, ..)| *arrives_ms);
            let projected = new.as_ref().map(|item| Arc::new(index.schema.project(item, &self.schema.key)));
            index.pending.push_back((last_ms.max(now_ms + lag_ms), key.clone(), projected));
            index.catch_up(now_ms);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Item>> {
        let partition = self.rows.get_mut(&key.hash)?;
        let old = partition.remove(&(key.range.clone(), None));
        if partition.is_empty() {
            self.rows.remove(&key.hash);
        }
        old
    }
}

impl Index {
    fn catch_up(&mut self, now_ms: u64) {
        while self.pending.front().is_some_and(|(arrives_ms, ..)| *arrives_ms <= now_ms) {
            let Some((_, key, item)) = self.pending.pop_front() else { return };
            if let Some(old) = self.shown.remove(&key)
                && let Some(partition) = self.rows.get_mut(&old.hash)
            {
                partition.remove(&(old.range, Some(key.clone())));
                if partition.is_empty() {
                    self.rows.remove(&old.hash);
                }
            }
            let Some(item) = item else { continue };
            let Some(shown) = self.schema.key.of(&item) else { continue };
            let place = (shown.range.clone(), Some(key.clone()));
            self.rows.entry(shown.hash.clone()).or_default().insert(place, item);
            self.shown.insert(key, shown);
        }
    }
}
