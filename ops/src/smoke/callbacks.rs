//! From an execution to its answer, and what Step Functions says of a token before and after.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::HistoryEventType;
use ops::world::eventually;
use serde_json::json;
use tokio::time::Instant;

use super::{Answer, PATIENCE, Site};

/// Long enough for a token, and never one.
const NO_TOKEN: &str = "AAAAKgAAAAIAAAAAAAAAAQsmoke";
const CLOSED: [&str; 2] = ["TaskTimedOut", "TaskDoesNotExist"];

/// A task of this run as the table holds it.
struct Waiting {
    execution: String,
    token: String,
    seconds: f64,
}

pub(super) async fn ask(site: &Site) -> Result<Vec<Answer>> {
    let sfn = &site.clients.sfn;
    let mut answers = vec![];
    let waiting = site.wait_for_a_person("answered").await?;
    answers.push(Answer::new(
        "stored",
        true,
        format!("{:.1} s after the start of the execution", waiting.seconds),
    ));

    let garbage = sfn.send_task_heartbeat().task_token(NO_TOKEN).send().await;
    answers.push(refused("no token", garbage, &["InvalidToken"]));
    let beat = sfn.send_task_heartbeat().task_token(&waiting.token).send().await;
    answers.push(accepted("heartbeat without its clock", beat));

    let output = json!({"smoke": site.run}).to_string();
    let send = || sfn.send_task_success().task_token(&waiting.token).output(&output).send();
    answers.push(accepted("first answer", send().await));
    answers.push(refused("second answer", send().await, &CLOSED));
    let beat = sfn.send_task_heartbeat().task_token(&waiting.token).send().await;
    answers.push(refused("heartbeat of a closed token", beat, &CLOSED));

    let asked = Instant::now();
    let found = eventually(PATIENCE, "the history has the answer", async || {
        let request = sfn.get_execution_history().execution_arn(&waiting.execution);
        let page = request.reverse_order(true).include_execution_data(true).send().await?;
        let succeeded = page.events().iter().find(|event| event.r#type == HistoryEventType::TaskSucceeded);
        let told = succeeded.and_then(|event| event.task_succeeded_event_details()?.output());
        Ok(told.map(str::to_owned))
    })
    .await;
    let is_ours = found.as_ref().is_ok_and(|told| told.contains(&site.run));
    answers.push(Answer::new(
        "history has the answer",
        is_ours,
        found.map_or_else(
            |error| error.to_string(),
            |_| format!("after {:.1} s", asked.elapsed().as_secs_f64()),
        ),
    ));
    answers.push(site.stopped().await?);
    Ok(answers)
}

impl Site {
    /// Starts an execution whose order the rules leave to a person, and waits until its task is stored.
    async fn wait_for_a_person(&self, purpose: &str) -> Result<Waiting> {
        let order = format!("{}-{purpose}", self.run);
        let begun = Instant::now();
        let start = self.clients.sfn.start_execution().state_machine_arn(&self.stack.state_machine_arn);
        let started = start.input(json!({ "orderId": order }).to_string()).send().await;
        let execution = started.context("cannot start an execution of the sample workflow")?.execution_arn;
        let item = eventually(PATIENCE, "the order's task is stored", async || self.item(&order).await);
        let item = item
            .await
            .context("is the Lambda function well? Look at its log group, the output IngestLogGroup")?;
        let token =
            item.get("taskToken").and_then(|token| token.as_s().ok()).context("a task has a token")?;
        Ok(Waiting { execution, token: token.clone(), seconds: begun.elapsed().as_secs_f64() })
    }

    /// The task of an order; `None` until it is stored.
    async fn item(&self, order: &str) -> Result<Option<HashMap<String, AttributeValue>>> {
        let query = self.clients.dynamodb.query().table_name(&self.stack.tasks_table).index_name("by-order");
        let query = query
            .key_condition_expression("orderId = :order")
            .expression_attribute_values(":order", AttributeValue::S(order.to_owned()));
        let found = query.send().await.context("cannot read the tasks table")?;
        let Some(id) = found.items().first().and_then(|item| item.get("taskId")) else { return Ok(None) };
        let get =
            self.clients.dynamodb.get_item().table_name(&self.stack.tasks_table).key("taskId", id.clone());
        Ok(get.consistent_read(true).send().await?.item)
    }

    /// Stops an execution: its event must reach the workers, whose task then expires.
    async fn stopped(&self) -> Result<Answer> {
        const NAME: &str = "event of a stopped execution";
        let workers = self.clients.dynamodb.query().table_name(&self.stack.control_table);
        let workers = workers.key_condition_expression("pk = :worker");
        let workers = workers.expression_attribute_values(":worker", AttributeValue::S("worker".to_owned()));
        if workers.send().await.context("cannot read the control table")?.items().is_empty() {
            return Ok(Answer::new(NAME, true, "not asked: no worker runs"));
        }
        let waiting = self.wait_for_a_person("stopped").await?;
        let order = format!("{}-stopped", self.run);
        self.clients.sfn.stop_execution().execution_arn(&waiting.execution).send().await?;
        let stopped = Instant::now();
        let expired = eventually(PATIENCE, "its task is EXPIRED", async || {
            let item = self.item(&order).await?.context("a stored task stays")?;
            Ok((item["status"].as_s().is_ok_and(|status| status == "EXPIRED")).then_some(()))
        });
        Ok(match expired.await {
            Ok(()) => Answer::new(
                NAME,
                true,
                format!("its task expired after {:.1} s", stopped.elapsed().as_secs_f64()),
            ),
            Err(error) => Answer::new(NAME, false, error.to_string()),
        })
    }
}

fn accepted<T, E: ProvideErrorMetadata>(name: &'static str, answer: Result<T, SdkError<E>>) -> Answer {
    match answer {
        Ok(_) => Answer::new(name, true, "accepted"),
        Err(error) => Answer::new(name, false, code(&error)),
    }
}

fn refused<T, E: ProvideErrorMetadata>(
    name: &'static str,
    answer: Result<T, SdkError<E>>,
    codes: &[&str],
) -> Answer {
    let told = answer.err().map_or_else(|| "accepted".to_owned(), |error| code(&error));
    Answer::new(name, codes.contains(&told.as_str()), told)
}

/// The code of the error without what some services append to it.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    let code = error.code().unwrap_or("no answer");
    code.strip_suffix("Exception").unwrap_or(code).to_owned()
}
