//! Many tasks read at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use statemachine::task::attribute;
use tokio::time::sleep;

use crate::aws::attribute::names;
use crate::aws::fault::{Class, Fault, Resource};

/// How many tasks one call reads: the API's maximum.
pub(super) const MOST: usize = 100;

/// An item, as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Reads these attributes of at most [`MOST`] different tasks, in any order; a task that left the table is omitted. What one
/// call leaves unprocessed, because the rest did not fit or the table throttles, is read after these delays.
pub(super) async fn read(
    client: &Client,
    table: &str,
    ids: Vec<String>,
    attributes: &[&str],
    mut delays: impl Iterator<Item = Duration>,
) -> Result<Vec<Item>, Fault> {
    let projection = attributes.iter().map(|name| format!("#{name}")).collect::<Vec<_>>().join(", ");
    let mut missing: Vec<Item> = ids
        .into_iter()
        .map(|id| HashMap::from([(attribute::TASK_ID.to_owned(), AttributeValue::S(id))]))
        .collect();
    let mut found = Vec::with_capacity(missing.len());
    while !missing.is_empty() {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(missing))
            .projection_expression(&projection)
            .set_expression_attribute_names(Some(names(&[&projection])))
            .build()
            .expect("the keys are set");
        let mut answer = client
            .batch_get_item()
            .request_items(table, keys)
            .send()
            .await
            .map_err(|error| Fault::of("BatchGetItem", Resource::Tasks(table.to_owned()), &error))?;
        let items = answer.responses.take().and_then(|mut tables| tables.remove(table));
        found.extend(items.unwrap_or_default());
        let rest = answer.unprocessed_keys.take().and_then(|mut tables| tables.remove(table));
        missing = rest.map(|rest| rest.keys).unwrap_or_default();
        if !missing.is_empty() {
            let Some(delay) = delays.next() else {
                let code = format!("{} tasks stay unprocessed", missing.len());
                let on = Resource::Tasks(table.to_owned());
                return Err(Fault { operation: "BatchGetItem", on, code, class: Class::Throttled });
            };
            sleep(delay).await;
        }
    }
    Ok(found)
}
