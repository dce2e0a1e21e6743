//! Every call of AWS in the sources is granted to its role on the resource that it is made on, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ops::binaries::root;

use crate::template::{statements, texts};

/// Operations of the SDKs by the name of their methods. Each is looked for, so that a new call cannot be overlooked;
/// operations that have no place here are those that manage resources.
const OPERATIONS: [(&str, &[&str]); 4] = [
    (
        "dynamodb",
        &[
            "batch_execute_statement",
            "batch_get_item",
            "batch_write_item",
            "delete_item",
            "describe_limits",
            "describe_table",
            "describe_time_to_live",
            "execute_statement",
            "execute_transaction",
            "get_item",
            "list_tables",
            "put_item",
            "query",
            "scan",
            "transact_get_items",
            "transact_write_items",
            "update_item",
            "update_table",
        ],
    ),
    ("dynamodb", &["describe_stream", "get_records", "get_shard_iterator", "list_streams"]),
    (
        "states",
        &[
            "describe_execution",
            "describe_map_run",
            "describe_state_machine",
            "describe_state_machine_for_execution",
            "get_activity_task",
            "get_execution_history",
            "list_executions",
            "list_state_machines",
            "redrive_execution",
            "send_task_failure",
            "send_task_heartbeat",
            "send_task_success",
            "start_execution",
            "stop_execution",
        ],
    ),
    (
        "sqs",
        &[
            "change_message_visibility",
            "change_message_visibility_batch",
            "delete_message",
            "delete_message_batch",
            "get_queue_attributes",
            "get_queue_url",
            "list_queues",
            "purge_queue",
            "receive_message",
            "send_message",
            "send_message_batch",
            "start_message_move_task",
        ],
    ),
];

/// Parts of the worker's crate that only commands use, with the credentials of a person.
const OF_OPERATORS: [&str; 4] = [
    "worker/src/cli/",
    "worker/src/dead_letters.rs",
    "worker/src/dead_letters/",
    "worker/src/tasks/archive.rs",
];

/// The resources of the template that each part calls.
const RESOURCES: [(&str, &[&str]); 12] = [
    ("ingest/src/hints.rs", &["HintsQueue"]),
    ("ingest/src/", &["TasksTable"]),
    ("worker/src/aws/eventbridge.rs", &["NoticesBus"]),
    ("worker/src/closed_executions.rs", &["ClosedExecutionsQueue"]),
    ("worker/src/control/", &["ControlTable"]),
    ("worker/src/fleet/proof.rs", &["StateMachine"]),
    ("worker/src/hints.rs", &["HintsQueue"]),
    ("worker/src/lease/", &["ControlTable"]),
    (
        "worker/src/queues.rs",
        &["TaskQueue", "TaskDeadLetterQueue", "ClosedExecutionsQueue", "ClosedExecutionsDeadLetterQueue"],
    ),
    ("worker/src/stepfunctions/", &["StateMachine"]),
    ("worker/src/stream/", &["TasksTable"]),
    ("worker/src/tasks/", &["TasksTable"]),
];

/// A call in the sources.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    file: String,
    service: &'static str,
    operation: String,
}

impl Site {
    /// What IAM asks for: a transaction needs the actions of its parts, and these put and update.
    fn actions(&self) -> Vec<String> {
        let names: &[&str] = match self.operation.as_str() {
            "TransactWriteItems" => &["PutItem", "UpdateItem"],
            operation => &[operation],
        };
        names.iter().map(|name| format!("{}:{name}", self.service)).collect()
    }

    fn is_of_operators(&self) -> bool {
        OF_OPERATORS.iter().any(|part| self.file.starts_with(part))
    }

    fn resources(&self) -> &'static [&'static str] {
        let known = RESOURCES.into_iter().find(|(part, _)| self.file.starts_with(part));
        known.unwrap_or_else(|| panic!("{self:?}: what does it call?")).1
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match (path.is_dir(), name.as_str()) {
            (_, "tests" | "tests.rs") => {}
            (true, _) => files(&path, found),
            (false, name) if name.ends_with(".rs") => found.push(path),
            (false, _) => {}
        }
    }
}

/// Every source of the programs, by its path in the repository, without its tests.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["ingest/src", "worker/src"] {
        files(&root().join(folder), &mut found);
    }
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        (path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), code)
    };
    found.into_iter().map(source).collect()
}

fn pascal(method: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    method.split('_').map(word).collect()
}

fn sites() -> BTreeSet<Site> {
    let mut sites = BTreeSet::new();
    for (file, code) in sources() {
        // The query of a URL, and none of a table.
        let code = code.replace("url.query()", "");
        for (service, methods) in OPERATIONS {
            for method in methods.iter().filter(|method| code.contains(&format!(".{method}()"))) {
                sites.insert(Site { file: file.clone(), service, operation: pascal(method) });
            }
        }
        // Made without a crate of the SDK (`JsonService`): the call names its action.
        for (service, start) in
            [("events", "\"events:"), ("lambda", "\"lambda:"), ("servicequotas", "\"servicequotas:")]
        {
            let actions = code.split(start).skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
            // Not the beginning of a name that is put together.
            let actions = actions.filter(|action| action.starts_with(char::is_uppercase));
            sites.extend(actions.map(|action| Site {
                file: file.clone(),
                service,
                operation: action.to_owned(),
            }));
        }
    }
    assert!(sites.len() > 25, "{sites:?}");
    sites
}

/// The actions that a role has on a resource.
fn granted(role: &str, resource: &str) -> BTreeSet<String> {
    let on_it =
        statements(role).into_iter().filter(|statement| statement["Resource"].to_string().contains(resource));
    on_it.flat_map(|statement| texts(&statement["Action"])).collect()
}

#[test]
fn every_call_is_granted_to_its_role_on_its_resource() {
    for site in sites().iter().filter(|site| !site.is_of_operators()) {
        let role = if site.file.starts_with("ingest/") { "IngestRole" } else { "WorkerRole" };
        for resource in site.resources() {
            let granted = granted(role, resource);
            for action in site.actions() {
                assert!(granted.contains(&action), "{role} lacks {action} on {resource}: {site:?}");
            }
        }
    }
}

#[test]
fn nothing_is_granted_that_no_call_needs() {
    let sites = sites();
    for (role, crate_name) in [("IngestRole", "ingest/"), ("WorkerRole", "worker/")] {
        for resource in RESOURCES.into_iter().flat_map(|(_, resources)| resources) {
            let needed: BTreeSet<String> = sites
                .iter()
                .filter(|site| !site.is_of_operators() && site.file.starts_with(crate_name))
                .filter(|site| site.resources().contains(resource))
                .flat_map(Site::actions)
                .collect();
            // Lambda itself reads the task queue, with the function's role.
            if (role, *resource) == ("IngestRole", "TaskQueue") {
                continue;
            }
            for action in granted(role, resource) {
                assert!(needed.contains(&action), "{role} need not have {action} on {resource}");
            }
        }
    }
}

/// A worker that used one would lack its permission.
#[test]
fn only_commands_use_the_parts_for_operators() {
    for (file, code) in sources() {
        let is_of_operators = OF_OPERATORS.iter().any(|part| file.starts_with(part));
        for path in ["crate::dead_letters", "crate::tasks::archive", "crate::cli"] {
            let is_main = file == "worker/src/main.rs";
            assert!(is_of_operators || is_main || !code.contains(path), "{file} uses {path}");
        }
    }
}

#[test]
fn what_a_command_calls_is_told_to_its_operator() {
    let readme = include_str!("../../README.md");
    let commands = readme.split_once("## Commands\n").unwrap().1.split_once("\n## ").unwrap().0;
    for site in sites().iter().filter(|site| site.is_of_operators()) {
        assert!(commands.contains(&site.operation), "{site:?}");
    }
}
