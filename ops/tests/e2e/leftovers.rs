//! A world leaves no process behind: neither by a drop, nor when its owner is killed.

use std::path::Path;
use std::time::Duration;

use ops::processes::{Process, Watchdog, command};
use ops::world::{World, eventually};
use serde_json::json;

use crate::journey::{SOON, patient};

/// The command lines of this machine's processes that name a folder.
fn processes_of(dir: &Path) -> Vec<String> {
    let wanted = dir.to_string_lossy();
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let line = String::from_utf8_lossy(&std::fs::read(path.join("cmdline")).ok()?).replace('\0', " ");
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        let names_it = line.contains(&*wanted) || String::from_utf8_lossy(&environment).contains(&*wanted);
        names_it.then_some(line)
    });
    lines.collect()
}

#[tokio::test]
async fn a_dropped_world_leaves_no_process_and_no_folder() {
    let world = World::start(patient()).await.unwrap();
    let dir = world.dir().to_owned();
    world.start_execution(&json!({"orderId": "o-1"})).await.unwrap();
    // Once it is stored, the emulator has started the Lambda.
    eventually(SOON * 2, "the task is stored", async || world.task_of("o-1").await).await.unwrap();
    let running = processes_of(&dir);
    assert!(running.iter().any(|line| line.contains("bootstrap")), "the Lambda runs: {running:?}");
    assert!(running.iter().any(|line| line.contains("ministack")), "the emulator runs: {running:?}");

    drop(world);
    eventually(Duration::from_secs(5), "every process has ended", async || {
        Ok(processes_of(&dir).is_empty().then_some(()))
    })
    .await
    .unwrap();
    assert!(!dir.exists());
}

#[tokio::test]
async fn the_watchdog_ends_what_its_owner_could_not() {
    let dir = tempfile::tempdir().unwrap();
    let watchdog = Watchdog::start().unwrap();
    // A child that has a child, as the emulator has.
    let mut tree = command("sh");
    tree.args(["-c", "sleep 1000 & wait"]).env("MARK", dir.path());
    let process = Process::spawn(tree, &dir.path().join("log"), &watchdog).unwrap();
    eventually(Duration::from_secs(5), "both run", async || {
        Ok((processes_of(dir.path()).len() == 2).then_some(()))
    })
    .await
    .unwrap();

    // What a SIGKILL does to its owner: no drop runs, the pipe to the watchdog closes.
    std::mem::forget(process);
    drop(watchdog);
    eventually(Duration::from_secs(5), "both are gone", async || {
        Ok(processes_of(dir.path()).is_empty().then_some(()))
    })
    .await
    .unwrap();
}
