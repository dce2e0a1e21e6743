//! Services whose own SDK crates would take minutes to build for an operation or two: EventBridge for notices, Lambda and
//! Service Quotas for `countersign doctor`.
//!
//! Their calls run on the SDK's own runtime: credentials, signature, timeouts and errors are those of the other clients.
//! Requests and responses are JSON.

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
use serde_json::Value as Json;

use super::fault::{Fault, Resource};

/// A service by its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// Of the variable and the profile's section with its endpoint, such as `Service Quotas`.
    pub(crate) id: &'static str,
    /// Of its host and of signatures, such as `servicequotas`.
    pub(crate) host: &'static str,
}

/// A service, and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct JsonService {
    operation: Operation<Request, Json, ErrorMetadata>,
}

/// A request of a service.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Of a path with its query.
    Get(String),
    /// Of a target, such as `AWSEvents.PutEvents`, with its body.
    Post(String, Json),
}

impl JsonService {
    /// The service with the credentials and the connector of the other clients. No call takes longer than `limit`.
    pub(crate) fn new(shared: &SdkConfig, names: Names, limit: Duration) -> JsonService {
        let region = shared.region().cloned().unwrap_or_else(|| Region::new("us-east-1"));
        let mut config = Layer::new(names.id);
        config.store_put(AuthSchemeOptionResolverParams::new(()));
        config.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(region.clone())),
            region_set: None,
            name: Some(SigningName::from_static(names.host)),
            signing_options: SigningOptions::default(),
        });
        let mut components = RuntimeComponentsBuilder::new(names.id)
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
                StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
            )));
        if let Some(provider) = shared.credentials_provider() {
            components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(provider));
        }
        components.set_http_client(shared.http_client());
        let plugin =
            StaticRuntimePlugin::new().with_config(config.freeze()).with_runtime_components(components);
        let operation = Operation::builder()
            .service_name(names.id)
            .operation_name("call")
            .endpoint_url(&endpoint(shared, names, &region))
            .timeout_config(TimeoutConfig::builder().operation_timeout(limit).build())
            .no_retry()
            .runtime_plugin(plugin)
            .serializer(http)
            .deserializer(json)
            .build();
        JsonService { operation }
    }

    /// Makes a call and returns its response. `action` is what IAM calls it, such as `events:PutEvents`.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call failed; it may have been made nevertheless.
    pub(crate) async fn call(
        &self,
        action: &'static str,
        on: Resource,
        request: Request,
    ) -> Result<Json, Fault> {
        let (_, operation) = action.split_once(':').expect("an action names its service");
        self.operation.invoke(request).await.map_err(|error| Fault::of(operation, on, &error))
    }
}

/// The endpoint of the service's own variable, of all services, or of the region.
fn endpoint(shared: &SdkConfig, names: Names, region: &Region) -> String {
    let key = ServiceConfigKey::builder()
        .service_id(names.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("service, variable and key are set");
    let own = shared.service_config().and_then(|service| service.load_config(key));
    let given = own.or_else(|| shared.endpoint_url().map(str::to_owned));
    let suffix = if region.as_ref().starts_with("cn-") { ".cn" } else { "" };
    given.unwrap_or_else(|| format!("https://{}.{region}.amazonaws.com{suffix}", names.host))
}

fn http(request: Request) -> Result<HttpRequest, BoxError> {
    let (path, body) = match &request {
        Request::Get(path) => (path.as_str(), SdkBody::empty()),
        Request::Post(_, body) => ("/", SdkBody::from(body.to_string())),
    };
    let mut http = HttpRequest::new(body);
    http.set_uri(path)?;
    if let Request::Post(target, _) = request {
        http.set_method("POST")?;
        http.headers_mut().insert("content-type", "application/x-amz-json-1.1");
        http.headers_mut().insert("x-amz-target", target);
    }
    Ok(http)
}

fn json(response: &HttpResponse) -> Result<Json, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return serde_json::from_slice(body).map_err(OrchestratorError::other);
    }
    let error: Json = serde_json::from_slice(body).unwrap_or_default();
    let code = code(response.headers().get("x-amzn-errortype"), &error);
    let metadata = code.map_or_else(ErrorMetadata::builder, |code| ErrorMetadata::builder().code(code));
    Err(OrchestratorError::operation(metadata.build()))
}

/// The code of an error: in a header, as `Code` or `Code:URL`, or in the body, as `prefix#Code` or `Code`.
fn code(header: Option<&str>, body: &Json) -> Option<String> {
    let code = header.or_else(|| body["__type"].as_str()).or_else(|| body["Code"].as_str())?;
    let code = code.rsplit('#').next()?.split(':').next()?;
    Some(code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_code_of_an_error_is_found_where_each_service_puts_it() {
        let quotas = json!({"__type": "com.amazonaws.servicequotas#NoSuchResourceException"});
        for (header, body, expected) in [
            (
                Some("AccessDeniedException:http://internal.amazon.com/"),
                Json::Null,
                Some("AccessDeniedException"),
            ),
            (None, quotas, Some("NoSuchResourceException")),
            (None, json!({"__type": "ResourceNotFoundException"}), Some("ResourceNotFoundException")),
            (None, json!("not JSON of a service"), None),
        ] {
            assert_eq!(code(header, &body).as_deref(), expected, "{body}");
        }
    }
}
