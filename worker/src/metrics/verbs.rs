//! What call sites say to the metrics, one verb each.

use std::collections::BTreeMap;
use std::time::Duration;

use rules::Ruleset;
use rules::parts::PartKind;
use statemachine::decision::{Decision, Outcome};
use statemachine::status::Status;
use statemachine::task::Escalation;

use super::label::Label;
use super::{
    Answered, By, CallbackResult, Cap, EscalationCause, Metrics, Published, Queue, Refusal, Reload,
    RequestClass, RouteClass, Service, Shadowed, Traced, Undecided,
};
use crate::aws::fault::Class;
use crate::stepfunctions::callback::CallbackAnswer;
use crate::stepfunctions::executions::End;
use crate::tasks::handled::Handled;
use crate::tasks::notice::Notice;

impl Metrics {
    /// Counts a stream record's outcome.
    pub fn record(&self, handled: Handled) {
        self.records(handled).inc();
    }

    /// Notes when a task's message was `sent` and the task `stored`, in epoch seconds.
    pub fn stored(&self, sent: i64, stored: i64) {
        self.arrivals.note(sent, stored);
    }

    /// Shows the messages of a queue that wait and those in hand, as read at `at` (epoch seconds).
    pub fn queue(&self, queue: Queue, waiting: u64, in_hand: u64, at: i64) {
        let gauge = |count| Some(i64::try_from(count).unwrap_or(i64::MAX));
        self.queue_waiting(queue).set(gauge(waiting));
        self.queue_in_hand(queue).set(gauge(in_hand));
        self.queue_read(queue).set(Some(at));
    }

    /// Shows that a queue is to be read, from `at` (epoch seconds) on.
    pub fn queue_unread(&self, queue: Queue, at: i64) {
        self.queue_read(queue).set(Some(at));
    }

    /// Counts a worklist entry's outcome.
    pub fn swept(&self, handled: Handled) {
        self.swept_tasks(handled).inc();
    }

    /// Counts a hinted task's outcome.
    pub fn hinted(&self, handled: Handled) {
        self.hinted_tasks(handled).inc();
    }

    /// Counts a decision that this process stored.
    pub fn decided(&self, decision: &Decision) {
        let by = By::of(decision);
        self.decisions(decision.outcome, by).inc();
        if by == By::Rule {
            let outcome = match decision.outcome {
                Outcome::Approved => rules::Outcome::Approve,
                Outcome::Rejected => rules::Outcome::Reject,
            };
            self.verdict(decision.rule.as_deref(), outcome, &decision.code);
        }
    }

    /// Counts a task that this process left to a person.
    pub fn escalated(&self, cause: EscalationCause, escalation: &Escalation) {
        self.escalations(cause).inc();
        if cause.is_verdict() {
            self.verdict(escalation.rule.as_deref(), rules::Outcome::Escalate, &escalation.code);
        }
    }

    fn verdict(&self, rule: Option<&str>, outcome: rules::Outcome, code: &str) {
        if !self.verdicts.count(rule, outcome, code) {
            self.folded.inc();
        }
    }

    /// How many tasks each rule decided and left to people in this process, by outcome in the order of
    /// [`rules::Outcome::ALL`].
    pub(crate) fn verdicts_by_rule(&self) -> BTreeMap<String, [u64; rules::Outcome::ALL.len()]> {
        self.verdicts.by_rule()
    }

    /// Shows the active ruleset, and the verdicts that it can give.
    pub fn ruleset(&self, ruleset: &Ruleset) {
        self.verdicts.of(ruleset);
        self.ruleset.set(ruleset.label());
    }

    /// Counts an undecided task whose workflow no longer waits; `status` is the task's before that.
    pub fn expired(&self, status: Status, end: End) {
        let status = match status {
            Status::Pending => Undecided::Pending,
            Status::Escalated | Status::Approved | Status::Rejected | Status::Expired | Status::Failed => {
                Undecided::Escalated
            }
        };
        self.expirations(status, end).inc();
    }

    /// Counts the tasks of an event that was to be published.
    pub fn published(&self, notice: Notice, result: Published, tasks: usize) {
        self.notices(notice, result).inc_by(u64::try_from(tasks).unwrap_or(u64::MAX));
    }

    /// Counts the first of two approvals.
    pub fn first_approved(&self) {
        self.first_approvals.inc();
    }

    /// Counts a task that a person returned to the rules.
    pub fn given_back(&self) {
        self.returns.inc();
    }

    /// Counts a pair of outcomes: the active ruleset's and the shadow's.
    pub fn shadowed(&self, pair: Shadowed) {
        self.shadow_evaluations(pair.active, pair.shadow).inc();
    }

    /// Counts one callback attempt.
    pub fn called_back(&self, answer: &CallbackAnswer, took: Duration) {
        self.callbacks(CallbackResult::of(answer)).inc();
        self.callback_duration.observe(took.as_secs_f64());
    }

    /// Counts spans of traces by whether they were exported.
    pub fn traced(&self, traced: Traced, spans: usize) {
        self.spans(traced).inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }

    /// Notes how long a workflow waited for its answer.
    pub fn answered_after(&self, decision: &Decision, waited: Duration) {
        self.decision_latency(By::of(decision)).observe(waited.as_secs_f64());
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
    pub fn answered_request(
        &self,
        class: RouteClass,
        route: &str,
        method: &'static str,
        status: u16,
        took: Duration,
    ) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), method, status }).inc();
        self.request_duration(class).observe(took.as_secs_f64());
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
