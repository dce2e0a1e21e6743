//! EventBridge: the one call that notices need, on the SDK's own runtime.
//!
//! The crate of EventBridge's SDK has about sixty operations, and would be a tenth of the build. Credentials, signature,
//! timeouts and errors are those of the other clients.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::fault::{Fault, Resource};

/// The most events of one call (PutEvents, API reference).
pub const MOST_EVENTS: usize = 10;
/// The longest one call may take. Nobody waits for it but other notices.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// One event to put on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What rules of the bus select it by, such as `Task Escalated`.
    pub detail_type: &'static str,
    /// What it says.
    pub detail: Json,
}

/// A bus, and the way to it.
#[derive(Debug, Clone)]
pub struct EventBus {
    name: String,
    operation: PutEvents,
}

type PutEvents = Operation<String, Answer, ErrorMetadata>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    event_id: Option<String>,
    error_code: Option<String>,
}

impl EventBus {
    /// The bus of this name or ARN, with the credentials and the connector of the other clients.
    pub fn new(shared: &SdkConfig, name: &str) -> EventBus {
        EventBus { name: name.to_owned(), operation: operation(shared) }
    }

    /// Puts up to [`MOST_EVENTS`] events on the bus, and returns for each whether the bus has it.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call failed or the bus took none; it may have some of them nevertheless.
    pub async fn put(&self, source: &str, events: &[Event]) -> Result<Vec<bool>, Fault> {
        let on = || Resource::EventBus(self.name.clone());
        let entries = events.iter().map(|event| {
            json!({
                "EventBusName": self.name, "Source": source, "DetailType": event.detail_type,
                "Detail": event.detail.to_string(),
            })
        });
        let body = json!({ "Entries": entries.collect::<Vec<_>>() }).to_string();
        let answer = self.put_events().invoke(body).await;
        let answer = answer.map_err(|error| Fault::of("PutEvents", on(), &error))?.entries;
        if answer.len() != events.len() {
            return Err(Fault::unreadable("PutEvents", on(), "an entry for each event"));
        }
        if let Some(code) = answer.iter().find_map(|entry| entry.error_code.as_ref())
            && answer.iter().all(|entry| entry.event_id.is_none())
        {
            return Err(Fault::of_code("PutEvents", on(), code));
        }
        Ok(answer.iter().map(|entry| entry.event_id.is_some()).collect())
    }

    fn put_events(&self) -> &PutEvents {
        &self.operation
    }
}

fn operation(shared: &SdkConfig) -> PutEvents {
    let region = shared.region().cloned().unwrap_or_else(|| Region::new("us-east-1"));
    let mut config = Layer::new("PutEvents");
    config.store_put(AuthSchemeOptionResolverParams::new(()));
    config.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        region_set: None,
        name: Some(SigningName::from_static("events")),
        signing_options: SigningOptions::default(),
    });
    let mut components = RuntimeComponentsBuilder::new("PutEvents")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
        )));
    if let Some(provider) = shared.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(provider));
    }
    components.set_http_client(shared.http_client());
    let plugin = StaticRuntimePlugin::new().with_config(config.freeze()).with_runtime_components(components);
    Operation::builder()
        .service_name("EventBridge")
        .operation_name("PutEvents")
        .endpoint_url(&endpoint(shared, &region))
        .timeout_config(TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build())
        .no_retry()
        .runtime_plugin(plugin)
        .serializer(request)
        .deserializer(answer)
        .build()
}

/// The endpoint of the service's own variable, of all services, or of the region.
fn endpoint(shared: &SdkConfig, region: &Region) -> String {
    let key = ServiceConfigKey::builder()
        .service_id("EventBridge")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("service, variable and key are set");
    let own = shared.service_config().and_then(|service| service.load_config(key));
    let given = own.or_else(|| shared.endpoint_url().map(str::to_owned));
    let suffix = if region.as_ref().starts_with("cn-") { ".cn" } else { "" };
    given.unwrap_or_else(|| format!("https://events.{region}.amazonaws.com{suffix}"))
}

fn request(body: String) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    request.headers_mut().insert("x-amz-target", "AWSEvents.PutEvents");
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return serde_json::from_slice(body).map_err(OrchestratorError::other);
    }
    let error: Json = serde_json::from_slice(body).unwrap_or_default();
    let code = error["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    Err(OrchestratorError::operation(metadata.build()))
}
