//! Expires undecided tasks, only with proof that the workflow no longer waits. A clock is never proof.

use statemachine::task::Task;
use tracing::warn;

use crate::aws::fault::Fault;
use crate::lease::guard::Guard;
use crate::metrics::Service;
use crate::stepfunctions::callback::CallbackAnswer;
use crate::stepfunctions::executions::{End, Execution};
use crate::steps::journal;
use crate::steps::pipeline::{Lost, Pipeline, gone};
use crate::tasks::handled::Handled;
use crate::tasks::table::{Taken, Written};

/// Whether a workflow can still receive an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// As far as Step Functions shows, yes.
    Yes,
    /// Proven not to wait.
    No(End),
}

/// What asking about an undecided task led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// As far as Step Functions shows, the workflow still waits.
    Waits,
    /// Step Functions did not answer the question, and nothing is concluded.
    Unanswered,
    /// The workflow no longer waits, and this became of the task.
    Over(Handled),
}

impl Pipeline {
    /// Checks with Step Functions whether a task's workflow still waits: first the token, then the execution.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the check failed; nothing is concluded.
    pub async fn ask(&self, task: &Task) -> Result<Waits, Fault> {
        self.rates.send_task.take().await;
        let is_open = match self.callback.ask(task).await {
            CallbackAnswer::Closed => return Ok(Waits::No(End::TokenClosed)),
            CallbackAnswer::Accepted => true,
            // A token that Step Functions cannot read proves nothing; the execution may.
            CallbackAnswer::Refused(_) => false,
            CallbackAnswer::Again(fault) => return Err(fault),
            CallbackAnswer::Systemic(fault) => {
                self.metrics.systemic_fault(Service::StepFunctions);
                return Err(fault);
            }
        };
        self.rates.describe_execution.take().await;
        let described = self.executions.describe(task).await;
        match described.inspect_err(|fault| self.metrics.failed(Service::StepFunctions, fault.class))? {
            // The token is open, and the end is older than the task: the execution was redriven since.
            Execution::Ended { is_earlier: true, .. } if is_open => Ok(Waits::Yes),
            Execution::Ended { end, .. } => Ok(Waits::No(end)),
            Execution::Running | Execution::Unknown => Ok(Waits::Yes),
        }
    }

    /// Checks the execution of an undecided task whose deadline passed, and expires the task on proof.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn expire_if_gone(&self, task: &Task, guard: &Guard) -> Result<Asked, Lost> {
        if !guard.is_live() {
            return Err(Lost);
        }
        match self.ask(task).await {
            Ok(Waits::No(end)) => self.expire(task, end, guard).await.map(Asked::Over),
            Ok(Waits::Yes) => Ok(Asked::Waits),
            Err(fault) => {
                warn!(
                    task.id = %task.id, error = %fault,
                    "task {}: could not check whether the workflow still waits: {fault}", task.id
                );
                Ok(Asked::Unanswered)
            }
        }
    }

    /// Expires an undecided task, given the proof that its workflow no longer waits.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn expire(&self, task: &Task, end: End, guard: &Guard) -> Result<Handled, Lost> {
        let since = self.clock.now();
        let write = || {
            let taken = Taken { since, at: self.clock.now(), how: Some(end.label()) };
            self.tasks.expire(&task.id, taken)
        };
        match self.repeat(task, guard, write).await? {
            Ok(Written::Now(expired)) => {
                self.metrics.expired(task.status, end);
                journal::expired(&expired, end.proof());
                Ok(Handled::Expired)
            }
            Ok(Written::Otherwise(stored)) => self.finish_stored(&stored, guard).await,
            Ok(Written::Gone) => Ok(gone(task)),
            Err(refused) => self.keep_refused(task, "cannot be expired", &refused, guard).await,
        }
    }
}
