//! The local world: the emulator, the template, the Lambda and the workers, as processes that leave nothing behind.
//!
//! `cargo ops up` and the end-to-end tests build on the same [`world::World`]. Modules in the order a world starts;
//! [`model`] stands apart: AWS in process, for simulations.

pub mod processes;

pub mod binaries;
pub mod python;

pub mod clients;
pub mod emulator;
pub mod stack;

pub mod canary;
pub mod journeys;
pub mod people;
pub mod worker;
pub mod world;

pub mod orders;

pub mod model;
