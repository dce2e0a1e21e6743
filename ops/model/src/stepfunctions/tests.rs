//! Tests tokens, timeouts, retries, history and quotas.

use std::time::Duration;

use aws_sdk_sfn::operation::describe_execution::builders::DescribeExecutionFluentBuilder;
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use aws_sdk_sfn::types::{ExecutionStatus as Status, HistoryEventType};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use tokio::time::sleep;

use crate::{ExecutionStatus, Node, Options, QueueSettings, Start, Started, World};

struct Setting {
    world: World,
    node: Node,
}

fn setting(options: Options) -> Setting {
    let world = World::new(3, options);
    let node = world.client_for("a");
    Setting { world, node }
}

impl Setting {
    fn start(&self, change: impl FnOnce(&mut Start)) -> Started {
        let mut start = Start::new(&format!("e{}", self.world.executions().len()), "o-1");
        change(&mut start);
        self.world.start(start)
    }

    async fn succeed(&self, token: &str, output: &str) -> Result<(), String> {
        let request = self.node.step_functions().send_task_success().task_token(token).output(output);
        let error = match request.send().await {
            Ok(_) => return Ok(()),
            Err(error) => error.into_service_error(),
        };
        Err(error.code().unwrap_or("no code").to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_closes_once() {
    let setting = setting(Options::default());
    let started = setting.start(|start| start.order = Some(r#"{"amount": 1.50}"#.to_owned()));
    assert!(started.body.contains(r#""order":{"amount": 1.50}"#), "{}", started.body);
    setting.succeed(&started.token, r#"{"ok":true}"#).await.unwrap();
    let closed = setting.node.step_functions().send_task_success().task_token(&started.token).output("{}");
    let error = closed.send().await.unwrap_err().into_service_error();
    assert!(matches!(error, SendTaskSuccessError::TaskTimedOut(_)), "{error:?}");
    let failed = setting.node.step_functions().send_task_failure().task_token(&started.token).error("E");
    assert!(failed.send().await.unwrap_err().into_service_error().is_task_timed_out());
    let view = setting.world.execution(&started.execution_arn).unwrap();
    assert_eq!((view.status, view.output.as_deref()), (ExecutionStatus::Succeeded, Some(r#"{"ok":true}"#)));
    assert_eq!(setting.world.accepted(&started.token), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_callbacks_are_refused_and_close_nothing() {
    let setting = setting(Options::default());
    let token = setting.start(|_| {}).token;
    let fits = format!("\"{}\"", "é".repeat(131_071));
    assert_eq!(fits.len(), 262_144);
    for (token, output, code) in [
        ("garbage", "{}", "InvalidToken"),
        (&"x".repeat(2_049), "{}", "ValidationException"),
        (&token, "{", "InvalidOutput"),
        (&token, &fits.replace("\"é", "\"aé"), "InvalidOutput"),
    ] {
        assert_eq!(setting.succeed(token, output).await, Err(code.to_owned()), "{code}");
    }
    let failure =
        setting.node.step_functions().send_task_failure().task_token(&token).cause("c".repeat(32_769));
    assert_eq!(failure.send().await.unwrap_err().into_service_error().code(), Some("ValidationException"));
    setting.succeed(&token, &fits).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_with_a_new_token() {
    let setting = setting(Options::default());
    let queue = setting.world.create_queue("approvals", QueueSettings::default());
    let started = setting.start(|start| {
        (start.timeout_seconds, start.retries, start.queue_url) = (Some(60), 1, Some(queue.clone()));
    });
    sleep(Duration::from_secs(61)).await;
    assert_eq!(setting.succeed(&started.token, "{}").await, Err("TaskTimedOut".to_owned()));
    let view = setting.world.execution(&started.execution_arn).unwrap();
    assert_eq!((view.status, view.tokens.len()), (ExecutionStatus::Running, 2));
    assert!(setting.world.messages(&queue)[1].body.contains(&view.tokens[1]));
    sleep(Duration::from_secs(61)).await;
    let view = setting.world.execution(&started.execution_arn).unwrap();
    assert_eq!(view.status, ExecutionStatus::Failed);
    assert_eq!(view.error.unwrap().0, "States.Timeout");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_delays_its_own_clock_only() {
    let setting = setting(Options::default());
    let started = setting.start(|start| {
        (start.timeout_seconds, start.heartbeat_seconds) = (Some(100), Some(30));
    });
    for _ in 0..4 {
        sleep(Duration::from_secs(20)).await;
        let beat = setting.node.step_functions().send_task_heartbeat().task_token(&started.token);
        beat.send().await.unwrap();
    }
    sleep(Duration::from_secs(21)).await;
    let beat = setting.node.step_functions().send_task_heartbeat().task_token(&started.token).send().await;
    assert!(beat.unwrap_err().into_service_error().is_task_timed_out());
    let other = setting.start(|start| start.heartbeat_seconds = Some(30));
    sleep(Duration::from_secs(31)).await;
    let view = setting.world.execution(&other.execution_arn).unwrap();
    assert_eq!(view.error.unwrap().0, "States.HeartbeatTimeout");
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_ends_tells_the_queue() {
    let setting = setting(Options { event_lag_ms: 500, ..Options::default() });
    let queue = setting.world.create_queue("closed", QueueSettings::default());
    setting.world.send_closed_executions_to(&queue);
    let aborted = setting.start(|_| {});
    let late = setting.start(|start| start.execution_timeout_seconds = Some(5));
    let fine = setting.start(|_| {});
    setting.succeed(&fine.token, "{}").await.unwrap();
    assert!(setting.world.stop(&aborted.execution_arn) && !setting.world.stop(&aborted.execution_arn));
    assert_eq!(setting.succeed(&aborted.token, "{}").await, Err("TaskTimedOut".to_owned()));
    sleep(Duration::from_secs(6)).await;
    let bodies: Vec<_> = setting.world.messages(&queue).into_iter().map(|message| message.body).collect();
    assert_eq!(
        bodies,
        [
            format!(r#"{{"executionArn":"{}","status":"ABORTED"}}"#, aborted.execution_arn),
            format!(r#"{{"executionArn":"{}","status":"TIMED_OUT"}}"#, late.execution_arn),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn history_comes_in_pages_from_either_end() {
    let setting = setting(Options::default());
    let started = setting.start(|_| {});
    let failure = setting.node.step_functions().send_task_failure().task_token(&started.token);
    failure.error("Approval.Rejected").cause(r#"{"decisionId":"01"}"#).send().await.unwrap();
    let history = setting.node.step_functions().get_execution_history().execution_arn(&started.execution_arn);
    let mut kinds = Vec::new();
    let mut next = None;
    loop {
        let page =
            history.clone().max_results(3).reverse_order(true).set_next_token(next).send().await.unwrap();
        kinds.extend(page.events().iter().map(|event| event.r#type().clone()));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    assert_eq!(kinds.len(), 7);
    assert_eq!(kinds[..2], [HistoryEventType::ExecutionFailed, HistoryEventType::TaskFailed]);
    let whole = history.clone().send().await.unwrap();
    let scheduled = whole.events()[2].task_scheduled_event_details().unwrap();
    assert!(scheduled.parameters().contains(&started.token));
    let failed = whole.events()[5].task_failed_event_details().unwrap();
    assert_eq!(failed.cause(), Some(r#"{"decisionId":"01"}"#));
    let bare = history.include_execution_data(false).send().await.unwrap();
    assert!(bare.events()[0].execution_started_event_details().unwrap().input().is_none());
}

/// The statuses that twenty reads in a row return.
async fn statuses(describe: &DescribeExecutionFluentBuilder) -> Vec<Status> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(describe.clone().send().await.unwrap().status().clone());
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn reads_lag_behind_and_catch_up() {
    let setting = setting(Options { execution_lag_ms: 5_000, ..Options::default() });
    let started = setting.start(|_| {});
    sleep(Duration::from_secs(10)).await;
    setting.world.stop(&started.execution_arn);
    let describe = setting.node.step_functions().describe_execution().execution_arn(&started.execution_arn);
    let seen = statuses(&describe).await;
    assert!(seen.contains(&Status::Running), "{seen:?}");
    sleep(Duration::from_secs(6)).await;
    let answer = describe.send().await.unwrap();
    assert_eq!(answer.status(), &Status::Aborted);
    assert!(answer.stop_date().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_redriven_execution_waits_again_and_shows_its_end_for_a_while() {
    let setting = setting(Options { execution_lag_ms: 5_000, ..Options::default() });
    let started = setting.start(|_| {});
    let arn = started.execution_arn.as_str();
    assert!(!setting.world.redrive(arn), "it is running");
    setting.world.stop(arn);
    sleep(Duration::from_secs(10)).await;
    assert!(setting.world.redrive(arn));
    let describe = setting.node.step_functions().describe_execution().execution_arn(arn);
    let seen = statuses(&describe).await;
    assert!(seen.contains(&Status::Aborted), "{seen:?}");
    sleep(Duration::from_secs(6)).await;
    let answer = describe.send().await.unwrap();
    assert_eq!((answer.status(), answer.stop_date()), (&Status::Running, None));
    let tokens = setting.world.execution(arn).unwrap().tokens;
    assert_eq!((tokens.len(), &tokens[0]), (2, &started.token));
    assert!(setting.succeed(&tokens[0], "{}").await.is_err(), "the first token stays closed");
    setting.succeed(&tokens[1], "{}").await.unwrap();
    assert!(!setting.world.redrive(arn), "it succeeded");
}

#[tokio::test(start_paused = true)]
async fn each_api_has_its_own_bucket() {
    let setting = setting(Options::default());
    let started = setting.start(|_| {});
    let describe = setting.node.step_functions().describe_execution().execution_arn(&started.execution_arn);
    let answers = futures::future::join_all((0..310).map(|_| describe.clone().send())).await;
    let throttled: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(throttled.len(), 10);
    assert_eq!(throttled[0].as_service_error().unwrap().code(), Some("ThrottlingException"));
    setting.succeed(&started.token, "{}").await.unwrap();
    let missing = setting.node.step_functions().describe_execution().execution_arn("arn:none");
    sleep(Duration::from_secs(1)).await;
    assert!(missing.send().await.unwrap_err().into_service_error().is_execution_does_not_exist());
}
