//! The provider's public keys, from its JSON Web Key Set (RFC 7517).

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value as Json;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// One public key.
struct Key {
    id: Option<String>,
    /// What it may sign with.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// The keys that a provider signs tokens with.
pub(super) struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Json>,
}

impl Keys {
    /// Reads a set. A key of another kind or for another use is not among them, and keeps none of the others out.
    pub(super) fn parse(text: &[u8]) -> Result<Keys, serde_json::Error> {
        let set: Set = serde_json::from_slice(text)?;
        Ok(Keys(set.keys.into_iter().filter_map(|key| Key::of(&serde_json::from_value(key).ok()?)).collect()))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that signed a token with this header. A token that names none is taken for the only key's.
    pub(super) fn find(&self, header: &Header) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&header.alg));
        let key = match &header.kid {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        key.map(|key| &key.decoding)
    }
}

impl Key {
    /// None for a key that signs nothing, or by an algorithm that is not allowed.
    fn of(jwk: &Jwk) -> Option<Key> {
        let common = &jwk.common;
        let is_for_signatures =
            common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature)
                && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let of_kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            // A shared secret is no public key, and other kinds are not known.
            _ => return None,
        };
        let algorithms = match common.key_algorithm {
            None => of_kind.to_vec(),
            Some(named) => vec![Algorithm::try_from(named).ok().filter(|one| of_kind.contains(one))?],
        };
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        is_for_signatures.then(|| Key { id: common.key_id.clone(), algorithms, decoding })
    }
}
