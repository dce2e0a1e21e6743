//! What people and workflows do in a world, and what they can see.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::HistoryEvent;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use statemachine::item::{self, Item};
use statemachine::task::Task;

use crate::stack;
use crate::world::{World, sample_rules};

impl World {
    /// A copy of the sample rules in the world's folder, to edit.
    ///
    /// # Errors
    ///
    /// If they cannot be copied.
    pub fn copied_rules(&self) -> Result<PathBuf> {
        let rules = self.dir().join("rules");
        copy(&sample_rules(), &rules)?;
        Ok(rules)
    }

    /// Starts an execution of the sample state machine; returns its ARN.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn start_execution(&self, input: &Value) -> Result<String> {
        self.start_execution_of(&self.stack.state_machine_arn, input).await
    }

    /// Starts an execution of any state machine; returns its ARN.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn start_execution_of(&self, state_machine_arn: &str, input: &Value) -> Result<String> {
        let request = self.clients.sfn.start_execution().state_machine_arn(state_machine_arn);
        Ok(request.input(input.to_string()).send().await?.execution_arn)
    }

    /// Creates a state machine from a definition, with the sample's role; returns its ARN.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the definition.
    pub async fn create_state_machine(&self, name: &str, definition: &str) -> Result<String> {
        let request = self.clients.sfn.create_state_machine().name(name).definition(definition);
        Ok(request.role_arn(&self.stack.state_machine_role_arn).send().await?.state_machine_arn)
    }

    /// Changes whether ingest may write to the tasks table: `Deny`, as in an outage, or `Allow`.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the calls.
    pub async fn set_puts_of_ingest(&self, effect: &str) -> Result<()> {
        let resource = self.clients.cloudformation.describe_stack_resource().stack_name(stack::NAME);
        let resource = resource.logical_resource_id("IngestRole").send().await?;
        let role = resource.stack_resource_detail().and_then(|it| it.physical_resource_id());
        let statement = json!([{"Effect": effect, "Action": "dynamodb:PutItem", "Resource": "*"}]);
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        self.emulator
            .put_role_policy(role.context("the stack has a role for ingest")?, "outage", &policy)
            .await
    }

    /// How many messages wait in a queue.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn messages(&self, queue_url: &str) -> Result<u64> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let answer = self.clients.sqs.get_queue_attributes().queue_url(queue_url);
        let answer = answer.attribute_names(name.clone()).send().await?;
        let count = answer.attributes().and_then(|attributes| attributes.get(&name));
        Ok(count.context("a queue has a number of messages")?.parse()?)
    }

    /// Describes an execution.
    ///
    /// # Errors
    ///
    /// If there is no execution with this ARN.
    pub async fn execution(&self, arn: &str) -> Result<DescribeExecutionOutput> {
        Ok(self.clients.sfn.describe_execution().execution_arn(arn).send().await?)
    }

    /// Returns every event of an execution's history, oldest first.
    ///
    /// # Errors
    ///
    /// If there is no execution with this ARN.
    pub async fn history(&self, arn: &str) -> Result<Vec<HistoryEvent>> {
        let pages = self.clients.sfn.get_execution_history().execution_arn(arn).into_paginator();
        let pages: Vec<_> = pages.send().collect::<Result<Vec<_>, _>>().await?;
        Ok(pages.into_iter().flat_map(|page| page.events).collect())
    }

    /// Sends a message to the task queue, as a workflow would.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn send_message(&self, body: impl Into<String>) -> Result<()> {
        let request = self.clients.sqs.send_message().queue_url(&self.stack.task_queue_url);
        request.message_body(body).send().await?;
        Ok(())
    }

    /// Returns every task in the table.
    ///
    /// # Errors
    ///
    /// If an item is not a task.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        let pages = self.clients.dynamodb.scan().table_name(&self.stack.tasks_table).consistent_read(true);
        let items: Vec<_> = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        items.into_iter().map(|item| Ok(Task::from_item(&to_item(item))?)).collect()
    }

    /// Returns the task of an order; `None` if it is not stored yet.
    ///
    /// # Errors
    ///
    /// If its item is not a task.
    pub async fn task_of(&self, order_id: &str) -> Result<Option<Task>> {
        let answer = self
            .clients
            .dynamodb
            .query()
            .table_name(&self.stack.tasks_table)
            .index_name(statemachine::task::index::BY_ORDER)
            .key_condition_expression("orderId = :order")
            .expression_attribute_values(":order", AttributeValue::S(order_id.to_owned()))
            .send()
            .await?;
        let Some(id) = answer.items().first().and_then(|item| item.get("taskId")) else { return Ok(None) };
        let get =
            self.clients.dynamodb.get_item().table_name(&self.stack.tasks_table).key("taskId", id.clone());
        let item = get.consistent_read(true).send().await?.item;
        item.map(|item| Task::from_item(&to_item(item)).context("an item of the tasks table is not a task"))
            .transpose()
    }

    /// Receives the visible messages of a queue and returns their bodies. The messages become invisible for a while.
    ///
    /// # Errors
    ///
    /// If there is no such queue.
    pub async fn receive(&self, queue_url: &str) -> Result<Vec<String>> {
        let request = self.clients.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
        let messages = request.send().await?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(|message| message.body).collect())
    }

    /// Returns what the emulator and the Lambda function have printed so far.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn emulator_log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.emulator.log)?)
    }
}

fn to_item(attributes: std::collections::HashMap<String, AttributeValue>) -> Item {
    attributes.into_iter().map(|(name, value)| (name, to_value(value))).collect()
}

fn to_value(value: AttributeValue) -> item::Value {
    match value {
        AttributeValue::S(text) => item::Value::Text(text),
        AttributeValue::N(digits) => item::Value::Number(digits),
        AttributeValue::M(map) => item::Value::Map(to_item(map)),
        AttributeValue::B(bytes) => item::Value::Bytes(bytes.into_inner()),
        _ => item::Value::Other,
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
