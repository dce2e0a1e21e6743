//! The console's page of automatic decisions, and the switch that operators find there.

use axum::http::{StatusCode, header};
use statemachine::task::Escalation;
use worker::control::tokens::Role;
use worker::metrics::EscalationCause;

use crate::browser::{Browser, browser_of, hidden, with_tokens};
use crate::office::{Answer, Office};

#[tokio::test(start_paused = true)]
async fn the_automation_page_says_who_paused_and_why() {
    let office = Office::open();
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    assert!(ada.get("/console/automation").await.text.contains("Rules decide"));
    office.post("/v1/automation/pause", r#"{"reason":"<an> audit","by":"olga"}"#).await;
    let paused = ada.get("/console/automation").await;
    for shown in ["Rules do not decide", "<bdi>olga</bdi>", "&#60;an&#62; audit", "rules@"] {
        assert!(paused.text.contains(shown), "{shown}: {}", paused.text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_pauses_and_resumes_with_a_reason_and_not_over_another() {
    let office = with_tokens();
    let mut olga = browser_of(&office, "olga", Role::Operator).await;
    let mut otto = browser_of(&office, "otto", Role::Operator).await;
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let path = "/console/automation/switch";
    assert!(olga.get("/console/automation").await.text.contains(path));
    assert!(!ada.get("/console/automation").await.text.contains(path));
    assert_eq!(ada.get(path).await.status, StatusCode::FORBIDDEN);
    let (first, second) = (olga.get(path).await, otto.get(path).await);
    let form = |page: &Answer, pause: bool, reason: &str| {
        let (token, seen) = (hidden(page, "form_token"), hidden(page, "seen").replace(' ', "+"));
        format!("form_token={token}&seen={seen}&pause={pause}&reason={reason}")
    };
    let unreasoned = olga.post(path, &form(&first, true, "+")).await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unreasoned.text);
    let paused = olga.post(path, &form(&unreasoned, true, "an+audit")).await;
    assert_eq!(paused.header(header::LOCATION), "/console/automation");
    assert!(olga.get("/console/automation").await.text.contains("an audit"));
    let late = otto.post(path, &form(&second, true, "me+too")).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert!(
        late.text.contains("Somebody else changed the switch") && late.text.contains("an audit"),
        "{}",
        late.text
    );
    let resumed = otto.post(path, &form(&late, false, "it+is+over")).await;
    assert_eq!(resumed.status, StatusCode::SEE_OTHER, "{}", resumed.text);
    assert!(otto.get("/console/automation").await.text.contains("Rules decide"));
    let foreign = "form_token=x&seen=running&pause=true&reason=r";
    assert_eq!(otto.post(path, foreign).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn the_automation_page_draws_what_each_rule_said() {
    let office = Office::open();
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    assert!(!ada.get("/console/automation").await.text.contains("What each rule said"));
    let escalation = Escalation {
        code: "no-rule-approved".to_owned(),
        reason: "no rule approved".to_owned(),
        rule: None,
        ruleset: None,
        at: worker::clock::text(office.now()),
    };
    for _ in 0..3 {
        office.state.metrics.escalated(EscalationCause::NoRuleApproved, &escalation);
    }
    let page = ada.get("/console/automation").await;
    for shown in [
        "What each rule said",
        "data-label=\"Left to people\">3</td>",
        "<rect class=\"escalate\" x=\"0\" y=\"0\" width=\"100\" height=\"10\"/>",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
}
