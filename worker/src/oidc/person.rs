//! Whom a token names, and what they may do.
//!
//! A person is named by one claim, which the person cannot change: four eyes and `decidedBy` rest on it. The name that
//! the person may have chosen is for display alone.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::token::{Claims, text};
use crate::config;
use crate::role::Role;

/// A person or a machine that the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The value of `auth.oidc.person_claim`.
    pub name: String,
    /// What may be shown beside it.
    pub label: Option<String>,
    /// The roles of its groups.
    pub roles: Vec<Role>,
    /// When the token expires, in epoch seconds.
    pub expires: i64,
}

impl Person {
    /// Whom checked claims name; the error says what is missing.
    pub(super) fn of(claims: &Claims, config: &config::Oidc) -> Result<Person, &'static str> {
        // Whatever names a person: the provider must say who that is.
        let subject = text(claims, "sub").filter(|sub| !sub.is_empty()).ok_or("the token has no sub")?;
        let name = match config.person_claim.as_str() {
            "sub" => subject,
            claim => text(claims, claim).ok_or("the token lacks the claim of auth.oidc.person_claim")?,
        };
        // An address that nobody has verified may be anybody's.
        if config.person_claim == "email" && claims.get("email_verified") != Some(&Json::Bool(true)) {
            return Err("the token's email is not verified");
        }
        let mut labels =
            ["name", "preferred_username", "email"].iter().filter_map(|claim| text(claims, claim));
        let label = labels.find(|label| *label != name).map(str::to_owned);
        let expires = claims.get("exp").and_then(Json::as_f64).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 ends at the bounds of i64")]
        let expires = (expires as i64).min(Timestamp::MAX.as_second());
        Ok(Person { name: name.to_owned(), label, roles: roles(claims, config), expires })
    }
}

fn roles(claims: &Claims, config: &config::Oidc) -> Vec<Role> {
    let groups = match config.roles_claim.strip_prefix('/') {
        None => claims.get(&config.roles_claim),
        Some(path) => {
            let mut parts = path.split('/');
            let first = parts.next().and_then(|first| claims.get(first));
            parts.fold(first, |value, part| value?.get(part))
        }
    };
    let groups: Vec<&str> = match groups {
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        // As the scopes of OAuth (RFC 6749, section 3.3).
        Some(Json::String(all)) => all.split(' ').collect(),
        _ => Vec::new(),
    };
    let mut roles: Vec<Role> = groups.iter().filter_map(|group| config.roles.get(*group).copied()).collect();
    roles.sort();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn person(set: impl FnOnce(&mut config::Oidc), claims: Json) -> Result<Person, &'static str> {
        let mut config = Config::load(None, &[]).unwrap().auth.oidc;
        config.roles.insert("approvers".to_owned(), Role::Reviewer);
        config.roles.insert("operations".to_owned(), Role::Operator);
        set(&mut config);
        let Json::Object(claims) = claims else { panic!("claims are an object") };
        Person::of(&claims, &config)
    }

    #[test]
    fn a_person_is_named_by_what_they_cannot_change() {
        let claims = json!({"sub": "00u1", "name": "the CFO", "email": "ada@example.com", "exp": 1000.5});
        let ada = person(|_| {}, claims.clone()).unwrap();
        assert_eq!((ada.name.as_str(), ada.label.as_deref(), ada.expires), ("00u1", Some("the CFO"), 1_000));
        let by =
            |claim: &'static str| move |config: &mut config::Oidc| claim.clone_into(&mut config.person_claim);
        let error = person(by("email"), claims.clone()).unwrap_err();
        assert_eq!(error, "the token's email is not verified");
        for verified in [json!("true"), json!(1), json!(false)] {
            let mut claims = claims.clone();
            claims["email_verified"] = verified;
            assert!(person(by("email"), claims).is_err());
        }
        let mut verified = claims.clone();
        verified["email_verified"] = json!(true);
        assert_eq!(person(by("email"), verified).unwrap().name, "ada@example.com");
        assert!(person(by("employee"), claims).is_err());
        for nobody in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!({"email": "a@b", "sub": null})]
        {
            assert!(person(|_| {}, nobody.clone()).is_err(), "{nobody}");
        }
    }

    #[test]
    fn roles_come_from_the_configured_groups_and_nothing_else() {
        let roles = |claim: &'static str, value: Json| {
            let mut claims = value;
            claims["sub"] = json!("00u1");
            person(|config| claim.clone_into(&mut config.roles_claim), claims).unwrap().roles
        };
        let (reviewer, operator) = (Role::Reviewer, Role::Operator);
        for (claim, claims, expected) in [
            ("groups", json!({"groups": ["approvers"]}), vec![reviewer]),
            (
                "groups",
                json!({"groups": ["operations", "approvers", "approvers", 7]}),
                vec![reviewer, operator],
            ),
            ("groups", json!({"groups": "approvers"}), vec![reviewer]),
            ("groups", json!({"groups": ["Approvers", "reviewer", "approvers "]}), vec![]),
            ("groups", json!({"groups": {"approvers": true}}), vec![]),
            ("groups", json!({"roles": ["approvers"]}), vec![]),
            ("cognito:groups", json!({"cognito:groups": ["operations"]}), vec![operator]),
            ("https://a.example/roles", json!({"https://a.example/roles": ["operations"]}), vec![operator]),
            ("/realm_access/roles", json!({"realm_access": {"roles": ["approvers"]}}), vec![reviewer]),
            ("/realm_access/roles", json!({"realm_access": "approvers"}), vec![]),
            ("scope", json!({"scope": "openid approvers"}), vec![reviewer]),
        ] {
            assert_eq!(roles(claim, claims.clone()), expected, "{claim} {claims}");
        }
    }
}
