//! DescribeExecution and GetExecutionHistory, which show an execution slightly later than it happens
//! (API_DescribeExecution, API_GetExecutionHistory, Step Functions API reference).

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::execution::{Execution, HistoryEvent};
use super::{ExecutionStatus, StepFunctions, error};
use crate::clock::epoch_seconds;
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

/// The default page size, and the largest one.
const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DescribeRequest {
    execution_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HistoryRequest {
    execution_arn: String,
    max_results: Option<usize>,
    #[serde(default)]
    reverse_order: bool,
    next_token: Option<String>,
    include_execution_data: Option<bool>,
}

impl StepFunctions {
    pub(super) fn describe_execution(&self, request: &DescribeRequest, turn: &mut Turn<'_>) -> Answer {
        let (execution, as_of_ms) = self.seen(&request.execution_arn, turn)?;
        let end = execution.end_at(as_of_ms);
        let status = end.map_or(ExecutionStatus::Running, |end| end.status);
        let view = execution.view();
        let mut answer = json!({
            "executionArn": request.execution_arn,
            "stateMachineArn": execution.start.state_machine_arn,
            "name": execution.start.name,
            "status": status.as_str(),
            "startDate": epoch_seconds(execution.started_ms),
            "input": execution.input(),
            "inputDetails": { "included": true },
        });
        if let Some(end) = end {
            answer["stopDate"] = epoch_seconds(end.at_ms);
            if let Some(output) = view.output {
                answer["output"] = json!(output);
                answer["outputDetails"] = json!({ "included": true });
            }
            if let Some((error, cause)) = view.error {
                answer["error"] = json!(error);
                answer["cause"] = json!(cause);
            }
        }
        success(&answer)
    }

    pub(super) fn get_execution_history(&self, request: &HistoryRequest, turn: &mut Turn<'_>) -> Answer {
        if request.max_results.is_some_and(|results| results > MAX_RESULTS) {
            return Err(Service::StepFunctions.validation(&format!(
                "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to {MAX_RESULTS}"
            )));
        }
        let (execution, as_of_ms) = self.seen(&request.execution_arn, turn)?;
        let seen = execution.events.partition_point(|event| event.at_ms <= as_of_ms);
        let mut numbers: Vec<usize> = (0..seen).collect();
        if request.reverse_order {
            numbers.reverse();
        }
        let from = match &request.next_token {
            Some(token) => {
                token.parse().map_err(|_| error("InvalidToken", "Invalid Token: 'Invalid token'"))?
            }
            None => 0,
        };
        let page = match request.max_results {
            None | Some(0) => DEFAULT_RESULTS,
            Some(results) => results,
        };
        let with_data = request.include_execution_data.unwrap_or(true);
        let events: Vec<_> = numbers
            .iter()
            .skip(from)
            .take(page)
            .map(|number| event(*number, &execution.events[*number], with_data))
            .collect();
        let mut answer = json!({ "events": events });
        if from + page < numbers.len() {
            answer["nextToken"] = json!((from + page).to_string());
        }
        success(&answer)
    }

    /// An execution, and the time whose state is shown.
    fn seen(&self, arn: &str, turn: &mut Turn<'_>) -> Result<(&Execution, u64), ServiceError> {
        let as_of_ms = turn.lagging(turn.options.execution_lag_ms);
        let execution = self.executions.get(arn).filter(|execution| execution.started_ms <= as_of_ms);
        let missing = || error("ExecutionDoesNotExist", &format!("Execution Does Not Exist: '{arn}'"));
        execution.map(|execution| (execution, as_of_ms)).ok_or_else(missing)
    }
}

/// One event in the form of the API. Ids count from 1, and each event follows the one before it.
fn event(number: usize, event: &HistoryEvent, with_data: bool) -> Json {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(number + 1));
    out.insert("previousEventId".to_owned(), json!(number));
    out.insert("timestamp".to_owned(), epoch_seconds(event.at_ms));
    out.insert("type".to_owned(), json!(event.kind));
    if let Some((member, details)) = &event.details {
        let mut details = details.clone();
        if let (false, Some(details)) = (with_data, details.as_object_mut()) {
            for name in ["input", "inputDetails", "output", "outputDetails", "parameters"] {
                details.remove(name);
            }
        }
        out.insert((*member).to_owned(), details);
    }
    Json::Object(out)
}
