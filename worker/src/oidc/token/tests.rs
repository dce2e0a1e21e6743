//! Good tokens, and a table of hostile ones.

use aws_smithy_types::base64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use serde_json::json;

use super::super::signature;
use super::*;

pub(in crate::oidc) const ISSUER: &str = "https://login.example";
pub(in crate::oidc) const AUDIENCE: &str = "countersign";
/// The time of each test, in epoch seconds.
pub(in crate::oidc) const NOW: i64 = 1_764_000_000;

/// A key that signs tokens.
pub(in crate::oidc) struct Signer {
    pkcs8: Vec<u8>,
    random: SystemRandom,
}

impl Signer {
    pub(in crate::oidc) fn new() -> Signer {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Signer { pkcs8: pkcs8.as_ref().to_vec(), random }
    }

    fn pair(&self, algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8, &self.random).unwrap()
    }

    /// The public part.
    pub(in crate::oidc) fn jwk(&self, id: &str) -> Json {
        let pair = self.pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": url(x), "y": url(y)})
    }

    fn signature(&self, message: &str) -> String {
        let pair = self.pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
        url(pair.sign(&self.random, message.as_bytes()).unwrap().as_ref())
    }

    /// A signed token of any content.
    pub(in crate::oidc) fn sign(&self, header: &Json, claims: &Json) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", url(header.as_bytes()), url(claims.as_bytes()));
        format!("{message}.{}", self.signature(&message))
    }
}

fn url(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

pub(in crate::oidc) fn header() -> Json {
    json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"})
}

pub(in crate::oidc) fn claims() -> Json {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "00u1", "iat": NOW - 5, "exp": NOW + 300})
}

/// `json` with some fields set, or removed where the value is null.
fn with(mut json: Json, fields: Json) -> Json {
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Json::Null => drop(json.as_object_mut().unwrap().remove(name)),
            value => json[name] = value.clone(),
        }
    }
    json
}

fn keys(of: &[Json]) -> Keys {
    signature::install();
    Keys::parse(json!({"keys": of}).to_string().as_bytes()).unwrap()
}

fn checked(token: &str, keys: &Keys) -> Result<Claims, Flaw> {
    let expected = Expected { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() };
    check(token, keys, &expected, Purpose::Access, Timestamp::from_second(NOW).unwrap())
}

/// Whether an ID token with these claims signs somebody in.
fn signs_in(signer: &Signer, keys: &Keys, head: Json, claim: Json) -> bool {
    let claims = with(claims(), json!({"aud": "console", "nonce": "n", "at_hash": "h"}));
    let token = signer.sign(&with(with(header(), json!({"typ": null})), head), &with(claims, claim));
    let expected = Expected { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() };
    let purpose = Purpose::SignIn { client: "console", nonce: "n" };
    check(&token, keys, &expected, purpose, Timestamp::from_second(NOW).unwrap()).is_ok()
}

#[test]
fn an_id_token_is_for_one_client_and_one_attempt() {
    let one = Signer::new();
    let keys = keys(&[one.jwk("one")]);
    for (claim, is_good) in [
        (json!({}), true),
        (json!({"aud": ["console"]}), true),
        (json!({"aud": ["console", "other"], "azp": "console"}), true),
        (json!({"azp": "console", "token_use": "id"}), true),
        (json!({"aud": ["console", "other"]}), false),
        (json!({"aud": AUDIENCE}), false),
        (json!({"aud": null}), false),
        (json!({"aud": null, "client_id": "console"}), false),
        (json!({"azp": "other"}), false),
        (json!({"nonce": null}), false),
        (json!({"nonce": "m"}), false),
        (json!({"nonce": ["n"]}), false),
        (json!({"token_use": "access"}), false),
        (json!({"exp": NOW - 60}), false),
        (json!({"iss": "https://evil.example"}), false),
    ] {
        assert_eq!(signs_in(&one, &keys, json!({}), claim.clone()), is_good, "{claim}");
    }
    assert!(!signs_in(&one, &keys, json!({"typ": "at+jwt"}), json!({})), "an access token");
    assert!(signs_in(&one, &keys, json!({"typ": "JWT"}), json!({})));
}

#[test]
fn a_good_token_says_who_it_is_of() {
    let one = Signer::new();
    let keys = keys(&[one.jwk("one")]);
    for (head, claim) in [
        (json!({}), json!({})),
        (json!({"typ": "JWT"}), json!({})),
        (json!({"typ": null}), json!({})),
        (json!({"typ": "application/at+jwt"}), json!({})),
        (json!({"kid": null}), json!({})),
        (json!({}), json!({"aud": ["other", AUDIENCE]})),
        (json!({}), json!({"aud": null, "client_id": AUDIENCE, "token_use": "access"})),
        (json!({}), json!({"iat": null, "nbf": NOW})),
        (json!({}), json!({"exp": NOW - 59, "nbf": NOW + 60, "iat": NOW + 60})),
        (json!({}), json!({"exp": 1_764_000_000.5})),
    ] {
        let token = one.sign(&with(header(), head.clone()), &with(claims(), claim.clone()));
        let checked = checked(&token, &keys);
        assert_eq!(checked.map(|claims| claims["sub"].clone()), Ok(json!("00u1")), "{head} {claim}");
    }
}

/// What is wrong with the header alone, or with the claims alone; each token is signed by the provider's key.
#[test]
fn a_signed_token_with_a_wrong_header_or_a_wrong_claim_is_refused() {
    let one = Signer::new();
    let keys = keys(&[one.jwk("one"), Signer::new().jwk("two")]);
    let (kind, typ, extension) = ("asymmetric algorithm", "typ", "extension");
    let (issuer, audience, id, time) = ("issuer", "audience", "an ID token", "not a number");
    for (head, why) in [
        (json!({"alg": "none"}), kind),
        (json!({"alg": "None"}), kind),
        (json!({"alg": "HS256"}), kind),
        (json!({"alg": "HS512"}), kind),
        (json!({"alg": null}), kind),
        (json!({"alg": "ES256K"}), kind),
        (json!({"alg": ["ES256"]}), kind),
        (json!({"typ": "dpop+jwt"}), typ),
        (json!({"typ": "logout+jwt"}), typ),
        (json!({"typ": "secevent+jwt"}), typ),
        (json!({"typ": "at+jwt; x"}), typ),
        (json!({"crit": ["exp"], "exp": 1}), extension),
        (json!({"crit": []}), extension),
        (json!({"zip": "DEF"}), extension),
        (json!({"enc": "A128GCM"}), extension),
    ] {
        let refused = checked(&one.sign(&with(header(), head.clone()), &claims()), &keys).unwrap_err();
        assert!(matches!(refused, Flaw::Other(reason) if reason.contains(why)), "{head}: {refused:?}");
    }
    for (claim, why) in [
        (json!({"iss": null}), issuer),
        (json!({"iss": "https://evil.example"}), issuer),
        (json!({"iss": "https://login.example/"}), issuer),
        (json!({"iss": "https://LOGIN.example"}), issuer),
        (json!({"iss": [ISSUER]}), issuer),
        (json!({"iss": {"0": ISSUER}}), issuer),
        (json!({"aud": null}), audience),
        (json!({"aud": "countersign-test"}), audience),
        (json!({"aud": "Countersign"}), audience),
        (json!({"aud": ["other", "counter"]}), audience),
        (json!({"aud": []}), audience),
        (json!({"aud": {"countersign": true}}), audience),
        (json!({"aud": "other", "client_id": AUDIENCE}), audience),
        (json!({"exp": null}), "never expire"),
        (json!({"exp": NOW - 60}), "expired"),
        (json!({"exp": -1}), "expired"),
        (json!({"exp": 0}), "expired"),
        (json!({"exp": "1764000300"}), time),
        (json!({"exp": true}), time),
        (json!({"exp": [NOW + 300]}), "cannot be read"),
        (json!({"nbf": NOW + 61}), "not valid yet"),
        (json!({"nbf": "0"}), time),
        (json!({"iat": NOW + 61}), "not valid yet"),
        (json!({"iat": {}}), time),
        (json!({"nonce": "n"}), id),
        (json!({"at_hash": "h"}), id),
        (json!({"c_hash": "h"}), id),
        (json!({"token_use": "id"}), id),
        (json!({"cnf": {"jkt": "thumb"}}), "bound to a key"),
    ] {
        let refused = checked(&one.sign(&header(), &with(claims(), claim.clone())), &keys).unwrap_err();
        assert!(matches!(refused, Flaw::Other(reason) if reason.contains(why)), "{claim}: {refused:?}");
    }
}

/// Forged and damaged ones.
#[test]
fn a_token_that_the_provider_did_not_sign_is_refused() {
    let (one, evil) = (Signer::new(), Signer::new());
    let keys = keys(&[one.jwk("one"), Signer::new().jwk("two")]);
    let good = one.sign(&header(), &claims());
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let encoded = |json: Json| url(json.to_string().as_bytes());
    let head_of = |fields: Json| with(header(), fields);
    let other_body = encoded(with(claims(), json!({"sub": "the CFO"})));
    // The public key as a shared secret.
    let hs256 = format!("{}.{body}", encoded(head_of(json!({"alg": "HS256"}))));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, one.jwk("one").to_string().as_bytes());
    let by_secret = url(hmac::sign(&secret, hs256.as_bytes()).as_ref());
    let asn1 = one.pair(&ECDSA_P256_SHA256_ASN1_SIGNING);
    let asn1 = url(asn1.sign(&one.random, format!("{head}.{body}").as_bytes()).unwrap().as_ref());
    let mut flipped = signature.to_owned();
    flipped.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
    let hostile = [
        ("no token", String::new()),
        ("one part", "aaaa".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.x")),
        ("an encrypted token", "a.b.c.d.e".to_owned()),
        ("no signature", format!("{head}.{body}.")),
        ("half a signature", format!("{head}.{body}.{}", &signature[..40])),
        ("a changed signature", format!("{head}.{body}.{flipped}")),
        ("a signature of zeros", format!("{head}.{body}.{}", url(&[0; 64]))),
        ("a signature in DER", format!("{head}.{body}.{asn1}")),
        ("a padded signature", format!("{head}.{body}.{signature}==")),
        ("another body", format!("{head}.{other_body}.{signature}")),
        ("another header", format!("{}.{body}.{signature}", encoded(head_of(json!({"typ": "JWT"}))))),
        ("no algorithm, no signature", format!("{}.{body}.", encoded(json!({"alg": "none"})))),
        ("by a shared secret", format!("{hs256}.{by_secret}")),
        ("by another key", evil.sign(&header(), &claims())),
        ("by a key that it brings", evil.sign(&head_of(json!({"jwk": evil.jwk("one")})), &claims())),
        (
            "by a key that it points to",
            evil.sign(&head_of(json!({"jku": "https://evil.example"})), &claims()),
        ),
        ("by a certificate that it brings", evil.sign(&head_of(json!({"x5c": ["MIIB"]})), &claims())),
        ("as if by the other key", one.sign(&head_of(json!({"kid": "two"})), &claims())),
        ("a header that is no JSON", format!("{}.{body}.{signature}", url(b"{"))),
        ("not base64", format!("{head}.{body}!.{signature}")),
        ("a body that is no JSON", one.sign_text(&header().to_string(), "sub=ada")),
        ("a body that is a list", one.sign_text(&header().to_string(), "[]")),
        ("too long", one.sign(&header(), &with(claims(), json!({"x": "y".repeat(12_000)})))),
        (
            "two times of expiry",
            one.sign_text(
                &header().to_string(),
                &format!("{},\"exp\":1}}", claims().to_string().trim_end_matches('}')),
            ),
        ),
    ];
    for (name, token) in hostile {
        assert!(
            matches!(checked(&token, &keys), Err(Flaw::Other(_))),
            "{name}: {:?}",
            checked(&token, &keys)
        );
    }
    for (name, fields) in [
        ("an unknown key", json!({"kid": "three"})),
        ("a key by path", json!({"kid": "../one"})),
        ("no key, and two to choose from", json!({"kid": null})),
        ("a key of another algorithm", json!({"alg": "RS256"})),
        ("a key of another curve", json!({"alg": "ES384"})),
        ("a key of another kind", json!({"alg": "EdDSA"})),
    ] {
        assert_eq!(checked(&one.sign(&head_of(fields), &claims()), &keys), Err(Flaw::UnknownKey), "{name}");
    }
    assert!(checked(&good, &keys).is_ok());
}

#[test]
fn only_keys_for_signatures_are_taken_from_a_set() {
    let one = Signer::new();
    let jwk = |fields: Json| with(one.jwk("one"), fields);
    for (set, is_there) in [
        (jwk(json!({})), true),
        (jwk(json!({"use": null, "key_ops": ["verify"], "alg": "ES256"})), true),
        (jwk(json!({"use": "enc"})), false),
        (jwk(json!({"use": null, "key_ops": ["encrypt"]})), false),
        (jwk(json!({"alg": "ES384"})), false),
        (jwk(json!({"alg": "HS256"})), false),
        (jwk(json!({"crv": "P-521"})), false),
        (json!({"kty": "oct", "k": "AAAA", "kid": "one", "alg": "HS256"}), false),
        (json!({"kty": "future", "kid": "one"}), false),
        (json!({"kty": "RSA", "kid": "one", "n": 7}), false),
        (json!("one"), false),
    ] {
        let keys = keys(&[set.clone(), Signer::new().jwk("two")]);
        let checked = checked(&one.sign(&header(), &claims()), &keys);
        assert_eq!(checked.is_ok(), is_there, "{set}: {checked:?}");
    }
    for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(Keys::parse(text.as_bytes()).is_err(), "{text}");
    }
}
