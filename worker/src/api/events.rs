//! `GET /v1/events`: what changes among the tasks that wait for people, as server-sent events.
//!
//! An event has ids and counts only; who receives it reads the task, where the checks are. Each event's id is a
//! fingerprint of the whole list, which every worker computes alike from the worklists: so any worker can go on from a
//! `Last-Event-ID` of another, and says `reload` when something was missed.
//!
//! All connections of a worker share one look at the worklists. Each keeps only what it sent last, so that a slow reader
//! costs nothing and gets the changes in one event once it reads again.

mod snapshot;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use utoipa::IntoParams;

use self::snapshot::Snapshot;
use super::ApiState;
use super::error::Failure;
use super::limits::Place;
use crate::tasks::list::{ListedTask, TaskList};

/// The time between two looks, while anybody listens.
const EVERY: Duration = Duration::from_secs(2);
/// Proxies close a connection on which nothing is sent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long one connection may last; its reader connects again, and shows its token again.
const LASTS: Duration = Duration::from_secs(300);
/// How long a connection may take to end after that, before its place is given to others.
const GRACE: Duration = Duration::from_secs(10);

/// What everyone who listens to a worker shares. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    seen: watch::Sender<Option<Arc<Snapshot>>>,
    ended: CancellationToken,
}

impl Default for Events {
    fn default() -> Events {
        Events { seen: watch::Sender::new(None), ended: CancellationToken::new() }
    }
}

impl Events {
    /// Looks at the worklists while anybody listens, until `stop`; then ends every connection.
    pub(super) async fn run(self, tasks: TaskList, stop: CancellationToken) {
        loop {
            tokio::select! {
                // A look that gets no answer must not delay the end.
                biased;
                () = stop.cancelled() => return self.ended.cancel(),
                () = self.look(&tasks) => {}
            }
        }
    }

    /// Looks once, and waits until it is time for the next look.
    async fn look(&self, tasks: &TaskList) {
        let next = Instant::now() + EVERY;
        if self.seen.receiver_count() > 0 {
            match Snapshot::read(tasks).await {
                Ok(snapshot) => drop(self.seen.send_replace(Some(Arc::new(snapshot)))),
                Err(fault) => warn!(error = %fault, "events for people: {fault}; retrying"),
            }
        } else {
            // Who comes next must not get what was seen long ago.
            self.seen.send_replace(None);
        }
        sleep_until(next).await;
    }
}

/// The id of the event after which exactly these tasks wait for people: a page that shows them all listens from there.
pub(crate) fn id_of(tasks: &[ListedTask]) -> String {
    Snapshot::of(tasks.iter().map(|task| (task.id.to_string(), task.revision)).collect()).id()
}

/// One connection.
struct Listener {
    seen: watch::Receiver<Option<Arc<Snapshot>>>,
    ended: CancellationToken,
    until: Instant,
    /// What was sent last; none before the first event.
    last: Option<Arc<Snapshot>>,
    /// What the reader says it got last.
    last_event_id: Option<String>,
    waiting: VecDeque<String>,
    /// When anything was sent last.
    sent: Instant,
    /// Cancelled when the connection ends: its place is free.
    is_over: CancellationToken,
}

/// The parameters of `GET /v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// As `Last-Event-ID`, for browsers, which cannot set it for a new connection.
    #[serde(default)]
    after: Option<String>,
}

/// `GET /v1/events`.
pub(crate) async fn events(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    params: Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(After { after }) = params.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let is_over = CancellationToken::new();
    let until = Instant::now() + LASTS;
    state.tracker.spawn({
        let (is_over, ended) = (is_over.clone(), state.events.ended.clone());
        async move {
            tokio::select! {
                biased;
                () = is_over.cancelled() => {}
                () = ended.cancelled() => {}
                // A reader that reads nothing keeps the stream from ending, but not others from their place.
                () = sleep_until(until + GRACE) => {}
            }
            drop(place);
        }
    });
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let last_event_id = last_event_id.or(after).filter(|id| !id.is_empty());
    let listener = Listener {
        seen: state.events.seen.subscribe(),
        ended: state.events.ended.clone(),
        until,
        last: None,
        last_event_id,
        // Browsers wait so long before they connect again.
        waiting: VecDeque::from(["retry: 3000\n\n".to_owned()]),
        sent: Instant::now(),
        is_over,
    };
    let body = stream::unfold(listener, |mut listener| async move {
        let text = listener.next().await?;
        Some((Ok::<Bytes, Infallible>(text.into()), listener))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // For nginx, which otherwise keeps events back.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_over.cancel();
    }
}

impl Listener {
    /// What to send next; none at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(text) = self.waiting.pop_front() {
                self.sent = Instant::now();
                return Some(text);
            }
            tokio::select! {
                // The end comes before what is left to say.
                biased;
                () = self.ended.cancelled() => return None,
                () = sleep_until(self.until) => return None,
                changed = self.seen.changed() => {
                    changed.ok()?;
                    let now = self.seen.borrow_and_update().clone();
                    let event = now.and_then(|now| self.event(now));
                    self.waiting.extend(event);
                }
                () = sleep_until(self.sent + KEEP_ALIVE) => self.waiting.push_back(": still here\n\n".to_owned()),
            }
        }
    }

    /// The event that brings a reader from what it got last to `now`; none if nothing changed.
    fn event(&mut self, now: Arc<Snapshot>) -> Option<String> {
        let event = match &self.last {
            Some(last) => now.since(last),
            None => Some(now.first(self.last_event_id.take().as_deref())),
        };
        self.last = Some(now);
        event
    }
}
