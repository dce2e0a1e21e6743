//! One request to the identity provider, with a limit on its time and on the size of its answer.
//!
//! The worker connects directly: no redirect is followed, and no proxy of the environment is used.

use std::fmt;
use std::io;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// The longest that a request may take, its answer included.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer. Documents and key sets of large providers have some ten kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// Why the provider gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {what}")]
pub struct NoAnswer {
    url: String,
    what: String,
}

impl NoAnswer {
    /// An answer of `url` that cannot be used.
    pub(super) fn new(url: impl fmt::Display, what: impl fmt::Display) -> NoAnswer {
        NoAnswer { url: url.to_string(), what: what.to_string() }
    }
}

/// The HTTP client of the provider.
#[derive(Debug, Clone)]
pub(super) struct Fetch(Client<HttpsConnector<HttpConnector>, Body>);

impl Fetch {
    /// A client that believes the certificates of the system.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub(super) fn new() -> io::Result<Fetch> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| {
                io::Error::other(format!("no certificates for calls to the identity provider: {error}"))
            })?
            // Plain HTTP is for a provider on this machine: see `is_safe`.
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Fetch(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// The document at an address.
    pub(super) async fn document(&self, url: &str) -> Result<Vec<u8>, NoAnswer> {
        let request = Request::get(url).header(header::ACCEPT, "application/json");
        let request = request.body(Body::empty()).map_err(|error| NoAnswer::new(url, error))?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(NoAnswer::new(url, format!("status {}", response.status())));
        }
        Ok(response.into_body())
    }

    /// Sends a request; returns the whole answer.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Vec<u8>>, NoAnswer> {
        // Without its query, which may hold secrets.
        let url = request.uri().to_string().split('?').next().unwrap_or_default().to_owned();
        let answer = async {
            let response = self.0.request(request).await.map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                NoAnswer::new(&url, format!("{error}{}", cause.unwrap_or_default()))
            })?;
            let (parts, body) = response.into_parts();
            let bytes = to_bytes(Body::new(body), MAX_BYTES).await;
            let bytes = bytes.map_err(|error| NoAnswer::new(&url, format!("the answer: {error}")))?;
            Ok(Response::from_parts(parts, bytes.to_vec()))
        };
        let late = |_| NoAnswer::new(&url, format!("no answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, answer).await.map_err(late)?
    }
}
