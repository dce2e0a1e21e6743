//! Who sent a request: the holder of a token, or a name taken on trust.

use std::sync::{Arc, OnceLock};

use super::error::Failure;
use crate::control::person_name;
use crate::control::tokens::{Role, StoredToken};
use crate::steps::person::Identity;

/// The name of the person, if a caller without a token does not give one.
const UNNAMED: &str = "operator";

/// Who sent a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// None without authentication.
    token: Option<Arc<StoredToken>>,
    /// The name that a caller without a token gave.
    claimed: Arc<OnceLock<String>>,
}

/// A person who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// Whose word the name is.
    pub(crate) identity: Identity,
}

impl Caller {
    /// The holder of a token.
    pub(super) fn with(token: Arc<StoredToken>) -> Caller {
        Caller { token: Some(token), claimed: Arc::default() }
    }

    /// A person whose name is their own word.
    pub(crate) fn claiming(name: &str) -> Caller {
        Caller { token: None, claimed: Arc::new(OnceLock::from(name.to_owned())) }
    }

    /// How we know who it is.
    pub(super) fn identity(&self) -> Identity {
        if self.token.is_some() { Identity::Token } else { Identity::Claimed }
    }

    /// The person who acts. With a token it is the token's; a name in the body is then refused, so that nobody believes
    /// that it counts.
    pub(crate) fn person(&self, by: Option<&str>) -> Result<Person, Failure> {
        let Some(token) = &self.token else {
            let name = claimed(by)?;
            // Of several names of one request the first is logged; there is only one.
            let _ = self.claimed.set(name.clone());
            return Ok(Person { name, identity: self.identity() });
        };
        if by.is_some() {
            return Err(Failure::Invalid(format!(
                "by is not accepted: the token says that you are {}",
                token.name
            )));
        }
        Ok(Person { name: token.name.clone(), identity: self.identity() })
    }

    /// The token of the caller; none without authentication.
    pub(crate) fn token(&self) -> Option<&StoredToken> {
        self.token.as_deref()
    }

    /// Whether it has a role; without authentication everybody has each.
    pub(crate) fn may(&self, role: Role) -> bool {
        let Some(token) = &self.token else { return true };
        token.roles.contains(&role) || role == Role::Viewer && !token.roles.is_empty()
    }

    /// Its name, as far as it is known.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.token {
            Some(token) => Some(&token.name),
            None => self.claimed.get().map(String::as_str),
        }
    }
}

fn claimed(by: Option<&str>) -> Result<String, Failure> {
    person_name::check(by.unwrap_or(UNNAMED)).map_err(|why| Failure::Invalid(format!("by {why}")))
}
