//! What the caller may do of all that a worker does. The calls change nothing: each names an item, an execution or a
//! message that does not exist. A missing permission is denied whatever is named; any other answer means allowed.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::Finding;
use crate::aws::attribute::text;
use crate::aws::clients::Clients;
use crate::aws::fault::{Fault, Resource};
use crate::config::Config;

const ON: &str = "permissions";
/// No item has this key, and no message this handle.
const NOBODY: &str = "countersign-doctor";
const REMEDY: &str = "a worker needs it: run doctor on a worker's machine; if it is denied there too, deploy \
                      ops/template.yaml, or allow it in the role";

pub(super) async fn check(clients: &Clients, config: &Config, state_machines: &[String]) -> Vec<Finding> {
    let mut asked = on_tasks(clients, &config.tables.tasks).await;
    asked.extend(on_control(clients, &config.tables.control).await);
    asked.extend(on_executions(clients, state_machines).await);
    for (url, on) in [
        (&config.queues.closed_executions, Resource::ClosedExecutions as fn(String) -> Resource),
        (&config.queues.hints, Resource::Hints),
    ] {
        if let Some(url) = url {
            asked.push(on_queue(clients, url, on(url.clone())).await);
        }
    }
    let denied: Vec<Finding> =
        asked.iter().flatten().map(|denied| Finding::broken(ON, denied, REMEDY)).collect();
    if denied.is_empty() {
        return vec![Finding::ok(ON, format!("{} kinds of calls are allowed", asked.len()))];
    }
    denied
}

/// What was denied, if it was.
fn denied<T, E: ProvideErrorMetadata>(
    operation: &'static str,
    on: Resource,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Option<String> {
    let fault = Fault::of(operation, on, &answer.err()?);
    fault.is_denied().then(|| fault.to_string())
}

async fn on_tasks(clients: &Clients, table: &str) -> Vec<Option<String>> {
    use statemachine::task::attribute::{LIST, TASK_ID};
    let on = || Resource::Tasks(table.to_owned());
    let client = &clients.dynamodb;
    let get = client.get_item().table_name(table).key(TASK_ID, text(NOBODY));
    let query = client.query().table_name(table).index_name(statemachine::task::index::WORKLIST);
    let query = query.key_condition_expression("#list = :list").expression_attribute_names("#list", LIST);
    let query = query.expression_attribute_values(":list", text(NOBODY));
    let update = client.update_item().table_name(table).key(TASK_ID, text(NOBODY));
    let update = update.update_expression("REMOVE attempts").condition_expression(exists(TASK_ID));
    vec![
        denied("GetItem", on(), get.send().await),
        denied("Query", on(), query.send().await),
        denied("UpdateItem", on(), update.send().await),
    ]
}

/// A condition that an item of nobody never meets, so that nothing is written.
fn exists(key: &str) -> String {
    format!("attribute_exists({key})")
}

async fn on_control(clients: &Clients, table: &str) -> Vec<Option<String>> {
    use crate::control::table::{PK, SK};
    let on = || Resource::Control(table.to_owned());
    let client = &clients.dynamodb;
    let get = client.get_item().table_name(table).key(PK, text(NOBODY)).key(SK, text(NOBODY));
    let query = client.query().table_name(table).key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", text(NOBODY));
    let put = client.put_item().table_name(table).item(PK, text(NOBODY)).item(SK, text(NOBODY));
    let put = put.condition_expression(exists(PK));
    let update = client.update_item().table_name(table).key(PK, text(NOBODY)).key(SK, text(NOBODY));
    let update = update.update_expression("REMOVE nothing").condition_expression(exists(PK));
    let delete = client.delete_item().table_name(table).key(PK, text(NOBODY)).key(SK, text(NOBODY));
    let delete = delete.condition_expression(exists(PK));
    vec![
        denied("GetItem", on(), get.send().await),
        denied("Query", on(), query.send().await),
        denied("PutItem", on(), put.send().await),
        denied("UpdateItem", on(), update.send().await),
        denied("DeleteItem", on(), delete.send().await),
    ]
}

/// Of each state machine that was named: without its name, there is no execution to ask about.
async fn on_executions(clients: &Clients, state_machines: &[String]) -> Vec<Option<String>> {
    let mut found = vec![];
    for arn in state_machines {
        let arn = format!("{}:{NOBODY}", arn.replace(":stateMachine:", ":execution:"));
        let on = || Resource::Execution(arn.clone());
        let describe = clients.sfn.describe_execution().execution_arn(&arn);
        let history = clients.sfn.get_execution_history().execution_arn(&arn);
        found.push(denied("DescribeExecution", on(), describe.send().await));
        found.push(denied("GetExecutionHistory", on(), history.send().await));
    }
    found
}

/// Receiving is not tried: it would hide a message from the workers for a while.
async fn on_queue(clients: &Clients, url: &str, on: Resource) -> Option<String> {
    let delete = clients.sqs.delete_message().queue_url(url).receipt_handle(NOBODY).send().await;
    denied("DeleteMessage", on, delete)
}
