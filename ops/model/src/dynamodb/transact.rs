//! TransactWriteItems: all or nothing, with a reason for each action (API_TransactWriteItems, DynamoDB API reference).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::write::{Action, Failed, Planned, WriteRequest};
use super::{DynamoDb, refused};
use crate::streams::Streams;
use crate::turn::Turn;
use crate::wire::{Answer, Call, Service, ServiceError, success};

/// How long a repeat with the same client token succeeds, in milliseconds: 10 minutes.
const TOKEN_LIFE_MS: u64 = 600_000;
/// The most actions in one transaction.
const MAX_ACTIONS: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    transact_items: Vec<TransactItem>,
    client_request_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TransactItem {
    put: Option<WriteRequest>,
    update: Option<WriteRequest>,
    delete: Option<WriteRequest>,
    condition_check: Option<WriteRequest>,
}

impl TransactItem {
    fn action(&self) -> Result<(Action, &WriteRequest), ServiceError> {
        match (&self.put, &self.update, &self.delete, &self.condition_check) {
            (Some(put), None, None, None) => Ok((Action::Put, put)),
            (None, Some(update), None, None) => Ok((Action::Update, update)),
            (None, None, Some(delete), None) => Ok((Action::Delete, delete)),
            (None, None, None, Some(check)) => Ok((Action::Check, check)),
            _ => Err(refused("TransactItems can only contain one of Check, Put, Update or Delete")),
        }
    }
}

impl DynamoDb {
    pub(super) fn transact_write_items(
        &mut self,
        call: &Call,
        streams: &mut Streams,
        turn: &mut Turn<'_>,
    ) -> Answer {
        let request: Request = call.request()?;
        let now_ms = turn.now_ms;
        self.transactions.retain(|_, (at_ms, _)| *at_ms + TOKEN_LIFE_MS > now_ms);
        if let Some((_, asked)) =
            request.client_request_token.as_ref().and_then(|token| self.transactions.get(token))
        {
            return if *asked == call.body["TransactItems"] {
                success(&json!({}))
            } else {
                Err(ServiceError::new(
                    Service::DynamoDb,
                    "IdempotentParameterMismatchException",
                    "The request uses the same client token as a previous, but non-identical request.",
                ))
            };
        }
        for planned in self.plan_all(&request.transact_items)? {
            self.commit(planned, streams, turn);
        }
        if let Some(token) = request.client_request_token {
            self.transactions.insert(token, (now_ms, call.body["TransactItems"].clone()));
        }
        success(&json!({}))
    }

    fn plan_all(&mut self, items: &[TransactItem]) -> Result<Vec<Planned>, ServiceError> {
        if items.is_empty() || items.len() > MAX_ACTIONS {
            return Err(refused(format!(
                "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length between 1 and {MAX_ACTIONS}"
            )));
        }
        let mut planned = Vec::new();
        let mut reasons = Vec::new();
        let mut targets = BTreeSet::new();
        for item in items {
            let (action, write) = item.action()?;
            if action == Action::Check && write.condition_expression.is_none() {
                return Err(refused("The ConditionExpression of a ConditionCheck must be specified"));
            }
            let key = write.key.as_ref().or(write.item.as_ref());
            let schema = &self.table(&write.table_name)?.schema.key;
            if let Some(key) = key.and_then(|key| schema.of(key))
                && !targets.insert((write.table_name.clone(), key))
            {
                return Err(refused("Transaction request cannot include multiple operations on one item"));
            }
            match self.plan(action, write) {
                Ok(plan) => {
                    planned.push(plan);
                    reasons.push(json!({ "Code": "None" }));
                }
                Err(Failed::Refused(error)) => return Err(error),
                Err(Failed::Condition(item)) => reasons.push(condition_failed(item.as_deref())),
            }
        }
        if planned.len() == items.len() { Ok(planned) } else { Err(canceled(reasons)) }
    }
}

fn condition_failed(item: Option<&super::Item>) -> Json {
    let mut reason = json!({ "Code": "ConditionalCheckFailed", "Message": "The conditional request failed" });
    if let Some(item) = item {
        reason["Item"] = json!(item);
    }
    reason
}

/// The response to a cancelled transaction, with one reason for each of its actions.
pub(crate) fn canceled(reasons: Vec<Json>) -> ServiceError {
    let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    ServiceError::new(Service::DynamoDb, "TransactionCanceledException", &message)
        .with("CancellationReasons", Json::Array(reasons))
}
