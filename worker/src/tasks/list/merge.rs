//! Many keys of the `worklist` index as one list, in order of `listAt`, reading little more than is shown.

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{TryStreamExt as _, stream};
use statemachine::task::{attribute, index};

use super::{AT_ONCE, Cursor, InvalidCursor, ListError, ListedTask, Page, Position, Query, TaskList};
use crate::aws::attribute::{number, text};
use crate::aws::fault::{Fault, Resource};
use crate::tasks::item;

/// How many more tasks than an even share are read from a key at once: lists are spread by hash, never quite evenly.
const SPARE: usize = 8;

/// One key, read as far as the page needs.
#[derive(Debug)]
struct Source {
    key: String,
    /// The last task that was shown, on this page or an earlier one.
    shown: Option<Position>,
    read: VecDeque<ListedTask>,
    /// Where the next read begins, after the first.
    next: Option<HashMap<String, AttributeValue>>,
    is_read_out: bool,
}

impl TaskList {
    pub(super) async fn merged(
        &self,
        query: &Query,
        keys: &[String],
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<Page, ListError> {
        let mut sources = sources(query, keys, cursor)?;
        let share = limit / sources.len().max(1) + SPARE;
        // Concurrently: a page queries 16 keys or more, most of which return little.
        stream::iter(sources.iter_mut().map(Ok::<_, Fault>))
            .try_for_each_concurrent(AT_ONCE, |source| self.read_on(query, source, share))
            .await?;
        let newest_first = matches!(query, Query::Settled { .. });
        let mut tasks = Vec::with_capacity(limit);
        while tasks.len() < limit {
            let rank = |source: &&mut Source| {
                let at = source.read.front().and_then(|task| task.list_at).unwrap_or_default();
                if newest_first { at.saturating_neg() } else { at }
            };
            let Some(source) = sources.iter_mut().filter(|source| !source.read.is_empty()).min_by_key(rank)
            else {
                break;
            };
            if let Some(task) = source.read.pop_front() {
                let at = task.list_at.unwrap_or_default();
                source.shown = Some(Position(source.key.clone(), at, task.id.clone()));
                tasks.push(task);
            }
            self.read_on(query, source, share).await?;
        }
        let more = sources.iter().any(|source| !source.read.is_empty());
        let shown = sources.into_iter().filter_map(|source| source.shown).collect();
        Ok(Page { tasks, cursor: more.then(|| Cursor::Lists(shown).encode()) })
    }

    /// Reads further in a key until it has a task to show or is exhausted.
    async fn read_on(&self, query: &Query, source: &mut Source, share: usize) -> Result<(), Fault> {
        while source.read.is_empty() && !source.is_read_out {
            let mut condition = "#list = :list".to_owned();
            let mut filter = None;
            let mut values = vec![(":list", text(&source.key))];
            match query {
                Query::Open { before: Some(before), .. } => {
                    condition.push_str(" AND #listAt < :before");
                    values.push((":before", number(*before)));
                }
                Query::Settled { status: Some(status), .. } => {
                    filter = Some("#status = :status");
                    values.push((":status", text(status.as_str())));
                }
                Query::Open { before: None, .. } | Query::Settled { status: None, .. } | Query::Order(_) => {}
            }
            let mut request = self
                .query(index::WORKLIST, &condition, filter)
                .scan_index_forward(!matches!(query, Query::Settled { .. }))
                .set_exclusive_start_key(source.next.take());
            for (name, value) in values {
                request = request.expression_attribute_values(name, value);
            }
            // DynamoDB limits before it filters: a filtered read takes its full megabyte.
            if filter.is_none() {
                request = request.limit(i32::try_from(share).unwrap_or(i32::MAX));
            }
            let answer = request
                .send()
                .await
                .map_err(|error| Fault::of("Query", Resource::Tasks(self.table.clone()), &error))?;
            let items = answer.items().iter().map(item::from_table);
            source.read.extend(items.filter_map(|item| ListedTask::read(&item)));
            source.next = answer.last_evaluated_key;
            source.is_read_out = source.next.is_none();
        }
        Ok(())
    }
}

/// The keys, each at its position in the cursor.
fn sources(query: &Query, keys: &[String], cursor: Option<Cursor>) -> Result<Vec<Source>, InvalidCursor> {
    let positions = match cursor {
        None => Vec::new(),
        Some(Cursor::Lists(positions)) => positions,
        Some(Cursor::Order { .. }) => return Err(InvalidCursor),
    };
    // DynamoDB rejects a start outside of the query.
    let is_outside = |at: i64| matches!(query, Query::Open { before: Some(before), .. } if at >= *before);
    if positions.iter().any(|Position(key, at, _)| !keys.contains(key) || is_outside(*at)) {
        return Err(InvalidCursor);
    }
    let source = |key: &String| {
        let shown = positions.iter().find(|Position(of, ..)| of == key).cloned();
        let next = shown.as_ref().map(|Position(key, at, id)| {
            HashMap::from([
                (attribute::LIST.to_owned(), text(key)),
                (attribute::LIST_AT.to_owned(), number(*at)),
                (attribute::TASK_ID.to_owned(), text(id.as_str())),
            ])
        });
        Source { key: key.clone(), shown, read: VecDeque::new(), next, is_read_out: false }
    };
    Ok(keys.iter().map(source).collect())
}
