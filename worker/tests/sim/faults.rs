//! The faults of AWS, and how often they occur: each seed draws its own mix.

mod listings;
mod queues;
mod tables;

use model::{Failure, Fault, Matcher, Rule, RuleId, Service, ServiceError, World};
use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::scene::{CONTROL, LATE_MS, TASKS};

/// One kind of fault: its name, the probability that a seed has it, its highest rate in percent, and the function that
/// creates it.
type Kind = (&'static str, f64, f64, fn(&mut SmallRng) -> (Matcher, Fault));

fn failure(rng: &mut SmallRng) -> Failure {
    [Failure::Connection, Failure::Timeout, Failure::Silence][rng.random_range(0..3)]
}

fn late(rng: &mut SmallRng) -> Fault {
    Fault::AppliedLate { failure: Failure::Timeout, after_ms: rng.random_range(1..LATE_MS - 2_000) }
}

fn update(table: &'static str) -> Matcher {
    Matcher::operation("UpdateItem").on_table(table)
}

fn send_task() -> Matcher {
    Matcher::service(Service::StepFunctions).when(|call| call.operation.starts_with("SendTask"))
}

fn answer_task() -> Matcher {
    Matcher::service(Service::StepFunctions)
        .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure"))
}

fn step_functions(kind: &str) -> ServiceError {
    ServiceError::new(Service::StepFunctions, kind, "injected")
}

const KINDS: &[Kind] = &[
    ("any call lost", 0.5, 4.0, |rng| (Matcher::any(), Fault::Lost(failure(rng)))),
    ("any answer slow", 0.3, 10.0, |_| (Matcher::any(), Fault::Delayed { there_ms: 700, back_ms: 900 })),
    ("task write: answer lost", 0.6, 25.0, |rng| (update(TASKS), Fault::AnswerLost(failure(rng)))),
    ("task write: applied late", 0.4, 10.0, |rng| (update(TASKS), late(rng))),
    ("task write: applied, 500", 0.3, 15.0, |_| {
        (update(TASKS), Fault::AppliedButRefused(Service::DynamoDb.internal()))
    }),
    ("task write: refused for good", 0.3, 8.0, |_| {
        let invalid = ServiceError::new(Service::DynamoDb, "ValidationException", "injected");
        (update(TASKS), Fault::Refused(invalid))
    }),
    ("task table throttled", 0.3, 30.0, |_| {
        (Matcher::any().on_table(TASKS), Fault::Refused(Service::DynamoDb.throttled()))
    }),
    ("task table denied", 0.2, 5.0, |_| {
        let calls = Matcher::service(Service::DynamoDb).on_table(TASKS);
        (calls, Fault::Refused(Service::DynamoDb.access_denied()))
    }),
    ("lease write: answer lost", 0.6, 25.0, |rng| (update(CONTROL), Fault::AnswerLost(failure(rng)))),
    ("lease write: applied late", 0.6, 25.0, |rng| (update(CONTROL), late(rng))),
    ("control table throttled", 0.3, 30.0, |_| {
        (Matcher::any().on_table(CONTROL), Fault::Refused(Service::DynamoDb.throttled()))
    }),
    ("control table denied", 0.2, 5.0, |_| {
        (Matcher::any().on_table(CONTROL), Fault::Refused(Service::DynamoDb.access_denied()))
    }),
    ("stream throttled", 0.3, 20.0, |_| {
        (Matcher::service(Service::Streams), Fault::Refused(Service::Streams.throttled()))
    }),
    ("stream 500", 0.3, 20.0, |_| {
        (Matcher::service(Service::Streams), Fault::Refused(Service::Streams.internal()))
    }),
    ("stream denied", 0.2, 5.0, |_| {
        (Matcher::service(Service::Streams), Fault::Refused(Service::Streams.access_denied()))
    }),
    ("iterator expired", 0.4, 20.0, |_| {
        let expired = ServiceError::new(Service::Streams, "ExpiredIteratorException", "injected");
        (Matcher::operation("GetRecords"), Fault::Refused(expired))
    }),
    ("shard not found", 0.3, 15.0, |_| {
        let unknown = ServiceError::new(Service::Streams, "ResourceNotFoundException", "injected");
        let reads = |call: &model::Call| matches!(call.operation.as_str(), "GetRecords" | "GetShardIterator");
        (Matcher::service(Service::Streams).when(reads), Fault::Refused(unknown))
    }),
    ("records: answer lost", 0.3, 15.0, |rng| {
        (Matcher::operation("GetRecords"), Fault::AnswerLost(failure(rng)))
    }),
    ("callback throttled", 0.4, 40.0, |_| (send_task(), Fault::Refused(Service::StepFunctions.throttled()))),
    ("callback: answer lost", 0.6, 40.0, |rng| (answer_task(), Fault::AnswerLost(failure(rng)))),
    ("callback: applied, 500", 0.4, 30.0, |_| {
        (answer_task(), Fault::AppliedButRefused(Service::StepFunctions.internal()))
    }),
    ("callback: applied late", 0.3, 15.0, |rng| (answer_task(), late(rng))),
    ("callback lost", 0.3, 20.0, |rng| (send_task(), Fault::Lost(failure(rng)))),
    ("callback refused for good", 0.6, 8.0, |_| {
        (answer_task(), Fault::Refused(step_functions("InvalidOutput")))
    }),
    ("token refused", 0.3, 3.0, |_| (send_task(), Fault::Refused(step_functions("InvalidToken")))),
    ("callback denied", 0.2, 20.0, |_| (send_task(), Fault::Refused(Service::StepFunctions.access_denied()))),
    ("key disabled", 0.2, 20.0, |_| {
        (send_task(), Fault::Refused(step_functions("KmsInvalidStateException")))
    }),
    ("question lost", 0.3, 30.0, |rng| {
        let asks = |call: &model::Call| {
            matches!(call.operation.as_str(), "DescribeExecution" | "GetExecutionHistory")
        };
        (Matcher::service(Service::StepFunctions).when(asks), Fault::Lost(failure(rng)))
    }),
];

fn kinds() -> impl Iterator<Item = &'static Kind> {
    [KINDS, tables::KINDS, listings::KINDS, queues::KINDS].into_iter().flatten()
}

/// The names of all kinds.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    kinds().map(|(name, ..)| *name)
}

/// A service or a table, with all its calls.
fn whole(rng: &mut SmallRng) -> (Service, Matcher) {
    let (service, table) = [
        (Service::DynamoDb, Some(TASKS)),
        (Service::DynamoDb, Some(CONTROL)),
        (Service::Streams, None),
        (Service::StepFunctions, None),
        (Service::Sqs, None),
    ][rng.random_range(0..5)];
    let calls = Matcher::service(service);
    let calls = match table {
        Some(table) => calls.on_table(table),
        None => calls,
    };
    (service, calls)
}

/// A service or a table, and a fault for all its calls: they are lost, denied, throttled, or end with a 500.
pub(crate) fn outage(rng: &mut SmallRng) -> (Matcher, Fault) {
    let (service, calls) = whole(rng);
    let fault = match rng.random_range(0..5) {
        0 => Fault::Lost(failure(rng)),
        1 => Fault::Lost(Failure::Connection),
        2 => Fault::Refused(service.access_denied()),
        3 => Fault::Refused(service.throttled()),
        _ => Fault::Refused(service.internal()),
    };
    (calls, fault)
}

/// A service or a table, and how it denies all calls: by policy, or because the key of its data is disabled.
pub(crate) fn denial(rng: &mut SmallRng) -> (Matcher, Fault) {
    let (service, calls) = whole(rng);
    let key_is_disabled = match service {
        Service::StepFunctions => ServiceError::new(service, "KmsInvalidStateException", "injected"),
        Service::DynamoDb => ServiceError::new(service, "KMSInvalidStateException", "injected"),
        Service::Streams | Service::Sqs | Service::EventBridge => service.access_denied(),
    };
    let error = if rng.random_bool(0.5) { key_is_disabled } else { service.access_denied() };
    (calls, Fault::Refused(error))
}

/// The faults of one seed.
#[derive(Debug)]
pub(crate) struct Mix(Vec<(&'static str, RuleId)>);

impl Mix {
    /// Draws faults and enables them.
    pub(crate) fn inject(world: &World, rng: &mut SmallRng) -> Mix {
        let mut drawn = vec![];
        for (name, chance, most, make) in kinds() {
            if rng.random_bool(*chance) {
                let (matcher, fault) = make(rng);
                let percent = rng.random_range(most / 10.0..=*most);
                drawn.push((*name, world.inject(Rule::new(matcher, fault).percent(percent))));
            }
        }
        Mix(drawn)
    }

    /// How often each fault was applied.
    pub(crate) fn hits(&self, world: &World) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|(name, rule)| (*name, world.hits(*rule))).collect()
    }
}
