//! Stored tasks as the rules saw them, with their outcomes: the days' settled tasks, then the open ones.
//!
//! The `worklist` index lists them by the day they settled, so that a month is read without the year before it; their
//! orders are read in batches. A task that settles meanwhile may appear twice or not at all; its facts never change.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use rules::agreement::Reviewed;
use rules::backtest::StoredTask;
use statemachine::format;
use statemachine::item as contract;
use statemachine::task::{Order, attribute, index};
use statemachine::token::TaskToken;
use statemachine::worklist::{self, BUCKETS, Worklist};

use crate::aws::attribute::text_of;
use crate::aws::attribute::{names, text};
use crate::aws::fault::{Fault, Resource};
use crate::aws::retry;
use crate::tasks::batch::{self, Item};
use crate::tasks::{item, reviewed};

/// How many calls run at once.
const AT_ONCE: usize = 16;
/// The task's id, what the rules saw, and its outcome.
const READ: [&str; 11] = [
    // To leave out what this version would misread.
    format::ATTRIBUTE,
    attribute::TASK_ID,
    // To remove it from the order, as is done for the rules.
    attribute::TASK_TOKEN,
    attribute::ORDER,
    attribute::ORDER_ID,
    attribute::START_TIME,
    attribute::TRANSACTION_ID,
    attribute::RECEIVED_AT,
    attribute::STATUS,
    attribute::ESCALATION,
    attribute::DECISION,
];

/// Reads the tasks table for a backtest, or for what people decided.
#[derive(Debug, Clone)]
pub struct Archive {
    client: Client,
    table: String,
}

impl Archive {
    /// The tasks of the table `name`.
    pub fn new(client: Client, name: &str) -> Archive {
        Archive { client, table: name.to_owned() }
    }

    /// Every task that settled from `since` to `until`, both included, and every open one.
    ///
    /// The order of a run is the order of the keys, then of time; two runs over the same table give the same tasks in
    /// the same order.
    pub fn tasks(&self, since: Date, until: Date) -> impl Stream<Item = Result<Reviewed, Fault>> + '_ {
        let days = since.series(jiff::Span::new().days(1)).take_while(move |day| *day <= until);
        let open = Worklist::ALL.map(|list| list.name().to_owned());
        let lists = days.map(|day| day.to_string()).chain(open);
        let keys = lists.flat_map(|list| (0..BUCKETS).map(move |bucket| worklist::key(&list, bucket)));
        let ids = stream::iter(keys).map(|key| self.ids(key)).buffered(AT_ONCE);
        let ids = ids.map_ok(|ids| stream::iter(ids.into_iter().map(Ok))).try_flatten();
        let batches = ids.try_chunks(batch::MOST).map_err(|broken| broken.1);
        let read = batches.map_ok(|ids| self.read(ids)).try_buffered(AT_ONCE);
        read.map_ok(|tasks| stream::iter(tasks.into_iter().map(Ok))).try_flatten()
    }

    /// The tasks under one key of the index.
    async fn ids(&self, key: String) -> Result<Vec<String>, Fault> {
        let (condition, projection) = ("#list = :list", "#taskId");
        let mut ids = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index::WORKLIST)
                .key_condition_expression(condition)
                .projection_expression(projection)
                .set_expression_attribute_names(Some(names(&[condition, projection])))
                .expression_attribute_values(":list", text(&key))
                .set_exclusive_start_key(start);
            let answer = request
                .send()
                .await
                .map_err(|error| Fault::of("Query", Resource::Tasks(self.table.clone()), &error))?;
            ids.extend(answer.items().iter().filter_map(|item| text_of(item, attribute::TASK_ID)));
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(ids);
            }
        }
    }

    /// These tasks, in this order; a task that left the table is omitted.
    async fn read(&self, ids: Vec<String>) -> Result<Vec<Reviewed>, Fault> {
        let items = batch::read(&self.client, &self.table, ids.clone(), &READ, retry::table()).await?;
        let found = items.iter().filter_map(read_item);
        let mut found: HashMap<String, Reviewed> =
            found.map(|reviewed| (reviewed.task.task_id.clone(), reviewed)).collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

fn read_item(item: &Item) -> Option<Reviewed> {
    let read = item::from_table(item);
    let task = stored(item, &read)?;
    // Other attributes that cannot be read are ignored: the facts are still useful.
    let escalation = attribute::escalation(&read).ok().flatten();
    let decision = attribute::decision(&read).ok().flatten();
    let end = reviewed::end(attribute::status(&read).ok(), decision);
    Some(Reviewed { task, escalation: escalation.map(reviewed::escalation), end })
}

fn stored(item: &Item, read: &contract::Item) -> Option<StoredTask> {
    let token = TaskToken::new(text_of(item, attribute::TASK_TOKEN)?).ok()?;
    // An order that cannot be read, or that this version would misread, would look like a task without one.
    contract::check_format(read).ok()?;
    let order = Order::read(read).ok()?;
    Some(StoredTask {
        task_id: text_of(item, attribute::TASK_ID)?,
        order: order.map(|order| token.strike_json(&order.text()).into_owned()),
        order_id: text_of(item, attribute::ORDER_ID)?,
        start_time: text_of(item, attribute::START_TIME)?,
        transaction_id: text_of(item, attribute::TRANSACTION_ID)?,
        received_at: text_of(item, attribute::RECEIVED_AT)?,
    })
}
