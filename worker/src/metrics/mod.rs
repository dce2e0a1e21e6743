//! Every metric of the worker, each declared in one row: name, kind, labels, help. A documented contract.
//!
//! Labels come only from closed enums, so that a metric's size is known before it runs. Call sites are one verb.

pub mod behind;
mod declare;
mod label;
mod log;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rules::parts::PartKind;

use statemachine::decision::{DecidedBy, Decision, Outcome};
use statemachine::worklist::Worklist;

use self::declare::declare;
use self::label::Label;
pub use self::label::{
    By, CallbackResult, Cap, EscalationCause, Refusal, Reload, RequestClass, Service, Shadowed,
};
use self::log::DroppedLines;
use crate::aws::fault::Class;
use crate::metrics::behind::{Behind, Since};
use crate::stepfunctions::callback::CallbackAnswer;
use crate::tasks::handled::Handled;

/// A gauge with a fraction.
type Decimal = Gauge<f64, AtomicU64>;
/// By labels that are no closed enum: the router's patterns are not known here.
type Requests = Family<Answered, Counter>;

/// From the workflow's start of waiting to its answer: 100 ms to a week, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0];
/// One call of AWS or one HTTP request, in seconds.
const CALL_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// One evaluation: 10 µs to a second, in seconds.
const EVALUATION_BUCKETS: [f64; 8] = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.001, 0.01, 0.1, 1.0];

/// The labels of an answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    /// The router's own pattern, such as `/v1/tasks/{id}`; `other` for a path it does not know.
    route: String,
    method: &'static str,
    status: u16,
}

declare! {
    /// Stream records by outcome. A record left to the lease's next holder (`lease_lost`) is counted there again.
    records: Counter = "stream_records_total" by result: Handled;
    /// Worklist entries, and tasks of closed executions, by outcome.
    swept_tasks: Counter = "swept_tasks_total" by result: Handled;
    /// Decisions that this process stored.
    decisions: Counter = "decisions_total" by outcome: Outcome, by: By;
    /// Tasks that this process left to a person, by cause.
    escalations: Counter = "escalations_total" by cause: EscalationCause;
    /// Tasks that people returned to the rules through this process.
    returns: Counter = "tasks_given_back_total";
    /// Evaluations by the outcome of the active ruleset and of the shadow one.
    shadow_evaluations: Counter = "shadow_evaluations_total" by active: rules::Outcome, shadow: rules::Outcome;
    /// Attempts to answer a workflow, by result. `refused` is final: a person must end that workflow.
    callbacks: Counter = "callbacks_total" by result: CallbackResult;
    /// Duration of one attempt to answer a workflow.
    callback_duration: Histogram(CALL_BUCKETS) = "callback_duration_seconds";
    /// Time from a task's receipt to its workflow's answer, waiting for people included.
    decision_latency: Histogram(LATENCY_BUCKETS) = "decision_latency_seconds";
    /// Duration of one evaluation of the rules.
    evaluation_duration: Histogram(EVALUATION_BUCKETS) = "rule_evaluation_duration_seconds";
    /// Changes of the ruleset by result. After `refused` the last good one goes on deciding; `countersign status` says
    /// what is wrong with the new one.
    reloads: Counter = "ruleset_reloads_total" by result: Reload;
    /// 1 while the wanted ruleset is refused and the last good one decides. `countersign status` says why.
    refused: Gauge = "ruleset_refused";
    /// Parts of rulesets that decided since the process started, which the active ruleset lacks. `countersign status`
    /// names them.
    lacking_parts: Gauge = "ruleset_lacking" by part: PartKind;
    /// Failures that are not specific to one task, by service. Work is held, and goes on by itself once the cause is
    /// gone.
    faults: Counter = "systemic_faults_total" by service: Service;
    /// Services that had not answered for a minute when the process became ready: it could not show that it works with
    /// them. The other metrics show whether it does.
    unproven_starts: Counter = "unproven_starts_total" by service: Service;
    /// Stream records that are read and not yet settled.
    pub in_flight: Gauge = "in_flight_records";
    /// Size of the stream records that are read and not yet settled.
    pub in_flight_bytes: Gauge = "in_flight_bytes";
    /// Leases that no live worker holds although their work is ready, as this process last saw them. Above 0 for more
    /// than two minutes, too few workers live, or the control table rejects writes. It keeps its value while the control
    /// table does not respond.
    pub unowned: Gauge = "leases_unowned";
    /// Leases that this process holds: of shards, and of the worklists' 16 buckets.
    pub leases: Gauge = "leases_held";
    /// Age of the newest record read, of the shard that is furthest behind. It grows while a shard does not answer, and
    /// while reading waits for the records in flight. A shard counts until the control table shows who holds it, even after
    /// this worker has lost its right to act.
    lag: Gauge = "stream_lag_seconds";
    /// Age of the oldest record that is read and not yet settled; 0 with none in flight. It grows while records cannot
    /// be finished.
    unsettled: Gauge = "stream_unsettled_seconds";
    /// How long the most overdue entry of a worklist has waited past its time, of the bucket that is furthest behind.
    /// With no entry overdue it is the time since the last walk (up to `worker.sweep_ms`). It grows while the sweeper
    /// is too slow or gets no answer. A bucket counts until the control table shows who holds it, as with
    /// `stream_lag_seconds`.
    overdue: Gauge = "worklist_overdue_seconds" by list: Worklist;
    /// Decisions whose token was already closed when they were sent, and for which the execution's history does not yet
    /// show whose answer closed it. Of the buckets that this process holds.
    unverified: Gauge = "unverified_decisions";
    /// Age of the oldest of these decisions; 0 without one. One that is older than a day is checked once a day, for as
    /// long as it takes.
    unverified_age: Gauge = "unverified_decision_age_seconds";
    /// Parts of the stream that could not be read. The sweeper finds their tasks in the worklists.
    pub gaps: Counter = "stream_gaps_total";
    /// Log lines that were dropped because the reader of the log is too slow or has stopped. The worker continues; fix
    /// the reader.
    dropped_lines: DroppedLines = "log_lines_dropped_total";
    /// HTTP requests by route, method and status.
    requests: Requests = "http_requests_total";
    /// Duration of one HTTP request.
    request_duration: Histogram(CALL_BUCKETS) = "http_request_duration_seconds";
    /// HTTP requests that got 503 at once because too many of their class were in hand.
    shed_requests: Counter = "http_requests_shed_total" by class: RequestClass;
    /// HTTP requests that were refused before they were handled, by reason.
    refused_requests: Counter = "http_requests_refused_total" by reason: Refusal;
    /// Open connections of the HTTP server, at most 512.
    pub http_connections: Gauge = "http_connections";
    /// Connections without a request in hand that were closed because others came. It grows when somebody opens very
    /// many.
    pub http_connections_evicted: Counter = "http_connections_evicted_total";
    /// 1 while no automatic decision starts: somebody paused them, or the control item could not be read for two
    /// seconds. `countersign automation show` says which.
    pub automation_held: Gauge = "automation_held";
    /// What the active ruleset may approve in an hour: a number of approvals or an amount. Absent without a cap.
    cap_limit: Decimal = "cap_limit" by cap: Cap;
    /// What the fleet has reserved of the cap in this hour, as this process last saw it. Alert on the greatest of all
    /// workers.
    cap_reserved: Decimal = "cap_reserved" by cap: Cap;
}

impl Metrics {
    /// Registers every metric in `registry`.
    pub fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics::declared();
        metrics.start_at_zero();
        // A ruleset has no cap until it says so.
        metrics.capped(&[]);
        // No rule decides before the control item was read.
        metrics.automation_held.set(1);
        metrics.add_to(registry);
        metrics
    }

    /// Counts a stream record's outcome.
    pub fn record(&self, handled: Handled) {
        self.records(handled).inc();
    }

    /// Counts a worklist entry's outcome.
    pub fn swept(&self, handled: Handled) {
        self.swept_tasks(handled).inc();
    }

    /// Counts a decision that this process stored.
    pub fn decided(&self, decision: &Decision) {
        let by = match decision.decided_by {
            DecidedBy::Rule => By::Rule,
            DecidedBy::Person(_) => By::Person,
        };
        self.decisions(decision.outcome, by).inc();
    }

    /// Counts a task that this process left to a person.
    pub fn escalated(&self, cause: EscalationCause) {
        self.escalations(cause).inc();
    }

    /// Counts a task that a person returned to the rules.
    pub fn given_back(&self) {
        self.returns.inc();
    }

    /// Counts a pair of outcomes of the active ruleset and the one that is tried beside it.
    pub fn shadowed(&self, pair: Shadowed) {
        self.shadow_evaluations(pair.active, pair.shadow).inc();
    }

    /// Counts one callback attempt.
    pub fn called_back(&self, answer: &CallbackAnswer, took: Duration) {
        let result = match answer {
            CallbackAnswer::Accepted => CallbackResult::Accepted,
            CallbackAnswer::Closed => CallbackResult::Closed,
            CallbackAnswer::Refused(_) => CallbackResult::Refused,
            CallbackAnswer::Again(_) => CallbackResult::Again,
            CallbackAnswer::Systemic(_) => CallbackResult::Systemic,
        };
        self.callbacks(result).inc();
        self.callback_duration.observe(took.as_secs_f64());
    }

    /// Notes how long a workflow waited for its answer.
    pub fn answered_after(&self, waited: Duration) {
        self.decision_latency.observe(waited.as_secs_f64());
    }

    /// Notes the time of one evaluation.
    pub fn evaluated(&self, took: Duration) {
        self.evaluation_duration.observe(took.as_secs_f64());
    }

    /// Counts a changed ruleset.
    pub fn reloaded(&self, result: Reload) {
        self.reloads(result).inc();
    }

    /// Shows whether the wanted ruleset is refused.
    pub fn ruleset_refused(&self, is_refused: bool) {
        self.refused.set(i64::from(is_refused));
    }

    /// Shows how many parts of each kind the active ruleset lacks.
    pub fn lacking(&self, count: impl Fn(PartKind) -> usize) {
        for kind in PartKind::ALL {
            let count = i64::try_from(count(kind)).unwrap_or(i64::MAX);
            self.lacking_parts(kind).set(count);
        }
    }

    /// Counts an answered request. `route` is the router's pattern, never the path.
    pub fn answered_request(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), method, status }).inc();
        self.request_duration.observe(took.as_secs_f64());
    }

    /// Counts a request that was refused.
    pub fn refused_request(&self, why: Refusal) {
        self.refused_requests(why).inc();
    }

    /// Counts a request that was turned away because too many of its class are in hand.
    pub fn shed(&self, class: RequestClass) {
        self.shed_requests(class).inc();
    }

    /// Shows the hourly caps of the active ruleset and no others: the limit of each, and what is reserved of it.
    pub fn capped(&self, caps: &[(Cap, f64, f64)]) {
        for &cap in Cap::ALL {
            match caps.iter().find(|(shown, ..)| *shown == cap) {
                Some((_, limit, reserved)) => {
                    self.cap_limit(cap).set(*limit);
                    self.cap_reserved(cap).set(*reserved);
                }
                None => {
                    let labels = [("cap", cap.text())];
                    self.cap_limit.remove(&labels);
                    self.cap_reserved.remove(&labels);
                }
            }
        }
    }

    /// Shows how far the work is behind that is most behind, of all that this process does at `now` (epoch seconds).
    pub fn behind<'a>(&self, now: i64, work: impl Iterator<Item = &'a Behind> + Clone) {
        let most = |since: &dyn Fn(&'a Behind) -> &'a Since| {
            work.clone().map(|behind| since(behind).age(now)).max().unwrap_or(0)
        };
        self.lag.set(most(&|behind| &behind.reading));
        self.unsettled.set(most(&|behind| &behind.settling));
        for list in Worklist::ALL {
            let overdue = most(&|behind| behind.list(list));
            self.overdue(list).set(overdue);
        }
        self.unverified.set(work.clone().map(Behind::unverified_count).sum());
        self.unverified_age.set(most(&|behind| &behind.unverified));
    }

    /// Counts a failed call on one item, or one that is repeated at once, if others fail the same way.
    pub fn failed(&self, service: Service, class: Class) {
        if class == Class::Systemic {
            self.systemic_fault(service);
        }
    }

    /// Counts a failure that is not specific to one task.
    pub fn systemic_fault(&self, service: Service) {
        self.faults(service).inc();
    }

    /// The process becomes ready although this service has not answered since its start.
    pub fn ready_unproven(&self, service: Service) {
        self.unproven_starts(service).inc();
    }
}

/// A registry with the project's prefix, and the build's information.
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix("countersign");
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Build information: the version of this program", version);
    registry
}

/// Every metric as text, in the OpenMetrics format.
///
/// # Errors
///
/// When a metric cannot be written as text.
pub fn text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

/// What the server of `/metrics` holds.
pub type Shared = Arc<Registry>;
