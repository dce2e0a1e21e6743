//! The AWS account of the environment. Profile, region, credentials and endpoint are found as the AWS CLI finds them.

use anyhow::{Context as _, Result};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::error::DisplayErrorContext;
use aws_smithy_http_client::{Builder, tls};

use crate::clients::Clients;

/// An account, a region, and who calls.
#[derive(Debug)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// The ARN of the caller.
    pub caller: String,
    /// Clients with the caller's rights.
    pub clients: Clients,
    pub(crate) credentials: SharedCredentialsProvider,
    /// An emulator's address; `None` for AWS itself.
    pub(crate) endpoint_url: Option<String>,
}

impl Account {
    /// Finds the account that the variables and the profile name, and asks AWS who calls.
    ///
    /// # Errors
    ///
    /// Says what is missing: the region, the credentials, or a valid session.
    pub async fn find() -> Result<Account> {
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        Account::of(&config).await
    }

    /// An emulator's address; `None` for AWS itself.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.endpoint_url.as_deref()
    }

    async fn of(config: &SdkConfig) -> Result<Account> {
        let region = config.region().map(ToString::to_string).context(
            "no AWS region is set: set the variable AWS_REGION, or the region of the profile that AWS_PROFILE names",
        )?;
        let credentials = config.credentials_provider().context("no source of AWS credentials")?;
        let identity = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
        let identity = identity.map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(error))).context(
            "AWS does not accept the caller: sign in (`aws sso login`), or set AWS_PROFILE or AWS_ACCESS_KEY_ID; \
             `aws sts get-caller-identity` must work",
        )?;
        Ok(Account {
            id: identity.account().unwrap_or_default().to_owned(),
            region,
            caller: identity.arn().unwrap_or_default().to_owned(),
            clients: Clients::of(config),
            credentials,
            endpoint_url: config.endpoint_url().map(str::to_owned),
        })
    }
}
