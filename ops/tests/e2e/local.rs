//! `cargo ops up` as a person uses it: three workers, one of which is stopped, an emulator that is stopped, and a state
//! machine that the person made.

use std::path::Path;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use ops::clients::Clients;
use ops::orders::Story;
use ops::processes::{Process, Watchdog, command};
use ops::world::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::journey::{SOON, orders_of};

/// It builds nothing here, and starts an emulator, three workers, and later all of them again.
const START: Duration = Duration::from_secs(120);

fn description(dir: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(dir.join("world.json")).unwrap()).unwrap()
}

fn terminate(pid: &Value) {
    let pid = i32::try_from(pid.as_i64().unwrap()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// Waits until the program has printed a line that starts like this, so many times.
async fn printed(log: &Path, start: &str, times: usize) {
    let what = format!("`{start}` is printed");
    let waited = eventually(START, &what, async || {
        let text = std::fs::read_to_string(log)?;
        anyhow::ensure!(!text.contains("error: "), "{text}");
        Ok((text.lines().filter(|line| line.starts_with(start)).count() >= times).then_some(()))
    });
    waited.await.unwrap();
}

async fn is_ready(worker: &Value) -> bool {
    let url = format!("{}/livez", worker["api_url"].as_str().unwrap());
    let answer = ops::http().unwrap().get(url).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// Creates a state machine as a person would, with what `world.json` says, and waits for its answer.
async fn answered(dir: &Path, name: &str) {
    let world = description(dir);
    let text = |key: &str| world[key].as_str().unwrap();
    let sfn = Clients::new(text("endpoint_url")).sfn;
    let sample =
        sfn.describe_state_machine().state_machine_arn(text("state_machine_arn")).send().await.unwrap();
    let created = sfn.create_state_machine().name(name).definition(sample.definition());
    let created = created.role_arn(text("state_machine_role_arn")).send().await.unwrap();
    let order = &orders_of(Story::SmallKnown, 1)[0];
    let started = sfn.start_execution().state_machine_arn(created.state_machine_arn());
    let started = started.input(order.input.to_string()).send().await.unwrap();
    let what = format!("{name} is answered");
    let waited = eventually(SOON * 2, &what, async || {
        let execution = sfn.describe_execution().execution_arn(started.execution_arn()).send().await?;
        Ok((*execution.status() == ExecutionStatus::Succeeded).then_some(()))
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn workers_and_emulator_are_started_again_and_whoever_waits_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (local, log) = (dir.path().join("local"), dir.path().join("log"));
    let watchdog = Watchdog::start().unwrap();
    let mut up = command(env!("CARGO_BIN_EXE_ops"));
    up.args(["up", "--workers", "3", "--orders", "2", "--dir"]).arg(&local);
    let mut up = Process::spawn(up, &log, &watchdog).unwrap();
    printed(&log, "Ctrl-C ends it", 1).await;
    let before = description(&local);
    assert_eq!(before["workers"].as_array().unwrap().len(), 3);
    answered(&local, "somebodys").await;

    terminate(&before["workers"][1]["pid"]);
    printed(&log, "worker-2 is ready", 1).await;
    let after = eventually(SOON, "the description is written", async || {
        let now = description(&local);
        Ok((now["workers"][1]["pid"] != before["workers"][1]["pid"]).then_some(now))
    });
    let after = after.await.unwrap();
    assert_eq!(after["workers"][1]["api_url"], before["workers"][1]["api_url"]);
    assert_eq!(after["workers"][0], before["workers"][0], "the others go on");
    assert_eq!(after["emulator_pid"], before["emulator_pid"]);
    assert!(is_ready(&after["workers"][1]).await);

    terminate(&before["emulator_pid"]);
    printed(&log, "the emulator is ready", 1).await;
    for number in 1..=3 {
        printed(&log, &format!("worker-{number} is ready"), if number == 2 { 2 } else { 1 }).await;
    }
    let again = description(&local);
    assert_eq!(again["endpoint_url"], before["endpoint_url"]);
    assert_eq!(again["state_machine_arn"], before["state_machine_arn"]);
    answered(&local, "somebody-elses").await;

    let status = up.terminate(Duration::from_secs(30)).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(143));
}
