//! The checks of a token: who signed it, for whom it is, and whether it is good now (RFC 7519, 8725 and 9068).

#[cfg(test)]
pub(super) mod tests;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::{Map, Value as Json};

use super::keys::Keys;

/// The longest token. A request's head is not much longer.
const MAX_BYTES: usize = 12 * 1024;
/// How far two clocks may be apart, in seconds.
const LEEWAY: f64 = 60.0;
/// What the type of a bearer token may be. Others are statements that no API should take: sign-outs, events, proofs.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// What a token says.
pub(super) type Claims = Map<String, Json>;

/// What a token must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To call this API: an access token.
    Access,
    /// To tell the console who signed in: an ID token.
    SignIn {
        /// The console's client.
        client: &'a str,
        /// What the browser's attempt expects.
        nonce: &'a str,
    },
}

/// From whom and for whom a token must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// No key of the provider has its id; there may be a newer one.
    UnknownKey,
    /// In words for its sender.
    Other(&'static str),
}

pub(super) fn check(
    token: &str,
    keys: &Keys,
    expected: &Expected,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<Claims, Flaw> {
    let refuse = |why| Err(Flaw::Other(why));
    if token.len() > MAX_BYTES {
        return refuse("the token is too long");
    }
    let Ok(header) = decode_header(token) else {
        return refuse(NOT_SIGNED);
    };
    check_header(&header)?;
    let key = keys.find(&header).ok_or(Flaw::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["iss"]);
    validation.set_issuer(&[&expected.issuer]);
    // Ours, below: the clock is an argument, and not every provider's access tokens have an audience.
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let claims = match decode::<Claims>(token, key, &validation) {
        Ok(token) => token.claims,
        Err(error) => {
            return refuse(match error.kind() {
                ErrorKind::InvalidIssuer | ErrorKind::MissingRequiredClaim(_) => WRONG_ISSUER,
                ErrorKind::InvalidSignature => "the token's signature is not the identity provider's",
                _ => "the token cannot be read",
            });
        }
    };
    if text(&claims, "iss") != Some(&expected.issuer) {
        return refuse(WRONG_ISSUER);
    }
    check_times(&claims, now)?;
    match purpose {
        Purpose::Access => check_access(&claims, &expected.audience)?,
        Purpose::SignIn { client, nonce } => check_sign_in(&header, &claims, client, nonce)?,
    }
    Ok(claims)
}

const NOT_SIGNED: &str =
    "this is neither a Countersign token nor a JWT that is signed by an asymmetric algorithm";
const WRONG_ISSUER: &str = "the token's issuer is not auth.oidc.issuer";

fn check_header(header: &Header) -> Result<(), Flaw> {
    // A public key must not serve as a shared secret.
    if matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(Flaw::Other(NOT_SIGNED));
    }
    if header.typ.as_ref().is_some_and(|typ| !TYPES.contains(&typ.to_ascii_lowercase().as_str())) {
        return Err(Flaw::Other("the token's typ is not that of an access token"));
    }
    // We understand no extension (RFC 7515, section 4.1.11).
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Flaw::Other("the token needs an extension that is not supported"));
    }
    Ok(())
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Flaw> {
    let now = now.as_duration().as_secs_f64();
    // A time of any other type than a number is none that can be held.
    let time = |name| match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if value.is_number() && seconds.is_finite() => Ok(Some(seconds)),
            _ => Err(Flaw::Other("the token's exp, nbf or iat is not a number of seconds")),
        },
    };
    let (exp, nbf, iat) = (time("exp")?, time("nbf")?, time("iat")?);
    let Some(exp) = exp else {
        return Err(Flaw::Other("the token has no exp, so it would never expire"));
    };
    if now >= exp + LEEWAY {
        return Err(Flaw::Other("the token has expired; ask the identity provider for another"));
    }
    if nbf.is_some_and(|nbf| nbf > now + LEEWAY) || iat.is_some_and(|iat| iat > now + LEEWAY) {
        return Err(Flaw::Other("the token is not valid yet; is a clock wrong?"));
    }
    Ok(())
}

/// An access token for this API, that whoever has it may use.
fn check_access(claims: &Claims, audience: &str) -> Result<(), Flaw> {
    let is_ours = match claims.get("aud") {
        Some(Json::String(one)) => one == audience,
        Some(Json::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
        Some(_) => false,
        // As Cognito's access tokens.
        None => text(claims, "client_id") == Some(audience),
    };
    if !is_ours {
        return Err(Flaw::Other("the token is for an audience other than auth.oidc.audience"));
    }
    // An ID token tells a client who signed in. It has the client's own name as its audience, which may be ours.
    let is_id_token = ["nonce", "at_hash", "c_hash"].iter().any(|name| claims.contains_key(*name))
        || claims.get("token_use").is_some_and(|of| of != "access");
    if is_id_token {
        return Err(Flaw::Other("this is an ID token; send an access token"));
    }
    if claims.contains_key("cnf") {
        return Err(Flaw::Other("the token is bound to a key of its holder, which is not supported"));
    }
    Ok(())
}

/// An ID token for this client and this attempt (OpenID Connect Core 1.0, section 3.1.3.7).
fn check_sign_in(header: &Header, claims: &Claims, client: &str, nonce: &str) -> Result<(), Flaw> {
    let is_ours = match claims.get("aud") {
        Some(Json::String(one)) => one == client,
        // With several, it must also say that it was made for us.
        Some(Json::Array(all)) => {
            all.iter().any(|one| one.as_str() == Some(client))
                && (all.len() == 1 || text(claims, "azp") == Some(client))
        }
        _ => false,
    };
    if !is_ours || claims.get("azp").is_some_and(|azp| azp != client) {
        return Err(Flaw::Other("the ID token is for a client other than auth.oidc.client_id"));
    }
    let is_access = header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt"))
        || claims.get("token_use").is_some_and(|of| of != "id");
    if is_access {
        return Err(Flaw::Other("the identity provider sent a token that is not an ID token"));
    }
    // It is for one attempt: it is worth nothing to whoever saw it.
    if text(claims, "nonce") != Some(nonce) {
        return Err(Flaw::Other("the ID token is of another sign-in"));
    }
    Ok(())
}

/// A claim that is a text.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}
