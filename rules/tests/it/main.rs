//! Journeys through the crate's public doors.

mod agreement;
mod backtest;
mod cases;
mod check;
mod claims;
mod depth;
mod evaluate;
mod explain;
mod four_eyes;
mod handbook;
mod masked;
mod oracle;
mod properties;
mod recorded;
mod relatives;
mod ruleset;
mod sample;
mod schema;
mod sight;
mod strict;
mod traps;
mod unicode;
