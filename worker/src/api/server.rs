//! The HTTP server of both listeners: HTTP/1.1 alone, with a limit on everything that a caller can make it hold.
//!
//! HTTP/2 is off: on one connection it would allow a hundred requests, which the limits on connections do not count.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use super::connections::{Connection, Connections};
use super::framing::{Heads, MAX_HEAD_BYTES};
use super::tls::Tls;
use crate::metrics::Metrics;

/// How long a new connection may take to send its first request, a handshake of TLS included.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long the next request's head may take to arrive, the pause before it included. Load balancers keep a connection
/// for 60 seconds, and must be the first to close it.
const NEXT_REQUEST: Duration = Duration::from_secs(75);

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `stop`, then finishes the requests in flight. At most `most` connections are open at once.
pub(super) async fn serve<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    tls: Option<Tls>,
    router: Router,
    most: usize,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let connections = Connections::new(most, metrics);
    let tasks = TaskTracker::new();
    loop {
        let (io, peer) = tokio::select! {
            // A steady stream of connections must not keep the server from stopping.
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let connection = connections.enter();
        let (peer, deadline) = (Peer(peer), Instant::now() + FIRST_REQUEST);
        let (router, stop) = (router.clone(), stop.clone());
        match tls.clone() {
            None => tasks.spawn(serve_connection(io, peer, connection, deadline, router, stop)),
            Some(tls) => tasks.spawn(async move {
                if let Some(io) = agree(&tls, io, &connection, deadline, &stop).await {
                    serve_connection(io, peer, connection, deadline, router, stop).await;
                }
            }),
        };
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// The connection in TLS; none if it ends before both sides agree.
async fn agree<Io: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    io: Io,
    connection: &Connection,
    deadline: Instant,
    stop: &CancellationToken,
) -> Option<TlsStream<Io>> {
    tokio::select! {
        // As below: an evicted connection is closed even if it has just sent something.
        biased;
        () = connection.closed.cancelled() => None,
        () = stop.cancelled() => None,
        agreed = timeout_at(deadline, tls.handshake(io)) => match agreed {
            Ok(Ok(io)) => Some(io),
            Ok(Err(error)) => {
                debug!(%error, "a handshake failed: {error}");
                None
            }
            Err(_) => None,
        },
    }
}

async fn serve_connection<Io: AsyncRead + AsyncWrite + Unpin>(
    io: Io,
    peer: Peer,
    connection: Arc<Connection>,
    deadline: Instant,
    router: Router,
    stop: CancellationToken,
) {
    let (closed, seen) = (connection.closed.clone(), CancellationToken::new());
    let first = seen.clone();
    let mut heads = Heads::default();
    let two_lengths = heads.found();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        first.cancel();
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&connection));
        request.extensions_mut().insert(two_lengths.clone());
        let has_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
        let answer = router.clone().oneshot(request);
        async move {
            let mut answer = answer.await?;
            if has_chunks {
                // Nobody follows the chunks to the next head: see `framing`.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let io = InspectReader::new(io, move |bytes: &[u8]| heads.read(bytes));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(NEXT_REQUEST).max_header_size(MAX_HEAD_BYTES);
    let mut served = pin!(server.serve_connection(TokioIo::new(io), service));
    let (mut is_new, mut is_stopping) = (true, false);
    loop {
        tokio::select! {
            // An evicted connection is closed even if it has just sent something. Requests in hand are never evicted.
            biased;
            () = closed.cancelled() => return,
            ended = &mut served => {
                if let Err(error) = ended {
                    debug!(%error, "a connection ended: {error}");
                }
                return;
            }
            () = sleep_until(deadline), if is_new => {
                if !seen.is_cancelled() {
                    return;
                }
                is_new = false;
            }
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
