//! Asks on the terminal before something that cannot be undone.

use std::io::{self, BufRead, IsTerminal as _, Write};

use anyhow::{Context as _, bail};

/// Whether the person agrees. `what` is the question, such as `publish rules@7f3a`.
///
/// # Errors
///
/// If there is no terminal to ask on; `--yes` does it without asking.
pub(super) fn agreed(what: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(
            "cannot ask whether to {what}: standard input is not a terminal; use --yes to skip the question"
        );
    }
    answered(what, &mut io::stderr(), &mut io::stdin().lock())
}

/// Asks, and reads the answer: anything but a yes is a no.
fn answered(what: &str, shown: &mut impl Write, answers: &mut impl BufRead) -> anyhow::Result<bool> {
    write!(shown, "{what}? [y/N] ").context("the question cannot be shown")?;
    let mut answer = String::new();
    answers.read_line(&mut answer).context("the answer cannot be read")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, is_yes) in [
            ("y\n", true),
            ("YES\r\n", true),
            (" yes \n", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yess\n", false),
        ] {
            let mut shown = Vec::new();
            let agreed = answered("publish approval@7f3a91c2", &mut shown, &mut answer.as_bytes()).unwrap();
            assert_eq!(agreed, is_yes, "{answer:?}");
            assert_eq!(String::from_utf8(shown).unwrap(), "publish approval@7f3a91c2? [y/N] ");
        }
    }
}
