//! Bearer tokens of the API: who may call it, and in which roles. The table holds hashes alone.
//!
//! A token is 256 random bits, so a plain SHA-256 is enough: there is nothing to guess, and no dictionary that a slow
//! hash would have to resist. A token is found by its hash as the key of an item, so no comparison of secrets can be
//! timed.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::aws::attribute::{number, number_of, text, text_of};
use crate::aws::fault::Fault;
use crate::clock;
use crate::control::person_name;
use crate::control::table::{ControlTable, SK, item_key};
pub use crate::role::Role;

/// The partition of the tokens; the sort key is the hash.
const TOKENS: &str = "api-token";
/// What each token begins with, so that people and scanners recognise it.
pub const PREFIX: &str = "csgn_";
/// The random bytes of a token.
const BYTES: usize = 32;
/// The length of those in URL-safe base64.
const TEXT_LENGTH: usize = 43;
/// How many digits of the hash name a token on the command line.
const ID_DIGITS: usize = 12;

/// A bearer token. Its `Debug` hides it, and only [`Secret::reveal`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The SHA-256 of a token, in hex: the key under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

/// A token as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredToken {
    /// The first digits of its hash: enough to name it, of no use to anybody else.
    pub id: String,
    /// The name of its person, in decisions and in the log.
    pub name: String,
    /// What its holder may do.
    pub roles: Vec<Role>,
    /// Who made it.
    pub created_by: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it expires, in epoch seconds.
    pub expires: i64,
    /// The last day on which it was used, in UTC; none before the first use.
    pub last_used: Option<String>,
    /// When it was revoked, RFC 3339.
    pub revoked_at: Option<String>,
    /// Whether it is a browser's session of somebody whom the identity provider named.
    pub is_session: bool,
    /// The name beside `name` that such a session shows.
    pub label: Option<String>,
}

/// A token that cannot be revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No token has such an id, or more than one.
    #[error("{0} tokens have an id that begins with {1:?}; `countersign token list` shows each")]
    NotOne(usize, String),
    /// A call failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Secret {
    /// A new token.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn generate() -> Result<Secret, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Secret::of(&bytes))
    }

    fn of(bytes: &[u8; BYTES]) -> Secret {
        let text = base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_");
        Secret(format!("{PREFIX}{text}"))
    }

    /// Reads a token; none if the text cannot be one.
    pub fn parse(text: &str) -> Option<Secret> {
        let random = text.strip_prefix(PREFIX)?;
        let is_one = random.len() == TEXT_LENGTH
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_one.then(|| Secret(text.to_owned()))
    }

    /// The text, for its holder alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the table knows of it.
    pub fn hash(&self) -> TokenHash {
        let digest = Sha256::digest(self.0.as_bytes());
        TokenHash(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl TokenHash {
    /// The first digits, which name the token.
    pub fn id(&self) -> &str {
        &self.0[..ID_DIGITS]
    }
}

impl StoredToken {
    /// Whether it is neither revoked nor expired.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now.as_second() < self.expires
    }

    /// An edit by hand may leave anything: what cannot be read lets nobody in.
    fn read(item: &HashMap<String, AttributeValue>) -> Option<StoredToken> {
        let roles = text_of(item, "roles")?;
        Some(StoredToken {
            id: text_of(item, SK)?.chars().take(ID_DIGITS).collect(),
            name: person_name::check(&text_of(item, "name")?).ok()?,
            roles: roles.split(',').map(Role::parse).collect::<Option<_>>()?,
            created_by: text_of(item, "createdBy").unwrap_or_default(),
            created_at: text_of(item, "createdAt").unwrap_or_default(),
            expires: number_of(item, "expires")?,
            last_used: text_of(item, "lastUsed"),
            // Of any type: an edit by hand counts as a revocation too.
            revoked_at: item.get("revokedAt").map(|at| at.as_s().cloned().unwrap_or_default()),
            is_session: item.contains_key("session"),
            label: text_of(item, "label").filter(|label| !label.is_empty()),
        })
    }
}

impl ControlTable {
    /// Stores a new token.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be stored.
    pub async fn store_token(
        &self,
        hash: &TokenHash,
        name: &str,
        roles: &[Role],
        created_by: &str,
        (now, expires): (Timestamp, Timestamp),
    ) -> Result<(), Fault> {
        let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let fields = [
            ("name", text(name)),
            ("roles", text(&roles.join(","))),
            ("createdBy", text(created_by)),
            ("createdAt", text(&clock::text(now))),
            ("expires", number(expires.as_second())),
        ];
        // No other token has this hash: one that is there is this one, by a write whose response was lost.
        self.put_once(TOKENS, &hash.0, fields).await
    }

    /// Stores a new session of a browser: a token that ends with the session, and is removed after it.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be stored.
    pub async fn store_session(
        &self,
        hash: &TokenHash,
        (name, label): (&str, Option<&str>),
        roles: &[Role],
        (now, expires): (Timestamp, Timestamp),
    ) -> Result<(), Fault> {
        let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let fields = [
            ("name", text(name)),
            ("label", text(label.unwrap_or_default())),
            ("roles", text(&roles.join(","))),
            ("createdBy", text("the identity provider")),
            ("createdAt", text(&clock::text(now))),
            ("expires", number(expires.as_second())),
            ("session", text("oidc")),
            ("expiresAt", number(expires.as_second())),
        ];
        self.put_once(TOKENS, &hash.0, fields).await
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to have ended.
    pub async fn end_session(&self, hash: &TokenHash, now: Timestamp) -> Result<(), Fault> {
        self.set_of_token(&hash.0, "revokedAt", &clock::text(now)).await
    }

    /// Finds a token, valid or not.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the table does not respond.
    pub async fn find_token(&self, hash: &TokenHash) -> Result<Option<StoredToken>, Fault> {
        Ok(self.get(TOKENS, &hash.0).await?.as_ref().and_then(StoredToken::read))
    }

    /// Notes the day on which a token was used. One that is gone meanwhile does not come back.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be noted.
    pub async fn note_token_use(&self, hash: &TokenHash, day: &str) -> Result<(), Fault> {
        self.set_of_token(&hash.0, "lastUsed", day).await
    }

    /// Every token, the oldest first.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read.
    pub async fn tokens(&self) -> Result<Vec<StoredToken>, Fault> {
        let items = self.query_consistently(TOKENS).await?;
        let mut tokens: Vec<StoredToken> = items.iter().filter_map(StoredToken::read).collect();
        tokens.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        Ok(tokens)
    }

    /// Revokes the one token whose id begins with `id`; returns whose it was. Workers follow within ten seconds.
    ///
    /// # Errors
    ///
    /// [`RevokeError`] for an id of none or of several, or when the table does not respond.
    pub async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<StoredToken, RevokeError> {
        let items = self.query_consistently(TOKENS).await?;
        let hashes: Vec<String> = items.iter().filter_map(|item| text_of(item, SK)).collect();
        let found: Vec<&String> =
            hashes.iter().filter(|hash| !id.is_empty() && hash.starts_with(id)).collect();
        let [hash] = found[..] else { return Err(RevokeError::NotOne(found.len(), id.to_owned())) };
        self.set_of_token(hash, "revokedAt", &clock::text(now)).await?;
        let item = items.iter().find(|item| text_of(item, SK).as_ref() == Some(hash));
        item.and_then(StoredToken::read).ok_or_else(|| RevokeError::NotOne(0, id.to_owned()))
    }

    async fn set_of_token(&self, hash: &str, attribute: &str, value: &str) -> Result<(), Fault> {
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(item_key(TOKENS, hash)))
            .condition_expression("attribute_exists(pk)")
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", text(value));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(Fault::of("UpdateItem", self.resource(), &error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_random_bits_with_a_prefix_and_hides_itself() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + TEXT_LENGTH);
        assert_eq!(Secret::parse(one.reveal()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "Secret(hidden)");
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let zero = Secret::of(&[0; BYTES]);
        assert_eq!(zero.reveal(), "csgn_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        // Of `printf %s csgn_AAAA… | sha256sum`.
        assert_eq!(zero.hash().0, "1b51e46227cc64cab3d2a285121298b9924651265759f91908cdd6f4ba4ced26");
    }

    #[test]
    fn other_texts_are_no_token() {
        for text in ["", "csgn_", "csgn_short", &format!("csgn_{}", "ä".repeat(43)), &"x".repeat(48)] {
            assert_eq!(Secret::parse(text), None, "{text}");
        }
    }
}
