//! Journeys through the crate's public doors.

mod evaluate;
mod properties;
mod ruleset;
mod sample;
