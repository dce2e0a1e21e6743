//! What must be right before a call can succeed, and cannot heal by itself: profile, region, endpoints, credentials.

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use tracing::warn;

use crate::aws::fault::{Class, no_credentials, words};
use crate::config::{is_region, is_url};

/// The services that are called, as the SDK's variables name them.
const SERVICES: [&str; 5] = ["DynamoDB", "DynamoDB Streams", "SFN", "SQS", "EventBridge"];

/// Settings of the environment with which no call can succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// `AWS_PROFILE` names none.
    #[error("the AWS profile {0:?} does not exist: correct AWS_PROFILE, or add the profile to ~/.aws/config")]
    UnknownProfile(String),
    /// `~/.aws/config` or `~/.aws/credentials` is broken.
    #[error("the AWS configuration files cannot be read: {0}")]
    Files(String),
    /// Nothing names a region.
    #[error("no AWS region is set: set aws.region, the variable AWS_REGION, or the region of the profile")]
    NoRegion,
    /// The environment's region is none.
    #[error(
        "{0:?} is not an AWS region: use a code such as eu-central-1 (AWS_REGION, or the profile's region)"
    )]
    Region(String),
    /// The environment's endpoint is none.
    #[error(
        "{0:?} is not the URL of an endpoint: use one with scheme and host, such as http://127.0.0.1:4566 \
         (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE>, or the profile's endpoint_url)"
    )]
    Endpoint(String),
    /// No source has credentials, or one is configured wrongly.
    #[error("AWS: {0}")]
    Credentials(String),
}

/// Checks the profile before anything is loaded from it: without it, region and credentials seem to be missing too.
pub(super) async fn check_profile() -> Result<(), Unusable> {
    let loaded = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let profiles = loaded.map_err(|error| Unusable::Files(words(&error)))?;
    let selected = profiles.selected_profile();
    // Nobody has to have a profile "default".
    if selected != "default" && profiles.get_profile(selected).is_none() {
        return Err(Unusable::UnknownProfile(selected.to_owned()));
    }
    Ok(())
}

/// Checks the loaded region and endpoints.
pub(super) fn check(loaded: &SdkConfig) -> Result<(), Unusable> {
    let region = loaded.region().ok_or(Unusable::NoRegion)?.as_ref();
    if !is_region(region) {
        return Err(Unusable::Region(region.to_owned()));
    }
    let of_service = SERVICES.into_iter().filter_map(|service| {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .expect("service, variable and key are set");
        loaded.service_config()?.load_config(key)
    });
    for endpoint in loaded.endpoint_url().map(str::to_owned).into_iter().chain(of_service) {
        if !is_url(&endpoint) {
            return Err(Unusable::Endpoint(endpoint));
        }
    }
    Ok(())
}

/// Asks for credentials once. A source that fails may come back: the worker starts, and its calls tell.
pub(super) async fn check_credentials(loaded: &SdkConfig) -> Result<(), Unusable> {
    let Some(provider) = loaded.credentials_provider() else {
        return Ok(());
    };
    let Err(error) = provider.provide_credentials().await else {
        return Ok(());
    };
    let (reason, class) = no_credentials(&error);
    if class == Class::Systemic {
        return Err(Unusable::Credentials(reason));
    }
    warn!(error = reason, "AWS: {reason}; each call tries again");
    Ok(())
}
