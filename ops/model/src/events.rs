//! The events of a world, in order: for invariants that are checked after every step, and for the hash that proves
//! determinism.

use std::sync::Arc;

use serde_json::Value as Json;

use super::dynamodb::{Item, Key};
use super::stepfunctions::{Callback, ExecutionStatus};
use super::wire::{Answer, Call};

/// One call that reached its service, with the response.
#[derive(Debug, Clone)]
pub struct Event {
    /// Numbered from 1, without gaps.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// The call; `None` for events that time or the test caused.
    pub call: Option<Call>,
    /// The service's response. A fault may have kept it from the caller.
    pub answer: Answer,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

/// One effect of a call, or of time.
#[derive(Debug, Clone)]
pub enum Change {
    /// An item was written or deleted.
    Item {
        /// Its table.
        table: String,
        /// Its key.
        key: Key,
        /// The item before.
        old: Option<Arc<Item>>,
        /// The item after.
        new: Option<Arc<Item>>,
    },
    /// Records were read from a shard.
    Read {
        /// The stream.
        stream_arn: String,
        /// The shard.
        shard_id: String,
        /// The sequence numbers of the records, in order.
        sequences: Vec<String>,
    },
    /// A SendTask* call reached Step Functions.
    Callback(Callback),
    /// The status of an execution changed.
    Execution {
        /// Its ARN.
        arn: String,
        /// The new status.
        status: ExecutionStatus,
    },
    /// A state began to wait for a token, and sent its message.
    Waiting {
        /// The execution.
        execution_arn: String,
        /// The token.
        token: String,
    },
}

/// The initial value for [`fnv`].
pub(super) const FNV_START: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a, which is the same on every machine and in every version; the standard library's hashers do not promise that.
pub(super) fn fnv(bytes: &[u8], start: u64) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// A hash over every call and response, in order.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    pub(super) number: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { hash: FNV_START, number: 0 }
    }
}

impl Trace {
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Adds a call and its outcome. The SDK's random client token is left out.
    pub(super) fn add(&mut self, at_ms: u64, call: &Call, fate: &str, answer: Option<&Answer>) {
        self.text(&at_ms.to_string());
        self.text(&call.node);
        self.text(&call.operation);
        self.json(&call.body);
        self.text(fate);
        match answer {
            None => {}
            Some(Ok(body)) => self.text(body),
            Some(Err(error)) => {
                self.text(&error.kind);
                self.text(&error.message);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.hash = fnv(text.as_bytes(), self.hash);
        self.hash = fnv(&[0xFF], self.hash);
    }

    /// Writes keys in order, whatever map the JSON library uses.
    fn json(&mut self, json: &Json) {
        match json {
            Json::Object(map) => {
                let mut members: Vec<_> =
                    map.iter().filter(|(name, _)| *name != "ClientRequestToken").collect();
                members.sort_by_key(|(name, _)| *name);
                for (name, member) in members {
                    self.text(name);
                    self.json(member);
                }
            }
            Json::Array(list) => list.iter().for_each(|member| self.json(member)),
            Json::String(text) => self.text(text),
            Json::Null | Json::Bool(_) | Json::Number(_) => self.text(&json.to_string()),
        }
    }
}
