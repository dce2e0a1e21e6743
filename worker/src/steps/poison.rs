//! Work that can neither be done nor left to a person is kept in the control table, so that the rest goes on.
//!
//! A kept record is written under its sequence number, a kept task under its id: whoever comes to it again writes the
//! same item again. A task that is kept stays in its worklist too, and the sweeper goes on: what is undecided is
//! decided once it can be written, what is decided is never escalated.

use aws_sdk_dynamodbstreams::types::Record;
use statemachine::item::Malformed;
use statemachine::task::Task;
use tokio::time::sleep;
use tracing::error;

use crate::aws::retry;
use crate::lease::guard::Guard;
use crate::metrics::Service;
use crate::metrics::trouble::Trouble;
use crate::steps::pipeline::{Lost, Pipeline};
use crate::tasks::handled::Handled;
use crate::tasks::item;

/// The longest image that is kept, in bytes: an item of DynamoDB ends at 400 KB, and an item of that size is longer
/// as JSON. What is cut off is still in the tasks table.
const IMAGE_BYTES: usize = 300_000;

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
        self.keep(sequence_number, item::hidden_record(record), &cause, guard).await
    }

    /// Keeps a task whose item takes no write.
    pub(crate) async fn keep_task(&self, task: &Task, cause: &str, guard: &Guard) -> Result<Handled, Lost> {
        let cause = format!("task {}: {cause}", task.id);
        self.keep(task.id.as_str(), item::hidden_task(task), &cause, guard).await
    }

    async fn keep(&self, key: &str, mut image: String, cause: &str, guard: &Guard) -> Result<Handled, Lost> {
        image.truncate(image.floor_char_boundary(IMAGE_BYTES));
        let (mut delays, mut trouble) = (retry::table(), Trouble::default());
        while guard.is_live() {
            let ruleset = self.automation.rules.pin().label();
            match self.control_table.note_poison(key, &image, cause, &ruleset, self.clock.now()).await {
                Ok(()) => {
                    error!(poison = key, "{cause}; kept in the control table, someone must look");
                    return Ok(Handled::Poison);
                }
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
