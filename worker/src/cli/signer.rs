//! The name of the person who acts over the API.

use anyhow::anyhow;

use super::Failed;
use super::client::Api;

/// The name, for a worker that asks for no token.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Signer {
    /// Your name, if the worker asks for no token; with a token, the token says who you are
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The name unless `--by` gives one.
    #[arg(long, hide = true, env = "USER", hide_env_values = true)]
    user: Option<String>,
}

impl Signer {
    /// The name to send; none with a token.
    pub(super) fn name(self, api: &Api) -> Result<Option<String>, Failed> {
        match (api.has_token(), self.by) {
            (true, Some(_)) => Err(anyhow!("--by: the token says who you are; omit it").into()),
            (true, None) => Ok(None),
            (false, by) => Ok(by.or(self.user)),
        }
    }
}
