//! AWS clients for an emulator on loopback, with the root credentials of its account.

use aws_credential_types::Credentials;
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

/// Builds the configuration of a client. Each service has its own type with the same builder.
macro_rules! client {
    ($service:ident, $endpoint:expr) => {{
        let config = $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .region($service::config::Region::new(REGION))
            .endpoint_url($endpoint)
            .credentials_provider(Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "local world"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        $service::Client::from_conf(config)
    }};
}

impl Clients {
    /// Creates clients for the emulator at an address such as `http://127.0.0.1:4566`.
    pub fn new(endpoint_url: &str) -> Clients {
        Clients {
            cloudformation: client!(cloudformation, endpoint_url),
            dynamodb: client!(dynamodb, endpoint_url),
            streams: client!(dynamodbstreams, endpoint_url),
            sfn: client!(sfn, endpoint_url),
            sqs: client!(sqs, endpoint_url),
        }
    }
}
