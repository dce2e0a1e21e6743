//! Query and Scan, page by page (API_Query, API_Scan, DynamoDB API reference).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cache::{Texts, Used};
use super::expression::{Comparison, Condition, Operand};
use super::read::projected;
use super::scope::Scope;
use super::table::{Partition, Place};
use super::value::{Item, Value, item_bytes};
use super::{DynamoDb, Key, KeySchema, evaluate, refused};
use crate::turn::Turn;
use crate::wire::{Answer, ServiceError, success};

/// A page ends when the evaluated items reach this many bytes.
const MAX_PAGE_BYTES: usize = 1 << 20;

/// The parameters of Query and Scan.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ReadRequest {
    table_name: String,
    index_name: Option<String>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<BTreeMap<String, Value>>,
    exclusive_start_key: Option<Item>,
    limit: Option<usize>,
    #[serde(default)]
    consistent_read: bool,
    scan_index_forward: Option<bool>,
    select: Option<Select>,
}

impl ReadRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::new(self.expression_attribute_names.as_ref(), self.expression_attribute_values.as_ref())
    }

    /// The time whose state the read sees.
    fn as_of_ms(&self, turn: &mut Turn<'_>) -> u64 {
        if self.consistent_read { turn.now_ms } else { turn.lagging(turn.options.read_lag_ms) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Select {
    AllAttributes,
    AllProjectedAttributes,
    SpecificAttributes,
    Count,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Cow<'a, Item>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
}

/// The parts of a key condition.
struct KeyCondition<'a> {
    hash: &'a Value,
    /// The whole condition, which the sort key must meet too.
    tree: &'a Condition,
}

impl DynamoDb {
    pub(super) fn query(&mut self, request: ReadRequest, turn: &mut Turn<'_>) -> Answer {
        let used = self.read_expressions(&request)?;
        let (scope, as_of_ms) = (request.scope(), request.as_of_ms(turn));
        let table = self.table_mut(&request.table_name)?;
        let table_key = table.schema.key.clone();
        let parsed = used
            .key
            .as_ref()
            .ok_or_else(|| refused("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."))?;
        let stale;
        let none = Partition::new();
        let (schema, partition, condition) = match &request.index_name {
            Some(name) => {
                if request.consistent_read {
                    return Err(refused("Consistent reads are not supported on global secondary indexes"));
                }
                let (index, rows) = table
                    .index(name, turn.now_ms)
                    .ok_or_else(|| refused(format!("The table does not have the specified index: {name}")))?;
                let condition = key_condition(&parsed.tree, &index.key, scope)?;
                (index.key.clone(), rows.get(condition.hash).unwrap_or(&none), condition)
            }
            None => {
                let condition = key_condition(&parsed.tree, &table_key, scope)?;
                let partition = if as_of_ms == turn.now_ms {
                    table.rows().get(condition.hash).unwrap_or(&none)
                } else {
                    stale = table.partition_as_of(condition.hash, as_of_ms);
                    &stale
                };
                (table_key.clone(), partition, condition)
            }
        };
        check_filter(&used, &schema, scope)?;
        let start =
            request.exclusive_start_key.as_ref().map(|key| start_place(key, &schema, &table_key, &request));
        let start = start.transpose()?;
        let rows: Box<dyn Iterator<Item = (&Place, &Arc<Item>)>> = match request.scan_index_forward {
            Some(false) => {
                let end = start.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(partition.range((Bound::Unbounded, end)).rev())
            }
            Some(true) | None => {
                let from = start.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(partition.range((from, Bound::Unbounded)))
            }
        };
        let rows = rows.map(|(_, item)| item).filter(|item| evaluate::holds(condition.tree, item, scope));
        page(rows, &request, &used, scope, &[&schema, &table_key])
    }

    pub(super) fn scan(&mut self, request: ReadRequest, turn: &mut Turn<'_>) -> Answer {
        assert!(request.index_name.is_none(), "the model's Scan does not support IndexName");
        let used = self.read_expressions(&request)?;
        let (scope, as_of_ms) = (request.scope(), request.as_of_ms(turn));
        let table = self.table(&request.table_name)?;
        let schema = table.schema.key.clone();
        let start = request.exclusive_start_key.as_ref().map(|key| schema.of_request(key)).transpose();
        let start = start.map_err(|_| refused("The provided starting key is invalid"))?;
        let from = start.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(key.hash.clone()));
        let rows = table.rows().range((from, Bound::Unbounded)).flat_map(|(hash, partition)| {
            partition.keys().map(move |(range, _)| Key { hash: hash.clone(), range: range.clone() })
        });
        // Items deleted within the lag are not returned: a scan may miss them anyway.
        let rows = rows.filter(|key| start.as_ref().is_none_or(|start| key > start)).filter_map(|key| {
            if as_of_ms == turn.now_ms { table.get(&key) } else { table.get_as_of(&key, as_of_ms) }
        });
        page(rows, &request, &used, scope, &[&schema])
    }

    fn read_expressions(&mut self, request: &ReadRequest) -> Result<Used, ServiceError> {
        if request.limit == Some(0) {
            return Err(refused("Limit must be greater than or equal to 1"));
        }
        let texts = Texts {
            key: request.key_condition_expression.as_deref(),
            filter: request.filter_expression.as_deref(),
            projection: request.projection_expression.as_deref(),
            ..Texts::default()
        };
        let (names, values) = (&request.expression_attribute_names, &request.expression_attribute_values);
        self.expressions.read(texts, names.as_ref(), values.as_ref()).map_err(refused)
    }
}

/// Reads one page. `limit` counts evaluated items, before the filter. A page that reached the limit returns a key to
/// continue from, even if no items follow.
fn page<'a>(
    rows: impl Iterator<Item = &'a Arc<Item>>,
    request: &ReadRequest,
    used: &Used,
    scope: Scope<'_>,
    keys: &[&KeySchema],
) -> Answer {
    let limit = request.limit.unwrap_or(usize::MAX);
    let (mut scanned_count, mut bytes, mut last) = (0, 0, None);
    let mut items = Vec::new();
    for item in rows {
        scanned_count += 1;
        bytes += item_bytes(item);
        if used.filter.as_ref().is_none_or(|filter| evaluate::holds(&filter.tree, item, scope)) {
            items.push(projected(item, used.projection.as_ref().map(|parsed| parsed.tree.as_slice()), scope));
        }
        if scanned_count == limit || bytes > MAX_PAGE_BYTES {
            last = Some(item);
            break;
        }
    }
    let last_evaluated_key =
        last.map(|item| keys.iter().flat_map(|schema| key_attributes(schema, item)).collect());
    success(&Page {
        count: items.len(),
        scanned_count,
        items: Some(items).filter(|_| request.select != Some(Select::Count)),
        last_evaluated_key,
    })
}

fn key_attributes(schema: &KeySchema, item: &Item) -> Vec<(String, Value)> {
    schema
        .attributes()
        .filter_map(|attribute| item.get_key_value(&attribute.name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn start_place(
    start: &Item,
    schema: &KeySchema,
    table_key: &KeySchema,
    request: &ReadRequest,
) -> Result<Place, ServiceError> {
    let invalid = || refused("The provided starting key is invalid");
    let key = schema.of(start).ok_or_else(invalid)?;
    match request.index_name {
        None => Ok((key.range, None)),
        Some(_) => Ok((key.range, Some(table_key.of(start).ok_or_else(invalid)?))),
    }
}

/// Splits a key condition into the equality on the partition key and at most one condition on the sort key.
fn key_condition<'a>(
    tree: &'a Condition,
    schema: &KeySchema,
    scope: Scope<'a>,
) -> Result<KeyCondition<'a>, ServiceError> {
    let (first, second) = match tree {
        Condition::And(left, right) => (&**left, Some(&**right)),
        other => (other, None),
    };
    let hash = [Some(first), second].into_iter().flatten().find_map(|part| match part {
        Condition::Compare(Comparison::Equal, Operand::Path(path), Operand::Value(value))
            if scope.first(path) == schema.hash.name =>
        {
            Some(scope.value(value))
        }
        _ => None,
    });
    let hash = hash
        .ok_or_else(|| refused(format!("Query condition missed key schema element: {}", schema.hash.name)))?;
    let mut paths = Vec::new();
    tree.paths(&mut paths);
    if let Some(path) = paths.iter().find(|path| !schema.has(scope.first(path))) {
        let name = scope.first(path);
        return Err(refused(format!("Query condition missed key schema element: {name}")));
    }
    let is_sort_condition = |part: &Condition| match part {
        Condition::Compare(comparison, Operand::Path(_), Operand::Value(_)) => {
            *comparison != Comparison::NotEqual
        }
        Condition::Between(..) | Condition::BeginsWith(..) => true,
        _ => false,
    };
    if !is_sort_condition(first) || second.is_some_and(|part| !is_sort_condition(part)) {
        return Err(refused("Invalid operator used in KeyConditionExpression"));
    }
    Ok(KeyCondition { hash, tree })
}

fn check_filter(used: &Used, schema: &KeySchema, scope: Scope<'_>) -> Result<(), ServiceError> {
    let Some(filter) = &used.filter else { return Ok(()) };
    let mut paths = Vec::new();
    filter.tree.paths(&mut paths);
    match paths.iter().map(|path| scope.first(path)).find(|name| schema.has(name)) {
        Some(name) => Err(refused(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
        None => Ok(()),
    }
}
