//! `countersign openapi`: the description of the API.

use crate::api::openapi;

/// Print the API's OpenAPI document, as `GET /v1/openapi.json` serves it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign openapi > countersign.json")]
pub(super) struct Args {}

pub(super) fn openapi(Args {}: &Args) -> String {
    openapi::text().to_owned()
}
