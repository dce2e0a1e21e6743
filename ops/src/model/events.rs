//! What happened, in order: for invariants that are checked after every step, and for the hash that proves determinism.

use std::sync::Arc;

use serde_json::Value as Json;

use super::dynamodb::{Item, Key};
use super::stepfunctions::{Callback, ExecutionStatus};
use super::wire::{Answer, Call};

/// One call that reached its service, with its answer.
#[derive(Debug, Clone)]
pub struct Event {
    /// From 1, without gaps.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// The call; none for what the world does by itself or a test does to it.
    pub call: Option<Call>,
    /// What the service answered. A fault may have kept it from the caller.
    pub answer: Answer,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

/// One thing that a call, or time, did.
#[derive(Debug, Clone)]
pub enum Change {
    /// An item was written or deleted.
    Item {
        /// Its table.
        table: String,
        /// Its key.
        key: Key,
        /// What was.
        old: Option<Arc<Item>>,
        /// What is.
        new: Option<Arc<Item>>,
    },
    /// Records of a shard were read.
    Read {
        /// The stream.
        stream_arn: String,
        /// The shard.
        shard_id: String,
        /// Of the records, in order.
        sequences: Vec<String>,
    },
    /// A SendTask* call reached Step Functions.
    Callback(Callback),
    /// An execution reached another status.
    Execution {
        /// Its ARN.
        arn: String,
        /// The status.
        status: ExecutionStatus,
    },
    /// A state began to wait for a token, and its message was sent.
    Waiting {
        /// The execution.
        execution_arn: String,
        /// The token.
        token: String,
    },
}

/// Where [`fnv`] begins.
pub(super) const FNV_START: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a: stable on every machine and version, which the standard library's hashers do not promise.
pub(super) fn fnv(bytes: &[u8], start: u64) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// A hash over every call and answer in order.
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

    /// Mixes in a call with what came of it. The SDK's random client token does not count.
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

    /// Keys in order, whatever map the JSON library uses.
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
