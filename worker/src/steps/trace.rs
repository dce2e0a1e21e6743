//! A task's steps as spans of OpenTelemetry, for the export of traces (`traces.rs`). While that is off, nothing is measured
//! or allocated.
//!
//! The attributes are fields of the log, by the same names. Never add a token, an order, or a rule's or a person's reason,
//! which may quote the order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodbstreams::types::Record;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use rules::{Evaluation, Verdict};
use statemachine::decision::Decision;
use statemachine::task::{Escalation, Task};

use crate::metrics::CallbackResult;
use crate::stepfunctions::callback::CallbackAnswer;
use crate::traces::Traces;

impl Traces {
    /// Puts the steps of a task into a span. Its parent is the span that the task's message belongs to. With a stream
    /// record, the time from the record's creation until now is a step too.
    pub(super) fn task<'f, T: Send + 'f>(
        &self,
        task: &Task,
        worker: &str,
        record: Option<&Record>,
        steps: BoxFuture<'f, T>,
        result: impl FnOnce(&T) -> Option<&'static str> + Send + 'f,
    ) -> BoxFuture<'f, T> {
        let Some(tracer) = self.tracer() else { return steps };
        let parent = match task.traceparent.as_deref().and_then(parent) {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let span = tracer.span_builder("task").with_kind(SpanKind::Consumer).with_attributes([
            KeyValue::new("task.id", task.id.to_string()),
            KeyValue::new("order.id", task.order_id.clone()),
            KeyValue::new("workflow", task.transaction_id.clone()),
            KeyValue::new("worker", worker.to_owned()),
        ]);
        let context = parent.with_span(tracer.build_with_context(span, &parent));
        if let Some(made) = record.and_then(made) {
            tracer.build_with_context(tracer.span_builder("read").with_start_time(made), &context).end();
        }
        let within = context.clone();
        async move {
            let ended = steps.await;
            if let Some(result) = result(&ended) {
                context.span().set_attribute(KeyValue::new("result", result));
            }
            context.span().end();
            ended
        }
        .with_context(within)
        .boxed()
    }

    /// Begins one step within the span of its task.
    pub(super) fn step(&self, name: &'static str) -> Step {
        let context = self.tracer().map(|tracer| (tracer, Context::current()));
        let context = context.filter(|(_, context)| context.has_active_span());
        let span = context.map(|(tracer, context)| tracer.start_with_context(name, &context));
        Step(span.filter(opentelemetry_sdk::trace::Span::is_recording).map(Box::new))
    }
}

/// A step that has begun. Boxed: it is part of every future that has a step. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Step(Option<Box<opentelemetry_sdk::trace::Span>>);

impl Step {
    /// Ends the step with what is told of it.
    pub(super) fn end<const N: usize>(self, told: impl FnOnce() -> [KeyValue; N]) {
        if let Some(mut span) = self.0 {
            span.set_attributes(told());
        }
    }
}

/// When a record was made, to the second.
fn made(record: &Record) -> Option<SystemTime> {
    let made = record.dynamodb()?.approximate_creation_date_time()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(made.secs()).ok()?))
}

/// What is told of an evaluation; without a rule, its name is empty.
pub(super) fn of_evaluation(evaluation: &Evaluation) -> [KeyValue; 4] {
    let (outcome, rule) = match &evaluation.verdict {
        Verdict::Approve { rule, .. } => ("approved", rule.as_deref()),
        Verdict::Reject { rule, .. } => ("rejected", Some(rule.as_str())),
        Verdict::Escalate { rule, .. } => ("escalated", rule.as_deref()),
    };
    [
        KeyValue::new("ruleset", evaluation.ruleset.to_string()),
        KeyValue::new("outcome", outcome),
        KeyValue::new("code", evaluation.verdict.code().to_owned()),
        KeyValue::new("rule", rule.unwrap_or_default().to_owned()),
    ]
}

/// What is told of a decision.
pub(super) fn of_decision(decision: &Decision) -> [KeyValue; 3] {
    [
        KeyValue::new("decision.id", decision.id.clone()),
        KeyValue::new("outcome", decision.outcome.to_string()),
        KeyValue::new("code", decision.code.clone()),
    ]
}

/// What is told of an attempt to answer a workflow.
pub(super) fn of_answer(decision: &Decision, answer: &CallbackAnswer) -> [KeyValue; 2] {
    [
        KeyValue::new("decision.id", decision.id.clone()),
        KeyValue::new("how", CallbackResult::of(answer).label()),
    ]
}

/// What is told of an escalation.
pub(super) fn of_escalation(escalation: &Escalation) -> [KeyValue; 2] {
    [KeyValue::new("outcome", "escalated"), KeyValue::new("code", escalation.code.clone())]
}

/// Reads a `traceparent` (W3C Trace Context): version, trace, span and flags.
fn parent(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 || parts.next().is_some()
    {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_the_parent_and_anything_else_is_none() {
        let (trace, span) = ("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
        for (flags, is_sampled) in [("01", true), ("00", false)] {
            let read = parent(&format!("00-{trace}-{span}-{flags}")).unwrap();
            assert_eq!(
                (read.trace_id().to_string(), read.span_id().to_string()),
                (trace.into(), span.into())
            );
            assert!(read.is_remote() && read.is_sampled() == is_sampled);
        }
        for broken in [
            String::new(),
            format!("01-{trace}-{span}-01"),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-x"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-53995c3f42cd8adg-01"),
        ] {
            assert!(parent(&broken).is_none(), "{broken}");
        }
    }
}
