//! What a worker shows before it is ready, on the model: with each fault of a deployment, and with each outage.

use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule, Service, ServiceError, World};
use tokio::time::sleep;
use worker::config::SendTaskScope;

use crate::office;
use crate::running::Running;

/// Enough for the first attempts, their answers and the next attempts.
const SOON: Duration = Duration::from_secs(15);
/// Longer than a service may give no answer.
const LATE: Duration = Duration::from_secs(90);

fn heartbeat() -> Matcher {
    Matcher::operation("SendTaskHeartbeat")
}

/// A worker in a world with one fault, and its role's permission.
fn start(scope: SendTaskScope, matcher: Matcher, fault: Fault) -> Running {
    let world = office::world();
    world.inject(Rule::new(matcher, fault));
    Running::start_in(world, 0, |config| config.aws.send_task_scope = scope)
}

/// The reason why it is not ready; none if it is.
async fn lacking(running: &Running) -> Option<String> {
    let answer = running.get("/readyz").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a response");
    match head.lines().next() {
        Some(line) if line.contains(" 200 ") => None,
        Some(line) if line.contains(" 503 ") => Some(body.trim().to_owned()),
        _ => panic!("{answer}"),
    }
}

fn lift(world: &World) {
    world.calm();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_read_the_stream_is_not_ready_until_it_may() {
    for operation in ["DescribeStream", "DescribeTable"] {
        let service = if operation == "DescribeStream" { Service::Streams } else { Service::DynamoDb };
        let denied = Fault::Refused(service.access_denied());
        let running = start(SendTaskScope::StateMachines, Matcher::operation(operation), denied);
        for _ in 0..3 {
            sleep(LATE).await;
            let reason = lacking(&running).await.expect("it is not ready");
            assert!(reason.contains(operation) && reason.contains("AccessDeniedException"), "{reason}");
        }
        lift(&running.world);
        sleep(SOON).await;
        assert_eq!(lacking(&running).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_table_has_no_stream_is_not_ready() {
    let world = office::world();
    world.disable_stream(office::TABLE);
    let running = Running::start_in(world, 0, |_| {});
    sleep(LATE).await;
    let reason = lacking(&running).await.expect("it is not ready");
    assert!(reason.contains("stream"), "{reason}");
    running.world.enable_stream(office::TABLE);
    sleep(SOON).await;
    assert_eq!(lacking(&running).await, None);
}

#[tokio::test(start_paused = true)]
async fn any_answer_of_step_functions_will_do_but_one_about_the_caller() {
    let answer = |code: &str| Fault::Refused(ServiceError::new(Service::StepFunctions, code, "no"));
    for code in [
        "InvalidToken",
        "KmsAccessDeniedException",
        "TaskDoesNotExist",
        "TaskTimedOut",
        "ThrottlingException",
        "ValidationException",
        "InternalFailure",
    ] {
        let running = start(SendTaskScope::All, heartbeat(), answer(code));
        sleep(SOON).await;
        assert_eq!(lacking(&running).await, None, "{code}");
    }
    for code in [
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    ] {
        let running = start(SendTaskScope::StateMachines, heartbeat(), answer(code));
        sleep(LATE).await;
        let reason = lacking(&running).await.expect("it is not ready");
        assert!(reason.ends_with(&format!("SendTaskHeartbeat with a made-up token: {code}")), "{reason}");
    }
}

/// Without a state machine in the call, a permission by ARN denies it: the callbacks may be allowed all the same.
#[tokio::test(start_paused = true)]
async fn a_denial_counts_only_where_the_permission_is_by_state_machine() {
    for (scope, is_ready) in [(SendTaskScope::StateMachines, true), (SendTaskScope::All, false)] {
        let running = start(scope, heartbeat(), Fault::Refused(Service::StepFunctions.access_denied()));
        sleep(LATE).await;
        assert_eq!(lacking(&running).await.is_none(), is_ready, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_answer_a_worker_is_ready_after_a_minute_and_counts_it() {
    for (matcher, service) in [
        (Matcher::service(Service::Streams), "stream"),
        (Matcher::service(Service::StepFunctions), "step_functions"),
    ] {
        for failure in [Failure::Connection, Failure::Timeout, Failure::Silence] {
            let running = start(SendTaskScope::All, matcher.clone(), Fault::Lost(failure));
            sleep(Duration::from_secs(50)).await;
            assert!(lacking(&running).await.is_some(), "{service}, {failure:?}");
            sleep(Duration::from_secs(40)).await;
            assert_eq!(lacking(&running).await, None, "{service}, {failure:?}");
            let metrics = running.get("/metrics").await;
            for other in ["stream", "step_functions"] {
                let counted = format!(
                    "countersign_unproven_starts_total{{service=\"{other}\"}} {}",
                    u8::from(other == service)
                );
                assert!(metrics.contains(&counted), "{counted}: {metrics}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_outage_takes_no_readiness_away() {
    let running = Running::start_in(office::world(), 0, |_| {});
    sleep(SOON).await;
    assert_eq!(lacking(&running).await, None);
    for service in [Service::Streams, Service::StepFunctions] {
        running.world.inject(Rule::new(Matcher::service(service), Fault::Refused(service.access_denied())));
    }
    for _ in 0..5 {
        sleep(LATE).await;
        assert_eq!(lacking(&running).await, None);
    }
}
