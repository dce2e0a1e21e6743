//! Pages of the worklists, the days and the orders, for people. Only reads.
//!
//! Each list is spread over 16 keys of the `worklist` index; a page merges them by `listAt`. The index lags slightly
//! behind the table: a task that was just decided may still be in its earlier list.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use statemachine::decision::Decision;
use statemachine::item::{self as contract, Item, Malformed};
use statemachine::message::MAX_KEY_BYTES;
use statemachine::status::{Delivery, Status};
use statemachine::task::{Escalation, Task, attribute, index};
use statemachine::token::TaskId;
use statemachine::worklist::{self, BUCKETS, Worklist};
use tracing::error;

use crate::aws::attribute::{names, number_of, text, text_of};
use crate::aws::fault::{Fault, Resource};
use crate::tasks::item;

mod cursor;
mod details;
mod merge;

pub use cursor::InvalidCursor;
use cursor::{Cursor, Position};
pub use details::Details;

/// The most tasks of one page of the API.
pub const MAX_PAGE: usize = 200;
/// The most tasks of one page: those of the inbox have all that wait.
pub const MOST_TASKS: usize = 500;
/// How many calls of one page run at once.
const AT_ONCE: usize = 16;

/// Which tasks a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Tasks of these open lists, earliest due first.
    Open {
        /// At least one.
        lists: Vec<Worklist>,
        /// Only those whose `listAt` is earlier, in epoch seconds.
        before: Option<i64>,
    },
    /// Tasks that settled on a day, the newest first.
    Settled {
        /// In UTC, `2026-11-22`.
        day: String,
        /// Only those with this final status.
        status: Option<Status>,
    },
    /// All tasks of an order, the newest first.
    Order(String),
}

/// One page of a query's tasks, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the query's order.
    pub tasks: Vec<ListedTask>,
    /// For the next page of the same query; none on the last one.
    pub cursor: Option<String>,
}

/// A task as lists show it: everything except the token, the order and the evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the attribute of the same name")]
pub struct ListedTask {
    pub id: TaskId,
    pub order_id: String,
    pub start_time: String,
    pub transaction_id: String,
    pub status: Status,
    pub received_at: String,
    pub deadline: Option<i64>,
    pub revision: i64,
    pub decision: Option<Decision>,
    pub delivery: Option<Delivery>,
    pub escalation: Option<Escalation>,
    pub list_at: Option<i64>,
}

/// A page that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The cursor does not belong to this query.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// A call failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Pages of the tasks table.
#[derive(Debug, Clone)]
pub struct TaskList {
    client: Client,
    table: String,
}

impl TaskList {
    /// Pages of the table `name`.
    pub fn new(client: &Client, name: &str) -> TaskList {
        // Of the same connections, but with retries of its own: lists that fail must not use up those of heartbeats and
        // decisions.
        let retries = RetryPartition::new("lists for people");
        let own = client.config().to_builder().retry_partition(retries).build();
        TaskList { client: Client::from_conf(own), table: name.to_owned() }
    }

    /// Reads one page of at most `limit` tasks, itself at most [`MOST_TASKS`].
    ///
    /// # Errors
    ///
    /// [`ListError`] for a cursor of another query, or when a call fails.
    pub async fn page(&self, query: &Query, limit: usize, cursor: Option<&str>) -> Result<Page, ListError> {
        let limit = limit.clamp(1, MOST_TASKS);
        let cursor = cursor.map(Cursor::decode).transpose()?;
        match query {
            Query::Open { lists, .. } => {
                let names: Vec<&str> = lists.iter().map(|list| list.name()).collect();
                self.merged(query, &keys(&names), limit, cursor).await
            }
            Query::Settled { day, .. } => self.merged(query, &keys(&[day]), limit, cursor).await,
            Query::Order(order_id) => self.order(order_id, limit, cursor).await,
        }
    }

    /// The ids and revisions of one bucket of a worklist: the first megabyte, about a thousand tasks.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn revisions(&self, list: Worklist, bucket: u8) -> Result<Vec<(String, i64)>, Fault> {
        let (condition, wanted) = ("#list = :list", "#taskId, #revision");
        let answer = self
            .query(index::WORKLIST, condition, None)
            .set_expression_attribute_names(Some(names(&[condition, wanted])))
            .projection_expression(wanted)
            .expression_attribute_values(":list", text(&list.key(bucket)))
            .send()
            .await
            .map_err(|error| Fault::of("Query", Resource::Tasks(self.table.clone()), &error))?;
        let revision = |entry: &HashMap<String, AttributeValue>| {
            Some((text_of(entry, attribute::TASK_ID)?, number_of(entry, attribute::REVISION)?))
        };
        Ok(answer.items().iter().filter_map(revision).collect())
    }

    async fn order(&self, order_id: &str, limit: usize, cursor: Option<Cursor>) -> Result<Page, ListError> {
        let condition = "#orderId = :order";
        let start = match cursor {
            None => None,
            // DynamoDB rejects a key outside of its bounds; no cursor of ours has one.
            Some(Cursor::Order { order_id: of, start_time, task_id })
                if of == order_id && (1..=MAX_KEY_BYTES).contains(&start_time.len()) =>
            {
                Some(HashMap::from([
                    (attribute::ORDER_ID.to_owned(), text(&of)),
                    (attribute::START_TIME.to_owned(), text(&start_time)),
                    (attribute::TASK_ID.to_owned(), text(task_id.as_str())),
                ]))
            }
            Some(Cursor::Order { .. } | Cursor::Lists(_)) => return Err(InvalidCursor.into()),
        };
        let answer = self
            .query(index::BY_ORDER, condition, None)
            .expression_attribute_values(":order", text(order_id))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| Fault::of("Query", Resource::Tasks(self.table.clone()), &error))?;
        let keys: Vec<AttributeValue> =
            answer.items().iter().filter_map(|key| key.get(attribute::TASK_ID).cloned()).collect();
        let found = stream::iter(keys).map(|id| self.get(id)).buffered(AT_ONCE);
        let tasks: Vec<Option<ListedTask>> = found.try_collect().await?;
        let cursor = answer.last_evaluated_key().map(item::from_table).and_then(|key| Cursor::of_order(&key));
        Ok(Page {
            tasks: tasks.into_iter().flatten().collect(),
            cursor: cursor.map(|cursor| cursor.encode()),
        })
    }

    /// One task as lists show it; none if it has left the table.
    async fn get(&self, id: AttributeValue) -> Result<Option<ListedTask>, Fault> {
        let projection = LISTED.map(|name| format!("#{name}")).join(", ");
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(attribute::TASK_ID, id)
            .set_expression_attribute_names(Some(names(&[&projection])))
            .projection_expression(&projection)
            .send()
            .await
            .map_err(|error| Fault::of("GetItem", Resource::Tasks(self.table.clone()), &error))?;
        Ok(answer.item().map(item::from_table).and_then(|item| ListedTask::read(&item)))
    }

    fn query(&self, index: &str, condition: &str, filter: Option<&str>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression(condition)
            .set_filter_expression(filter.map(str::to_owned))
            .set_expression_attribute_names(Some(names(&[condition, filter.unwrap_or_default()])))
    }
}

/// The keys that some named lists are spread over.
fn keys(lists: &[&str]) -> Vec<String> {
    lists.iter().flat_map(|list| (0..BUCKETS).map(|bucket| worklist::key(list, bucket))).collect()
}

/// The attributes of a [`ListedTask`]. The `worklist` index projects them.
const LISTED: [&str; 12] = [
    attribute::TASK_ID,
    attribute::ORDER_ID,
    attribute::START_TIME,
    attribute::TRANSACTION_ID,
    attribute::STATUS,
    attribute::RECEIVED_AT,
    attribute::DEADLINE,
    attribute::REVISION,
    attribute::DECISION,
    attribute::DELIVERY,
    attribute::ESCALATION,
    attribute::LIST_AT,
];

impl ListedTask {
    /// Reads an item of an index or a projection. One unreadable item must not hide the others, so it is logged and
    /// omitted.
    fn read(item: &Item) -> Option<ListedTask> {
        let id = contract::optional_text(item, attribute::TASK_ID).ok().flatten().unwrap_or_default();
        ListedTask::from_item(item)
            .inspect_err(|malformed| {
                error!(task.id = id, "task {id}: omitted from a list: {malformed}; repair the item")
            })
            .ok()
    }

    fn from_item(item: &Item) -> Result<ListedTask, Malformed> {
        let id = TaskId::parse(&contract::text(item, attribute::TASK_ID)?)
            .map_err(|_| Malformed::Not(attribute::TASK_ID, "32 lowercase hex digits"))?;
        // No list contains the token, so the task's id, its hash, must identify it.
        for name in [attribute::ORDER_ID, attribute::START_TIME, attribute::TRANSACTION_ID] {
            if id.is_of(&contract::text(item, name)?) {
                return Err(Malformed::HoldsToken(name));
            }
        }
        Ok(ListedTask {
            id,
            order_id: contract::text(item, attribute::ORDER_ID)?,
            start_time: contract::text(item, attribute::START_TIME)?,
            transaction_id: contract::text(item, attribute::TRANSACTION_ID)?,
            status: attribute::status(item)?,
            received_at: contract::text(item, attribute::RECEIVED_AT)?,
            deadline: contract::optional_number(item, attribute::DEADLINE)?,
            revision: attribute::revision(item)?,
            decision: attribute::decision(item)?,
            delivery: attribute::delivery(item)?,
            escalation: attribute::escalation(item)?,
            list_at: contract::optional_number(item, attribute::LIST_AT)?,
        })
    }
}

impl From<Task> for ListedTask {
    fn from(task: Task) -> ListedTask {
        ListedTask {
            id: task.id,
            order_id: task.order_id,
            start_time: task.start_time,
            transaction_id: task.transaction_id,
            status: task.status,
            received_at: task.received_at,
            deadline: task.deadline,
            revision: task.revision,
            decision: task.decision,
            delivery: task.delivery,
            escalation: task.escalation,
            list_at: task.list_at,
        }
    }
}
