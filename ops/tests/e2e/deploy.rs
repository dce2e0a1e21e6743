//! `cargo ops deploy` on the emulator: from packages in a folder to a stack that stores tasks, and to its next version.

use std::collections::BTreeMap;
use std::path::Path;

use ops::release::VERSION;
use ops::stack;
use ops::world::{World, eventually};
use serde_json::json;

use crate::journey::{SOON, ops, patient};

/// The template but for one alarm: the emulator knows no alarm on a query of metrics.
fn template() -> String {
    let (before, rest) = stack::TEMPLATE.split_once("\n  StreamNotReadAlarm:\n").unwrap();
    let (_, after) = rest.split_once("\n  # ").unwrap();
    format!("{before}\n  # {after}")
}

/// A release: the real function, and an archive that no machine will unpack.
pub(crate) fn packages(world: &World, worker: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, end: &str| dir.path().join(format!("{name}-{VERSION}-x86_64.{end}"));
    std::fs::write(file("countersign-ingest", "zip"), world.binaries().ingest_package().unwrap()).unwrap();
    std::fs::write(file("countersign", "tar.gz"), worker).unwrap();
    std::fs::write(dir.path().join("template.yaml"), template()).unwrap();
    dir
}

/// Runs the command as a script would; returns whether it succeeded, and what it printed.
async fn deploy(world: &World, packages: &Path, more: &[&str]) -> (bool, String) {
    let packages = packages.to_str().unwrap();
    let arguments = [&["deploy", "--stack", "shop", "--packages", packages], more].concat();
    let (code, printed) = ops(world, &arguments).await;
    (code == Some(0), printed)
}

async fn parameters(world: &World) -> BTreeMap<String, String> {
    stack::describe(&world.clients, "shop").await.unwrap().unwrap().parameters
}

const BUCKET: [&str; 2] = ["--bucket", "packages"];
const WORKERS: [&str; 6] = [
    "--parameter",
    "WorkerCount=2",
    "--parameter",
    "WorkerSubnetIds=subnet-1",
    "--parameter",
    "WorkerSecurityGroupIds=sg-1",
];

#[tokio::test]
async fn a_release_is_deployed_with_a_preview_and_then_the_next_one() {
    let world = World::start(patient()).await.unwrap();
    let first = packages(&world, "the first worker");
    let (succeeded, printed) =
        deploy(&world, first.path(), &[&BUCKET[..], &WORKERS, &["--yes"]].concat()).await;
    assert!(succeeded, "{printed}");
    for told in [
        "account          000000000000, us-east-1, as arn:aws:iam::000000000000:root",
        "== creating the stack shop, without workers",
        "  add      AWS::DynamoDB::Table                         TasksTable",
        "== updating the stack shop",
        "now run `countersign doctor --config ",
    ] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
    let (create, update) = printed.split_once("== updating").unwrap();
    // The emulator's preview also shows resources whose condition does not hold; what it makes is right.
    assert!(!create.contains("  WorkerGroup CREATE_COMPLETE"), "{printed}");
    assert!(
        update.contains("  WorkerGroup UPDATE_COMPLETE") && !update.contains("  add      AWS::DynamoDB"),
        "{printed}"
    );
    let values = parameters(&world).await;
    assert_eq!((values["WorkerCount"].as_str(), values["DeletionProtection"].as_str()), ("2", "true"));

    // What was uploaded works: a task of the new stack's workflow is stored.
    let shop = stack::describe(&world.clients, "shop").await.unwrap().unwrap().stack().unwrap();
    world.start_execution_of(&shop.state_machine_arn, &json!({"orderId": "order-1"})).await.unwrap();
    eventually(SOON, "the order is stored", async || {
        let tasks = world.clients.dynamodb.scan().table_name(&shop.tasks_table).send().await?;
        Ok(tasks
            .items()
            .first()
            .is_some_and(|item| item["orderId"].as_s() == Ok(&"order-1".to_owned()))
            .then_some(()))
    })
    .await
    .unwrap();

    let (succeeded, printed) = deploy(&world, first.path(), &[&BUCKET[..], &["--yes"]].concat()).await;
    assert!(succeeded && printed.contains("nothing changes"), "{printed}");

    // A change that fails is undone, and the reason is told.
    std::fs::write(first.path().join("template.yaml"), stack::TEMPLATE).unwrap();
    let (succeeded, printed) = deploy(&world, first.path(), &[&BUCKET[..], &["--yes"]].concat()).await;
    assert!(
        !succeeded && printed.contains("shop is UPDATE_ROLLBACK_COMPLETE, and the changes are undone"),
        "{printed}"
    );
    assert!(printed.contains("StreamNotReadAlarm UPDATE_FAILED: AWS::CloudWatch::Alarm"), "{printed}");

    let second = packages(&world, "the second worker");
    let (succeeded, printed) = deploy(&world, second.path(), &[&BUCKET[..], &["--yes"]].concat()).await;
    assert!(
        succeeded && printed.contains("AWS::EC2::LaunchTemplate                     WorkerTemplate"),
        "{printed}"
    );
    let after = parameters(&world).await;
    assert_ne!(after["WorkerCodeKey"], values["WorkerCodeKey"]);
    assert_eq!(
        (&after["IngestCodeKey"], &after["WorkerCount"]),
        (&values["IngestCodeKey"], &values["WorkerCount"])
    );
}

#[tokio::test]
async fn what_cannot_be_deployed_is_told_with_what_to_do() {
    let world = World::start(patient()).await.unwrap();
    let packages = packages(&world, "a worker");
    let nothing = tempfile::tempdir().unwrap();
    for (dir, arguments, told) in [
        (packages.path(), &["--bucket", "packages"][..], "add --yes"),
        (
            packages.path(),
            &["--bucket", "nowhere", "--yes"],
            "create it with `aws s3 mb s3://nowhere --region us-east-1`",
        ),
        (
            packages.path(),
            &["--bucket", "packages", "--yes", "--parameter", "Workers=2"],
            "no parameter Workers; it has",
        ),
        (
            packages.path(),
            &["--bucket", "packages", "--yes", "--parameter", "IngestCodeKey=a"],
            "is set from the package",
        ),
        (
            packages.path(),
            &["--bucket", "packages", "--yes", "--parameter", "OtherStateMachines=a, b"],
            "OtherStateMachines",
        ),
        (
            packages.path(),
            &["--bucket", "packages", "--yes", "--parameter", "WorkerInstanceType=c7g.large"],
            "are for x86_64, and WorkerInstanceType=c7g.large is arm64",
        ),
        (nothing.path(), &["--bucket", "packages", "--yes"], "run `cargo ops package --template-only`"),
    ] {
        let (succeeded, printed) = deploy(&world, dir, arguments).await;
        assert!(!succeeded && printed.contains(told), "{arguments:?}: {printed}");
    }
    assert!(stack::describe(&world.clients, "shop").await.unwrap().is_none());
}
