//! An HTTP client whose errors name the host that was called: each service of AWS has its own, and one may be out of
//! reach while others answer.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// A failed connection, and where it was to go.
#[derive(Debug)]
pub(super) struct ToHost {
    /// Host and port of the request.
    pub(super) host: String,
    source: BoxError,
}

impl fmt::Display for ToHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {}", self.host)
    }
}

impl Error for ToHost {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The client under a name that its errors carry on.
#[derive(Debug)]
pub(super) struct NamesHost<T>(T);

/// `client`, with errors that name the host.
pub(super) fn names_host(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(NamesHost(client))
}

impl HttpClient for NamesHost<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(NamesHost(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for NamesHost<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Never the path or the query: only a service's address.
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| to_host(error, host)) })
    }
}

/// The same error, with the host between it and its cause.
fn to_host(error: ConnectorError, host: String) -> ConnectorError {
    let make: fn(BoxError) -> ConnectorError = match &error {
        error if error.is_timeout() => ConnectorError::timeout,
        error if error.is_user() => ConnectorError::user,
        error if error.is_io() => ConnectorError::io,
        _ => |source| ConnectorError::other(source, None),
    };
    let (kind, connection) = (error.as_other(), error.connection_metadata().cloned());
    let source: BoxError = Box::new(ToHost { host, source: error.into_source() });
    let error = if kind.is_some() { ConnectorError::other(source, kind) } else { make(source) };
    match connection {
        Some(connection) => error.with_connection(connection),
        None => error,
    }
}
