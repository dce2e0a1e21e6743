//! The same cases against the model and against the emulator. Each states what AWS answers.
//!
//! The model must give that answer. Where the emulator gives another, the case is in [`EMULATOR_DIFFERS`] with the
//! emulator's answer: a difference that is new or gone fails the test.

mod dynamodb;
mod queries;
mod sqs;
mod stepfunctions;
mod streams;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use model::{Options, Rate, World};
use ops::clients::Clients;
use ops::emulator::Emulator;
use ops::processes::Watchdog;
use ops::python;
use tokio::time::timeout;

use self::target::Target;

/// Any case takes seconds: what did not end by now never will.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// One question and the answer of AWS.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) answer: &'static str,
    pub(crate) run: fn(Arc<Target>) -> BoxFuture<'static, String>,
}

/// Cases as `function => "the answer of AWS"`.
macro_rules! cases {
    ($($function:ident => $answer:expr,)*) => {
        pub(crate) fn cases() -> Vec<crate::conformance::Case> {
            vec![$(crate::conformance::Case {
                name: stringify!($function),
                answer: $answer,
                run: |target| Box::pin(async move { $function(&target).await }),
            }),*]
        }
    };
}
pub(crate) use cases;

/// What the emulator (ministack 1.5.33) answers where AWS answers otherwise.
const EMULATOR_DIFFERS: [(&str, &str); 13] = [
    // A closed token: AWS says TaskTimedOut; one that never was: InvalidToken.
    ("a_garbled_token_is_invalid", "TaskDoesNotExist"),
    ("a_heartbeat_tells_whether_a_token_is_open", "ok, TaskDoesNotExist"),
    ("a_timed_out_token_is_closed", "TaskDoesNotExist"),
    ("a_token_fails_once", "ok, TaskDoesNotExist"),
    ("a_token_succeeds_once", "ok, TaskDoesNotExist"),
    // It does not look at the output: the first, wrong one lands.
    ("an_output_has_at_most_262144_bytes", "ok, TaskDoesNotExist"),
    ("an_output_is_json", "ok, TaskDoesNotExist"),
    // A stopped execution's token still takes an answer, which goes nowhere.
    ("a_stopped_executions_token_is_closed", "ok, ABORTED"),
    ("a_retried_state_waits_with_another_token", "the same token, ok, TaskDoesNotExist"),
    // Events do not name the event they follow.
    ("history_tells_whose_cause_landed", r#"{"decisionId":"01"}"#),
    ("history_tells_whose_output_landed", r#"{"decisionId":"01"}"#),
    // Limits and names of Streams are not checked.
    ("a_page_has_at_most_1000_records", "ok"),
    ("an_unknown_shard_is_not_found", "ok"),
];

fn all() -> Vec<Case> {
    [dynamodb::cases(), queries::cases(), streams::cases(), stepfunctions::cases(), sqs::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// The cases whose answer is not that of AWS.
async fn differences(target: Target) -> BTreeMap<&'static str, String> {
    timeout(CASE_TIMEOUT, target.prepare()).await.expect("the tables and the role are made in time");
    let target = Arc::new(target);
    let answers = join_all(all().into_iter().map(|case| {
        let target = target.clone();
        async move {
            let answer = timeout(CASE_TIMEOUT, (case.run)(target)).await;
            (case.name, case.answer, answer.unwrap_or_else(|_| format!("no end within {CASE_TIMEOUT:?}")))
        }
    }));
    answers
        .await
        .into_iter()
        .filter(|(_, expected, answer)| answer != expected)
        .map(|(name, _, answer)| (name, answer))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_model_answers_as_aws_does() {
    // The cases run side by side: together they ask more often than one account may.
    let describe_stream = Rate { burst: 100, per_second: 100 };
    let target = Target::model(World::new(1, Options { describe_stream, ..Options::default() }));
    assert_eq!(differences(target).await, BTreeMap::new());
}

#[tokio::test]
async fn the_emulator_answers_as_aws_does_but_for_the_known_differences() {
    let python = tokio::task::spawn_blocking(python::emulator).await.unwrap().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let watchdog = Watchdog::start().unwrap();
    let emulator = Emulator::start(&python, dir.path(), None, &watchdog).await.unwrap();
    let known: BTreeMap<_, _> =
        EMULATOR_DIFFERS.iter().map(|(name, answer)| (*name, (*answer).to_owned())).collect();
    assert_eq!(differences(Target::emulator(Clients::new(&emulator.endpoint_url))).await, known);
}
