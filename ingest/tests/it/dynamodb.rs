//! Simulates DynamoDB's responses to PutItem in process, in the SDK's HTTP connector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use ingest::store::Store;
use serde_json::Value;

/// How the table responds to the order with this id.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// An error of this HTTP status, code and message.
    Error(u16, &'static str, &'static str),
    /// The connection breaks.
    Silence,
    /// The connector itself panics.
    Panic,
}

/// A table that keeps the items put into it, and gives a fixed response for some orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    items: BTreeMap<String, Value>,
    answers: BTreeMap<&'static str, Answer>,
}

impl Table {
    pub(crate) fn answering(order_id: &'static str, answer: Answer) -> Table {
        let table = Table::default();
        table.0.lock().unwrap().answers.insert(order_id, answer);
        table
    }

    /// Changes the stored item of an order, as a worker does later.
    pub(crate) fn change(&self, order_id: &str, change: impl Fn(&mut Value)) {
        let mut contents = self.0.lock().unwrap();
        let item = contents.items.values_mut().find(|item| item["orderId"]["S"] == order_id);
        change(item.expect("a stored order"));
    }

    /// The stored items, by order id.
    pub(crate) fn items(&self) -> BTreeMap<String, Value> {
        let contents = self.0.lock().unwrap();
        let by_order = |item: &Value| item["orderId"]["S"].as_str().unwrap().to_owned();
        contents.items.values().map(|item| (by_order(item), item.clone())).collect()
    }

    /// The production store over this table.
    pub(crate) fn store(&self) -> Store {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(self.clone())
            .build();
        Store::new(aws_sdk_dynamodb::Client::from_conf(config), "tasks")
    }

    fn put(&self, request: &Value) -> Result<(u16, String), ConnectorError> {
        assert_eq!(request["TableName"], "tasks");
        assert_eq!(request["ConditionExpression"], "attribute_not_exists(#id)");
        assert_eq!(request["ExpressionAttributeNames"]["#id"], "taskId");
        assert_eq!(request["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
        let item = &request["Item"];
        let answer = {
            let contents = self.0.lock().unwrap();
            contents.answers.get(item["orderId"]["S"].as_str().unwrap()).cloned()
        };
        let error = |code: &str, message: &str| {
            format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"{message}"}}"#)
        };
        match answer {
            Some(Answer::Error(status, code, message)) => Ok((status, error(code, message))),
            Some(Answer::Silence) => Err(ConnectorError::io("connection reset".into())),
            Some(Answer::Panic) => panic!("the connector of this order panics"),
            None => {
                let mut contents = self.0.lock().unwrap();
                let id = item["taskId"]["S"].as_str().unwrap().to_owned();
                if let Some(stored) = contents.items.get(&id) {
                    let mut failed =
                        error("ConditionalCheckFailedException", "The conditional request failed");
                    failed.insert_str(failed.len() - 1, &format!(r#","Item":{stored}"#));
                    return Ok((400, failed));
                }
                contents.items.insert(id, item.clone());
                Ok((200, "{}".to_owned()))
            }
        }
    }
}

impl HttpConnector for Table {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let table = self.clone();
        HttpConnectorFuture::new(async move {
            // The rest of the batch continues while this message waits.
            tokio::task::yield_now().await;
            assert_eq!(request.headers().get("x-amz-target"), Some("DynamoDB_20120810.PutItem"));
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let (status, answer) = table.put(&body)?;
            Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(answer)))
        })
    }
}

impl HttpClient for Table {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
