//! `countersign login` and `logout`: the token of a worker's API, kept in a file that only its owner can read.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, anyhow};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::Failed;
use super::client::Server;
use super::render::plain;
use super::token_file::{store, stored};
use crate::api::me::Me;
use crate::control::tokens::Secret;

/// The longest input that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Check a token and keep it for this --url: later commands send it.
///
/// Reads the token from standard input. It is kept in ~/.config/countersign/tokens.json, which only you can read.
/// COUNTERSIGN_TOKEN overrides it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign login
  countersign login < token.txt")]
pub(super) struct Login {
    #[command(flatten)]
    server: Server,
}

/// Forget the token of this --url.
#[derive(Debug, clap::Args)]
pub(super) struct Logout {
    #[command(flatten)]
    server: Server,
}

pub(super) async fn login(args: Login) -> Result<String, Failed> {
    let secret = read_secret()?;
    let base = args.server.base()?;
    let api = args.server.connect_with(Some(secret.clone()))?;
    let me: Me = api.send(api.get("v1/me")?).await?.body;
    let Some(name) = me.name else {
        return Err(anyhow!("{base} requires no token: its auth.mode is \"none\"; nothing was stored").into());
    };
    let mut tokens = stored()?;
    tokens.insert(base.to_string(), secret.reveal().to_owned());
    store(&tokens)?;
    Ok(format!("{base}: you are {} ({}), until {}\n", plain(&name), me.roles.join(","), me.expires))
}

pub(super) fn logout(args: &Logout) -> Result<String, Failed> {
    let base = args.server.base()?;
    let mut tokens = stored()?;
    let was_there = tokens.remove(base.as_str()).is_some();
    store(&tokens)?;
    Ok(format!("{base}: {}\n", if was_there { "the token is forgotten" } else { "there was no token" }))
}

/// Reads the token from standard input; a terminal does not show it.
fn read_secret() -> anyhow::Result<Secret> {
    let mut stdin = io::stdin();
    let shown = if stdin.is_terminal() {
        writeln!(io::stderr(), "Paste the token (it is not shown), then press Enter:")?;
        let shown = tcgetattr(&stdin).context("the terminal")?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("the terminal")?;
        Some(shown)
    } else {
        None
    };
    let mut text = String::new();
    let read = match &shown {
        Some(_) => stdin.read_line(&mut text).map(drop),
        None => stdin.by_ref().take(MAX_BYTES).read_to_string(&mut text).map(drop),
    };
    if let Some(shown) = shown {
        tcsetattr(&stdin, OptionalActions::Flush, &shown).context("the terminal")?;
    }
    read.context("standard input")?;
    Secret::parse(text.lines().next().unwrap_or_default().trim())
        .ok_or_else(|| anyhow!("this is not a token: a token begins with csgn_ and has 48 characters"))
}
