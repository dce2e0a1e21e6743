//! Step Functions: what closes a token, what a closed one answers, and what history tells.

use std::time::Duration;

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use tokio::time::sleep;

use super::cases;
use super::target::{Target, Wait, Waiting, code};

cases! {
    a_token_succeeds_once => "ok, TaskTimedOut",
    a_token_fails_once => "ok, TaskTimedOut",
    a_heartbeat_tells_whether_a_token_is_open => "ok, TaskTimedOut",
    a_garbled_token_is_invalid => "InvalidToken",
    an_output_is_json => "InvalidOutput, ok",
    an_output_has_at_most_262144_bytes => "InvalidOutput, ok",
    a_timed_out_token_is_closed => "TaskTimedOut",
    a_stopped_executions_token_is_closed => "TaskTimedOut, ABORTED",
    a_retried_state_waits_with_another_token => "another token, TaskTimedOut, ok",
    a_success_ends_the_execution => r#"SUCCEEDED {"decisionId":"01"}"#,
    a_failure_ends_the_execution => "FAILED Approval.Rejected {\"decisionId\":\"01\"}",
    a_states_timeout_fails_the_execution => "FAILED States.Timeout",
    history_tells_whose_output_landed => r#"{"decisionId":"01"} after TaskSubmitted after TaskStarted after TaskScheduled"#,
    history_tells_whose_cause_landed => r#"{"decisionId":"01"} after TaskSubmitted after TaskStarted after TaskScheduled"#,
    history_runs_backward => "TaskSucceeded before TaskScheduled",
    an_unknown_execution_does_not_exist => "ExecutionDoesNotExist, ExecutionDoesNotExist",
}

const OUTPUT: &str = r#"{"decisionId":"01"}"#;

async fn succeed(target: &Target, token: &str, output: &str) -> String {
    code(&target.sfn.send_task_success().task_token(token).output(output).send().await)
}

async fn fail(target: &Target, token: &str) -> String {
    let request = target.sfn.send_task_failure().task_token(token).error("Approval.Rejected").cause(OUTPUT);
    code(&request.send().await)
}

async fn waiting(target: &Target) -> Waiting {
    target.start(Wait::default()).await
}

async fn a_token_succeeds_once(target: &Target) -> String {
    let waiting = waiting(target).await;
    let first = succeed(target, &waiting.token, OUTPUT).await;
    taken(target, &waiting.arn, &first).await;
    format!("{first}, {}", succeed(target, &waiting.token, OUTPUT).await)
}

async fn a_token_fails_once(target: &Target) -> String {
    let waiting = waiting(target).await;
    let first = fail(target, &waiting.token).await;
    taken(target, &waiting.arn, &first).await;
    format!("{first}, {}", succeed(target, &waiting.token, OUTPUT).await)
}

async fn a_heartbeat_tells_whether_a_token_is_open(target: &Target) -> String {
    let waiting = waiting(target).await;
    let beat = || target.sfn.send_task_heartbeat().task_token(&waiting.token).send();
    let open = code(&beat().await);
    let answer = succeed(target, &waiting.token, OUTPUT).await;
    taken(target, &waiting.arn, &answer).await;
    format!("{open}, {}", code(&beat().await))
}

async fn a_garbled_token_is_invalid(target: &Target) -> String {
    succeed(target, "garbled", OUTPUT).await
}

async fn an_output_is_json(target: &Target) -> String {
    let waiting = waiting(target).await;
    let first = succeed(target, &waiting.token, "{").await;
    taken(target, &waiting.arn, &first).await;
    format!("{first}, {}", succeed(target, &waiting.token, "{}").await)
}

async fn an_output_has_at_most_262144_bytes(target: &Target) -> String {
    let waiting = waiting(target).await;
    let fits = format!("\"{}\"", "é".repeat(131_071));
    let over = fits.replacen('"', "\"a", 1);
    let first = succeed(target, &waiting.token, &over).await;
    taken(target, &waiting.arn, &first).await;
    format!("{first}, {}", succeed(target, &waiting.token, &fits).await)
}

async fn a_timed_out_token_is_closed(target: &Target) -> String {
    let waiting = target.start(Wait { timeout_seconds: Some(1), retries: 0 }).await;
    ended(target, &waiting.arn).await;
    succeed(target, &waiting.token, OUTPUT).await
}

async fn a_stopped_executions_token_is_closed(target: &Target) -> String {
    let waiting = waiting(target).await;
    target.stop(&waiting.arn).await;
    let answer = succeed(target, &waiting.token, OUTPUT).await;
    format!("{answer}, {}", ended(target, &waiting.arn).await)
}

async fn a_retried_state_waits_with_another_token(target: &Target) -> String {
    let waiting = target.start(Wait { timeout_seconds: Some(2), retries: 1 }).await;
    let token = target.token(&waiting.queue_url).await;
    let is_other = if token == waiting.token { "the same token" } else { "another token" };
    let old = succeed(target, &waiting.token, OUTPUT).await;
    taken(target, &waiting.arn, &old).await;
    format!("{is_other}, {old}, {}", succeed(target, &token, OUTPUT).await)
}

/// Waits, after an accepted answer, until its execution has ended, for five seconds at most. The emulator closes a
/// token only when its execution's thread has woken: until then it accepts a second answer too.
async fn taken(target: &Target, arn: &str, answer: &str) {
    for _ in 0..if answer == "ok" { 50 } else { 0 } {
        let answer = target.sfn.describe_execution().execution_arn(arn).send().await.unwrap();
        if answer.status().as_str() != "RUNNING" {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The status, once the execution has ended.
async fn ended(target: &Target, arn: &str) -> String {
    loop {
        let answer = target.sfn.describe_execution().execution_arn(arn).send().await.unwrap();
        let status = answer.status().as_str().to_owned();
        if status != "RUNNING" {
            return status;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// JSON without its spaces: nothing promises that Step Functions keeps them.
fn plain(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).map_or(json.to_owned(), |json| json.to_string())
}

async fn a_success_ends_the_execution(target: &Target) -> String {
    let waiting = waiting(target).await;
    succeed(target, &waiting.token, OUTPUT).await;
    let status = ended(target, &waiting.arn).await;
    let answer = target.sfn.describe_execution().execution_arn(waiting.arn).send().await.unwrap();
    format!("{status} {}", plain(answer.output().unwrap_or("no output")))
}

async fn a_failure_ends_the_execution(target: &Target) -> String {
    let waiting = waiting(target).await;
    fail(target, &waiting.token).await;
    let status = ended(target, &waiting.arn).await;
    let answer = target.sfn.describe_execution().execution_arn(waiting.arn).send().await.unwrap();
    format!("{status} {} {}", answer.error().unwrap_or("no error"), answer.cause().unwrap_or("no cause"))
}

async fn a_states_timeout_fails_the_execution(target: &Target) -> String {
    let waiting = target.start(Wait { timeout_seconds: Some(1), retries: 0 }).await;
    let status = ended(target, &waiting.arn).await;
    let answer = target.sfn.describe_execution().execution_arn(waiting.arn).send().await.unwrap();
    format!("{status} {}", answer.error().unwrap_or("no error"))
}

async fn history(target: &Target, arn: &str, backward: bool) -> Vec<HistoryEvent> {
    ended(target, arn).await;
    let request = target.sfn.get_execution_history().execution_arn(arn).reverse_order(backward);
    request.include_execution_data(true).send().await.unwrap().events
}

/// An event's text with the events that led to it.
fn chain(events: &[HistoryEvent], text: &str, last: &HistoryEvent) -> String {
    let mut chain = text.to_owned();
    let mut previous = last.previous_event_id();
    while let Some(event) = events.iter().find(|event| event.id() == previous) {
        chain += &format!(" after {}", event.r#type().as_str());
        if event.r#type() == &HistoryEventType::TaskScheduled {
            break;
        }
        previous = event.previous_event_id();
    }
    chain
}

async fn history_tells_whose_output_landed(target: &Target) -> String {
    let waiting = waiting(target).await;
    succeed(target, &waiting.token, OUTPUT).await;
    let events = history(target, &waiting.arn, false).await;
    let details = |event: &HistoryEvent| event.task_succeeded_event_details()?.output().map(str::to_owned);
    let Some((event, output)) = events.iter().find_map(|event| Some((event, details(event)?))) else {
        return "no TaskSucceeded with an output".to_owned();
    };
    chain(&events, &plain(&output), event)
}

async fn history_tells_whose_cause_landed(target: &Target) -> String {
    let waiting = waiting(target).await;
    fail(target, &waiting.token).await;
    let events = history(target, &waiting.arn, false).await;
    let details = |event: &HistoryEvent| event.task_failed_event_details()?.cause().map(str::to_owned);
    let Some((event, cause)) = events.iter().find_map(|event| Some((event, details(event)?))) else {
        return "no TaskFailed with a cause".to_owned();
    };
    chain(&events, &cause, event)
}

async fn history_runs_backward(target: &Target) -> String {
    let waiting = waiting(target).await;
    succeed(target, &waiting.token, OUTPUT).await;
    let events = history(target, &waiting.arn, true).await;
    let wanted = [HistoryEventType::TaskSucceeded, HistoryEventType::TaskScheduled];
    let kinds = events.iter().map(HistoryEvent::r#type).filter(|kind| wanted.contains(kind));
    kinds.map(HistoryEventType::as_str).collect::<Vec<_>>().join(" before ")
}

async fn an_unknown_execution_does_not_exist(target: &Target) -> String {
    let arn = "arn:aws:states:us-east-1:000000000000:execution:none:none";
    let described = target.sfn.describe_execution().execution_arn(arn).send().await;
    let history = target.sfn.get_execution_history().execution_arn(arn).send().await;
    format!("{}, {}", code(&described), code(&history))
}
