//! What a caller of the API may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything that the API shows. Every other role includes it.
    Viewer,
    /// Decides tasks, and returns them to the rules.
    Reviewer,
    /// Writes rules. The API has no request for it yet: rules are published with AWS credentials.
    Author,
    /// Pauses and resumes automatic decisions.
    Operator,
}

impl Role {
    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Reviewer => "reviewer",
            Role::Author => "author",
            Role::Operator => "operator",
        }
    }

    /// Reads a role's name.
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Viewer, Role::Reviewer, Role::Author, Role::Operator]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
