//! How many requests may be in hand at once, by class of route. Those beyond the limit get 503 at once: they must not
//! take the time, the connections to AWS and the memory of the tail, nor queue in front of a decision.
//!
//! A request's body is read before it has a place, so that a slow sender takes no place from others.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::MAX_BODY_BYTES;
use super::connections::{Busy, Connection, MAX_CONNECTIONS};
use super::error::Failure;
use crate::metrics::{Metrics, RequestClass};

/// The longest time that a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The most requests in hand, over all classes.
const MAX_IN_HAND: usize = {
    let (mut sum, mut n) = (0, 0);
    while n < RequestClass::ALL.len() {
        sum += most(RequestClass::ALL[n]);
        n += 1;
    }
    sum
};
const _: () = assert!(MAX_IN_HAND < MAX_CONNECTIONS, "there is always a connection that can be closed");

/// The most requests of a class in hand at once.
const fn most(class: RequestClass) -> usize {
    match class {
        // A page makes 16 calls at once.
        RequestClass::Lists => 8,
        // One call each.
        RequestClass::Tasks => 64,
        RequestClass::Status => 32,
        // A decision holds its place while its delivery goes on, for eight seconds at most.
        RequestClass::Changes => 128,
        // An open page each; they share their calls.
        RequestClass::Events => 64,
    }
}

/// The places of every class. Cheap to clone; one set for each process.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// In the order of [`RequestClass::ALL`].
    free: Arc<[Arc<Semaphore>]>,
    metrics: Metrics,
}

/// A request's place in its class. A handler whose work outlives the request keeps a clone of it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    _held: Arc<(OwnedSemaphorePermit, Option<Busy>)>,
}

impl Limits {
    pub(super) fn new(metrics: Metrics) -> Limits {
        let free = RequestClass::ALL.iter().map(|class| Arc::new(Semaphore::new(most(*class))));
        Limits { free: free.collect(), metrics }
    }

    /// A place for one request; none if all are taken.
    fn enter(&self, class: RequestClass, connection: Option<Arc<Connection>>) -> Option<Place> {
        let at = RequestClass::ALL.iter().position(|of| *of == class)?;
        let Ok(permit) = Arc::clone(&self.free[at]).try_acquire_owned() else {
            self.metrics.shed(class);
            return None;
        };
        Some(Place { _held: Arc::new((permit, connection.map(Connection::busy))) })
    }
}

/// Passes a request on if its class has a place for it.
pub(super) async fn limit(
    State((class, limits)): State<(RequestClass, Limits)>,
    request: Request,
    next: Next,
) -> Response {
    let mut request = match with_body(request).await {
        Ok(request) => request,
        Err(failure) => return failure.into_response(),
    };
    let connection = request.extensions_mut().remove::<Arc<Connection>>();
    let Some(place) = limits.enter(class, connection) else {
        return Failure::Busy.into_response();
    };
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    drop(place);
    response
}

/// The request with its whole body in memory.
async fn with_body(request: Request) -> Result<Request, Failure> {
    // A length that is too large is enough to know: whoever declares it may never send so much.
    if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(Failure::TooLarge);
    }
    let (parts, body) = request.into_parts();
    let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), &());
    match timeout(BODY_TIMEOUT, whole).await {
        // The fields of an object may be read from a list too, by their order: no body is declared so.
        Ok(Ok(bytes)) if bytes.trim_ascii_start().starts_with(b"[") => {
            Err(Failure::Invalid("the body is a list; send an object".to_owned()))
        }
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Failure::TooLarge),
        Ok(Err(rejection)) => Err(Failure::Invalid(rejection.body_text())),
        Err(_) => Err(Failure::SlowBody),
    }
}
