//! The SDK's HTTP requests as calls, and answers as the SDK's HTTP responses (AWS JSON 1.0).

use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

/// Which service a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// DynamoDB Streams.
    Streams,
    /// Step Functions.
    StepFunctions,
    /// SQS.
    Sqs,
    /// EventBridge.
    EventBridge,
}

impl Service {
    /// The prefix of its error types.
    fn namespace(self) -> &'static str {
        match self {
            Service::DynamoDb | Service::Streams => "com.amazonaws.dynamodb.v20120810#",
            Service::StepFunctions | Service::EventBridge => "",
            Service::Sqs => "com.amazonaws.sqs#",
        }
    }
}

/// One request, as a node sent it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who sent it.
    pub node: Arc<str>,
    /// To whom.
    pub service: Service,
    /// The operation, as the API names it: `UpdateItem`.
    pub operation: String,
    /// The request's body; keys in order.
    pub body: Json,
    /// When the node sent it, in milliseconds since the epoch.
    pub sent_ms: u64,
}

impl Call {
    /// Reads a request.
    ///
    /// # Panics
    ///
    /// When it is not a request of one of the five services.
    pub(super) fn read(node: Arc<str>, request: &HttpRequest, sent_ms: u64) -> Call {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (service, operation) = target.split_once('.').unwrap_or((target, ""));
        let service = match service {
            "DynamoDB_20120810" => Service::DynamoDb,
            "DynamoDBStreams_20120810" => Service::Streams,
            "AWSStepFunctions" => Service::StepFunctions,
            "AmazonSQS" => Service::Sqs,
            "AWSEvents" => Service::EventBridge,
            _ => panic!("the model of AWS has no service for the target {target:?} ({})", request.uri()),
        };
        let body = serde_json::from_slice(request.body().bytes().unwrap_or(b"{}"))
            .expect("the SDK sends JSON with a known length");
        Call { node, service, operation: operation.to_owned(), body, sent_ms }
    }

    /// A text field of the body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field)?.as_str()
    }

    /// Tells whether the call concerns a table: directly, in a transaction, or by its stream.
    pub fn is_on_table(&self, table: &str) -> bool {
        let of_stream = self.text("StreamArn").or_else(|| self.text("ShardIterator"));
        if let Some(stream) = of_stream {
            return stream.contains(&format!(":table/{table}/stream/"));
        }
        let in_transaction = |action: &Json| {
            action.as_object().is_some_and(|action| action.values().any(|write| write["TableName"] == table))
        };
        self.text("TableName") == Some(table)
            || self.body["TransactItems"].as_array().is_some_and(|all| all.iter().any(in_transaction))
    }

    /// The body as a typed request.
    ///
    /// # Panics
    ///
    /// When it has a parameter that the model does not know: a model that ignored it would lie.
    pub(super) fn request<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        T::deserialize(&self.body).map_err(|error| {
            let text = error.to_string();
            assert!(
                !text.starts_with("unknown"),
                "the model's {} has less than the API: {text}",
                self.operation
            );
            self.service.validation(&text)
        })
    }
}

/// An error that the service answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The type, as `__type` carries it.
    pub kind: String,
    /// The words.
    pub message: String,
    /// Further members.
    pub members: Map<String, Json>,
}

impl ServiceError {
    /// An error with nothing but its words; 400.
    pub fn new(service: Service, kind: &str, message: &str) -> ServiceError {
        ServiceError {
            status: 400,
            kind: format!("{}{kind}", service.namespace()),
            message: message.to_owned(),
            members: Map::new(),
        }
    }

    /// The same error with one more member.
    pub(super) fn with(mut self, member: &str, value: Json) -> ServiceError {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// The code that SQS kept from its older protocol and sends in a header; the SDK prefers it.
    fn query_code(&self) -> Option<String> {
        let name = self.kind.strip_prefix(Service::Sqs.namespace())?;
        Some(match name {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight".to_owned(),
            other => other.to_owned(),
        })
    }

    /// The type without its namespace.
    pub fn name(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }
}

impl Service {
    /// How this service says that there are too many requests.
    pub fn throttled(self) -> ServiceError {
        match self {
            Service::DynamoDb => ServiceError::new(
                self,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            ),
            Service::Streams => ServiceError::new(
                self,
                "LimitExceededException",
                "Rate exceeded for shard: too many readers or requests",
            ),
            Service::StepFunctions | Service::EventBridge => {
                ServiceError::new(self, "ThrottlingException", "Rate exceeded")
            }
            Service::Sqs => ServiceError::new(
                self,
                "RequestThrottled",
                "The request was denied due to request throttling.",
            ),
        }
    }

    /// How this service says that the caller may not.
    pub fn access_denied(self) -> ServiceError {
        let kind = "AccessDeniedException";
        ServiceError { kind: kind.to_owned(), ..ServiceError::new(self, kind, "User is not authorized") }
    }

    /// A failure on the service's side; 500.
    pub fn internal(self) -> ServiceError {
        let kind = match self {
            Service::DynamoDb | Service::Streams => "InternalServerError",
            Service::StepFunctions | Service::Sqs | Service::EventBridge => "InternalFailure",
        };
        ServiceError { status: 500, ..ServiceError::new(self, kind, "Internal server error") }
    }

    /// A request that is wrong in itself.
    pub(super) fn validation(self, message: &str) -> ServiceError {
        let kind = "ValidationException";
        let namespace = match self {
            Service::DynamoDb | Service::Streams => "com.amazon.coral.validate#",
            Service::StepFunctions | Service::Sqs | Service::EventBridge => "",
        };
        ServiceError { kind: format!("{namespace}{kind}"), ..ServiceError::new(self, kind, message) }
    }
}

/// The body of a success, or an error.
pub type Answer = Result<String, ServiceError>;

/// An answer as the SDK reads it, made at a moment in milliseconds since the epoch.
pub(super) fn response(answer: &Answer, now_ms: u64) -> HttpResponse {
    let (status, body) = match answer {
        Ok(body) => (200, body.clone()),
        Err(error) => {
            let mut members = error.members.clone();
            members.insert("__type".to_owned(), json!(error.kind));
            members.insert("message".to_owned(), json!(error.message));
            (error.status, Json::Object(members).to_string())
        }
    };
    let status = status.try_into().expect("answers have valid statuses");
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    let seconds = i64::try_from(now_ms / 1_000).expect("virtual time is near");
    let date = DateTime::from_secs(seconds).fmt(Format::HttpDate).expect("virtual time is near");
    response.headers_mut().insert("date", date);
    if let Err(error) = answer
        && let Some(code) = error.query_code()
    {
        response.headers_mut().insert("x-amzn-query-error", format!("{code};Sender"));
    }
    response
}

/// A success.
pub(super) fn success(body: &impl serde::Serialize) -> Answer {
    Ok(serde_json::to_string(body).expect("answers are plain values"))
}
