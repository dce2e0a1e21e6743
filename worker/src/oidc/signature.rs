//! Signatures by ring. `jsonwebtoken` parses tokens and leaves the cryptography to its user; only asymmetric algorithms
//! exist here, so that no text can serve as a key.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

/// Checks signatures; makes none.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(Ring::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the cryptography of this process's tokens. Doing it again changes nothing.
pub(super) fn install() {
    // The error says that it is done already.
    let _ = PROVIDER.install_default();
}

/// What a kind of signature needs.
#[derive(Clone, Copy)]
enum Needs {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

struct Ring {
    algorithm: Algorithm,
    needs: Needs,
    key: DecodingKey,
}

impl Ring {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Ring> {
        let needs = needs(algorithm).ok_or(ErrorKind::InvalidAlgorithm)?;
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Ring { algorithm, needs, key: key.clone() })
    }
}

/// None for the algorithms with a shared secret.
fn needs(algorithm: Algorithm) -> Option<Needs> {
    Some(match algorithm {
        Algorithm::RS256 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Needs::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Needs::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Needs::Curve(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Needs::Curve(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Needs::Curve(&signature::ED25519),
        // HS256, HS384, HS512, and whatever is added to the crate.
        _ => return None,
    })
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match (self.needs, self.key.kind()) {
            (Needs::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                // Some providers write a leading zero, which ring refuses.
                let n: &[u8] = n.strip_prefix(&[0]).unwrap_or(n);
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Needs::Curve(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            (Needs::Rsa(_), DecodingKeyKind::SecretOrDer(_))
            | (Needs::Curve(_), DecodingKeyKind::RsaModulusExponent { .. }) => return Err(Error::new()),
        };
        verified.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use serde::Deserialize;

    use super::*;

    /// Signatures of `aaa.bbb` by another implementation, the one of Node.
    #[derive(Deserialize)]
    struct Vector {
        alg: Algorithm,
        key: Jwk,
        signature: String,
    }

    fn vectors() -> Vec<Vector> {
        install();
        serde_json::from_str(include_str!("signature/vectors.json")).unwrap()
    }

    fn is_good(vector: &Vector, message: &str) -> bool {
        let key = DecodingKey::from_jwk(&vector.key).unwrap();
        jsonwebtoken::crypto::verify(&vector.signature, message.as_bytes(), &key, vector.alg).unwrap()
    }

    #[test]
    fn signatures_of_another_implementation_are_checked() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 7);
        for vector in &vectors {
            assert!(is_good(vector, "aaa.bbb"), "{:?}", vector.alg);
            assert!(!is_good(vector, "aaa.bbc"), "{:?}", vector.alg);
        }
        let [first, second] = &vectors[..2] else { panic!("two of RSA") };
        let mixed = Vector { alg: second.alg, key: first.key.clone(), signature: first.signature.clone() };
        assert!(!is_good(&mixed, "aaa.bbb"), "another padding");
    }

    #[test]
    fn a_shared_secret_is_no_key() {
        install();
        let key = DecodingKey::from_secret(b"secret");
        for algorithm in
            [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256]
        {
            assert!(
                jsonwebtoken::crypto::verify("AAAA", b"aaa.bbb", &key, algorithm).is_err(),
                "{algorithm:?}"
            );
        }
    }
}
