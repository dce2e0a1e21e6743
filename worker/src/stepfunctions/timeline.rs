//! What an execution's history says of one task, for the task's story: when the workflow sent it, and when it went on.

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use jiff::Timestamp;
use statemachine::task::Task;

use crate::aws::fault::Fault;
use crate::aws::rate_limit::RateLimit;
use crate::stepfunctions::executions::Executions;

/// How many pages of a thousand events a story reads at most, the newest first: it must not use up what deliveries need.
const MAX_PAGES: usize = 3;

named! {
    /// What happened to the state that waits for the task, or to its execution.
    Happened {
        /// The workflow sent the task's message.
        Sent = "workflow-sent",
        /// The state went on with an answer.
        Succeeded = "workflow-continued",
        /// The state failed: also what a rejection looks like.
        Failed = "workflow-failed",
        /// The state stopped waiting.
        TimedOut = "workflow-timed-out",
        /// The execution ended.
        Ended = "workflow-ended",
    }
}

/// What was read of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What happened, the oldest first.
    pub events: Vec<(Timestamp, Happened)>,
    /// Why events may be missing.
    pub missing: Option<&'static str>,
}

impl Executions {
    /// Reads what happened to a task in its execution. Takes calls of `rate` only if they are free.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a call fails.
    pub async fn timeline(&self, task: &Task, rate: &RateLimit) -> Result<Timeline, Fault> {
        let (mut events, mut next_token, mut missing) = (Vec::new(), None, None);
        for page in 0.. {
            if page == MAX_PAGES {
                missing = Some("the execution's history is longer than a story reads");
                break;
            }
            if !rate.try_take() {
                missing = Some("the rate limit has no call left for the execution's history; try again");
                break;
            }
            let answer = self.history(task, next_token).await?;
            next_token = answer.next_token().map(str::to_owned);
            events.extend(answer.events.into_iter().map(Event::from));
            if next_token.is_none() || events.iter().any(|event| event.sent(task)) {
                break;
            }
        }
        events.reverse();
        Ok(Timeline { events: of_task(&events, task), missing })
    }
}

/// What a timeline needs of an event.
#[derive(Debug)]
struct Event {
    id: i64,
    follows: i64,
    at: Option<Timestamp>,
    kind: HistoryEventType,
    /// What a state sends when it is scheduled.
    sends: Option<String>,
}

impl From<HistoryEvent> for Event {
    fn from(event: HistoryEvent) -> Event {
        let at = event.timestamp().to_millis().ok();
        Event {
            id: event.id(),
            follows: event.previous_event_id(),
            at: at.and_then(|at| Timestamp::from_millisecond(at).ok()),
            kind: event.r#type().clone(),
            sends: event.task_scheduled_event_details().map(|details| details.parameters().to_owned()),
        }
    }
}

impl Event {
    fn sent(&self, task: &Task) -> bool {
        self.sends.as_ref().is_some_and(|sends| sends.contains(task.token.expose()))
    }
}

/// The events of the task, of all of its execution's, the oldest first.
fn of_task(events: &[Event], task: &Task) -> Vec<(Timestamp, Happened)> {
    // An event belongs to the task if it follows one that does.
    let mut chain = Vec::new();
    let mut happened = Vec::new();
    for event in events {
        let is_sent = event.sent(task);
        if is_sent || chain.contains(&event.follows) {
            chain.push(event.id);
        }
        let is_ours = chain.contains(&event.id);
        let what = match event.kind {
            HistoryEventType::TaskScheduled if is_sent => Happened::Sent,
            HistoryEventType::TaskSucceeded if is_ours => Happened::Succeeded,
            HistoryEventType::TaskFailed if is_ours => Happened::Failed,
            HistoryEventType::TaskTimedOut if is_ours => Happened::TimedOut,
            HistoryEventType::ExecutionAborted
            | HistoryEventType::ExecutionFailed
            | HistoryEventType::ExecutionSucceeded
            | HistoryEventType::ExecutionTimedOut => Happened::Ended,
            _ => continue,
        };
        if what != Happened::Sent && what != Happened::Ended {
            // What follows the end of the state is not the task's.
            chain.clear();
        }
        happened.extend(event.at.map(|at| (at, what)));
    }
    happened
}

#[cfg(test)]
mod tests {
    use super::*;
    use HistoryEventType::{
        ExecutionStarted, ExecutionSucceeded, PassStateEntered, TaskScheduled, TaskStarted, TaskSubmitted,
        TaskSucceeded,
    };
    use statemachine::message::Message;
    use statemachine::task::ReceivedAt;

    #[test]
    fn only_the_events_of_the_tasks_own_state_are_told() {
        let body = r#"{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"the-token-of-ours","startTime":"t","orderId":"o-1"}"#;
        let received = ReceivedAt { text: "2026-11-22T10:00:00.000Z".to_owned(), epoch_seconds: 0 };
        let task = Task::new(Message::parse(body).unwrap(), received, None);
        let event = |id: i64, follows: i64, kind: HistoryEventType, sends: Option<&str>| Event {
            id,
            follows,
            at: Timestamp::from_second(id).ok(),
            kind,
            sends: sends.map(str::to_owned),
        };
        // Two branches of one execution wait at the same time.
        let events = [
            event(1, 0, ExecutionStarted, None),
            event(2, 1, TaskScheduled, Some("a-token-of-theirs")),
            event(3, 1, TaskScheduled, Some("the-token-of-ours")),
            event(4, 3, TaskStarted, None),
            event(5, 4, TaskSubmitted, None),
            event(6, 2, TaskSucceeded, None),
            event(7, 5, TaskSucceeded, None),
            event(8, 7, PassStateEntered, None),
            event(9, 8, TaskSucceeded, None),
            event(10, 9, ExecutionSucceeded, None),
        ];
        let told: Vec<(i64, &str)> =
            of_task(&events, &task).iter().map(|(at, what)| (at.as_second(), what.label())).collect();
        assert_eq!(told, [(3, "workflow-sent"), (7, "workflow-continued"), (10, "workflow-ended")]);
    }
}
