//! The AWS clients.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams as streams;
use aws_sdk_sfn as sfn;
use aws_sdk_sqs as sqs;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

use super::host::names_host;
use super::settings::{self, Unusable};
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
    /// For the bus of notices, of which only a worker knows the name.
    pub shared: SdkConfig,
}

impl Clients {
    /// Builds the clients for a process that runs until it is stopped: asks for credentials once, and makes calls as long
    /// as they take.
    ///
    /// # Errors
    ///
    /// [`Unusable`], also when no source has credentials.
    pub async fn connect_for_good(config: &config::Aws) -> Result<Clients, Unusable> {
        let loaded = load(config, None).await?;
        settings::check_credentials(&loaded).await?;
        Ok(Clients::new(&loaded))
    }

    /// Builds the clients from a loaded configuration; tests bring their own connector in it.
    pub fn new(shared: &SdkConfig) -> Clients {
        let limit = shared.timeout_config().and_then(TimeoutConfig::operation_timeout);
        let timeouts = |attempt| {
            let mut timeouts = TimeoutConfig::builder();
            timeouts.set_operation_timeout(limit);
            timeouts.connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(attempt).build()
        };
        let waiting = shared.to_builder().timeout_config(timeouts(RECEIVE_TIMEOUT)).build();
        let shared = shared.to_builder().timeout_config(timeouts(ATTEMPT_TIMEOUT)).build();
        let once = shared.to_builder().retry_config(RetryConfig::disabled()).build();
        Clients {
            dynamodb: dynamodb::Client::new(&shared),
            streams: streams::Client::new(&once),
            sfn: sfn::Client::new(&once),
            sqs: sqs::Client::new(&waiting),
            shared,
        }
    }
}

/// Loads the environment's credentials and region and the configured endpoint. With a `limit` each call ends after it,
/// repeats included.
///
/// # Errors
///
/// [`Unusable`] when the environment's settings cannot work. No call is made to find out.
pub(crate) async fn load(config: &config::Aws, limit: Option<Duration>) -> Result<SdkConfig, Unusable> {
    use aws_smithy_http_client::{Builder, tls};
    settings::check_profile().await?;
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut timeouts = TimeoutConfig::builder();
    timeouts.set_operation_timeout(limit);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(names_host(http))
        .timeout_config(timeouts.build());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    let loaded = loader.load().await;
    settings::check(&loaded)?;
    Ok(loaded)
}
