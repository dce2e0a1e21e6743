//! What a person has reviewed, as a short text: the API's `ETag`.
//!
//! It covers what a decision depends on and may change: the status, why the task was left to people, and what was decided
//! and delivered. The order never changes. Claims, comments, a first approval and deferred attempts are not part of it:
//! nobody needs to look again because of them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::decision::Decision;
use crate::status::{Delivery, Status};
use crate::task::{Escalation, Task};

impl Task {
    /// What a person has reviewed of this task.
    pub fn reviewed(&self) -> String {
        reviewed(self.status, self.delivery, self.escalation.as_ref(), self.decision.as_ref())
    }
}

/// What a person has reviewed of a task with these parts: 16 hexadecimal digits.
pub fn reviewed(
    status: Status,
    delivery: Option<Delivery>,
    escalation: Option<&Escalation>,
    decision: Option<&Decision>,
) -> String {
    let parts = [
        status.as_str(),
        delivery.map_or("", Delivery::as_str),
        escalation.map_or("", |escalation| &escalation.at),
        escalation.map_or("", |escalation| &escalation.code),
        decision.map_or("", |decision| &decision.id),
    ];
    let digest = Sha256::digest(parts.join("\n").as_bytes());
    digest[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
