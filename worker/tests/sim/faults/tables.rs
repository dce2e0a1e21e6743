//! Faults of puts, deletions and transactions.

use model::{Fault, Matcher, Service, ServiceError};

use super::{Kind, failure, late};

fn transaction() -> Matcher {
    Matcher::operation("TransactWriteItems")
}

/// A transaction that was not applied, with this reason for its first write.
fn canceled(code: &str) -> Fault {
    let mut error = ServiceError::new(Service::DynamoDb, "TransactionCanceledException", "injected");
    let reasons = serde_json::json!([{ "Code": code, "Message": "injected" }, { "Code": "None" }]);
    error.members.insert("CancellationReasons".to_owned(), reasons);
    Fault::Refused(error)
}

pub(super) const KINDS: &[Kind] = &[
    ("shard end: answer lost", 0.8, 60.0, |rng| (transaction(), Fault::AnswerLost(failure(rng)))),
    ("shard end: conflict", 0.4, 50.0, |_| (transaction(), canceled("TransactionConflict"))),
    ("shard end: throttled", 0.3, 50.0, |_| (transaction(), canceled("ThrottlingError"))),
    ("shard end: no throughput", 0.3, 50.0, |_| (transaction(), canceled("ProvisionedThroughputExceeded"))),
    ("shard end: applied late", 0.3, 30.0, |rng| (transaction(), late(rng))),
    ("put: answer lost", 0.4, 25.0, |rng| (Matcher::operation("PutItem"), Fault::AnswerLost(failure(rng)))),
    ("put: applied late", 0.3, 15.0, |rng| (Matcher::operation("PutItem"), late(rng))),
    ("put: applied, 500", 0.3, 15.0, |_| {
        (Matcher::operation("PutItem"), Fault::AppliedButRefused(Service::DynamoDb.internal()))
    }),
    ("deletion: answer lost", 0.4, 50.0, |rng| {
        (Matcher::operation("DeleteItem"), Fault::AnswerLost(failure(rng)))
    }),
    ("deletion: applied late", 0.4, 40.0, |rng| (Matcher::operation("DeleteItem"), late(rng))),
    ("deletion: applied, 500", 0.4, 40.0, |_| {
        (Matcher::operation("DeleteItem"), Fault::AppliedButRefused(Service::DynamoDb.internal()))
    }),
];
