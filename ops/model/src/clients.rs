//! Plain SDK clients for a node, for tests that call the world themselves. Production code builds its own clients.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams as streams;
use aws_sdk_sfn as sfn;
use aws_sdk_sqs as sqs;

use super::connector::Node;

/// Credentials that can sign requests and give no access.
pub fn credentials() -> Credentials {
    Credentials::new("model", "model", None, None, "model")
}

macro_rules! client {
    ($service:ident, $node:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .region($service::config::Region::new("us-east-1"))
                .credentials_provider(credentials())
                .retry_config($service::config::retry::RetryConfig::disabled())
                .http_client($node.clone())
                .build(),
        )
    };
}

impl Node {
    /// Creates a DynamoDB client without retries.
    pub fn dynamodb(&self) -> dynamodb::Client {
        client!(dynamodb, self)
    }

    /// Creates a DynamoDB Streams client without retries.
    pub fn streams(&self) -> streams::Client {
        client!(streams, self)
    }

    /// Creates a Step Functions client without retries.
    pub fn step_functions(&self) -> sfn::Client {
        client!(sfn, self)
    }

    /// Creates an SQS client without retries.
    pub fn sqs(&self) -> sqs::Client {
        client!(sqs, self)
    }
}
