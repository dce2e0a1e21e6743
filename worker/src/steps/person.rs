//! A person's decision. It takes the same steps as a rule's, after a check of the execution: people are slow. Where two
//! must approve, the first approval is only stored.

use std::time::Duration;

use futures::FutureExt as _;
use rules::same_person;
use statemachine::decision::{DecidedBy, Draft, Outcome};
use statemachine::status::{Delivery, Status};
use statemachine::task::{FirstApproval, Task};
use statemachine::token::TaskId;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::lease::guard::{Guard, Validity};
use crate::stepfunctions::executions::End;
use crate::steps::expiry::Waits;
use crate::steps::four_eyes::Means;
use crate::steps::journal;
use crate::steps::pipeline::Pipeline;
use crate::steps::trace;
use crate::tasks::table::{Approving, ByPerson, TableError, Taken, Written};

/// How long a person's request waits for the delivery before the response is "stored, and still due".
const PATIENCE: Duration = Duration::from_secs(8);

/// Whose word the name of a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The caller's own: without authentication anybody on the machine may give any name.
    Claimed,
    /// Countersign's: the caller had the token of this person.
    Token,
    /// The identity provider's: the caller had an access token of this person.
    Oidc,
}

impl Identity {
    /// The name for logs and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Identity::Claimed => "claimed",
            Identity::Token => "token",
            Identity::Oidc => "oidc",
        }
    }

    /// The code of a decision by such a person.
    fn code(self) -> &'static str {
        match self {
            Identity::Claimed => "decided-by-person",
            Identity::Token => "decided-by-token",
            Identity::Oidc => "decided-by-oidc",
        }
    }
}

/// A person's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonDecision {
    /// The task.
    pub id: TaskId,
    /// Approve or reject.
    pub outcome: Outcome,
    /// The words that the workflow receives.
    pub reason: String,
    /// The person's name.
    pub by: String,
    /// Whose word that is.
    pub identity: Identity,
    /// What the person has reviewed ([`Task::reviewed`]), if the decision depends on it.
    pub if_reviewed: Option<String>,
}

/// What would come of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreseen {
    /// It would decide the task.
    Decides,
    /// It would be the first of two approvals.
    First,
    /// The task decides nothing more, or refuses it.
    Ended(Box<PersonOutcome>),
}

impl PersonDecision {
    /// Whether the task is not what the person has reviewed.
    fn is_stale(&self, task: &Task) -> bool {
        self.if_reviewed.as_ref().is_some_and(|reviewed| *reviewed != task.reviewed())
    }
}

/// The outcome of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonOutcome {
    /// The workflow received this decision.
    Settled(Box<Task>),
    /// The decision is stored, and its delivery continues without the person.
    Due(Box<Task>),
    /// This is the first of two approvals, stored: the task waits for another person's.
    FirstApproved(Box<Task>),
    /// The person is the task's requester, and decides nothing.
    OwnRequest(Box<Task>),
    /// Two must approve, and the rules have not left the task to people yet.
    TooEarly(Box<Task>),
    /// The task has another decision, which it names.
    Conflict(Box<Task>),
    /// The workflow no longer waits.
    Expired(Box<Task>),
    /// The task changed since the person saw it.
    Changed(Box<Task>),
    /// There is no such task.
    NotFound,
    /// Nothing was stored: a call to AWS failed, or the stored task cannot be read.
    Unavailable(TableError),
    /// The table did not say whether it stored the decision: it may still take effect.
    Unknown,
}

impl Pipeline {
    /// Decides a task for a person. Run it in its own tokio task: once the decision is stored, its delivery must not
    /// end with the person's connection.
    pub async fn decide_for_person(&self, request: PersonDecision) -> PersonOutcome {
        match self.try_decide(request).await {
            Ok(response) => response,
            Err(error) => PersonOutcome::Unavailable(error),
        }
    }

    /// What would come of a request now. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`TableError`] when a call fails, or the stored task cannot be read.
    pub async fn foresee(&self, request: &PersonDecision) -> Result<Foreseen, TableError> {
        let ended = |outcome| Ok(Foreseen::Ended(Box::new(outcome)));
        let task = match self.reviewed(request).await? {
            Ok(task) => task,
            Err(outcome) => return ended(outcome),
        };
        if let Waits::No(_) = self.ask(&task).await? {
            return ended(PersonOutcome::Expired(task));
        }
        match self.meaning(&task, request.outcome, &request.by) {
            Means::Decides(_) => Ok(Foreseen::Decides),
            Means::First => Ok(Foreseen::First),
            Means::FirstAgain => ended(PersonOutcome::FirstApproved(task)),
            Means::OwnRequest => ended(PersonOutcome::OwnRequest(task)),
            Means::TooEarly => ended(PersonOutcome::TooEarly(task)),
        }
    }

    async fn try_decide(&self, request: PersonDecision) -> Result<PersonOutcome, TableError> {
        let task = match self.reviewed(&request).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        match self.ask(&task).await {
            Ok(Waits::Yes) => {}
            Ok(Waits::No(end)) => return self.expire_for_person(&task, end, &request).await,
            Err(fault) => return Ok(PersonOutcome::Unavailable(fault.into())),
        }
        self.act(task, request).await
    }

    /// The task of a request, open and as the person reviewed it; otherwise the outcome.
    async fn reviewed(
        &self,
        request: &PersonDecision,
    ) -> Result<Result<Box<Task>, PersonOutcome>, TableError> {
        let Some(task) = self.tasks.get(&request.id).await? else { return Ok(Err(PersonOutcome::NotFound)) };
        if let Some(standing) = standing(&task, request) {
            return Ok(Err(standing));
        }
        let task = Box::new(task);
        Ok(if request.is_stale(&task) { Err(PersonOutcome::Changed(task)) } else { Ok(task) })
    }

    /// Stores what the request means for a task whose workflow waits.
    async fn act(&self, mut task: Box<Task>, request: PersonDecision) -> Result<PersonOutcome, TableError> {
        loop {
            let outcome = match self.meaning(&task, request.outcome, &request.by) {
                Means::OwnRequest => return Ok(PersonOutcome::OwnRequest(task)),
                Means::TooEarly => return Ok(PersonOutcome::TooEarly(task)),
                Means::FirstAgain => return Ok(PersonOutcome::FirstApproved(task)),
                Means::Decides(approving) => {
                    let steps = self.store(&task, &request, approving).boxed();
                    self.traces.task(&task, &self.me, None, steps, |_| None).await?
                }
                Means::First => self.approve_first(&task, &request).await?,
            };
            match outcome {
                // Another person approved first meanwhile, so this one may be the second. A first approval is never
                // taken back, so this happens once.
                PersonOutcome::Changed(stored)
                    if !task.state().has_first && stored.state().has_first && !request.is_stale(&stored) =>
                {
                    task = stored;
                }
                outcome => return Ok(outcome),
            }
        }
    }

    async fn store(
        &self,
        task: &Task,
        request: &PersonDecision,
        approving: Approving,
    ) -> Result<PersonOutcome, TableError> {
        let draft = Draft {
            id: self.clock.ulid(),
            outcome: request.outcome,
            code: request.identity.code().to_owned(),
            reason: request.reason.clone(),
            rule: None,
            ruleset: None,
            decided_by: DecidedBy::Person(request.by.clone()),
            decided_at: self.clock.now_text(),
        };
        let mine = draft.seal(&task.order_id, &task.token);
        let by = ByPerson { name: &request.by, approving, as_read: request.if_reviewed.is_some() };
        let step = self.traces.step("store");
        let stored = self.tasks.decide_for_person(task, &mine, by, self.clock.now()).await;
        step.end(|| trace::of_decision(&mine));
        let stored = match stored {
            Ok(Written::Now(stored)) => stored,
            // The SDK retries a write whose response was lost: the stored decision may be this one.
            Ok(Written::Otherwise(stored)) if stored.decision.as_ref() == Some(&mine) => stored,
            Ok(Written::Otherwise(stored)) => return Ok(lost(stored, request)),
            Ok(Written::Gone) => return Ok(PersonOutcome::NotFound),
            Err(error) => return may_be_stored(task, error),
        };
        self.metrics.decided(&mine);
        journal::decided(&stored, &mine);
        Ok(self.deliver_for_person(stored, request).await)
    }

    async fn approve_first(
        &self,
        task: &Task,
        request: &PersonDecision,
    ) -> Result<PersonOutcome, TableError> {
        let mine = FirstApproval {
            subject: same_person(&request.by),
            by: request.by.clone(),
            reason: task.token.strike(&request.reason).into_owned(),
            code: request.identity.code().to_owned(),
            at: self.clock.now_text(),
        };
        let stored = match self.tasks.approve_first(task, &mine).await {
            Ok(Written::Now(stored)) => stored,
            Ok(Written::Otherwise(stored)) => {
                let is_mine = stored.first_approval.as_ref() == Some(&mine);
                // As with a decision; and since then another person may have decided.
                if !is_mine || stored.decision.is_some() || stored.status != Status::Escalated {
                    return Ok(lost(stored, request));
                }
                stored
            }
            Ok(Written::Gone) => return Ok(PersonOutcome::NotFound),
            Err(error) => return may_be_stored(task, error),
        };
        self.metrics.first_approved();
        info!(
            task.id = %task.id, order.id = task.order_id, workflow = task.transaction_id, by = request.by,
            "task {}: approved by {}, the first of two", task.id, request.by
        );
        Ok(PersonOutcome::FirstApproved(stored))
    }

    async fn deliver_for_person(&self, stored: Box<Task>, request: &PersonDecision) -> PersonOutcome {
        let guard = Guard::new(Validity::until(Instant::now() + PATIENCE), CancellationToken::new());
        // Whether it succeeds, fails or takes too long: the table has the result.
        let _ = timeout(PATIENCE, self.deliver(&stored, &guard)).await;
        match self.tasks.get(&stored.id).await {
            Ok(Some(task)) => standing(&task, request).unwrap_or(PersonOutcome::Due(Box::new(task))),
            Ok(None) | Err(_) => PersonOutcome::Due(stored),
        }
    }

    async fn expire_for_person(
        &self,
        task: &Task,
        end: End,
        request: &PersonDecision,
    ) -> Result<PersonOutcome, TableError> {
        let at = self.clock.now();
        let taken = Taken { since: at, at, how: Some(end.label()) };
        Ok(match self.tasks.expire(&task.id, taken).await? {
            Written::Now(expired) => {
                self.metrics.expired(task.status, end);
                journal::expired(&expired, end.proof());
                PersonOutcome::Expired(expired)
            }
            Written::Otherwise(stored) => lost(stored, request),
            Written::Gone => PersonOutcome::NotFound,
        })
    }
}

/// A person's write failed.
fn may_be_stored(task: &Task, error: TableError) -> Result<PersonOutcome, TableError> {
    if matches!(error, TableError::Malformed(_)) {
        return Err(error);
    }
    // The SDK retries a write without a response: a rejection of the last attempt says nothing of the first.
    warn!(task.id = %task.id, error = %error, "task {}: a person's decision may be stored: {error}", task.id);
    Ok(PersonOutcome::Unknown)
}

/// Another write came first: what is stored now is the outcome.
fn lost(stored: Box<Task>, request: &PersonDecision) -> PersonOutcome {
    standing(&stored, request).unwrap_or(PersonOutcome::Changed(stored))
}

/// The outcome for a task that is already decided or ended; none while it is open.
fn standing(task: &Task, request: &PersonDecision) -> Option<PersonOutcome> {
    let task = Box::new(task.clone());
    let Some(decision) = &task.decision else {
        return (task.status == Status::Expired).then_some(PersonOutcome::Expired(task));
    };
    if task.status == Status::Expired {
        return Some(PersonOutcome::Expired(task));
    }
    let same =
        decision.outcome == request.outcome && decision.decided_by == DecidedBy::Person(request.by.clone());
    Some(match task.delivery {
        _ if !same => PersonOutcome::Conflict(task),
        Some(Delivery::Delivered) => PersonOutcome::Settled(task),
        Some(Delivery::Undeliverable) => PersonOutcome::Conflict(task),
        Some(Delivery::Due | Delivery::Unverified | Delivery::ClosedElsewhere) | None => {
            PersonOutcome::Due(task)
        }
    })
}
