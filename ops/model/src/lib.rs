//! AWS in process: the SDK's HTTP connector on top of one shared, seeded model that runs on tokio's paused clock.
//!
//! Production code has no trait for AWS. A test configures the real SDK clients with
//! `.http_client(world.client_for("node"))`, and they then call this world instead of the network: no sockets, no
//! threads, virtual time. An operation or a parameter that the model does not support causes a panic with its name, so
//! the model never guesses a response.
//!
//! ```ignore
//! #[tokio::test(start_paused = true)]
//! async fn a_lost_answer_costs_nothing() {
//!     fastrand::seed(7); // the SDK's jitter
//!     let world = World::new(7, Options::default());
//!     world.create_table(schema);
//!     let queue = world.create_queue("approvals", QueueSettings::default());
//!     world.observe(|event| check_invariants(event));
//!     world.inject(Rule::new(Matcher::operation("UpdateItem").on_table("tasks"), Fault::AnswerLost(Failure::Timeout)).times(1));
//!     let hold = world.hold(Matcher::operation("SendTaskSuccess").from("worker-1"), 1, Door::AfterApply);
//!     let worker = start_worker(world.client_for("worker-1")); // its clients: `.http_client(node)`
//!     let started = world.start(Start { queue_url: Some(queue), ..Start::new("e1", "o-1") });
//!     hold.reached().await; // the callback has landed, its answer has not
//!     worker.abort(); // the crash window W3
//!     hold.fail(Failure::Connection);
//!     assert_eq!(world.accepted(&started.token), 1);
//! }
//! ```

mod bucket;
mod clients;
mod clock;
mod connector;
mod dynamodb;
mod eventbridge;
mod events;
mod faults;
mod hold;
mod operator;
mod options;
mod sqs;
mod state;
mod stepfunctions;
mod streams;
mod turn;
mod wire;
mod world;

#[cfg(test)]
mod tests;

pub use self::bucket::Rate;
pub use self::clients::credentials;
pub use self::clock::{EPOCH_MS, rfc3339};
pub use self::connector::Node;
pub use self::dynamodb::{
    Bytes, IndexSchema, Item, Key, KeyAttribute, KeySchema, Kind, Number, Projection, TableSchema, Value,
    WriteUnits, item_bytes, read_half_units, stored_bytes,
};
pub use self::eventbridge::PutEvent;
pub use self::events::{Change, Event};
pub use self::faults::{Alteration, Failure, Fault, Matcher, Rule, RuleId};
pub use self::hold::{Door, Hold};
pub use self::options::Options;
pub use self::sqs::{MessageView, QueueSettings};
pub use self::stepfunctions::{Callback, ExecutionStatus, ExecutionView, Start, Started, Verb};
pub use self::streams::ShardView;
pub use self::wire::{Answer, Call, Service, ServiceError};
pub use self::world::{Link, World};
