//! Reads of the tasks table: one task, a page of a worklist, an execution's tasks.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, Stream};
use jiff::Timestamp;
use statemachine::item::Item;
use statemachine::task::{Task, attribute, index};
use statemachine::token::TaskId;

use crate::aws::attribute::{names, number, number_of, text};
use crate::aws::fault::Fault;
use crate::tasks::item;
use crate::tasks::table::{TableError, TaskTable};

/// Attributes of an item, such as the keys with which a query continues.
pub type Key = HashMap<String, AttributeValue>;

/// How many tasks one page of a worklist has.
const DUE_PAGE: i32 = 100;

/// Which entries of a worklist are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// Those due by this time, in epoch seconds.
    Due(i64),
    /// Those due later than this.
    Beyond(i64),
    /// Among those, the tasks without a deadline or with an earlier one.
    BeyondDeadline(i64),
}

/// One entry of a worklist, as the index shows it.
#[derive(Debug)]
pub struct Entry {
    /// The task.
    pub id: TaskId,
    /// Its `listAt`, in epoch seconds.
    pub at: i64,
    /// When it was decided, in epoch seconds; none if it is undecided.
    pub decided: Option<i64>,
}

impl Entry {
    fn of(item: &Key) -> Option<Entry> {
        let decided = item.get(attribute::DECISION).and_then(|decision| {
            let at = decision.as_m().ok()?.get("decidedAt")?.as_s().ok()?;
            Some(at.parse::<Timestamp>().ok()?.as_second())
        });
        let id = TaskId::parse(item.get(attribute::TASK_ID)?.as_s().ok()?).ok()?;
        Some(Entry { id, at: number_of(item, attribute::LIST_AT)?, decided })
    }
}

/// A page of a worklist.
#[derive(Debug)]
pub struct Due {
    /// Its entries, the longest due first.
    pub entries: Vec<Entry>,
    /// Since when the first of them is due, in epoch seconds.
    pub since: Option<i64>,
}

impl TaskTable {
    /// Reads a task, consistently.
    ///
    /// # Errors
    ///
    /// [`TableError`] when the call fails or the item is not a task.
    pub async fn get(&self, id: &TaskId) -> Result<Option<Task>, TableError> {
        Ok(self.item(id).await?.map(|item| Task::from_item(&item)).transpose()?)
    }

    /// Reads the item of a task, consistently, whether or not it can be read as a task.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn item(&self, id: &TaskId) -> Result<Option<Item>, Fault> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(attribute::TASK_ID, text(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Fault::of("GetItem", self.resource(), &error))?;
        Ok(answer.item().map(item::from_table))
    }

    /// The pages of a worklist's entries; the first failed call ends the stream. The index lags behind the table: read
    /// each task again before acting on it.
    pub fn listed<'a>(
        &'a self,
        list: &'a str,
        entries: Entries,
    ) -> impl Stream<Item = Result<Due, TableError>> {
        stream::try_unfold(Some(None), move |start| async move {
            let Some(start) = start else { return Ok(None) };
            let (page, next) = self.page(list, entries, start).await?;
            Ok(Some((page, next.map(Some))))
        })
    }

    /// One page, and where the next one starts.
    async fn page(
        &self,
        list: &str,
        entries: Entries,
        start: Option<Key>,
    ) -> Result<(Due, Option<Key>), TableError> {
        let (due, beyond) = ("#list = :list AND #listAt <= :time", "#list = :list AND #listAt > :time");
        let (condition, time) = match entries {
            Entries::Due(until) => (due, until),
            Entries::Beyond(time) | Entries::BeyondDeadline(time) => (beyond, time),
        };
        let request = self.query_list(list, time, condition, &[condition], start).limit(DUE_PAGE);
        let answer = request.send().await.map_err(|error| Fault::of("Query", self.resource(), &error))?;
        // Here and not in a filter expression, which may not name the index's keys (Query, API reference).
        let is_wanted = |item: &&Key| match (entries, number_of(item, attribute::DEADLINE)) {
            (Entries::BeyondDeadline(_), Some(deadline)) => {
                number_of(item, attribute::LIST_AT).is_some_and(|at| at > deadline)
            }
            (Entries::Due(_) | Entries::Beyond(_) | Entries::BeyondDeadline(_), _) => true,
        };
        let page = Due {
            entries: answer.items().iter().filter(is_wanted).filter_map(Entry::of).collect(),
            since: answer.items().first().and_then(|item| number_of(item, attribute::LIST_AT)),
        };
        Ok((page, answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// One page of the entries of a list that stand in it at `from` (epoch seconds) or later, with these attributes, to
    /// count them; and where the next page starts. It reads all of an entry, however few attributes are wanted.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn entries(
        &self,
        list: &str,
        from: i64,
        wanted: &str,
        start: Option<Key>,
    ) -> Result<(Vec<Key>, Option<Key>), Fault> {
        let condition = "#list = :list AND #listAt >= :time";
        let request = self.query_list(list, from, condition, &[condition, wanted], start);
        let request = request.projection_expression(wanted);
        let answer = request.send().await.map_err(|error| Fault::of("Query", self.resource(), &error))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// A query of one list, by a condition on `:list` and `:time`; `expressions` are all that name attributes.
    fn query_list(
        &self,
        list: &str,
        time: i64,
        condition: &str,
        expressions: &[&str],
        start: Option<Key>,
    ) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(index::WORKLIST)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names(expressions)))
            .expression_attribute_values(":list", text(list))
            .expression_attribute_values(":time", number(time))
            .set_exclusive_start_key(start)
    }

    /// The tasks of one execution, as far as the index shows them.
    ///
    /// # Errors
    ///
    /// [`TableError`] when the call fails.
    pub async fn of_execution(&self, arn: &str) -> Result<Vec<TaskId>, TableError> {
        let condition = "#transactionId = :arn";
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(index::BY_TRANSACTION)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .expression_attribute_values(":arn", text(arn));
        let items = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(|error| Fault::of("Query", self.resource(), &error))?;
        Ok(task_ids(&items))
    }
}

fn task_ids<'i>(items: impl IntoIterator<Item = &'i Key>) -> Vec<TaskId> {
    let ids = items.into_iter().filter_map(|item| item.get(attribute::TASK_ID)?.as_s().ok());
    ids.filter_map(|id| TaskId::parse(id).ok()).collect()
}
