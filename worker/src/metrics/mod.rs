//! Every metric of the worker: name, unit, labels, help. A documented contract.
//!
//! Labels come only from closed enums, so that a metric's size is known before it runs. Call sites are one verb.

pub mod behind;
mod label;
mod register;
pub(crate) mod trouble;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use statemachine::decision::{DecidedBy, Decision};
use statemachine::worklist::Worklist;

pub use self::label::{By, CallbackResult, Cap, Cause, Reload, Service, Shadowed};
use crate::aws::fault::Class;
use crate::metrics::behind::{Behind, Since};
use crate::stepfunctions::callback::Answer;
use crate::tasks::handled::Handled;

type Caps = Family<[(&'static str, &'static str); 1], Gauge<f64, AtomicU64>>;
type Counters<const N: usize> = Family<[(&'static str, &'static str); N], Counter>;

/// The labels of an answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    /// The router's own pattern, such as `/v1/tasks/{id}`; `other` for a path it does not know.
    route: String,
    method: &'static str,
    status: u16,
}

/// The worker's metrics. Cheap to clone; one set per process.
#[derive(Debug, Clone)]
pub struct Metrics {
    records: Counters<1>,
    swept: Counters<1>,
    decisions: Counters<2>,
    escalations: Counters<1>,
    shadowed: Counters<2>,
    callbacks: Counters<1>,
    callback_duration: Histogram,
    decision_latency: Histogram,
    evaluation_duration: Histogram,
    reloads: Counters<1>,
    faults: Counters<1>,
    requests: Family<Answered, Counter>,
    request_duration: Histogram,
    cap_limit: Caps,
    cap_reserved: Caps,
    /// Records read and not yet settled.
    pub in_flight: Gauge,
    /// Bytes of those records.
    pub in_flight_bytes: Gauge,
    /// Leases held by this process.
    pub leases: Gauge,
    /// Leases whose work is ready and that nobody alive holds, as this process last saw them.
    pub unowned: Gauge,
    lag_seconds: Gauge,
    unsettled_seconds: Gauge,
    overdue_seconds: Family<[(&'static str, &'static str); 1], Gauge>,
    /// Times a stretch of the stream could not be read.
    pub gaps: Counter,
    /// 1 while automatic decisions are held or paused.
    pub automation_held: Gauge,
}

impl Metrics {
    /// Counts a stream record's outcome.
    pub fn record(&self, handled: Handled) {
        self.records.get_or_create(&[("result", handled.label())]).inc();
    }

    /// Counts a worklist entry's outcome.
    pub fn swept(&self, handled: Handled) {
        self.swept.get_or_create(&[("result", handled.label())]).inc();
    }

    /// Counts a decision that this process stored.
    pub fn decided(&self, decision: &Decision) {
        let by = match decision.decided_by {
            DecidedBy::Rule => By::Rule,
            DecidedBy::Person(_) => By::Person,
        };
        self.decisions.get_or_create(&[("outcome", decision.outcome.as_str()), ("by", by.label())]).inc();
    }

    /// Counts a task that this process left to a person.
    pub fn escalated(&self, cause: Cause) {
        self.escalations.get_or_create(&[("cause", cause.label())]).inc();
    }

    /// Counts a pair of outcomes of the active ruleset and the one that is tried beside it.
    pub fn shadowed(&self, pair: Shadowed) {
        let labels = [("active", pair.active.as_str()), ("shadow", pair.shadow.as_str())];
        self.shadowed.get_or_create(&labels).inc();
    }

    /// Counts one callback attempt.
    pub fn called_back(&self, answer: &Answer, took: Duration) {
        let result = match answer {
            Answer::Accepted => CallbackResult::Accepted,
            Answer::Closed => CallbackResult::Closed,
            Answer::Refused(_) => CallbackResult::Refused,
            Answer::Again(_) => CallbackResult::Again,
            Answer::Systemic(_) => CallbackResult::Systemic,
        };
        self.callbacks.get_or_create(&[("result", result.label())]).inc();
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
        self.reloads.get_or_create(&[("result", result.label())]).inc();
    }

    /// Counts an answered request. `route` is the router's pattern, never the path.
    pub fn answered_request(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), method, status }).inc();
        self.request_duration.observe(took.as_secs_f64());
    }

    /// Shows the hourly caps of the active ruleset and no others: the limit of each, and what is reserved of it.
    pub fn capped(&self, caps: &[(Cap, f64, f64)]) {
        for cap in Cap::ALL {
            let labels = [("cap", cap.label())];
            match caps.iter().find(|(shown, ..)| shown == cap) {
                Some((_, limit, reserved)) => {
                    self.cap_limit.get_or_create(&labels).set(*limit);
                    self.cap_reserved.get_or_create(&labels).set(*reserved);
                }
                None => {
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
        self.lag_seconds.set(most(&|behind| &behind.reading));
        self.unsettled_seconds.set(most(&|behind| &behind.settling));
        for list in Worklist::ALL {
            let overdue = most(&|behind| behind.list(list));
            self.overdue_seconds.get_or_create(&[("list", list.name())]).set(overdue);
        }
    }

    /// Counts a failed call on one item, or one that is repeated at once, if others fail the same way.
    pub fn failed(&self, service: Service, class: Class) {
        if class == Class::Systemic {
            self.systemic_fault(service);
        }
    }

    /// Counts a failure that hits every call alike.
    pub fn systemic_fault(&self, service: Service) {
        self.faults.get_or_create(&[("service", service.label())]).inc();
    }
}

/// A registry with the project's prefix.
pub fn registry() -> Registry {
    Registry::with_prefix("countersign")
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The README's chapter of metrics.
    fn chapter() -> &'static str {
        include_str!("../../README.md")
            .split("# Metrics")
            .nth(1)
            .expect("the README has a chapter of metrics")
    }

    /// The names in the first column of its table; a counter's ends in `_total`.
    fn documented() -> BTreeSet<String> {
        let first_columns =
            chapter().lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let names = first_columns.flat_map(|column| column.split(", "));
        names.map(|name| format!("countersign_{}", name.trim_matches(['`', ' ']))).collect()
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_one_exists() {
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        metrics.answered_request("/livez", "GET", 200, Duration::ZERO);
        metrics.capped(&[(Cap::Approvals, 1.0, 0.0)]);
        let shown = text(&registry).unwrap();
        let exported: BTreeSet<String> = shown
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(|line| match line.split_once(' ').unwrap() {
                (name, "counter") => format!("{name}_total"),
                (name, "info") => format!("{name}_info"),
                (name, _) => name.to_owned(),
            })
            .collect();
        assert_eq!(exported, documented());
    }

    #[test]
    fn every_value_of_a_label_is_documented() {
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        metrics.capped(&[(Cap::Approvals, 1.0, 0.0), (Cap::Amount, 1.0, 0.0)]);
        let shown = text(&registry).unwrap();
        let labels = shown
            .lines()
            .filter_map(|line| line.split_once('{')?.1.split_once('}'))
            .flat_map(|(labels, _)| labels.split(','));
        let values: BTreeSet<&str> = labels
            .filter_map(|label| label.split_once('='))
            .filter(|(name, _)| !["le", "version"].contains(name))
            .map(|(_, value)| value.trim_matches('"'))
            .collect();
        assert!(values.contains("delivered") && values.contains("step_functions"), "{values:?}");
        let missing: Vec<&&str> =
            values.iter().filter(|value| !chapter().contains(&format!("`{value}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
