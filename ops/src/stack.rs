//! The stack of the production template, deployed through CloudFormation's change sets, in AWS and on the emulator.

mod change_set;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_cloudformation::types::{Output, Parameter, StackStatus};

pub use change_set::{Change, ChangeSet, Kind};

use crate::clients::Clients;

/// `ops/template.yaml`.
pub const TEMPLATE: &str = include_str!("../template.yaml");

/// The stack of a local world.
pub(crate) const NAME: &str = "countersign";
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);

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
    pub hints_queue_url: Option<String>,
    pub notices_bus: Option<String>,
    pub state_machine_arn: String,
    pub state_machine_role_arn: String,
    pub worker_role_arn: String,
}

/// A stack as CloudFormation describes it.
#[derive(Debug, Clone)]
pub struct Described {
    /// Such as `CREATE_COMPLETE`.
    pub status: StackStatus,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

impl Described {
    /// The outputs as the programs use them.
    ///
    /// # Errors
    ///
    /// Names the output that is missing: the stack is of another template.
    pub fn stack(&self) -> Result<Stack> {
        let output = |name: &str| {
            self.outputs.get(name).cloned().with_context(|| format!("the stack has no output {name}"))
        };
        Ok(Stack {
            tasks_table: output("TasksTable")?,
            tasks_stream_arn: output("TasksStreamArn")?,
            control_table: output("ControlTable")?,
            task_queue_url: output("TaskQueueUrl")?,
            task_dead_letter_queue_url: output("TaskDeadLetterQueueUrl")?,
            closed_executions_queue_url: output("ClosedExecutionsQueueUrl")?,
            closed_executions_dead_letter_queue_url: output("ClosedExecutionsDeadLetterQueueUrl")?,
            hints_queue_url: self.outputs.get("HintsQueueUrl").cloned(),
            notices_bus: self.outputs.get("NoticesBus").cloned(),
            state_machine_arn: output("StateMachineArn")?,
            state_machine_role_arn: output("StateMachineRoleArn")?,
            worker_role_arn: output("WorkerRoleArn")?,
        })
    }
}

/// Describes a stack by its name or id; `None` if there is none, or only a change set that was never executed.
///
/// # Errors
///
/// If CloudFormation rejects the call.
pub async fn describe(clients: &Clients, name: &str) -> Result<Option<Described>> {
    let answer = match clients.cloudformation.describe_stacks().stack_name(name).send().await {
        Ok(answer) => answer,
        Err(error) if error.message().is_some_and(|message| message.contains("does not exist")) => {
            return Ok(None);
        }
        Err(error) => bail!("DescribeStacks on {name}: {}", DisplayErrorContext(error)),
    };
    let Some(stack) = answer.stacks().first() else { return Ok(None) };
    let status = stack.stack_status().cloned().context("a stack has a status")?;
    if status == StackStatus::ReviewInProgress {
        return Ok(None);
    }
    let parameter = |it: &Parameter| Some((it.parameter_key()?.to_owned(), it.parameter_value()?.to_owned()));
    let output = |it: &Output| Some((it.output_key()?.to_owned(), it.output_value()?.to_owned()));
    Ok(Some(Described {
        status,
        parameters: stack.parameters().iter().filter_map(parameter).collect(),
        outputs: stack.outputs().iter().filter_map(output).collect(),
    }))
}

/// Creates the stack of a local world from the template at `url`, an object in S3, and waits until it is complete. In
/// the request itself, a template may have only 51,200 bytes.
///
/// # Errors
///
/// Says which resource failed and why.
pub async fn deploy(clients: &Clients, url: &str, parameters: &[(&str, String)]) -> Result<Stack> {
    let parameters = parameters.iter().map(|(key, value)| change_set::given(key, value)).collect();
    let change_set = ChangeSet::create(clients, NAME, Kind::Create, url, parameters).await?;
    let change_set = change_set.context("a new stack has resources")?;
    let created = change_set.execute(clients, |_| {});
    let created = tokio::time::timeout(CREATE_TIMEOUT, created).await;
    created.with_context(|| format!("the stack was not created within {CREATE_TIMEOUT:?}"))??.stack()
}
