//! Checks of executions: whether one is still running, and which answer it received.
//!
//! Reads of Step Functions lag behind. A conclusion needs a positive event; an absence proves nothing. An end from
//! before the task was sent does not concern it: the execution was redriven since, which the read may not show yet.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::get_execution_history::GetExecutionHistoryOutput;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType};
use aws_smithy_types::DateTime;
use jiff::{SignedDuration, Timestamp};
use statemachine::decision::Decision;
use statemachine::task::Task;

use crate::aws::fault::{Class, Fault, Resource};
use crate::aws::rate_limit::RateLimit;

/// How many events one page of history has: the API's maximum.
const PAGE_EVENTS: i32 = 1_000;
/// How many pages are read: an execution has at most 25,000 events (Step Functions quota).
const MAX_PAGES: usize = 25;

/// The clocks of two services differ a little, and some times are in whole seconds. A redrive takes longer.
const CLOCKS: SignedDuration = SignedDuration::from_secs(1);

named! {
    /// How it is known that a workflow no longer waits for a task's answer.
    End {
        /// Step Functions says that the token is closed.
        TokenClosed = "token_closed",
        /// The execution was aborted.
        Aborted = "aborted",
        /// It failed.
        Failed = "failed",
        /// It went on without the answer, and succeeded.
        Succeeded = "succeeded",
        /// It timed out.
        TimedOut = "timed_out",
    }
}

impl End {
    /// The same in words, for people.
    pub fn proof(self) -> &'static str {
        match self {
            End::TokenClosed => "the token is closed",
            End::Aborted => "ABORTED",
            End::Failed => "FAILED",
            End::Succeeded => "SUCCEEDED",
            End::TimedOut => "TIMED_OUT",
        }
    }
}

/// Whether an execution can still be waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// It is running, or a stale read shows it as running.
    Running,
    /// It has ended.
    Ended {
        /// How.
        end: End,
        /// It ended before the task was sent.
        is_earlier: bool,
    },
    /// Step Functions knows no such execution. Not yet proof: reads lag behind a start.
    Unknown,
}

/// What an execution's history says of a stored decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The workflow received it.
    Ours,
    /// The workflow received another answer, or ended without one.
    Other,
    /// Nothing yet.
    None,
}

/// Reads executions.
#[derive(Debug, Clone)]
pub struct Executions {
    pub(super) client: Client,
}

impl Executions {
    /// Checks through `client`.
    pub fn new(client: Client) -> Executions {
        Executions { client }
    }

    /// Checks whether a task's execution is still running.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn describe(&self, task: &Task) -> Result<Execution, Fault> {
        match self.client.describe_execution().execution_arn(&task.transaction_id).send().await {
            Ok(answer) => {
                let is_earlier = answer.stop_date().is_some_and(|end| is_before(end, task));
                let ended = |end| Ok(Execution::Ended { end, is_earlier });
                match answer.status() {
                    ExecutionStatus::Aborted => ended(End::Aborted),
                    ExecutionStatus::Failed => ended(End::Failed),
                    ExecutionStatus::Succeeded => ended(End::Succeeded),
                    ExecutionStatus::TimedOut => ended(End::TimedOut),
                    // PENDING_REDRIVE, and statuses that are added later, may run again.
                    _ => Ok(Execution::Running),
                }
            }
            Err(error) => {
                let fault =
                    Fault::of("DescribeExecution", Resource::Execution(task.transaction_id.clone()), &error);
                match (fault.code.as_str(), fault.class) {
                    ("ExecutionDoesNotExist" | "InvalidArn", _) => Ok(Execution::Unknown),
                    (_, Class::Refused | Class::Throttled | Class::Transient | Class::Systemic) => Err(fault),
                }
            }
        }
    }

    /// Looks in the execution's history for the answer that the task's state received. The caller has taken a turn for
    /// the first page; each further page takes one from `rate`.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn prove(&self, task: &Task, decision: &Decision, rate: &RateLimit) -> Result<Proof, Fault> {
        let mut seen = Seen::default();
        let mut next_token = None;
        for page in 0..MAX_PAGES {
            if page > 0 {
                rate.take().await;
            }
            let answer = match self.history(task, next_token).await {
                Ok(answer) => answer,
                Err(fault) if matches!(fault.code.as_str(), "ExecutionDoesNotExist" | "InvalidArn") => {
                    return Ok(Proof::None);
                }
                Err(fault) => return Err(fault),
            };
            for event in answer.events() {
                seen.note(event, task, decision);
            }
            if seen.ours {
                return Ok(Proof::Ours);
            }
            next_token = answer.next_token().map(str::to_owned);
            if next_token.is_none() {
                return Ok(seen.conclude());
            }
        }
        Ok(Proof::None)
    }

    /// One page of the history of the task's execution, the newest events first. The caller has taken the call's turn.
    pub(super) async fn history(
        &self,
        task: &Task,
        next_token: Option<String>,
    ) -> Result<GetExecutionHistoryOutput, Fault> {
        let request = self
            .client
            .get_execution_history()
            .execution_arn(&task.transaction_id)
            .include_execution_data(true)
            .reverse_order(true)
            .max_results(PAGE_EVENTS)
            .set_next_token(next_token);
        request.send().await.map_err(|error| {
            Fault::of("GetExecutionHistory", Resource::Execution(task.transaction_id.clone()), &error)
        })
    }
}

/// Whether something happened before a task was sent.
fn is_before(at: &DateTime, task: &Task) -> bool {
    let at = at.to_millis().ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let sent = task.received_at.parse::<Timestamp>().ok();
    at.zip(sent).is_some_and(|(at, sent)| sent.duration_since(at) > CLOCKS)
}

/// What the events of one history, newest first, have shown so far.
#[derive(Debug, Default)]
struct Seen {
    ours: bool,
    /// The execution's own end: nothing follows it, so an answer that is not before it never came.
    end: bool,
    /// An end from before the task was sent: it concerns the task only if the same history shows that it was sent.
    earlier_end: bool,
    /// The execution was redriven: earlier ends were not final.
    is_redriven: bool,
    /// Ends of callback states, with the event each follows.
    task_ends: Vec<i64>,
    /// (event, the event it follows) of starts and submissions between a schedule and its end.
    links: Vec<(i64, i64)>,
    /// The event that sent this token.
    scheduled: Option<i64>,
}

impl Seen {
    fn note(&mut self, event: &HistoryEvent, task: &Task, decision: &Decision) {
        let proves = |text: Option<&str>| text.is_some_and(|text| decision.is_proven_by(text));
        match event.r#type() {
            HistoryEventType::TaskSucceeded => {
                self.ours |=
                    proves(event.task_succeeded_event_details().and_then(|details| details.output()));
                self.task_ends.push(event.previous_event_id());
            }
            HistoryEventType::TaskFailed => {
                self.ours |= proves(event.task_failed_event_details().and_then(|details| details.cause()));
                self.task_ends.push(event.previous_event_id());
            }
            HistoryEventType::TaskTimedOut => self.task_ends.push(event.previous_event_id()),
            HistoryEventType::TaskStarted
            | HistoryEventType::TaskSubmitted
            | HistoryEventType::TaskSubmitFailed => {
                self.links.push((event.id(), event.previous_event_id()));
            }
            HistoryEventType::TaskScheduled => {
                let parameters = event.task_scheduled_event_details().map(|details| details.parameters());
                if parameters.is_some_and(|parameters| parameters.contains(task.token.expose())) {
                    self.scheduled = Some(event.id());
                }
            }
            HistoryEventType::ExecutionAborted
            | HistoryEventType::ExecutionFailed
            | HistoryEventType::ExecutionSucceeded
            | HistoryEventType::ExecutionTimedOut
                if !self.is_redriven =>
            {
                if is_before(event.timestamp(), task) {
                    self.earlier_end = true;
                } else {
                    self.end = true;
                }
            }
            HistoryEventType::ExecutionRedriven => self.is_redriven = true,
            _ => {}
        }
    }

    /// The whole history was read and does not contain our decision.
    fn conclude(&self) -> Proof {
        if self.ours {
            return Proof::Ours;
        }
        let ended_otherwise = self
            .scheduled
            .is_some_and(|scheduled| self.task_ends.iter().any(|end| self.leads_to(*end, scheduled)));
        let ended = self.end || (self.earlier_end && self.scheduled.is_some());
        if ended || ended_otherwise { Proof::Other } else { Proof::None }
    }

    fn leads_to(&self, mut event: i64, scheduled: i64) -> bool {
        for _ in 0..=self.links.len() {
            if event == scheduled {
                return true;
            }
            match self.links.iter().find(|(id, _)| *id == event) {
                Some((_, previous)) => event = *previous,
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use HistoryEventType::{ExecutionFailed, ExecutionRedriven, ExecutionStarted, TaskScheduled};
    use statemachine::decision::{DecidedBy, Outcome};
    use statemachine::message::Message;
    use statemachine::task::ReceivedAt;

    use super::*;
    use aws_sdk_sfn::types::TaskScheduledEventDetails;

    const SENT: i64 = 1_795_341_600;

    fn task() -> Task {
        let body = r#"{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"a-token-of-a-task","startTime":"t","orderId":"o-1"}"#;
        let text = Timestamp::from_second(SENT).unwrap().to_string();
        Task::new(Message::parse(body).unwrap(), ReceivedAt { text, epoch_seconds: SENT }, None)
    }

    /// What a history proves whose events, newest first, are so many seconds after the task was sent.
    fn proof(newest_first: &[(HistoryEventType, i64)]) -> Proof {
        let decision = Decision {
            id: "01K0".to_owned(),
            outcome: Outcome::Approved,
            code: String::new(),
            reason: String::new(),
            rule: None,
            ruleset: None,
            decided_by: DecidedBy::Rule,
            decided_at: String::new(),
            payload: "{}".to_owned(),
        };
        let mut seen = Seen::default();
        for (kind, after) in newest_first {
            let scheduled = TaskScheduledEventDetails::builder()
                .resource_type("sqs")
                .resource("sendMessage.waitForTaskToken")
                .region("us-east-1")
                .parameters(r#"{"MessageBody":{"taskToken":"a-token-of-a-task"}}"#)
                .build();
            let event = HistoryEvent::builder()
                .r#type(kind.clone())
                .timestamp(DateTime::from_secs(SENT + after))
                .id(1)
                .set_task_scheduled_event_details((*kind == TaskScheduled).then(|| scheduled.unwrap()))
                .build();
            seen.note(&event.unwrap(), &task(), &decision);
        }
        seen.conclude()
    }

    #[test]
    fn an_end_is_the_last_unless_the_execution_was_redriven() {
        assert_eq!(proof(&[(ExecutionFailed, 9), (ExecutionStarted, -9)]), Proof::Other);
        assert_eq!(
            proof(&[(ExecutionRedriven, 9), (ExecutionFailed, 5), (ExecutionStarted, -9)]),
            Proof::None
        );
        assert_eq!(
            proof(&[(ExecutionFailed, 9), (ExecutionRedriven, -2), (ExecutionFailed, -5)]),
            Proof::Other
        );
    }

    #[test]
    fn an_end_before_the_task_was_sent_is_its_own_only_if_the_sending_is_seen() {
        assert_eq!(proof(&[(ExecutionFailed, -5), (ExecutionStarted, -9)]), Proof::None);
        assert_eq!(proof(&[(ExecutionFailed, -5), (TaskScheduled, -5)]), Proof::Other);
        assert_eq!(proof(&[(ExecutionFailed, -1), (ExecutionStarted, -9)]), Proof::Other, "clocks differ");
    }
}
