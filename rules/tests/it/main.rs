//! Journeys through the crate's public doors.

mod evaluate;
mod ruleset;
mod sample;
