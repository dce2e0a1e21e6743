//! One execution: its start, its status, and its history of events.

use serde_json::{Value as Json, json, value::RawValue};

use crate::clock::rfc3339;

/// How to start an execution of a state machine whose only task waits for a token.
#[derive(Debug, Clone)]
pub struct Start {
    /// The state machine.
    pub state_machine_arn: String,
    /// The name of the execution, which must be unique.
    pub name: String,
    /// The message's `orderId`.
    pub order_id: String,
    /// The message's `order`, as JSON text; `None` for the original message with four fields.
    pub order: Option<String>,
    /// Whether the message contains the timeout of the waiting state.
    pub tells_timeout: bool,
    /// TimeoutSeconds of the waiting state.
    pub timeout_seconds: Option<u64>,
    /// HeartbeatSeconds of the waiting state.
    pub heartbeat_seconds: Option<u64>,
    /// TimeoutSeconds of the state machine.
    pub execution_timeout_seconds: Option<u64>,
    /// How often the waiting state is retried after a timeout, each time with a new token.
    pub retries: u32,
    /// The queue that receives the message; `None` if the test passes it on.
    pub queue_url: Option<String>,
}

impl Start {
    /// An execution of the state machine `orders`, without timeouts, with the message of four fields.
    pub fn new(name: &str, order_id: &str) -> Start {
        Start {
            state_machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:orders".to_owned(),
            name: name.to_owned(),
            order_id: order_id.to_owned(),
            order: None,
            tells_timeout: false,
            timeout_seconds: None,
            heartbeat_seconds: None,
            execution_timeout_seconds: None,
            retries: 0,
            queue_url: None,
        }
    }
}

/// A started execution, which is waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The execution.
    pub execution_arn: String,
    /// The token that it waits for.
    pub token: String,
    /// The body of the message that it sent.
    pub body: String,
}

/// An execution's status (DescribeExecution, Step Functions API reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecutionStatus {
    /// It is waiting.
    Running,
    /// Its task succeeded.
    Succeeded,
    /// Its task failed, or timed out without a retry.
    Failed,
    /// Its own timeout expired.
    TimedOut,
    /// An operator stopped it.
    Aborted,
}

impl ExecutionStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ExecutionStatus::Running => "RUNNING",
            ExecutionStatus::Succeeded => "SUCCEEDED",
            ExecutionStatus::Failed => "FAILED",
            ExecutionStatus::TimedOut => "TIMED_OUT",
            ExecutionStatus::Aborted => "ABORTED",
        }
    }
}

/// An execution as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionView {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Its tokens, in order of creation.
    pub tokens: Vec<String>,
    /// Its output, if it succeeded.
    pub output: Option<String>,
    /// The error's name and cause, if it failed.
    pub error: Option<(String, String)>,
}

/// The configuration of the waiting state.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) timeout_seconds: Option<u64>,
    pub(super) heartbeat_seconds: Option<u64>,
    pub(super) queue_url: Option<String>,
}

/// One event of the history.
#[derive(Debug)]
pub(super) struct HistoryEvent {
    pub(super) at_ms: u64,
    pub(super) kind: &'static str,
    /// The name of the member with the details, and the details.
    pub(super) details: Option<(&'static str, Json)>,
}

/// One end of an execution.
#[derive(Debug)]
pub(super) struct End {
    pub(super) at_ms: u64,
    pub(super) status: ExecutionStatus,
    /// When it was redriven.
    pub(super) until_ms: u64,
}

#[derive(Debug)]
pub(super) struct Execution {
    pub(super) start: Start,
    pub(super) started_ms: u64,
    /// Its ends, in order: a redrive followed each except the last.
    pub(super) ends: Vec<End>,
    pub(super) events: Vec<HistoryEvent>,
    waiting: Waiting,
    retries_left: u32,
    view: ExecutionView,
}

const RESOURCE: [(&str, &str); 2] = [("resourceType", "sqs"), ("resource", "sendMessage.waitForTaskToken")];

impl Execution {
    pub(super) fn start(arn: &str, start: Start, now_ms: u64) -> Execution {
        let mut execution = Execution {
            waiting: Waiting {
                timeout_seconds: start.timeout_seconds,
                heartbeat_seconds: start.heartbeat_seconds,
                queue_url: start.queue_url.clone(),
            },
            retries_left: start.retries,
            started_ms: now_ms,
            ends: Vec::new(),
            events: Vec::new(),
            view: ExecutionView {
                arn: arn.to_owned(),
                status: ExecutionStatus::Running,
                tokens: Vec::new(),
                output: None,
                error: None,
            },
            start,
        };
        let details = json!({ "input": execution.input(), "inputDetails": { "truncated": false } });
        execution.record(now_ms, "ExecutionStarted", Some(("executionStartedEventDetails", details)));
        let details = json!({ "name": "SendMessageToSQS", "input": execution.input() });
        execution.record(now_ms, "TaskStateEntered", Some(("stateEnteredEventDetails", details)));
        execution
    }

    /// The execution's input, which is the order.
    pub(super) fn input(&self) -> String {
        let order_id = json!(self.start.order_id);
        match &self.start.order {
            Some(order) => format!(r#"{{"orderId":{order_id},"order":{order}}}"#),
            None => format!(r#"{{"orderId":{order_id}}}"#),
        }
    }

    pub(super) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    pub(super) fn view(&self) -> ExecutionView {
        self.view.clone()
    }

    /// Registers a new token and returns the body of the message.
    pub(super) fn schedule(&mut self, token: &str, now_ms: u64) -> String {
        self.view.tokens.push(token.to_owned());
        let body = self.message(token, now_ms);
        let parameters = json!({ "QueueUrl": self.waiting.queue_url, "MessageBody": body }).to_string();
        let mut scheduled = resource(json!({ "region": "us-east-1", "parameters": parameters }));
        if let Some(seconds) = self.waiting.timeout_seconds {
            scheduled["timeoutInSeconds"] = json!(seconds);
        }
        if let Some(seconds) = self.waiting.heartbeat_seconds {
            scheduled["heartbeatInSeconds"] = json!(seconds);
        }
        self.record(now_ms, "TaskScheduled", Some(("taskScheduledEventDetails", scheduled)));
        self.record(now_ms, "TaskStarted", Some(("taskStartedEventDetails", resource(json!({})))));
        let submitted = resource(json!({ "output": "{}", "outputDetails": { "truncated": false } }));
        self.record(now_ms, "TaskSubmitted", Some(("taskSubmittedEventDetails", submitted)));
        body
    }

    /// The message. `order` keeps its original text, as Step Functions' input would.
    fn message(&self, token: &str, now_ms: u64) -> String {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Message<'a> {
            transaction_id: &'a str,
            task_token: &'a str,
            start_time: String,
            order_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            order: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timeout_seconds: Option<u64>,
        }
        let message = Message {
            transaction_id: &self.view.arn,
            task_token: token,
            start_time: rfc3339(now_ms),
            order_id: &self.start.order_id,
            order: self
                .start
                .order
                .as_deref()
                .map(|order| serde_json::from_str(order).expect("the test's order is valid JSON")),
            timeout_seconds: self.waiting.timeout_seconds.filter(|_| self.start.tells_timeout),
        };
        serde_json::to_string(&message).expect("a message is always valid JSON")
    }

    pub(super) fn succeed(&mut self, output: &str, now_ms: u64) -> ExecutionStatus {
        let details = json!({ "output": output, "outputDetails": { "truncated": false } });
        self.record(now_ms, "TaskSucceeded", Some(("taskSucceededEventDetails", resource(details.clone()))));
        self.record(now_ms, "TaskStateExited", None);
        self.record(now_ms, "ExecutionSucceeded", Some(("executionSucceededEventDetails", details)));
        self.view.output = Some(output.to_owned());
        self.finish(ExecutionStatus::Succeeded, now_ms)
    }

    /// The task fails by itself: SendTaskFailure.
    pub(super) fn fail_task(&mut self, error: &str, cause: &str, now_ms: u64) -> ExecutionStatus {
        let details = resource(json!({ "error": error, "cause": cause }));
        self.record(now_ms, "TaskFailed", Some(("taskFailedEventDetails", details)));
        self.fail(error, cause, now_ms)
    }

    pub(super) fn record_timeout(&mut self, error: &str, now_ms: u64) {
        let details = resource(json!({ "error": error }));
        self.record(now_ms, "TaskTimedOut", Some(("taskTimedOutEventDetails", details)));
    }

    /// Uses one retry, if any is left.
    pub(super) fn retry(&mut self) -> bool {
        let has_retry = self.retries_left > 0;
        self.retries_left -= u32::from(has_retry);
        has_retry
    }

    /// The execution fails with the error of its task.
    pub(super) fn fail(&mut self, error: &str, cause: &str, now_ms: u64) -> ExecutionStatus {
        let details = json!({ "error": error, "cause": cause });
        self.record(now_ms, "ExecutionFailed", Some(("executionFailedEventDetails", details)));
        self.view.error = Some((error.to_owned(), cause.to_owned()));
        self.finish(ExecutionStatus::Failed, now_ms)
    }

    /// Ends the execution from outside; returns false if it has already ended.
    pub(super) fn end(&mut self, status: ExecutionStatus, now_ms: u64) -> bool {
        if self.view.status != ExecutionStatus::Running {
            return false;
        }
        let (kind, member) = match status {
            ExecutionStatus::Aborted => ("ExecutionAborted", "executionAbortedEventDetails"),
            ExecutionStatus::TimedOut => ("ExecutionTimedOut", "executionTimedOutEventDetails"),
            ExecutionStatus::Running | ExecutionStatus::Succeeded | ExecutionStatus::Failed => {
                unreachable!("only an abort or a timeout ends an execution from outside")
            }
        };
        self.record(now_ms, kind, Some((member, json!({}))));
        self.finish(status, now_ms);
        true
    }

    fn finish(&mut self, status: ExecutionStatus, now_ms: u64) -> ExecutionStatus {
        self.view.status = status;
        self.ends.push(End { at_ms: now_ms, status, until_ms: u64::MAX });
        status
    }

    /// Runs again after an end without success; returns false if there was no such end.
    pub(super) fn redrive(&mut self, now_ms: u64) -> bool {
        let Some(end) = self.ends.last_mut() else { return false };
        if matches!(self.view.status, ExecutionStatus::Running | ExecutionStatus::Succeeded) {
            return false;
        }
        end.until_ms = now_ms;
        (self.view.status, self.view.error) = (ExecutionStatus::Running, None);
        let details = json!({ "redriveCount": self.ends.len() });
        self.record(now_ms, "ExecutionRedriven", Some(("executionRedrivenEventDetails", details)));
        true
    }

    /// The end that a read at this time shows.
    pub(super) fn end_at(&self, as_of_ms: u64) -> Option<&End> {
        self.ends.iter().find(|end| end.at_ms <= as_of_ms && as_of_ms < end.until_ms)
    }

    fn record(&mut self, at_ms: u64, kind: &'static str, details: Option<(&'static str, Json)>) {
        self.events.push(HistoryEvent { at_ms, kind, details });
    }
}

fn resource(mut details: Json) -> Json {
    for (name, text) in RESOURCE {
        details[name] = json!(text);
    }
    details
}
