//! `countersign token`: makes, lists and revokes the tokens of the API, in the control table.

use anyhow::anyhow;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

use super::render::{line, plain, table};
use super::store::Store;
use super::{Failed, clock};
use crate::control::person_name;
use crate::control::tokens::{RevokeError, Role, Secret, StoredToken};

/// Create, list and revoke the tokens that callers of the API send.
///
/// Needs AWS credentials that may write to the control table, as publishing rules does. Workers ask for tokens once
/// `auth.mode = "tokens"` is set.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign token create --name ada --role reviewer
  countersign token create --name night-shift --role reviewer --role operator --days 30
  countersign token list
  countersign token revoke 4f1d9c02ab37")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Create a token and print it. It is never shown again.
#[derive(Debug, clap::Args)]
struct Create {
    /// The person's name, as decisions and the log show it
    #[arg(long, value_name = "NAME", value_parser = named)]
    name: String,
    /// What its holder may do: viewer, reviewer, author or operator; may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = role)]
    roles: Vec<Role>,
    /// For how many days it is valid
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// The name of the person who creates it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "operator")]
    by: String,
    #[command(flatten)]
    store: Store,
}

/// List the tokens: whose, their roles, and when they were last used.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    store: Store,
}

/// Revoke a token: within ten seconds every worker refuses it.
#[derive(Debug, clap::Args)]
struct Revoke {
    /// The token's id, as `list` shows it, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    store: Store,
}

/// The error as clap shows it: `invalid value 'rule' for '--name <NAME>': it is …`.
fn named(text: &str) -> Result<String, String> {
    person_name::check(text).map_err(|why| format!("it {why}"))
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "use viewer, reviewer, author or operator".to_owned())
}

pub(super) async fn token(args: Args) -> Result<String, Failed> {
    match args.command {
        Command::Create(create) => make(create).await,
        Command::List(List { store }) => {
            let tokens = store.open().await?.control_table.tokens().await?;
            Ok(listed(&tokens, clock().now()))
        }
        Command::Revoke(Revoke { id, store }) => {
            let table = store.open().await?.control_table;
            match table.revoke_token(&id, clock().now()).await {
                Ok(token) => Ok(revoked(&token, &table.tokens().await?, clock().now())),
                Err(RevokeError::Fault(fault)) => Err(fault.into()),
                Err(error @ RevokeError::NotOne(..)) => Err(anyhow::Error::from(error).into()),
            }
        }
    }
}

async fn make(create: Create) -> Result<String, Failed> {
    let Create { name, mut roles, days, by, store } = create;
    roles.sort();
    roles.dedup();
    let secret = Secret::generate().map_err(|error| anyhow!("no random numbers: {error}"))?;
    let now = clock().now();
    let expires = now + SignedDuration::from_hours(24 * i64::from(days));
    let table = store.open().await?.control_table;
    table.store_token(&secret.hash(), &name, &roles, &by, (now, expires)).await?;
    let until = crate::clock::day(expires);
    Ok(format!(
        "{}\ntoken {} of {}: {}, until {until}\nIt is never shown again. Its holder runs `countersign login`, or sets \
         COUNTERSIGN_TOKEN.\n",
        secret.reveal(),
        secret.hash().id(),
        plain(&name),
        names(&roles),
    ))
}

/// What a revocation did. Tokens are made with AWS credentials and not over the API, so nobody is locked out for good.
fn revoked(token: &StoredToken, left: &[StoredToken], now: Timestamp) -> String {
    let name = plain(&token.name);
    let text =
        format!("token {} of {name} is revoked; every worker refuses it within ten seconds\n", token.id);
    // A session of the identity provider ends within hours.
    let is_operator = |token: &StoredToken| token.roles.contains(&Role::Operator) && !token.is_session;
    if is_operator(token) && !left.iter().any(|token| is_operator(token) && token.is_valid(now)) {
        return text
            + "No other operator's token is valid: nobody can pause automatic decisions over the API until you make one \
               with `countersign token create --role operator`. `countersign automation pause` needs no token.\n";
    }
    text
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

fn listed(tokens: &[StoredToken], now: Timestamp) -> String {
    if tokens.is_empty() {
        return "no tokens\n".to_owned();
    }
    let day = |seconds| Timestamp::from_second(seconds).map(crate::clock::day).unwrap_or_default();
    let state = |token: &StoredToken| match &token.revoked_at {
        Some(_) => "revoked",
        None if token.is_valid(now) => "valid",
        None => "expired",
    };
    let rows = tokens.iter().map(|token| {
        [
            token.id.clone(),
            line(&token.name, 40),
            names(&token.roles),
            token.created_at.chars().take(10).collect(),
            day(token.expires),
            token.last_used.clone().unwrap_or_else(|| "never".to_owned()),
            state(token).to_owned(),
        ]
    });
    let rows: Vec<[String; 7]> = rows.collect();
    table(["ID", "NAME", "ROLES", "MADE", "EXPIRES", "LAST USED", "STATE"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_tells_when_it_was_the_last_operators() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let token = |roles: &[Role], expires_in: i64, is_revoked: bool| StoredToken {
            id: "4f1d9c02ab37".to_owned(),
            name: "ada".to_owned(),
            roles: roles.to_vec(),
            created_by: "bob".to_owned(),
            created_at: "2026-11-01T10:00:00.000Z".to_owned(),
            expires: now.as_second() + expires_in,
            last_used: None,
            is_session: false,
            label: None,
            revoked_at: is_revoked.then(|| now.to_string()),
        };
        let (reviewer, operator) = (&[Role::Reviewer][..], &[Role::Reviewer, Role::Operator][..]);
        let gone = token(operator, 60, true);
        for (left, is_told) in [
            (vec![gone.clone()], true),
            (vec![gone.clone(), token(operator, 0, false), token(reviewer, 60, false)], true),
            (vec![gone.clone(), token(operator, 60, false)], false),
        ] {
            let told = revoked(&gone, &left, now);
            assert!(told.starts_with("token 4f1d9c02ab37 of ada is revoked"), "{told}");
            assert_eq!(told.contains("No other operator"), is_told, "{left:?}");
        }
        assert!(!revoked(&token(reviewer, 60, true), &[], now).contains("No other operator"));
    }
}
