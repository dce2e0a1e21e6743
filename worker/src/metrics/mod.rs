//! Every metric of the worker, each declared in one row: name, kind, labels, help. A documented contract.
//!
//! Labels come only from closed enums, so that a metric's size is known before it runs. Call sites are one verb.

pub mod arrivals;
pub mod behind;
pub mod counts;
mod declare;
pub mod format;
mod label;
mod log;
mod optional;
mod process;
pub mod report;
mod ruleset;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;
mod verbs;
mod verdicts;
pub mod waiting;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rules::parts::PartKind;
use statemachine::decision::Outcome;
use statemachine::worklist::Worklist;

use self::arrivals::Arrivals;
use self::declare::declare;
use self::label::Label;
pub use self::label::{
    By, CallbackResult, Cap, EscalationCause, Limit, Published, Queue, Refusal, Reload, RequestClass,
    RouteClass, Service, Shadowed, Traced, Undecided,
};
use self::log::DroppedLines;
use self::optional::Optional;
use self::process::OfProcess;
use self::ruleset::RulesetInfo;
use self::verdicts::Verdicts;
use crate::stepfunctions::executions::End;
use crate::tasks::handled::Handled;
use crate::tasks::notice::Notice;

/// The prefix of our metrics. Those of the process have the names that all Prometheus clients use.
const PREFIX: &str = "countersign";

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
    /// Tasks that ingest named in a hint, by outcome; each comes by the stream too. `put_off`: left to the stream.
    hinted_tasks: Counter = "hinted_tasks_total" by result: Handled;
    /// Decisions that this process stored.
    decisions: Counter = "decisions_total" by outcome: Outcome, by: By;
    /// Tasks that this process left to a person, by cause.
    escalations: Counter = "escalations_total" by cause: EscalationCause;
    /// First approvals, of two that a task needs, that this process stored.
    first_approvals: Counter = "first_approvals_total";
    /// Tasks that people returned to the rules through this process.
    returns: Counter = "tasks_given_back_total";
    /// Automatic decisions and escalations that this process stored, by rule (`none` if no rule gave it), outcome and
    /// code. The values are those of the active ruleset. At most 200 series; further verdicts count as `other`.
    verdicts: Verdicts = "verdicts_total";
    /// Verdicts that count as `other` in `verdicts_total`, because the active ruleset has more than 197 verdicts or
    /// changed in between. If it grows, give rules that do the same the same code, or read the tasks instead.
    folded: Counter = "verdicts_folded_total";
    /// Undecided tasks whose workflow stopped waiting, by what they waited for (`status`) and how that is known. With
    /// `PENDING` the rules came too late: look at lag and faults. With `ESCALATED` nobody decided in time.
    expirations: Counter = "expired_undecided_total" by status: Undecided, cause: End;
    /// Tasks of which people were to be told on the event bus, by what (`notice`) and whether the bus has the event. What
    /// failed is tried again within a minute. Counts nothing without `notices.event_bus`.
    notices: Counter = "notices_total" by notice: Notice, result: Published;
    /// Evaluations by the outcome of the active ruleset and of the shadow one.
    shadow_evaluations: Counter = "shadow_evaluations_total" by active: rules::Outcome, shadow: rules::Outcome;
    /// Attempts to answer a workflow, by result. `refused` is final: a person must end that workflow.
    callbacks: Counter = "callbacks_total" by result: CallbackResult;
    /// Duration of one attempt to answer a workflow.
    callback_duration: Histogram(CALL_BUCKETS) = "callback_duration_seconds";
    /// Time from a task's receipt to its workflow's answer, by who decided. For `rule`, a task that was returned to the
    /// rules counts from its return.
    decision_latency: Histogram(LATENCY_BUCKETS) = "decision_latency_seconds" by by: By;
    /// Duration of one evaluation of the rules.
    evaluation_duration: Histogram(EVALUATION_BUCKETS) = "rule_evaluation_duration_seconds";
    /// Changes of the ruleset by result. After `refused` the last good one goes on deciding; `countersign status` says
    /// what is wrong with the new one.
    reloads: Counter = "ruleset_reloads_total" by result: Reload;
    /// The active ruleset. More than one value over the fleet for longer than a minute means that some workers do not
    /// follow an edit: compare `countersign status` of each.
    ruleset: RulesetInfo = "ruleset_info";
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
    /// 1 if the tasks table's stream is on and its records have the new item, 0 if not: then new tasks wait up to a minute
    /// for the sweeper, and somebody must enable the stream (`NEW_IMAGE`). Only the worker that lists the stream has it.
    pub stream_enabled: Optional = "stream_enabled";
    /// Open tasks, by the worklist that they stand in (`status`). Each worker counts the buckets it holds once a minute,
    /// so add up all workers; the sum is short of a bucket for a moment after a worker has left.
    open_tasks: Gauge = "open_tasks" by status: Worklist;
    /// 1 while a worklist has more than about 12,000 tasks in one of its 16 buckets, which is all that a count reads: then
    /// `open_tasks` is a lower bound. Of the tasks that wait for people, those with the next deadlines are counted first.
    partial: Gauge = "open_tasks_partial";
    /// Time since the receipt of the oldest open task of a worklist, of the buckets that this worker holds; 0 without
    /// one. Take the greatest of all workers.
    oldest_task: Gauge = "oldest_task_age_seconds" by status: Worklist;
    /// Undecided tasks whose workflow stops waiting within an hour, or has; without those that the rules got less than a
    /// minute ago. Add up all workers. `countersign tasks list --due-before` names them; somebody must decide them.
    pub due_soon: Gauge = "tasks_due_within_hour";
    /// When the next workflow of an undecided task stops waiting, in seconds since 1970; absent if none has a deadline.
    /// Take the least of all workers.
    pub next_deadline: Optional = "next_deadline_timestamp_seconds";
    /// Age of the oldest of these counts that this worker shows. Above some minutes, the worklists cannot be read.
    count_age: Gauge = "open_tasks_count_age_seconds";
    /// What a rate limit allows this worker, in calls (for `sweep`, entries) a second: its share of the fleet's.
    rate_capacity: Decimal = "rate_limit_capacity" by limit: Limit;
    /// Calls that a rate limit would allow at once now. At 0, callers wait.
    rate_level: Decimal = "rate_limit_level" by limit: Limit;
    /// Callers that wait for a rate limit. If it stays above 0, raise the limit in `budgets` and the quota of AWS.
    rate_waiting: Gauge = "rate_limit_waiting" by limit: Limit;
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
    /// Time from sending a message to its task's storage, to the second, by the stream's records. Its count is that of the
    /// stored tasks; one that is read again after a crash counts again. Late tasks mean that ingest fails or is throttled:
    /// look at its log.
    arrivals: Arrivals = "ingest_delay_seconds";
    /// Messages that wait to be received, about. In a dead-letter queue they wait for you: run `countersign dead-letters
    /// list`. Absent until the worker has read it. Take the greatest of all workers.
    queue_waiting: Optional = "queue_messages_waiting" by queue: Queue;
    /// Messages that were received and not deleted, about: in hand, or to be delivered again later, as those that ingest
    /// rejects or cannot store. Take the greatest of all workers.
    queue_in_hand: Optional = "queue_messages_in_hand" by queue: Queue;
    /// When the worker last read these counts, in seconds since 1970, or when it started; absent for a queue that the
    /// settings do not name. Older than some minutes, the counts say nothing: the log names the failed call.
    queue_read: Optional = "queue_read_timestamp_seconds" by queue: Queue;
    /// Parts of the stream that could not be read. The sweeper finds their tasks in the worklists.
    pub gaps: Counter = "stream_gaps_total";
    /// Log lines that were dropped because the reader of the log is too slow or has stopped. The worker continues; fix
    /// the reader.
    dropped_lines: DroppedLines = "log_lines_dropped_total";
    /// Spans of traces by whether they were exported by OTLP. `failed`: the receiver did not accept them; the log says why.
    /// `dropped`: more than `OTEL_BSP_MAX_QUEUE_SIZE` waited. No decision waits for either. All 0 while traces are off.
    spans: Counter = "trace_spans_total" by result: Traced;
    /// HTTP requests by route, method and status.
    requests: Requests = "http_requests_total";
    /// Duration of one HTTP request, by what it is for.
    request_duration: Histogram(CALL_BUCKETS) = "http_request_duration_seconds" by class: RouteClass;
    /// HTTP requests that got 503 at once because too many of their class were in hand.
    shed_requests: Counter = "http_requests_shed_total" by class: RequestClass;
    /// HTTP requests that were refused before they were handled, by reason.
    refused_requests: Counter = "http_requests_refused_total" by reason: Refusal;
    /// Open HTTP connections: at most 512 to the API, and 64 to the listener for metrics.
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
        metrics.add_to(registry.sub_registry_with_prefix(PREFIX));
        metrics
    }
}

/// A registry with the build's information, and with what the system knows of this process.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    let ours = registry.sub_registry_with_prefix(PREFIX);
    ours.register("build", "Build information: the version of this program", version);
    registry.register_collector(Box::new(OfProcess));
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
