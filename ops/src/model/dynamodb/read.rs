//! GetItem, and what a projection leaves of an item (API_GetItem, DynamoDB API reference).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::Texts;
use super::expression::Path;
use super::scope::{At, Scope};
use super::value::{Item, Value};
use super::{DynamoDb, refused};
use crate::model::turn::Turn;
use crate::model::wire::{Answer, success};

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

impl DynamoDb {
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
        let (no_names, no_values) = (BTreeMap::new(), BTreeMap::new());
        let scope = Scope::new(names.unwrap_or(&no_names), &no_values);
        let paths = used.projection.as_ref().map(|parsed| parsed.tree.as_slice());
        success(&GetAnswer { item: item.map(|item| projected(item, paths, scope)) })
    }
}

/// What a projection leaves of an item.
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

/// Puts a value under nested names; a list element becomes the list's only one.
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
