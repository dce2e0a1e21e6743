//! The production template, deployed to the emulator through CloudFormation.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};

use crate::clients::Clients;

/// `ops/template.yaml`.
pub const TEMPLATE: &str = include_str!("../template.yaml");

const NAME: &str = "countersign";
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The outputs of the stack.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the template's outputs")]
pub struct Stack {
    pub tasks_table: String,
    pub tasks_stream_arn: String,
    pub control_table: String,
    pub task_queue_url: String,
    pub task_dead_letter_queue_url: String,
    pub closed_executions_queue_url: String,
    pub closed_executions_dead_letter_queue_url: String,
    pub state_machine_arn: String,
    pub state_machine_role_arn: String,
    pub worker_role_arn: String,
}

/// Creates the stack from the template at `url`, an object in S3, and waits until it is complete. In the request itself,
/// a template may have only 51,200 bytes.
///
/// # Errors
///
/// Says which resource failed and why.
pub async fn deploy(clients: &Clients, url: &str, parameters: &[(&str, String)]) -> Result<Stack> {
    let parameter = |(key, value): &(&str, String)| {
        Parameter::builder().parameter_key(*key).parameter_value(value).build()
    };
    clients
        .cloudformation
        .create_stack()
        .stack_name(NAME)
        .template_url(url)
        .set_parameters(Some(parameters.iter().map(parameter).collect()))
        .capabilities(Capability::CapabilityIam)
        .send()
        .await
        .context("CloudFormation rejected the template")?;
    let outputs = tokio::time::timeout(CREATE_TIMEOUT, created(clients))
        .await
        .with_context(|| format!("the stack was not created within {CREATE_TIMEOUT:?}"))??;
    let output =
        |name: &str| outputs.get(name).cloned().with_context(|| format!("the stack has no output {name}"));
    Ok(Stack {
        tasks_table: output("TasksTable")?,
        tasks_stream_arn: output("TasksStreamArn")?,
        control_table: output("ControlTable")?,
        task_queue_url: output("TaskQueueUrl")?,
        task_dead_letter_queue_url: output("TaskDeadLetterQueueUrl")?,
        closed_executions_queue_url: output("ClosedExecutionsQueueUrl")?,
        closed_executions_dead_letter_queue_url: output("ClosedExecutionsDeadLetterQueueUrl")?,
        state_machine_arn: output("StateMachineArn")?,
        state_machine_role_arn: output("StateMachineRoleArn")?,
        worker_role_arn: output("WorkerRoleArn")?,
    })
}

async fn created(clients: &Clients) -> Result<HashMap<String, String>> {
    loop {
        let answer = clients.cloudformation.describe_stacks().stack_name(NAME).send().await?;
        let stack = answer.stacks().first().context("the stack no longer exists")?;
        match stack.stack_status() {
            Some(StackStatus::CreateComplete) => {
                let pair = |output: &aws_sdk_cloudformation::types::Output| {
                    Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
                };
                return Ok(stack.outputs().iter().filter_map(pair).collect());
            }
            Some(StackStatus::CreateInProgress) => tokio::time::sleep(POLL).await,
            status => bail!("the stack is {status:?}: {}", failures(clients).await?),
        }
    }
}

async fn failures(clients: &Clients) -> Result<String> {
    let answer = clients.cloudformation.describe_stack_events().stack_name(NAME).send().await?;
    let reasons = answer.stack_events().iter().filter_map(|event| {
        let reason = event.resource_status_reason()?;
        Some(format!("{}: {reason}", event.logical_resource_id().unwrap_or("?")))
    });
    Ok(reasons.collect::<Vec<_>>().join("; "))
}
