use axum::http::HeaderValue;

use super::*;

fn body(outcome: Outcome, reason: &str, by: Option<&str>) -> Result<PersonDecision, Failure> {
    let id = TaskId::parse("7a7816bf8f01cfea414140de5dae2223").unwrap();
    let body = DecisionBody { outcome, reason: reason.to_owned(), by: by.map(str::to_owned) };
    let person = Caller::default().person(body.by.as_deref())?;
    request(id, None, body, person)
}

#[test]
fn a_decision_has_a_name_and_a_rejection_a_reason() {
    assert_eq!(body(Outcome::Approved, "", None).unwrap().by, "operator");
    assert_eq!(body(Outcome::Rejected, " no ", Some(" Ada ")).unwrap().reason, "no");
    let long = "x".repeat(4_001);
    for (outcome, reason, by) in [
        (Outcome::Rejected, " ", None),
        (Outcome::Approved, long.as_str(), None),
        (Outcome::Approved, "", Some("")),
        (Outcome::Approved, "", Some("rule")),
        (Outcome::Approved, "", Some(" Rule ")),
        (Outcome::Approved, "", Some("a\nb")),
        (Outcome::Approved, "", Some(&long[..201])),
    ] {
        assert!(matches!(body(outcome, reason, by), Err(Failure::Invalid(_))), "{reason:?} {by:?}");
    }
}

#[test]
fn if_match_is_an_etag_of_ours() {
    let with = |text: &str| {
        if_match(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_str(text).unwrap())]))
    };
    assert_eq!(if_match(&HeaderMap::new()), Ok(None));
    assert_eq!(with("*"), Ok(None));
    assert_eq!(with("\"3\""), Ok(Some("3".to_owned())));
    for text in ["3", "W/\"3\"", "\"x\"", "\"3\", \"4\"", "", "\"\""] {
        assert!(with(text).is_err(), "{text}");
    }
    let two = ["\"3\"", "*"].map(|text| (header::IF_MATCH, HeaderValue::from_static(text)));
    let mut headers = HeaderMap::new();
    for (name, value) in two {
        headers.append(name, value);
    }
    assert!(if_match(&headers).is_err(), "one of them does not hold");
}
