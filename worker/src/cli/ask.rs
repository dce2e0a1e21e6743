//! Asks on the terminal before something that cannot be undone.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};

/// Whether the person agrees. `what` is the question, such as `publish rules@7f3a`.
///
/// # Errors
///
/// If there is no terminal to ask on; `--yes` does it without asking.
pub(super) fn agreed(what: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("cannot ask whether to {what}: standard input is no terminal; --yes does it without asking");
    }
    write!(io::stderr(), "{what}? [y/N] ").context("the question cannot be shown")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("the answer cannot be read")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
