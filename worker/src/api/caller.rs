//! Who sent a request: somebody who has shown who they are, or a name taken on trust.

use std::sync::{Arc, OnceLock};

use super::error::Failure;
use crate::control::person_name;
use crate::control::tokens::StoredToken;
use crate::oidc;
use crate::role::Role;
use crate::steps::person::Identity;

/// The name of the person, if a caller without a token does not give one.
const UNNAMED: &str = "operator";

/// Who sent a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// None without authentication.
    holder: Option<Arc<Holder>>,
    /// The name that a caller without a token gave.
    claimed: Arc<OnceLock<String>>,
}

/// The holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The name in decisions, which the holder cannot change.
    pub(crate) name: String,
    /// What the identity provider shows beside it.
    pub(crate) label: Option<String>,
    pub(crate) roles: Vec<Role>,
    /// When the token expires, in epoch seconds.
    pub(crate) expires: i64,
    pub(crate) identity: Identity,
}

/// A person who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// Whose word the name is.
    pub(crate) identity: Identity,
}

impl Holder {
    /// The holder of one of our own tokens.
    pub(super) fn of_token(token: &StoredToken) -> Holder {
        Holder {
            name: token.name.clone(),
            label: token.label.clone(),
            roles: token.roles.clone(),
            expires: token.expires,
            identity: if token.is_session { Identity::Oidc } else { Identity::Token },
        }
    }

    /// Somebody whom the identity provider knows; the error says why the name cannot stand in a decision.
    pub(super) fn of_provider(person: oidc::Person) -> Result<Holder, String> {
        let oidc::Person { name, label, roles, expires } = person;
        let label = label.and_then(|label| person_name::check(&label).ok());
        Ok(Holder { name: person_name::check(&name)?, label, roles, expires, identity: Identity::Oidc })
    }
}

impl Caller {
    /// The holder of a token.
    pub(super) fn with(holder: Holder) -> Caller {
        Caller { holder: Some(Arc::new(holder)), claimed: Arc::default() }
    }

    /// A person whose name is their own word.
    pub(crate) fn claiming(name: &str) -> Caller {
        Caller { holder: None, claimed: Arc::new(OnceLock::from(name.to_owned())) }
    }

    /// How we know who it is.
    pub(super) fn identity(&self) -> Identity {
        self.holder.as_ref().map_or(Identity::Claimed, |holder| holder.identity)
    }

    /// The person who acts. With a token it is the token's; a name in the body is then refused, so that nobody believes
    /// that it counts.
    pub(crate) fn person(&self, by: Option<&str>) -> Result<Person, Failure> {
        let Some(holder) = &self.holder else {
            let name = claimed(by)?;
            // Of several names of one request the first is logged; there is only one.
            let _ = self.claimed.set(name.clone());
            return Ok(Person { name, identity: self.identity() });
        };
        if by.is_some() {
            return Err(Failure::Invalid(format!(
                "by is not accepted: the token says that you are {}",
                holder.name
            )));
        }
        Ok(Person { name: holder.name.clone(), identity: self.identity() })
    }

    /// Who it is; none without authentication.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.holder.as_deref()
    }

    /// Whether it has a role; without authentication everybody has each.
    pub(crate) fn may(&self, role: Role) -> bool {
        let Some(holder) = &self.holder else { return true };
        holder.roles.contains(&role) || role == Role::Viewer && !holder.roles.is_empty()
    }

    /// Its name, as far as it is known.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.holder {
            Some(holder) => Some(&holder.name),
            None => self.claimed.get().map(String::as_str),
        }
    }
}

fn claimed(by: Option<&str>) -> Result<String, Failure> {
    person_name::check(by.unwrap_or(UNNAMED)).map_err(|why| Failure::Invalid(format!("by {why}")))
}
