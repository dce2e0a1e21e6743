//! `countersign doctor` on a deployment that works, and on the same with one thing broken.

use std::path::{Path, PathBuf};
use std::process::Output;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use ops::world::{Options, World};
use serde_json::{Value, json};

use crate::journey::{patient, quick};

/// The machine may be slow.
const DOCTOR: [&str; 5] = ["doctor", "--format", "json", "--timeout", "60"];

/// The exit code, and each finding as `grade on: what: remedy`.
async fn doctor(world: &World, config: &Path, more: &[&str]) -> (i32, Vec<String>) {
    let config = config.to_string_lossy();
    let arguments = [&DOCTOR[..], &["--config", &config], more].concat();
    read(&world.countersign(&arguments).await.unwrap())
}

/// The same with the role of the workers.
async fn doctor_as_worker(world: &World, config: &Path, more: &[&str]) -> (i32, Vec<String>) {
    let config = config.to_string_lossy();
    let arguments = [&DOCTOR[..], &["--config", &config], more].concat();
    read(&world.countersign_as_worker(&arguments).await.unwrap())
}

fn read(output: &Output) -> (i32, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout);
    let findings: Vec<Value> = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = findings.iter().map(|it| {
        let words = ["grade", "on", "what", "remedy"].map(|key| word(it, key));
        format!("{} {}: {}: {}", words[0], words[1], words[2], words[3])
    });
    (output.status.code().unwrap(), findings.collect())
}

fn broken(findings: &[String]) -> Vec<&String> {
    findings.iter().filter(|finding| finding.starts_with("broken")).collect()
}

async fn delete_by_age(world: &World, table: &str) {
    let expiry =
        TimeToLiveSpecification::builder().attribute_name("expiresAt").enabled(true).build().unwrap();
    let update = world.clients.dynamodb.update_time_to_live().table_name(table);
    update.time_to_live_specification(expiry).send().await.unwrap();
}

/// A table with the keys of the tasks table and nothing else.
async fn bare_table(world: &World, name: &str) {
    let key = |builder: aws_sdk_dynamodb::types::builders::AttributeDefinitionBuilder| {
        builder.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let created =
        world.clients.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    created
        .attribute_definitions(key(AttributeDefinition::builder().attribute_name("taskId")))
        .key_schema(
            KeySchemaElement::builder().attribute_name("taskId").key_type(KeyType::Hash).build().unwrap(),
        )
        .send()
        .await
        .unwrap();
}

/// A state machine like the sample one, but for one change.
async fn state_machine(world: &World, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let sample = world.clients.sfn.describe_state_machine().state_machine_arn(&world.stack.state_machine_arn);
    let sample = sample.send().await.unwrap();
    let mut definition: Value = serde_json::from_str(sample.definition()).unwrap();
    change(&mut definition["States"]["SendMessageToSQS"]);
    let created = world.clients.sfn.create_state_machine().name(name).definition(definition.to_string());
    created.role_arn(sample.role_arn()).send().await.unwrap().state_machine_arn
}

#[tokio::test]
async fn doctor_finds_nothing_on_a_good_deployment_and_names_what_is_broken() {
    let options = Options {
        visibility_seconds: 60,
        max_receive_count: 240,
        closed_visibility_seconds: 30,
        wake_up: true,
        ..patient()
    };
    let world = World::start(options).await.unwrap();
    for table in [&world.stack.tasks_table, &world.stack.control_table] {
        // The emulator leaves it out of the template.
        delete_by_age(&world, table).await;
    }
    let good = world.command_line_config().unwrap();
    let (code, findings) = doctor(&world, &good, &[]).await;
    assert_eq!((code, broken(&findings).len()), (1, 1), "{findings:#?}");
    assert!(broken(&findings)[0].contains("no worker has a heartbeat"), "{findings:#?}");

    let _first = world.start_worker("first", quick()).await.unwrap();
    let _second = world.start_worker("second", quick()).await.unwrap();
    let sample = world.stack.state_machine_arn.as_str();
    let (code, findings) = doctor(&world, &good, &["--state-machine", sample]).await;
    assert_eq!((code, broken(&findings).len()), (0, 0), "{findings:#?}");
    let told = findings.iter().filter(|finding| !finding.starts_with("ok "));
    for finding in told {
        // The emulator has no Service Quotas, and the doctor says that it could not ask.
        let expected = ["is not protected against deletion", "quotas: not asked: GetServiceQuota on quota "];
        assert!(expected.iter().any(|part| finding.contains(part)), "{findings:#?}");
    }
    for part in ["clock", "stream", "callbacks", "task queue", "hints", "ingest", "rules", "state machine"] {
        assert!(
            findings.iter().any(|finding| finding.starts_with(&format!("ok {part}:"))),
            "{part}: {findings:#?}"
        );
    }
    assert!(findings.contains(&"ok workers: 2 are alive: ".to_owned()), "{findings:#?}");
    assert!(
        findings.contains(&"ok permissions: 12 kinds of calls are allowed: ".to_owned()),
        "{findings:#?}"
    );

    // On a worker's machine: all that a worker needs is there, and the rest is told as not checked.
    let (code, findings) = doctor_as_worker(&world, &good, &["--state-machine", sample]).await;
    assert_eq!((code, broken(&findings).len()), (0, 0), "{findings:#?}");
    assert!(
        findings.contains(&"ok permissions: 12 kinds of calls are allowed: ".to_owned()),
        "{findings:#?}"
    );

    settings_that_are_wrong(&world, &good).await;
    queues_that_are_wrong(&world, &good).await;
    what_is_wrong_in_aws(&world, &good).await;
    what_a_role_lacks(&world, &good).await;
}

/// A role that lost permissions: each is named, with the table, the queue or the execution.
async fn what_a_role_lacks(world: &World, good: &Path) {
    let deny = |actions: &[&str]| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": actions, "Resource": "*"}]});
    let role = &world.stack.worker_role_arn;
    let all = [
        "dynamodb:UpdateItem",
        "dynamodb:PutItem",
        "dynamodb:DeleteItem",
        "sqs:DeleteMessage",
        "states:DescribeExecution",
        "states:GetExecutionHistory",
    ];
    world.emulator.put_role_policy(role, "less", &deny(&all)).await.unwrap();
    let sample = world.stack.state_machine_arn.as_str();
    let (code, findings) = doctor_as_worker(world, good, &["--state-machine", sample]).await;
    let (tasks, control) = (&world.stack.tasks_table, &world.stack.control_table);
    let expected = [
        format!("broken permissions: UpdateItem on table {tasks}: AccessDenied"),
        format!("broken permissions: UpdateItem on table {control}: AccessDenied"),
        format!("broken permissions: PutItem on table {control}: AccessDenied"),
        format!("broken permissions: DeleteItem on table {control}: AccessDenied"),
        format!(
            "broken permissions: DeleteMessage on queue {}: AccessDenied",
            world.stack.closed_executions_queue_url
        ),
        format!("broken permissions: DeleteMessage on queue {}: AccessDenied", hints(world)),
        "broken permissions: DescribeExecution on execution ".to_owned(),
        "broken permissions: GetExecutionHistory on execution ".to_owned(),
    ];
    assert_eq!(code, 1, "{findings:#?}");
    for expected in expected {
        assert!(findings.iter().any(|finding| finding.starts_with(&expected)), "{expected}: {findings:#?}");
    }
    // The workers of this world go on.
    world.emulator.put_role_policy(role, "less", &deny(&["dynamodb:DeleteTable"])).await.unwrap();
}

/// Settings that work, and copies of them with one change.
struct Settings {
    text: String,
    dir: tempfile::TempDir,
}

impl Settings {
    fn of(file: &Path) -> Settings {
        Settings { text: std::fs::read_to_string(file).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn with(&self, from: &str, to: &str) -> PathBuf {
        assert!(self.text.contains(from), "{from}: {}", self.text);
        let number = std::fs::read_dir(self.dir.path()).unwrap().count();
        let file = self.dir.path().join(format!("{number}.toml"));
        std::fs::write(&file, self.text.replace(from, to)).unwrap();
        file
    }
}

/// With each of these settings something is broken, and is named.
async fn assert_broken(world: &World, cases: &[(PathBuf, &str)]) {
    let runs = cases.iter().map(|(file, expected)| async move {
        let (code, findings) = doctor(world, file, &[]).await;
        assert_eq!(code, 1, "{expected}: {findings:#?}");
        assert!(
            broken(&findings).iter().any(|finding| finding.contains(expected)),
            "{expected}: {findings:#?}"
        );
    });
    futures::future::join_all(runs).await;
}

async fn settings_that_are_wrong(world: &World, good: &Path) {
    let settings = Settings::of(good);
    bare_table(world, "bare").await;
    let (tasks, control) = (world.stack.tasks_table.as_str(), world.stack.control_table.as_str());
    let (tasks_line, control_line) = (format!("tasks = \"{tasks}\""), format!("control = \"{control}\""));
    let rules = settings.text.lines().find(|line| line.starts_with("dir = ")).unwrap();
    let no_rules = format!("dir = {:?}", settings.dir.path().join("none"));
    let cases = [
        (
            settings.with(&tasks_line, "tasks = \"elsewhere\""),
            "DescribeTable on table elsewhere: ResourceNotFoundException",
        ),
        (
            settings.with(&control_line, "control = \"nowhere\""),
            "DescribeTable on table nowhere: ResourceNotFoundException",
        ),
        (settings.with(&control_line, &format!("control = \"{tasks}\"")), "has the key taskId, not pk, sk"),
        (settings.with(&tasks_line, "tasks = \"bare\""), "bare lacks the index worklist"),
        (settings.with(&tasks_line, "tasks = \"bare\""), "the tasks table's stream is off"),
        (settings.with(&tasks_line, "tasks = \"bare\""), "ingest: the function stores in the table"),
        (settings.with(rules, &no_rules), "broken rules: refused"),
        (settings.with(&world.emulator.endpoint_url, "http://127.0.0.1:9"), "no connection to 127.0.0.1:9"),
    ];
    assert_broken(world, &cases).await;
}

async fn queues_that_are_wrong(world: &World, good: &Path) {
    let settings = Settings::of(good);
    let queue = world.clients.sqs.create_queue().queue_name("bare").send().await.unwrap();
    let bare = queue.queue_url.unwrap();
    for _ in 0..2 {
        world.clients.sqs.send_message().queue_url(&bare).message_body("{}").send().await.unwrap();
    }
    let stack = &world.stack;
    let gone = |url: &str| settings.with(url, &format!("{url}-gone"));
    let quoted = |url: &str| format!("\ntasks = {url:?}");
    let other_queue = || settings.with(&quoted(&stack.task_queue_url), &quoted(&bare));
    let cases = [
        (gone(&stack.task_queue_url), "task queue: GetQueueAttributes on queue"),
        (other_queue(), "task queue: no dead-letter queue"),
        (other_queue(), "ingest: no function reads the task queue"),
        (
            settings.with(&stack.task_dead_letter_queue_url, &bare),
            "task queue: its dead letters go to arn:aws:sqs:",
        ),
        (gone(&stack.task_dead_letter_queue_url), "task dead letters: GetQueueAttributes on queue"),
        (
            settings.with(&stack.closed_executions_dead_letter_queue_url, &bare),
            "closed executions: its dead letters go to arn:aws:sqs:",
        ),
        (gone(hints(world)), "hints: GetQueueAttributes on queue"),
    ];
    assert_broken(world, &cases).await;

    // What loses nothing, but makes each task wait for the stream.
    for (file, expected) in [
        (settings.with(hints(world), &bare), "warning hints: 2 hints waiting, and no worker receives them"),
        (settings.with(hints(world), ""), "warning ingest: the function sends hints to "),
    ] {
        let (code, findings) = doctor(world, &file, &[]).await;
        assert_eq!(code, 0, "{findings:#?}");
        assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{expected}: {findings:#?}");
    }
}

fn hints(world: &World) -> &str {
    world.stack.hints_queue_url.as_deref().unwrap()
}

async fn what_is_wrong_in_aws(world: &World, good: &Path) {
    let sample = world.stack.state_machine_arn.as_str();
    let letter = world.clients.sqs.send_message().queue_url(&world.stack.task_dead_letter_queue_url);
    letter.message_body("no JSON").send().await.unwrap();
    let fixed = state_machine(world, "fixed", |state| {
        state["Parameters"]["MessageBody"]["taskToken"] = json!("$$.Task.Token");
        state["Parameters"]["MessageBody"].as_object_mut().unwrap().remove("taskToken.$");
    });
    let fixed = fixed.await;
    let endless = state_machine(world, "endless", |state| {
        state.as_object_mut().unwrap().remove("TimeoutSeconds");
    });
    let endless = endless.await;
    let unknown = sample.replace(sample.rsplit(':').next().unwrap(), "unknown");
    let machines = ["--state-machine", &fixed, "--state-machine", &endless, "--state-machine", &unknown];
    let (code, findings) = doctor(world, good, &machines).await;
    assert_eq!(code, 1, "{findings:#?}");
    for expected in [
        "warning task dead letters: 1 message could not be handled",
        "fixed, state SendMessageToSQS: taskToken is a fixed text",
        "endless, state SendMessageToSQS: it has no TimeoutSeconds",
        &format!("DescribeStateMachine on {unknown}: StateMachineDoesNotExist"),
    ] {
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{expected}: {findings:#?}");
    }
}
