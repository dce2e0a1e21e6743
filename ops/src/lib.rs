//! The local world: the emulator, the template, the Lambda function and the workers, as processes that leave nothing
//! behind.
//!
//! `cargo ops up` and the end-to-end tests both use [`world::World`]. The modules are in the order in which a world
//! starts.

pub mod processes;

pub mod binaries;
pub mod python;
pub mod release;

pub mod account;
pub mod bucket;
pub mod clients;
pub mod emulator;
pub mod proxy;
pub mod stack;

mod debian;

pub mod browser;
pub mod identity;
pub mod prometheus;
pub mod valgrind;

pub mod canary;
pub mod journeys;
pub mod people;
pub mod worker;
pub mod world;

pub mod orders;
