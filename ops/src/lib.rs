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

pub mod guide;
pub mod orders;

/// A client for plain HTTP on this machine.
///
/// # Errors
///
/// When it cannot be made; nothing that this program does leads there.
pub fn http() -> reqwest::Result<reqwest::Client> {
    // Every client has TLS, since the command line has; an error means that the provider is set already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build()
}
