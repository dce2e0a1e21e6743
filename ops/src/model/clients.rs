//! SDK clients of a node, plain: for tests that speak to the world themselves. Production builds its own.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams as streams;
use aws_sdk_sfn as sfn;
use aws_sdk_sqs as sqs;

use super::connector::Node;

/// Credentials that sign and mean nothing.
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
    /// A DynamoDB client without retries.
    pub fn dynamodb(&self) -> dynamodb::Client {
        client!(dynamodb, self)
    }

    /// A DynamoDB Streams client without retries.
    pub fn streams(&self) -> streams::Client {
        client!(streams, self)
    }

    /// A Step Functions client without retries.
    pub fn step_functions(&self) -> sfn::Client {
        client!(sfn, self)
    }

    /// An SQS client without retries.
    pub fn sqs(&self) -> sqs::Client {
        client!(sqs, self)
    }
}
