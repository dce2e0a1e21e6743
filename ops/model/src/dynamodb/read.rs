//! GetItem and BatchGetItem, and projections of items (API_GetItem, API_BatchGetItem, DynamoDB API reference).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::Texts;
use super::expression::Path;
use super::scope::{At, Scope};
use super::value::{Item, Value, item_bytes};
use super::{DynamoDb, refused};
use crate::turn::Turn;
use crate::wire::{Answer, success};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetRequest {
    table_name: String,
    key: Item,
    #[serde(default)]
    consistent_read: bool,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Cow<'a, Item>>,
}

/// The most keys in one BatchGetItem.
const MAX_BATCH_KEYS: usize = 100;
/// The largest response of one BatchGetItem in bytes; the remaining keys are returned as unprocessed.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchGetRequest {
    request_items: BTreeMap<String, BatchKeys>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BatchKeys {
    keys: Vec<Item>,
    #[serde(default)]
    consistent_read: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGetAnswer {
    responses: BTreeMap<String, Vec<Item>>,
    unprocessed_keys: BTreeMap<String, BatchKeys>,
}

impl DynamoDb {
    /// Reads several items. DynamoDB promises no order; the model returns them in the reverse order of the keys.
    pub(super) fn batch_get_item(&mut self, request: BatchGetRequest, turn: &mut Turn<'_>) -> Answer {
        let count: usize = request.request_items.values().map(|keys| keys.keys.len()).sum();
        if count == 0 || count > MAX_BATCH_KEYS {
            return Err(refused("Too many items requested for the BatchGetItem call"));
        }
        let (mut responses, mut unprocessed_keys) = (BTreeMap::new(), BTreeMap::new());
        let mut bytes = 0;
        for (name, mut asked) in request.request_items {
            let texts = Texts { projection: asked.projection_expression.as_deref(), ..Texts::default() };
            let used = self
                .expressions
                .read(texts, asked.expression_attribute_names.as_ref(), None)
                .map_err(refused)?;
            let paths = used.projection.as_ref().map(|parsed| parsed.tree.as_slice());
            let scope = Scope::new(asked.expression_attribute_names.as_ref(), None);
            let table = self.table(&name)?;
            let mut found = Vec::new();
            while let Some(key) = asked.keys.last() {
                let key = table.schema.key.of_request(key).map_err(refused)?;
                let item = if asked.consistent_read {
                    table.get(&key)
                } else {
                    table.get_as_of(&key, turn.lagging(turn.options.read_lag_ms))
                };
                bytes += item.map_or(0, |item| item_bytes(item));
                if bytes > MAX_BATCH_BYTES {
                    break;
                }
                found.extend(item.map(|item| projected(item, paths, scope).into_owned()));
                asked.keys.pop();
            }
            responses.insert(name.clone(), found);
            if !asked.keys.is_empty() {
                unprocessed_keys.insert(name, asked);
            }
        }
        success(&BatchGetAnswer { responses, unprocessed_keys })
    }

    pub(super) fn get_item(&mut self, request: GetRequest, turn: &mut Turn<'_>) -> Answer {
        let texts = Texts { projection: request.projection_expression.as_deref(), ..Texts::default() };
        let names = request.expression_attribute_names.as_ref();
        let used = self.expressions.read(texts, names, None).map_err(refused)?;
        let table = self.table(&request.table_name)?;
        let key = table.schema.key.of_request(&request.key).map_err(refused)?;
        let item = if request.consistent_read {
            table.get(&key)
        } else {
            table.get_as_of(&key, turn.lagging(turn.options.read_lag_ms))
        };
        let scope = Scope::new(names, None);
        let paths = used.projection.as_ref().map(|parsed| parsed.tree.as_slice());
        success(&GetAnswer { item: item.map(|item| projected(item, paths, scope)) })
    }
}

/// The part of an item that a projection keeps.
pub(super) fn projected<'i>(item: &'i Item, paths: Option<&[Path]>, scope: Scope<'_>) -> Cow<'i, Item> {
    let Some(paths) = paths else { return Cow::Borrowed(item) };
    let mut out = Item::new();
    for path in paths {
        let Some(value) = scope.get(item, path) else { continue };
        let steps = scope.path(path);
        let (At::Name(first), rest) = (steps[0], &steps[1..]) else { continue };
        merge(out.entry(first.to_owned()), rest, value);
    }
    Cow::Owned(out)
}

/// Puts a value under nested names; a list element becomes the only one in its list.
fn merge(entry: std::collections::btree_map::Entry<'_, String, Value>, rest: &[At<'_>], value: &Value) {
    match rest {
        [] => drop(entry.insert_entry(value.clone())),
        [At::Name(name), rest @ ..] => {
            if let Value::M(map) = entry.or_insert_with(|| Value::M(Item::new())) {
                merge(map.entry((*name).to_owned()), rest, value);
            }
        }
        [At::Index(_), ..] => {
            if let Value::L(list) = entry.or_insert_with(|| Value::L(Vec::new())) {
                list.push(value.clone());
            }
        }
    }
}
