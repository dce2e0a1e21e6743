//! What the model saw: calls, write and read units, latencies, and when the first and the last task ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{
    Change, Event, Item, TableSchema, Value, Verb, WriteUnits, item_bytes, read_half_units, stored_bytes,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::schema::TASKS;

/// The ledger of a running model; a clone is the same ledger.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    tables: Vec<TableSchema>,
    page: Page,
    stored: HashMap<String, Instant>,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// The answer of GetItem or Query.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Read {
    item: Option<Item>,
    items: Vec<Item>,
}

/// What the parts of a benchmark read of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Page {
    /// Calls by table, or `-`, and operation.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Of these, the ones that failed.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Write units by table, by the indexes of a table, and by a task's step with its indexes.
    pub(crate) write_units: BTreeMap<String, usize>,
    /// Twice the read units, by table.
    pub(crate) read_half_units: BTreeMap<String, usize>,
    /// Callbacks that were accepted.
    pub(crate) accepted: u64,
    /// Tasks that reached the status APPROVED or REJECTED.
    pub(crate) settled: u64,
    /// The bytes of those tasks that storage charges, indexes included.
    pub(crate) stored_bytes: usize,
    /// From a task's put to its accepted callback, in microseconds.
    pub(crate) latencies_us: Vec<u64>,
    /// From the first stored decision to the last settled task, in microseconds.
    pub(crate) wall_us: u64,
    /// One settled task, in the API's form.
    pub(crate) sample: Option<serde_json::Value>,
}

impl Page {
    /// Calls of an operation on the tasks table or on no table.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        let on_tasks = self.calls.get(&format!("{TASKS} {operation}"));
        on_tasks.or_else(|| self.calls.get(&format!("- {operation}"))).copied().unwrap_or_default()
    }

    /// Failed calls of operations that begin so, on any table or none.
    pub(crate) fn failures(&self, operation: &str) -> u64 {
        let named = |name: &str| name.split(' ').nth(1).is_some_and(|name| name.starts_with(operation));
        self.failed.iter().filter(|(name, _)| named(name)).map(|(_, count)| count).sum()
    }
}

impl Ledger {
    /// A ledger that has seen nothing.
    pub(crate) fn new(tables: Vec<TableSchema>) -> Ledger {
        let (page, stored) = (Page::default(), HashMap::new());
        Ledger(Arc::new(Mutex::new(Book { tables, page, stored, first: None, last: None })))
    }

    /// Forgets the counts; tasks under way keep their times.
    pub(crate) fn reset(&self) {
        let mut book = self.lock();
        (book.page, book.first, book.last) = (Page::default(), None, None);
    }

    /// The counts so far.
    pub(crate) fn page(&self) -> Page {
        let book = self.lock();
        let mut page = book.page.clone();
        page.wall_us = book.first.zip(book.last).map_or(0, |(first, last)| micros(first, last));
        page
    }

    /// Takes down one event.
    pub(crate) fn add(&self, event: &Event) {
        let mut book = self.lock();
        book.call(event);
        let is_transaction = event.call.as_ref().is_some_and(|call| call.operation == "TransactWriteItems");
        let times = if is_transaction { 2 } else { 1 };
        for change in &event.changes {
            match change {
                Change::Item { table, old, new, .. } => {
                    book.item(table, old.as_deref(), new.as_deref(), times);
                }
                Change::Callback(callback) if callback.accepted && callback.verb != Verb::Heartbeat => {
                    book.page.accepted += 1;
                    if let Some(stored) = book.stored.remove(&callback.token) {
                        let latency = micros(stored, Instant::now());
                        book.page.latencies_us.push(latency);
                    }
                }
                Change::Callback(_)
                | Change::Read { .. }
                | Change::Execution { .. }
                | Change::Waiting { .. } => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn call(&mut self, event: &Event) {
        let Some(call) = &event.call else { return };
        let table = call.text("TableName").unwrap_or("-");
        let name = format!("{table} {}", call.operation);
        if event.answer.is_err() {
            *self.page.failed.entry(name.clone()).or_default() += 1;
        }
        *self.page.calls.entry(name).or_default() += 1;
        let is_write = matches!(call.operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem");
        if is_write && event.changes.is_empty() {
            *self.page.write_units.entry(table.to_owned()).or_default() += 1;
        }
        if let (Ok(body), "GetItem" | "Query") = (&event.answer, call.operation.as_str()) {
            let read: Read = serde_json::from_str(body).unwrap_or_default();
            let bytes = read.item.iter().chain(&read.items).map(item_bytes).sum();
            let units = read_half_units(bytes, call.body["ConsistentRead"] == true);
            *self.page.read_half_units.entry(table.to_owned()).or_default() += units;
        }
    }

    /// `times` is 2 in a transaction, which writes twice.
    fn item(&mut self, table: &str, old: Option<&Item>, new: Option<&Item>, times: usize) {
        let Some(schema) = self.tables.iter().find(|schema| schema.name == table) else { return };
        let units = WriteUnits::of(schema, old, new);
        *self.page.write_units.entry(table.to_owned()).or_default() += units.table * times;
        *self.page.write_units.entry(format!("{table} indexes")).or_default() += units.indexes * times;
        let Some(new) = new.filter(|_| table == TASKS) else { return };
        *self.page.write_units.entry(step(old, new).to_owned()).or_default() += units.table + units.indexes;
        let text = |name: &str| new.get(name).and_then(Value::as_text);
        if old.is_none()
            && let Some(token) = text("taskToken")
        {
            self.stored.insert(token.to_owned(), Instant::now());
        } else if old.is_some_and(|old| !old.contains_key("decision")) && new.contains_key("decision") {
            self.first.get_or_insert_with(Instant::now);
        }
        if matches!(text("status"), Some("APPROVED" | "REJECTED")) {
            self.page.settled += 1;
            self.page.stored_bytes += stored_bytes(schema, new);
            self.last = Some(Instant::now());
            if self.page.sample.is_none() {
                self.page.sample = serde_json::to_value(new).ok();
            }
        }
    }
}

/// What a write of a task was for.
fn step(old: Option<&Item>, new: &Item) -> &'static str {
    let is_final = |item: &Item| item.contains_key("expiresAt");
    match old {
        None => "put",
        Some(old) if !old.contains_key("decision") && new.contains_key("decision") => "decision",
        Some(old) if !is_final(old) && is_final(new) => "settling",
        Some(_) => "other",
    }
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use model::Callback;

    use super::*;

    fn item(attributes: &[(&str, &str)]) -> Option<Arc<Item>> {
        let value = |text: &str| Value::S(text.to_owned());
        Some(Arc::new(attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect()))
    }

    #[tokio::test]
    async fn a_task_is_counted_from_its_put_to_its_end() {
        let ledger = Ledger::new(crate::schema::tables().expect("the template has both tables").to_vec());
        let stored = [("taskId", "a"), ("taskToken", "t"), ("list", "PENDING#0")];
        let steps = [
            (None, item(&stored)),
            (item(&stored), item(&[stored[0], stored[1], ("decision", "yes")])),
            (item(&[("decision", "yes")]), item(&[stored[0], ("decision", "yes"), ("status", "APPROVED")])),
        ];
        let mut changes: Vec<Change> = Vec::new();
        for (old, new) in steps {
            let key = model::Key { hash: Value::S("a".to_owned()), range: None };
            changes.push(Change::Item { table: TASKS.to_owned(), key, old, new });
        }
        let verb = Verb::Success { output: "{}".to_owned() };
        let callback = Callback { node: "w".to_owned(), token: "t".to_owned(), verb, accepted: true };
        changes.insert(2, Change::Callback(callback));
        ledger.add(&Event { number: 1, at_ms: 0, call: None, answer: Ok(String::new()), changes });
        let page = ledger.page();
        assert_eq!((page.accepted, page.settled, page.latencies_us.len()), (1, 1, 1));
        assert_eq!(page.write_units[TASKS], 3);
        assert!(page.stored_bytes > 100);
        ledger.reset();
        assert_eq!(ledger.page().settled, 0);
    }
}
