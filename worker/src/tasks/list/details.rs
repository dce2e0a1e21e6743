//! What lists lack of a task: its order, and whose claim it has. No index has them, so the tasks themselves are read.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::value::RawValue;
use statemachine::format;
use statemachine::item as contract;
use statemachine::task::{Claim, Order, attribute};
use statemachine::token::{TaskId, TaskToken};

use super::{AT_ONCE, TaskList};
use crate::aws::attribute::text_of;
use crate::aws::fault::Fault;
use crate::aws::retry;
use crate::tasks::{batch, item};

/// How often the rest of a batch is asked for: somebody waits for it.
const RETRIES: usize = 3;
/// What is read. The token only to strike it out of the order.
const READ: [&str; 5] =
    [attribute::TASK_ID, attribute::TASK_TOKEN, attribute::ORDER, attribute::CLAIM, format::ATTRIBUTE];

/// What lists lack of a task.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// The last claim, which may have ended.
    pub claim: Option<Claim>,
    /// Its order without the token; none if the workflow sent none.
    pub order: Option<Box<RawValue>>,
}

impl TaskList {
    /// The details of some tasks, by their ids. A task that has left the table has none.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a call fails.
    pub async fn details(&self, ids: Vec<TaskId>) -> Result<HashMap<TaskId, Details>, Fault> {
        // A task that moves from one list to another meanwhile is in both, and no batch may name it twice.
        let ids: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
        let ids: Vec<String> = ids.into_iter().collect();
        let batches: Vec<Vec<String>> = ids.chunks(batch::MOST).map(<[String]>::to_vec).collect();
        let batches = stream::iter(batches)
            .map(|ids| batch::read(&self.client, &self.table, ids, &READ, retry::table().take(RETRIES)));
        let read: Vec<Vec<batch::Item>> = batches.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(read.iter().flatten().filter_map(Details::read).collect())
    }
}

impl Details {
    fn read(item: &batch::Item) -> Option<(TaskId, Details)> {
        let id = TaskId::parse(&text_of(item, attribute::TASK_ID)?).ok()?;
        let token = TaskToken::new(text_of(item, attribute::TASK_TOKEN)?).ok()?;
        let read = item::from_table(item);
        contract::check_format(&read).ok()?;
        let order = Order::read(&read).ok()?;
        let order =
            order.and_then(|order| RawValue::from_string(token.strike_json(&order.text()).into_owned()).ok());
        let claim = Claim::read(&read).ok().flatten();
        Some((id, Details { claim, order }))
    }
}
