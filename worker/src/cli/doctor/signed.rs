//! Signed calls of services that only `countersign doctor` asks, and whose own crates would take minutes to build: Lambda
//! and Service Quotas. Requests and answers are JSON.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::error::ErrorMetadata;
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::fault::{Fault, Resource};

/// The longest a call may take if the caller sets no limit.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes signed calls.
#[derive(Debug)]
pub(super) struct Signed {
    region: String,
    /// An emulator's address; `None` for AWS itself.
    endpoint_url: Option<String>,
    credentials: SharedCredentialsProvider,
    connector: Connector,
    limit: Duration,
}

/// A call: what IAM calls it, what it is made on, and its request.
#[derive(Debug)]
pub(super) struct Call {
    /// As in a policy, such as `lambda:GetFunctionConfiguration`.
    pub(super) action: &'static str,
    pub(super) on: Resource,
    pub(super) request: http::request::Builder,
    /// Path and query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Signed {
    /// `None` without a region or a source of credentials.
    pub(super) fn of(shared: &SdkConfig) -> Option<Signed> {
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Some(Signed {
            region: shared.region()?.to_string(),
            endpoint_url: shared.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
            credentials: shared.credentials_provider()?,
            connector: Connector::builder().tls_provider(tls).build(),
            limit: shared.timeout_config().and_then(|it| it.operation_timeout()).unwrap_or(CALL_TIMEOUT),
        })
    }

    /// Makes a call and returns its answer.
    pub(super) async fn call(&self, call: Call) -> Result<Value, Fault> {
        let (service, operation) = call.action.split_once(':').expect("an action names its service");
        let on = call.on.clone();
        let fault = |error| Fault::of::<ErrorMetadata>(operation, on.clone(), &error);
        let answer = timeout(self.limit, self.answer(service, call)).await;
        let response = answer.map_err(|elapsed| fault(SdkError::timeout_error(elapsed)))?.map_err(fault)?;
        serde_json::from_slice(&response)
            .map_err(|_| Fault::unreadable(operation, on.clone(), "JSON that can be read"))
    }

    async fn answer(
        &self,
        service: &str,
        call: Call,
    ) -> Result<Vec<u8>, SdkError<ErrorMetadata, HttpResponse>> {
        let not_sent = |error| SdkError::dispatch_failure(ConnectorError::other(error, None));
        let request = self.request(service, call).await.map_err(not_sent)?;
        let mut response = self.connector.call(request).await.map_err(SdkError::dispatch_failure)?;
        let body = ByteStream::new(response.take_body()).collect().await;
        let body = body.map_err(SdkError::timeout_error)?.into_bytes();
        if response.status().is_success() {
            return Ok(body.to_vec());
        }
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = code(response.headers().get("x-amzn-errortype"), &told);
        let error = code.map_or_else(ErrorMetadata::builder, |code| ErrorMetadata::builder().code(code));
        Err(SdkError::service_error(error.build(), response))
    }

    async fn request(
        &self,
        service: &str,
        call: Call,
    ) -> Result<aws_smithy_runtime_api::http::Request, Box<dyn std::error::Error + Send + Sync>> {
        let suffix = if self.region.starts_with("cn-") { ".cn" } else { "" };
        let host = || format!("https://{service}.{}.amazonaws.com{suffix}", self.region);
        let url = format!("{}{}", self.endpoint_url.clone().unwrap_or_else(host), call.path);
        let request = call.request.uri(&url).body(call.body)?;
        let identity = self.credentials.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::from(crate::cli::clock().now()))
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            &url,
            headers,
            SignableBody::Bytes(request.body()),
        )?;
        let (instructions, _signature) = sign(signable, &parameters)?.into_parts();
        let mut request = request.map(SdkBody::from);
        instructions.apply_to_request_http1x(&mut request);
        Ok(request.try_into()?)
    }
}

/// The code of an error: in a header, as `Code` or `Code:URL`, or in the body, as `prefix#Code` or `Code`.
fn code(header: Option<&str>, body: &Value) -> Option<String> {
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
                Value::Null,
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
