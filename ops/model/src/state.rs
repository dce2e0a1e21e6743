//! The state behind the world's lock, and how calls and time change it.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand::rngs::SmallRng;
use serde_json::json;

use super::dynamodb::DynamoDb;
use super::eventbridge::EventBridge;
use super::events::{Change, Event, Trace};
use super::faults::Faults;
use super::hold::Watch;
use super::options::Options;
use super::sqs::Sqs;
use super::stepfunctions::{Due, Effects, ExecutionStatus, StepFunctions};
use super::streams::Streams;
use super::turn::Turn;
use super::wire::{Answer, Call, Service};
use super::world::Links;

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) rng: SmallRng,
    pub(super) dynamodb: DynamoDb,
    pub(super) streams: Streams,
    pub(super) step_functions: StepFunctions,
    pub(super) sqs: Sqs,
    pub(super) event_bridge: EventBridge,
    /// The queue to which EventBridge sends closed executions.
    pub(super) closed_executions_url: Option<String>,
    pub(super) faults: Faults,
    pub(super) watches: Vec<Watch>,
    pub(super) links: Links,
    pub(super) trace: Trace,
    /// Events that are kept for the test.
    pub(super) events: Vec<Event>,
    /// Events that no observer has seen yet.
    pub(super) fresh: Vec<Event>,
    pub(super) has_new_messages: bool,
    /// Scheduled jobs, by their time and then by the order of scheduling.
    agenda: BTreeMap<(u64, u64), Job>,
    planned: u64,
}

/// Something that happens when its time comes.
#[derive(Debug)]
enum Job {
    /// A call arrives whose caller has given up.
    Call(Box<Call>),
    /// A timer of Step Functions.
    StepFunctions(Due),
    /// EventBridge delivers a message.
    Message { url: String, body: String },
}

impl State {
    pub(super) fn new(rng: SmallRng, options: Options) -> State {
        State {
            options,
            rng,
            dynamodb: DynamoDb::default(),
            streams: Streams::default(),
            step_functions: StepFunctions::default(),
            sqs: Sqs::default(),
            event_bridge: EventBridge::default(),
            closed_executions_url: None,
            faults: Faults::default(),
            watches: Vec::new(),
            links: Links::new(),
            trace: Trace::default(),
            events: Vec::new(),
            fresh: Vec::new(),
            has_new_messages: false,
            agenda: BTreeMap::new(),
            planned: 0,
        }
    }

    /// Runs every job that is due by a given time, each at its own time.
    pub(super) fn advance(&mut self, now_ms: u64) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let ((due_ms, _), job) = entry.remove_entry();
            match job {
                Job::Call(call) => {
                    let answer = self.apply(&call, due_ms);
                    self.trace.add(due_ms, &call, "late", Some(&answer));
                }
                Job::StepFunctions(due) => {
                    self.act(due_ms, |step_functions, turn, effects| {
                        step_functions.elapse(&due, turn, effects);
                    });
                }
                Job::Message { url, body } => self.send(&url, &body, due_ms),
            }
        }
    }

    /// The time of the next job.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.agenda.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    /// Lets a service answer a call.
    pub(super) fn apply(&mut self, call: &Call, now_ms: u64) -> Answer {
        let mut changes = Vec::new();
        let mut effects = Effects::default();
        let State { options, rng, dynamodb, streams, step_functions, sqs, event_bridge, .. } = self;
        let mut turn = Turn { now_ms, rng, options, changes: &mut changes, node: &call.node };
        let answer = match call.service {
            Service::DynamoDb => dynamodb.answer(call, streams, &mut turn),
            Service::Streams => streams.answer(call, &mut turn),
            Service::StepFunctions => step_functions.answer(call, &mut turn, &mut effects),
            Service::Sqs => sqs.answer(call, &mut turn),
            Service::EventBridge => event_bridge.answer(call, &mut turn),
        };
        self.has_new_messages |= call.service == Service::Sqs;
        self.record(now_ms, Some(call.clone()), answer.clone(), changes);
        self.take(effects, now_ms);
        answer
    }

    /// Schedules a call for a later time.
    pub(super) fn apply_later(&mut self, call: Call, at_ms: u64) {
        self.plan(at_ms, Job::Call(Box::new(call)));
    }

    /// Makes something happen without a call.
    pub(super) fn act<T>(
        &mut self,
        now_ms: u64,
        run: impl FnOnce(&mut StepFunctions, &mut Turn<'_>, &mut Effects) -> T,
    ) -> T {
        let mut effects = Effects::default();
        let result = self.change(now_ms, |state, turn| run(state.step_functions, turn, &mut effects));
        self.take(effects, now_ms);
        result
    }

    /// Changes a service without a call.
    pub(super) fn change<T>(
        &mut self,
        now_ms: u64,
        run: impl FnOnce(&mut Services<'_>, &mut Turn<'_>) -> T,
    ) -> T {
        let mut changes = Vec::new();
        let State { options, rng, dynamodb, streams, step_functions, sqs, .. } = self;
        let mut turn = Turn { now_ms, rng, options, changes: &mut changes, node: "" };
        let result = run(&mut Services { dynamodb, streams, step_functions, sqs }, &mut turn);
        if !changes.is_empty() {
            self.record(now_ms, None, Ok(String::new()), changes);
        }
        result
    }

    /// Puts a message into a queue.
    pub(super) fn send(&mut self, url: &str, body: &str, now_ms: u64) {
        self.change(now_ms, |services, turn| services.sqs.send(url, body, now_ms, turn));
        self.has_new_messages = true;
    }

    fn record(&mut self, at_ms: u64, call: Option<Call>, answer: Answer, changes: Vec<Change>) {
        self.trace.number += 1;
        self.fresh.push(Event { number: self.trace.number, at_ms, call, answer, changes });
    }

    fn take(&mut self, effects: Effects, now_ms: u64) {
        for (due_ms, due) in effects.due {
            self.plan(due_ms, Job::StepFunctions(due));
        }
        for (url, body) in effects.messages {
            self.send(&url, &body, now_ms);
        }
        for (arn, status) in effects.ended {
            self.announce(&arn, status, now_ms);
        }
    }

    /// Acts as EventBridge: sends the event of an execution that ended without success, as the template's rule does. At
    /// least once.
    fn announce(&mut self, arn: &str, status: ExecutionStatus, now_ms: u64) {
        let is_told = match status {
            ExecutionStatus::Aborted | ExecutionStatus::TimedOut | ExecutionStatus::Failed => true,
            ExecutionStatus::Running | ExecutionStatus::Succeeded => false,
        };
        let Some(url) = self.closed_executions_url.clone().filter(|_| is_told) else { return };
        let body = json!({ "executionArn": arn, "status": status.as_str() }).to_string();
        let copies = 1 + u8::from(self.rng.random_range(0..100) < self.options.duplicate_event_percent);
        for _ in 0..copies {
            let lag_ms = self.rng.random_range(0..=self.options.event_lag_ms);
            self.plan(now_ms + lag_ms, Job::Message { url: url.clone(), body: body.clone() });
        }
    }

    fn plan(&mut self, at_ms: u64, job: Job) {
        self.planned += 1;
        self.agenda.insert((at_ms, self.planned), job);
    }
}

/// The services, separate from the rest of the state.
pub(super) struct Services<'a> {
    pub(super) dynamodb: &'a mut DynamoDb,
    pub(super) streams: &'a mut Streams,
    pub(super) step_functions: &'a mut StepFunctions,
    pub(super) sqs: &'a mut Sqs,
}
