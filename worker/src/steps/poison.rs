//! Quarantines work that can neither be done nor left to a person in the control table, so that the rest continues.
//!
//! A record is stored under its sequence number, a task under its id: each key has one item, and the same cause is
//! logged once. A quarantined task also stays in its worklist, and the sweeper keeps trying: an undecided task is
//! decided once it can be written, a decided task is never escalated, and a task that was damaged by hand continues
//! when its item is repaired.

use aws_sdk_dynamodbstreams::types::Record;
use jiff::SignedDuration;
use statemachine::item::{Item, Malformed, Value};
use statemachine::task::{Task, attribute};
use statemachine::token::TaskId;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::aws::retry;
use crate::lease::guard::Guard;
use crate::metrics::Service;
use crate::metrics::trouble::Trouble;
use crate::steps::pipeline::{Lost, Pipeline};
use crate::tasks::handled::Handled;
use crate::tasks::item;
use crate::tasks::table::TableError;

/// The longest image that is stored, in bytes: an item of DynamoDB has at most 400 KB, and such an item is longer as
/// JSON. The rest is still in the tasks table.
const IMAGE_BYTES: usize = 300_000;
/// How soon a quarantined task is read again, in seconds, in case its item was repaired.
const LOOK_AGAIN_SECONDS: i64 = 60;

/// Whether it was quarantined before, for the same cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    New,
    Before,
}

impl Pipeline {
    /// Quarantines a stream record from which no task can be read.
    pub(crate) async fn keep_record(
        &self,
        record: &Record,
        malformed: &Malformed,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let sequence_number = record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or("none");
        let cause = format!("record {sequence_number} is not a task: {malformed}");
        self.keep(sequence_number, item::hidden_record(record), &cause, guard).await?;
        error!(poison = sequence_number, "{cause}; quarantined in the control table");
        Ok(Handled::Poison)
    }

    /// Quarantines a task whose every write the table rejects.
    pub(crate) async fn keep_task(&self, task: &Task, cause: &str, guard: &Guard) -> Result<Handled, Lost> {
        let cause = format!("task {}: {cause}", task.id);
        self.keep(task.id.as_str(), item::hidden_task(task), &cause, guard).await?;
        error!(poison = %task.id, task.id = %task.id, "{cause}; quarantined in the control table");
        Ok(Handled::Poison)
    }

    /// Quarantines a task for which a call failed permanently; `what` says what did not happen.
    pub(crate) async fn keep_refused(
        &self,
        task: &Task,
        what: &str,
        error: &TableError,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        match error {
            TableError::Malformed(_) => self.quarantine(&task.id, guard).await,
            TableError::Fault(fault) => self.keep_task(task, &format!("{what}: {fault}"), guard).await,
        }
    }

    /// Quarantines a task whose item can no longer be read as one, and logs that once. The item is read again every
    /// minute, and the task continues when the item is repaired.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn quarantine(&self, id: &TaskId, guard: &Guard) -> Result<Handled, Lost> {
        let Some(item) = self.item(id, guard).await? else { return Ok(Handled::Gone) };
        // The item may be repaired by now; the next walk handles it.
        let Err(malformed) = Task::from_item(&item) else { return Ok(Handled::PutOff) };
        let list = match item.get(attribute::LIST) {
            Some(Value::Text(list)) => Some(list.clone()),
            Some(_) | None => None,
        };
        let cause = format!("task {id}: {malformed}");
        let kept = self.keep(id.as_str(), item::hidden_item(item), &cause, guard).await?;
        if let Some(list) = list {
            let next = self.clock.now() + SignedDuration::from_secs(LOOK_AGAIN_SECONDS);
            if let Err(fault) = self.tasks.put_off_damaged(id, &list, next).await {
                warn!(task.id = %id, error = %fault, "task {id}: {fault}; checked again on the next walk");
            }
        }
        match kept {
            Kept::New => {
                error!(
                    poison = %id, task.id = %id,
                    "{cause}; quarantined: edited by hand? Repair its item in the tasks table"
                );
                Ok(Handled::Poison)
            }
            Kept::Before => Ok(Handled::PutOff),
        }
    }

    /// The current item.
    async fn item(&self, id: &TaskId, guard: &Guard) -> Result<Option<Item>, Lost> {
        let mut delays = retry::table();
        while guard.is_live() {
            match self.tasks.item(id).await {
                Ok(item) => return Ok(item),
                Err(fault) => {
                    self.metrics.failed(Service::Table, fault.class);
                    warn!(task.id = %id, error = %fault, "task {id}: {fault}; retrying");
                    sleep(delays.next().unwrap_or(retry::TABLE_CAP)).await;
                }
            }
        }
        Err(Lost)
    }

    async fn keep(&self, key: &str, mut image: String, cause: &str, guard: &Guard) -> Result<Kept, Lost> {
        image.truncate(image.floor_char_boundary(IMAGE_BYTES));
        let (mut delays, mut trouble) = (retry::table(), Trouble::default());
        while guard.is_live() {
            let ruleset = self.automation.rules.pin().label();
            match self.control_table.note_poison(key, &image, cause, &ruleset, self.clock.now()).await {
                Ok(true) => return Ok(Kept::New),
                Ok(false) => return Ok(Kept::Before),
                Err(fault) => {
                    trouble.failed(fault.class, &self.metrics, Service::Control);
                    error!(poison = key, error = %fault, "{cause}; cannot quarantine it yet: {fault}; retrying");
                    sleep(delays.next().unwrap_or(retry::TABLE_CAP)).await;
                }
            }
        }
        Err(Lost)
    }
}
