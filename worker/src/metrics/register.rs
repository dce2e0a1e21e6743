//! The metrics' names, units and helps, and what each begins with.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{By, CallbackResult, Cause, Metrics, Reload, Service};
use crate::tasks::handled::Handled;

/// From the workflow's start of waiting to its answer: 100 ms to a week, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0];
/// One call of AWS, in seconds.
const CALL_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

impl Metrics {
    /// Registers every metric in `registry`.
    pub fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            records: Family::default(),
            swept: Family::default(),
            decisions: Family::default(),
            escalations: Family::default(),
            shadowed: Family::default(),
            callbacks: Family::default(),
            callback_duration: Histogram::new(CALL_BUCKETS),
            decision_latency: Histogram::new(LATENCY_BUCKETS),
            evaluation_duration: Histogram::new([
                0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.001, 0.01, 0.1, 1.0,
            ]),
            reloads: Family::default(),
            faults: Family::default(),
            requests: Family::default(),
            request_duration: Histogram::new(CALL_BUCKETS),
            cap_limit: Family::default(),
            cap_reserved: Family::default(),
            in_flight: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            leases: Gauge::default(),
            unowned: Gauge::default(),
            lag_seconds: Gauge::default(),
            unsettled_seconds: Gauge::default(),
            overdue_seconds: Family::default(),
            gaps: Counter::default(),
            automation_held: Gauge::default(),
        };
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        metrics.start_at_zero();
        metrics.register_work(registry);
        metrics.register_state(registry);
        metrics.register_requests(registry);
        metrics
    }

    /// Every label of a closed enum is there from the start, so that an alert on a rate sees the first one.
    fn start_at_zero(&self) {
        for handled in Handled::ALL {
            for counters in [&self.records, &self.swept] {
                drop(counters.get_or_create(&[("result", handled.label())]));
            }
        }
        for outcome in statemachine::decision::Outcome::ALL {
            for by in By::ALL {
                drop(self.decisions.get_or_create(&[("outcome", outcome.as_str()), ("by", by.label())]));
            }
        }
        for cause in Cause::ALL {
            drop(self.escalations.get_or_create(&[("cause", cause.label())]));
        }
        for active in rules::Outcome::ALL {
            for shadow in rules::Outcome::ALL {
                let labels = [("active", active.as_str()), ("shadow", shadow.as_str())];
                drop(self.shadowed.get_or_create(&labels));
            }
        }
        for result in CallbackResult::ALL {
            drop(self.callbacks.get_or_create(&[("result", result.label())]));
        }
        for result in Reload::ALL {
            drop(self.reloads.get_or_create(&[("result", result.label())]));
        }
        self.behind(0, std::iter::empty());
        for service in Service::ALL {
            drop(self.faults.get_or_create(&[("service", service.label())]));
        }
    }

    fn register_work(&self, registry: &mut Registry) {
        registry.register(
            "stream_records",
            "Stream records by what became of them; one that is left to the lease's next holder is counted there again",
            self.records.clone(),
        );
        registry.register("swept_tasks", "Worklist entries by what became of them", self.swept.clone());
        registry.register("decisions", "Decisions stored by this process", self.decisions.clone());
        registry.register("escalations", "Tasks left to a person", self.escalations.clone());
        registry.register(
            "shadow_evaluations",
            "Outcomes of the active ruleset beside the shadow one's",
            self.shadowed.clone(),
        );
        registry.register("callbacks", "Callback attempts by answer", self.callbacks.clone());
        registry.register_with_unit(
            "callback_duration",
            "Time of one callback attempt",
            Unit::Seconds,
            self.callback_duration.clone(),
        );
        registry.register_with_unit(
            "decision_latency",
            "From the task's receipt to the workflow's answer",
            Unit::Seconds,
            self.decision_latency.clone(),
        );
        registry.register_with_unit(
            "rule_evaluation_duration",
            "Time to evaluate one task",
            Unit::Seconds,
            self.evaluation_duration.clone(),
        );
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register("ruleset_reloads", "Changed rulesets by result", self.reloads.clone());
        registry.register("systemic_faults", "Failures that hit every call alike", self.faults.clone());
        registry.register("in_flight_records", "Records read and not yet settled", self.in_flight.clone());
        registry.register_with_unit(
            "in_flight",
            "Size of the records read and not yet settled",
            Unit::Bytes,
            self.in_flight_bytes.clone(),
        );
        registry.register("leases_held", "Leases held by this process", self.leases.clone());
        registry.register(
            "leases_unowned",
            "Leases whose work is ready and that no live worker holds, as this process last saw them",
            self.unowned.clone(),
        );
        registry.register_with_unit(
            "stream_lag",
            "Age of the newest record read and the time since, of the shard that is most behind",
            Unit::Seconds,
            self.lag_seconds.clone(),
        );
        registry.register_with_unit(
            "stream_unsettled",
            "Age of the oldest record read and not yet settled",
            Unit::Seconds,
            self.unsettled_seconds.clone(),
        );
        registry.register_with_unit(
            "worklist_overdue",
            "How long the entry that is due the longest waits past its time, in the buckets of this process",
            Unit::Seconds,
            self.overdue_seconds.clone(),
        );
        registry.register("stream_gaps", "Stretches of the stream that could not be read", self.gaps.clone());
        registry.register(
            "automation_held",
            "1 while no automatic decision is started",
            self.automation_held.clone(),
        );
        registry.register(
            "cap_limit",
            "What the active ruleset may approve in an hour",
            self.cap_limit.clone(),
        );
        registry.register(
            "cap_reserved",
            "What the fleet has reserved of it in this hour, as this process last saw it",
            self.cap_reserved.clone(),
        );
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests by route, method and status", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time of one request",
            Unit::Seconds,
            self.request_duration.clone(),
        );
    }
}
