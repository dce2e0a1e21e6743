//! AWS in process: the SDK's HTTP connector over one shared, seeded model on tokio's paused clock.
//!
//! Production code has no trait for AWS. A test gives the real SDK clients `.http_client(world.client_for("node"))`, and
//! they speak to this world instead of the network: no sockets, no threads, virtual time. An operation or a parameter
//! that the model does not have panics by name, so that nothing is answered by guess.

mod bucket;
mod clients;
mod clock;
mod connector;
mod dynamodb;
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
    item_bytes,
};
pub use self::events::{Change, Event};
pub use self::faults::{Failure, Fault, Matcher, Rule, RuleId};
pub use self::hold::{Door, Hold};
pub use self::options::Options;
pub use self::sqs::{MessageView, QueueSettings};
pub use self::stepfunctions::{Callback, ExecutionStatus, ExecutionView, Start, Started, Verb};
pub use self::streams::ShardView;
pub use self::wire::{Answer, Call, Service, ServiceError};
pub use self::world::{Link, World};
