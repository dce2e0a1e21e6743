//! PutItem, UpdateItem, DeleteItem: planned against the current item, then committed (API_PutItem, API_UpdateItem,
//! API_DeleteItem, DynamoDB API reference).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cache::{Texts, Used};
use super::scope::Scope;
use super::table::Table;
use super::value::{Item, Value, item_bytes};
use super::{DynamoDb, Key, evaluate, refused, update};
use crate::events::Change;
use crate::streams::{Streams, Written};
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

/// The largest item, in bytes (Service quotas, DynamoDB developer guide).
const MAX_ITEM_BYTES: usize = 400 * 1_024;

/// The parameters of a write, alone or in a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct WriteRequest {
    pub(super) table_name: String,
    pub(super) key: Option<Item>,
    pub(super) item: Option<Item>,
    pub(super) update_expression: Option<String>,
    pub(super) condition_expression: Option<String>,
    pub(super) expression_attribute_names: Option<BTreeMap<String, String>>,
    pub(super) expression_attribute_values: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    return_values: ReturnValues,
    #[serde(default)]
    pub(super) return_values_on_condition_check_failure: OnFailure,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReturnValues {
    #[default]
    None,
    AllOld,
    AllNew,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OnFailure {
    #[default]
    None,
    AllOld,
}

/// The effect of a write on the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Put,
    Update,
    Delete,
    /// No effect: a transaction's ConditionCheck.
    Check,
}

/// A write that can be committed.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) table: String,
    pub(super) key: Key,
    old: Option<Arc<Item>>,
    new: Option<Arc<Item>>,
    is_check: bool,
    by_ttl: bool,
}

/// Why a write cannot be committed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The condition does not hold; includes the item if the request asks for it.
    Condition(Option<Arc<Item>>),
    /// The request is invalid.
    Refused(ServiceError),
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Failed {
        Failed::Refused(error)
    }
}

impl Planned {
    pub(super) fn deletion(table: &str, key: Key, by_ttl: bool) -> Planned {
        Planned { table: table.to_owned(), key, old: None, new: None, is_check: false, by_ttl }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WriteAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Item>,
}

impl DynamoDb {
    /// Executes a single write. Only an update returns the new item.
    pub(super) fn write(
        &mut self,
        action: Action,
        request: WriteRequest,
        streams: &mut Streams,
        turn: &mut Turn<'_>,
    ) -> Answer {
        if request.return_values == ReturnValues::AllNew && action != Action::Update {
            return Err(refused("ReturnValues can only be ALL_OLD or NONE"));
        }
        let planned = self.plan(action, &request).map_err(|failed| match failed {
            Failed::Refused(error) => error,
            Failed::Condition(item) => condition_failed(item.as_deref()),
        })?;
        let attributes = match request.return_values {
            ReturnValues::None => None,
            ReturnValues::AllOld => planned.old.clone(),
            ReturnValues::AllNew => planned.new.clone(),
        };
        self.commit(planned, streams, turn);
        success(&WriteAnswer { attributes: attributes.as_deref() })
    }

    /// Checks a write against the current item.
    pub(super) fn plan(&mut self, action: Action, request: &WriteRequest) -> Result<Planned, Failed> {
        let texts = Texts {
            condition: request.condition_expression.as_deref(),
            update: request.update_expression.as_deref(),
            ..Texts::default()
        };
        let (names, values) = (&request.expression_attribute_names, &request.expression_attribute_values);
        let used = self.expressions.read(texts, names.as_ref(), values.as_ref()).map_err(refused)?;
        let table = self.table(&request.table_name)?;
        let key = match (&request.item, &request.key) {
            (Some(item), None) => table.schema.key.of_new(item),
            (None, Some(key)) => table.schema.key.of_request(key),
            _ => Err("a write has either an item or a key".to_owned()),
        }
        .map_err(refused)?;
        let old = table.get(&key).cloned();
        let no_item = Item::new();
        let scope = Scope::new(names.as_ref(), values.as_ref());
        if let Some(condition) = &used.condition
            && !evaluate::holds(&condition.tree, old.as_deref().unwrap_or(&no_item), scope)
        {
            let wanted = request.return_values_on_condition_check_failure == OnFailure::AllOld;
            return Err(Failed::Condition(old.filter(|_| wanted)));
        }
        let new = match action {
            Action::Put => request.item.clone().map(Arc::new),
            Action::Update => {
                Some(Arc::new(updated(table, &key, old.as_deref(), &used, scope).map_err(refused)?))
            }
            Action::Delete => None,
            Action::Check => old.clone(),
        };
        if let Some(new) = &new {
            check_item(table, new, action).map_err(refused)?;
        }
        Ok(Planned {
            table: request.table_name.clone(),
            key,
            old,
            new,
            is_check: action == Action::Check,
            by_ttl: false,
        })
    }

    /// Commits a planned write with its index entries and its stream record; returns whether anything changed.
    pub(super) fn commit(&mut self, planned: Planned, streams: &mut Streams, turn: &mut Turn<'_>) -> bool {
        let Planned { table: name, key, new, is_check, by_ttl, .. } = planned;
        let table = self.tables.get_mut(&name).expect("a planned write has its table");
        let old = table.get(&key).cloned();
        // A write that changes nothing creates no stream record (Change data capture, developer guide).
        if is_check || old == new {
            return false;
        }
        let lags = (turn.now_ms, turn.options.read_lag_ms, turn.options.index_lag_ms);
        table.write(&key, new.clone(), lags, turn.rng);
        if let Some(arn) = &table.stream_arn {
            let keys = table.schema.key.item(&key);
            streams.append(
                arn,
                Written { key: &key, keys, old: old.clone(), new: new.clone(), by_ttl },
                turn,
            );
        }
        turn.changes.push(Change::Item { table: name, key, old, new });
        true
    }
}

fn updated(
    table: &Table,
    key: &Key,
    old: Option<&Item>,
    used: &Used,
    scope: Scope<'_>,
) -> Result<Item, String> {
    let before = old.cloned().unwrap_or_else(|| table.schema.key.item(key));
    let Some(parsed) = &used.update else { return Ok(before) };
    let touched =
        update::touched(&parsed.tree, scope).map_err(|words| format!("Invalid UpdateExpression: {words}"))?;
    if let Some(name) = touched.into_iter().find(|name| table.schema.key.has(name)) {
        return Err(format!(
            "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of the key"
        ));
    }
    update::apply(&parsed.tree, &before, scope)
}

fn check_item(table: &Table, item: &Item, action: Action) -> Result<(), String> {
    if item_bytes(item) > MAX_ITEM_BYTES {
        return Err(match action {
            Action::Update => "Item size to update has exceeded the maximum allowed size".to_owned(),
            Action::Put | Action::Delete | Action::Check => {
                "Item size has exceeded the maximum allowed size".to_owned()
            }
        });
    }
    let is_empty_set = |value: &Value| {
        matches!(value, Value::SS(_) | Value::NS(_) | Value::BS(_)) && value.length() == Some(0)
    };
    if item.values().any(is_empty_set) {
        return Err("One or more parameter values were invalid: An string set  may not be empty".to_owned());
    }
    table.schema.indexes.iter().try_for_each(|index| index.check(item))
}

/// The response to a failed condition.
fn condition_failed(item: Option<&Item>) -> ServiceError {
    let error = ServiceError::new(
        Service::DynamoDb,
        "ConditionalCheckFailedException",
        "The conditional request failed",
    );
    match item {
        Some(item) => error.with("Item", json!(item)),
        None => error,
    }
}
