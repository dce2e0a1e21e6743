//! One listed task: which steps are left to it, by the list that it stands in.

use futures::FutureExt as _;
use statemachine::task::Task;
use statemachine::token::TaskId;
use statemachine::worklist::{ASK_AFTER_SECONDS, Worklist};
use tracing::warn;

use super::Sweeper;
use super::waits::waits;
use crate::aws::retry;
use crate::lease::guard::Guard;
use crate::metrics::Service;
use crate::steps::expiry::Asked;
use crate::steps::pipeline::Lost;
use crate::tasks::handled::Handled;
use crate::tasks::item;
use crate::tasks::table::TableError;

impl Sweeper {
    /// Reads a listed task again, consistently, and takes it through the steps that are left.
    pub(super) async fn finish(&self, list: Worklist, id: &TaskId, guard: &Guard) -> Result<Handled, Lost> {
        self.rates.sweep.take().await;
        let task = match self.tasks.get(id).await {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Handled::Gone),
            Err(TableError::Malformed(_)) => return self.pipeline.quarantine(id, guard).await,
            Err(error) => {
                self.metrics.failed(Service::Table, error.class());
                warn!(task.id = %id, error = %error, "task {id}: {error}; retrying later");
                return Ok(Handled::PutOff);
            }
        };
        // The index lags behind the table: the task may have moved on.
        if task.list.as_deref() != Some(&list.key_of(&task.id)) {
            return Ok(Handled::AlreadySettled);
        }
        let steps = match list {
            Worklist::Pending => self.decide(&task, guard).boxed(),
            Worklist::Escalated => self.ask(&task, list, guard).boxed(),
            Worklist::Due => self.pipeline.deliver(&task, guard).boxed(),
            Worklist::Verify if self.is_to_wait(&task) => return Ok(Handled::Unverified),
            Worklist::Verify => self.pipeline.verify(&task, guard).boxed(),
        };
        self.pipeline.contained(&task, guard, None, steps).await
    }

    /// Whether an unverified task's next check is later. The index may lag behind the table and show its last time, and
    /// an index that does not project the decision cannot tell its age.
    fn is_to_wait(&self, task: &Task) -> bool {
        let decided = item::decided_at(task).map(jiff::Timestamp::as_second);
        let now = self.clock.now().as_second();
        task.list_at.zip(decided).is_some_and(|(at, decided)| waits(at, decided, now))
    }

    async fn decide(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        let now = self.clock.now().as_second();
        // A state past its timeout receives nothing: check before storing a decision that cannot be delivered.
        if task.deadline.is_some_and(|deadline| deadline < now)
            && let Asked::Over(handled) = self.pipeline.expire_if_gone(task, guard).await?
        {
            return Ok(handled);
        }
        self.pipeline.decide(task, guard).await
    }

    /// A passed deadline, or a long wait without one, only triggers a check of the execution. If the workflow still
    /// waits, it is checked again later; if the check failed, soon.
    async fn ask(&self, task: &Task, list: Worklist, guard: &Guard) -> Result<Handled, Lost> {
        let later = match (self.pipeline.expire_if_gone(task, guard).await?, task.deadline) {
            (Asked::Over(handled), _) => return Ok(handled),
            (Asked::Waits, None) => ASK_AFTER_SECONDS,
            (Asked::Waits, Some(_)) | (Asked::Unanswered, _) => retry::put_off_seconds(task.attempts),
        };
        self.pipeline.put_off_for(task, list, later, guard).await
    }
}
