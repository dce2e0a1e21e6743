//! The whole system on the emulator, with real processes.
//!
//! A journey is a test function: it starts a [`ops::world::World`] of its own (own ports, own folder; two seconds),
//! starts as many workers as it needs, does what people and workflows do (`ops::journeys`), and waits for what must
//! come of it with [`ops::world::eventually`], never by a pause. What it starts ends with the world, also when the
//! test fails; then the logs of a failed journey are kept by giving the world a folder (`Options::dir`). At its end each
//! world is searched for leaked tokens, so that the whole suite is the canary.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a journey is a part of its test")]

mod collector;
mod journey;

mod author;
mod console;
mod contract;
mod crashes;
mod dead_letters;
mod deploy;
mod deployment;
mod doctor;
mod fleet;
mod guide;
mod hints;
mod ingest;
mod leftovers;
mod local;
mod money;
mod notices;
mod oidc;
mod outages;
mod people;
mod prometheus;
mod publication;
mod rolling;
mod rulesets;
mod smoke;
mod states;
mod tokens;
mod traces;
