//! Faults of the queues: the Lambda function's, and the one for closed executions.

use model::{Fault, Matcher, Service};

use super::{Kind, failure, late};

fn receive() -> Matcher {
    Matcher::operation("ReceiveMessage")
}

fn deletion() -> Matcher {
    Matcher::operation("DeleteMessage")
}

pub(super) const KINDS: &[Kind] = &[
    ("queue lost", 0.3, 20.0, |rng| (Matcher::service(Service::Sqs), Fault::Lost(failure(rng)))),
    ("queue denied", 0.2, 10.0, |_| {
        (Matcher::service(Service::Sqs), Fault::Refused(Service::Sqs.access_denied()))
    }),
    ("receive: answer lost", 0.3, 30.0, |rng| (receive(), Fault::AnswerLost(failure(rng)))),
    ("receive: applied late", 0.2, 20.0, |rng| (receive(), late(rng))),
    ("receive: applied, 500", 0.2, 20.0, |_| (receive(), Fault::AppliedButRefused(Service::Sqs.internal()))),
    ("message deletion lost", 0.3, 50.0, |rng| (deletion(), Fault::Lost(failure(rng)))),
    ("message deletion: answer lost", 0.3, 50.0, |rng| (deletion(), Fault::AnswerLost(failure(rng)))),
    ("message deletion: applied late", 0.3, 30.0, |rng| (deletion(), late(rng))),
];
