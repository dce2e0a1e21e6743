//! One task through decide, store, send and record.

mod approval;
mod attempts;
pub mod claim;
pub mod decision;
mod delivery;
mod escalation;
pub mod expiry;
pub mod four_eyes;
mod journal;
pub mod person;
pub mod pipeline;
mod poison;
pub mod reconsider;
pub mod story;
pub mod task;
mod trace;
