//! Work that can neither be done nor left to a person is kept in the control table, so that the rest goes on.
//!
//! A kept record is written under its sequence number, a kept task under its id: each place has one item, and the same
//! cause is told once. A task that is kept stays in its worklist too, and the sweeper goes on: what is undecided is
//! decided once it can be written, what is decided is never escalated, and what was damaged by hand is taken up again
//! when it is mended.

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

/// The longest image that is kept, in bytes: an item of DynamoDB ends at 400 KB, and an item of that size is longer
/// as JSON. What is cut off is still in the tasks table.
const IMAGE_BYTES: usize = 300_000;
/// How soon a quarantined task is looked at again, in seconds: whether somebody mended it.
const LOOK_AGAIN_SECONDS: i64 = 60;

/// Whether what is kept was kept before, for the same cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    New,
    Before,
}

impl Pipeline {
    /// Keeps a stream record from which no task can be read.
    pub(crate) async fn keep_record(
        &self,
        record: &Record,
        malformed: &Malformed,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let sequence_number = record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or("none");
        let cause = format!("record {sequence_number} is not a task: {malformed}");
        self.keep(sequence_number, item::hidden_record(record), &cause, guard).await?;
        error!(poison = sequence_number, "{cause}; kept in the control table");
        Ok(Handled::Poison)
    }

    /// Keeps a task whose item takes no write.
    pub(crate) async fn keep_task(&self, task: &Task, cause: &str, guard: &Guard) -> Result<Handled, Lost> {
        let cause = format!("task {}: {cause}", task.id);
        self.keep(task.id.as_str(), item::hidden_task(task), &cause, guard).await?;
        error!(poison = %task.id, task.id = %task.id, "{cause}; kept in the control table");
        Ok(Handled::Poison)
    }

    /// Keeps a task of which a call failed for good; `what` says what did not happen.
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

    /// Keeps a task whose item is none any more, and tells so once; then it is looked at again each minute, and taken up
    /// when somebody mended it.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn quarantine(&self, id: &TaskId, guard: &Guard) -> Result<Handled, Lost> {
        let Some(item) = self.item(id, guard).await? else { return Ok(Handled::Gone) };
        // What was seen before may be mended by now; the next walk takes it up.
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
                warn!(task.id = %id, error = %fault, "task {id}: {fault}; looked at again on the next walk");
            }
        }
        match kept {
            Kept::New => {
                error!(
                    poison = %id, task.id = %id,
                    "{cause}; quarantined: somebody edited its item by hand? Mend it in the tasks table"
                );
                Ok(Handled::Poison)
            }
            Kept::Before => Ok(Handled::PutOff),
        }
    }

    /// The item as it stands now.
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
                    error!(poison = key, error = %fault, "{cause}; not kept yet: {fault}");
                    sleep(delays.next().unwrap_or(retry::TABLE_CAP)).await;
                }
            }
        }
        Err(Lost)
    }
}
