//! AWS clients: for an emulator on loopback with the root credentials of its account, or for a real account.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams as dynamodbstreams;
use aws_sdk_sfn as sfn;
use aws_sdk_sqs as sqs;

/// The region of every local world.
pub const REGION: &str = "us-east-1";
/// The emulator's root key and its secret.
pub const ROOT_KEY: &str = "test";

/// One client per service, for operators and tests; the worker has its own role.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the services")]
pub struct Clients {
    pub cloudformation: cloudformation::Client,
    pub dynamodb: dynamodb::Client,
    pub streams: dynamodbstreams::Client,
    pub sfn: sfn::Client,
    pub sqs: sqs::Client,
}

impl Clients {
    /// Creates clients for the emulator at an address such as `http://127.0.0.1:4566`.
    pub fn new(endpoint_url: &str) -> Clients {
        let key = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "local world");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(endpoint_url)
            .credentials_provider(SharedCredentialsProvider::new(key))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Clients::of(&config)
    }

    /// Creates clients for the account and region of a loaded configuration.
    pub fn of(config: &SdkConfig) -> Clients {
        Clients {
            cloudformation: cloudformation::Client::new(config),
            dynamodb: dynamodb::Client::new(config),
            streams: dynamodbstreams::Client::new(config),
            sfn: sfn::Client::new(config),
            sqs: sqs::Client::new(config),
        }
    }
}
