//! The AWS clients.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams as streams;
use aws_sdk_sfn as sfn;
use aws_sdk_sqs as sqs;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

use crate::config;

/// The longest one attempt of a call may take. DynamoDB and Step Functions answer in milliseconds; an attempt that
/// takes this long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// As [`ATTEMPT_TIMEOUT`], where a receive may wait 20 s for a message.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(25);
/// The longest a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One client per service, all on one HTTP connector.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Tasks and control tables.
    pub dynamodb: dynamodb::Client,
    /// The tasks table's stream. No SDK retries: the reader has a written answer to each error.
    pub streams: streams::Client,
    /// Callbacks and questions. No SDK retries: a hidden retry turns a success into an unexplained closed answer.
    pub sfn: sfn::Client,
    /// The queue of closed executions.
    pub sqs: sqs::Client,
}

impl Clients {
    /// Builds the clients from the environment's credentials, region and the configured endpoint.
    pub async fn connect(config: &config::Aws) -> Clients {
        use aws_smithy_http_client::{Builder, tls};
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &config.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        Clients::new(&loader.load().await)
    }

    /// Builds the clients from a loaded configuration; tests bring their own connector in it.
    pub fn new(shared: &aws_config::SdkConfig) -> Clients {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let shared = shared.to_builder().timeout_config(timeouts).build();
        let once = shared.to_builder().retry_config(RetryConfig::disabled()).build();
        let waits = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(RECEIVE_TIMEOUT)
            .build();
        let waiting = shared.to_builder().timeout_config(waits).build();
        Clients {
            dynamodb: dynamodb::Client::new(&shared),
            streams: streams::Client::new(&once),
            sfn: sfn::Client::new(&once),
            sqs: sqs::Client::new(&waiting),
        }
    }
}
