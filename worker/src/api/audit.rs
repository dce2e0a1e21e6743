//! The log of the API: one line for each request that changes something, and for each that is refused.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use statemachine::token::TaskId;
use tracing::{info, warn};

use super::caller::Caller;
use super::server::Peer;
use crate::metrics::Refusal;

/// What the log says of a request: who, how, from where, to do what.
#[derive(Debug)]
pub(crate) struct Line {
    from: Option<Peer>,
    method: Method,
    route: Option<MatchedPath>,
    task: Option<TaskId>,
    caller: Option<Caller>,
}

/// Writes its line in the end.
#[derive(Debug)]
pub(super) struct Written(Line, Option<u16>);

impl Line {
    /// The line of a request.
    pub(crate) fn of(request: &Request, from: Option<Peer>) -> Line {
        // Only an id: a path may contain anything, a token too.
        let task = request.uri().path().split('/').find_map(|part| TaskId::parse(part).ok());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Line { from, method: request.method().clone(), route, task, caller: None }
    }

    /// The same, of a caller who is known.
    pub(super) fn by(self, caller: Caller) -> Line {
        Line { caller: Some(caller), ..self }
    }

    /// Where the request came from.
    pub(super) fn peer(&self) -> Option<Peer> {
        self.from
    }

    fn route(&self) -> String {
        format!("{} {}", self.method, self.route.as_ref().map_or("other", MatchedPath::as_str))
    }

    /// Who, and how we know.
    fn who(&self) -> (String, &'static str) {
        let name = self.caller.as_ref().and_then(Caller::name);
        let how = match &self.caller {
            Some(caller) => caller.identity().as_str(),
            None => "none",
        };
        (name.unwrap_or("nobody").to_owned(), how)
    }

    fn from(&self) -> String {
        self.from.map_or_else(|| "unknown".to_owned(), |Peer(address)| address.to_string())
    }

    /// Logs that somebody signed in to the console.
    pub(crate) fn write_sign_in(self, caller: Caller) {
        let line = self.by(caller);
        let ((by, identity), from, route) = (line.who(), line.from(), line.route());
        info!(by, identity, from, route, "{route}: {by} signed in ({identity}), from {from}");
    }

    /// Logs a refused request; `detail` says more of the reason.
    pub(crate) fn write_refusal(&self, why: Refusal, detail: Option<&str>, response: u16) {
        let ((by, identity), from, route) = (self.who(), self.from(), self.route());
        warn!(
            by,
            identity,
            from,
            route,
            response,
            refusal = why.label(),
            detail,
            "{route}: refused ({}): {by}, from {from}{}",
            why.label(),
            detail.map(|detail| format!(": {detail}")).unwrap_or_default()
        );
    }
}

impl Written {
    /// The line of a request that was let in.
    pub(super) fn begin(line: Line, caller: Caller) -> Written {
        Written(line.by(caller), None)
    }

    /// Notes the response.
    pub(super) fn end(mut self, response: u16) {
        self.1 = Some(response);
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Written(line, response) = self;
        let ((by, identity), from, route) = (line.who(), line.from(), line.route());
        let task = line.task.as_ref().map(TaskId::as_str);
        let end = response.map_or_else(|| "the caller disconnected".to_owned(), |status| status.to_string());
        info!(
            by,
            identity,
            from,
            route,
            response = *response,
            task.id = task,
            "{route}: {end}; by {by} ({identity}), from {from}"
        );
    }
}
