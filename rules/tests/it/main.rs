//! Journeys through the crate's public doors.

mod cases;
mod check;
mod evaluate;
mod properties;
mod ruleset;
mod sample;
