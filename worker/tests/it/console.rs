//! The console over HTTP: who sees what, that GET changes nothing, and that a form decides what its page showed.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use worker::config::AuthMode;
use worker::console::matrix;
use worker::control::tokens::{Role, Secret};

use crate::browser::{Browser, browser_of, hidden, token, with_tokens};
use crate::office::{Office, request};

#[tokio::test(start_paused = true)]
async fn a_person_signs_in_and_decides_what_the_page_shows() {
    let office = with_tokens();
    let (started, task) = office.escalate("o-<1>", Some(3_000)).await;
    let page = format!("/console/tasks/{}", task.id);
    let mut ada = Browser::new(&office);
    assert_eq!(ada.get("/").await.header(header::LOCATION), "/console");
    let asked = ada.get(&page).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.text.contains(&format!("next=%2Fconsole%2Ftasks%2F{}", task.id)), "{}", asked.text);

    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let inbox = ada.get("/console").await;
    assert_eq!(inbox.status, StatusCode::OK, "{}", inbox.text);
    for shown in ["o-&#60;1&#62;", "high-amount", "above the limit", &page, "<bdi>ada</bdi>"] {
        assert!(inbox.text.contains(shown), "{shown}: {}", inbox.text);
    }
    let shown = ada.get(&page).await;
    assert!(shown.text.contains("12.50") && shown.text.contains("above the limit"), "{}", shown.text);
    let unreasoned = ada.decide(&shown, &task, "rejected", "+").await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unreasoned.text.contains("Reason is empty"), "{}", unreasoned.text);
    let decided = ada.decide(&unreasoned, &task, "approved", "known+customer").await;
    assert_eq!((decided.status, decided.header(header::LOCATION)), (StatusCode::SEE_OTHER, &*page));
    let after = ada.get(&page).await;
    for shown in ["Decided: approved", "known customer", "the workflow received it", "decided-by-token"] {
        assert!(after.text.contains(shown), "{shown}: {}", after.text);
    }
    assert!(!after.text.contains(">Approve<"), "a decided task has no form");
    assert_eq!(office.world.accepted(&started.token), 1);
    // A second click of the same person, on the page of before, is the same decision.
    let again = ada.decide(&shown, &task, "approved", "known+customer").await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(office.world.accepted(&started.token), 1);
    assert!(ada.get("/console").await.text.contains("Nothing waits for you"));
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_learns_who_decided_and_when() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let mut bob = browser_of(&office, "bob", Role::Reviewer).await;
    let path = format!("/console/tasks/{}", task.id);
    let (first, second) = (ada.get(&path).await, bob.get(&path).await);
    ada.decide(&first, &task, "rejected", "no+such+address").await;
    let lost = bob.decide(&second, &task, "approved", "fine").await;
    assert_eq!(lost.status, StatusCode::CONFLICT);
    let decision = office.state.tasks.get(&task.id).await.unwrap().unwrap().decision.expect("decided");
    let at = decision.decided_at[..19].replace('T', " ");
    for shown in ["Already decided", "<bdi>ada</bdi>", "no such address", &at, &path] {
        assert!(lost.text.contains(shown), "{shown}: {}", lost.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_page_and_a_workflow_that_is_gone_decide_nothing() {
    let office = with_tokens();
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let (_, pending) = office.receive("o-1", None).await;
    let shown = ada.get(&format!("/console/tasks/{}", pending.id)).await;
    assert!(shown.text.contains("rules have not looked at it yet"), "{}", shown.text);
    office.escalate_task(&pending).await;
    let stale = ada.decide(&shown, &pending, "approved", "").await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert!(stale.text.contains("changed since you opened it"), "{}", stale.text);
    assert!(office.state.tasks.get(&pending.id).await.unwrap().unwrap().decision.is_none());

    let (started, task) = office.escalate("o-2", None).await;
    let shown = ada.get(&format!("/console/tasks/{}", task.id)).await;
    office.world.stop(&started.execution_arn);
    let late = ada.decide(&shown, &task, "approved", "").await;
    assert_eq!(late.status, StatusCode::GONE);
    assert!(late.text.contains("Too late"), "{}", late.text);
    assert!(ada.get(&format!("/console/tasks/{}", task.id)).await.text.contains("nothing was decided"));
    let unknown = ada.get("/console/tasks/00000000000000000000000000000000").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.text.contains("There is no such task"));
    for (path, status) in [
        ("/console/tasks/x", StatusCode::UNPROCESSABLE_ENTITY),
        ("/console?due=soon", StatusCode::UNPROCESSABLE_ENTITY),
        ("/console?cursor=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("/console/nothing/here", StatusCode::NOT_FOUND),
    ] {
        let answer = ada.get(path).await;
        assert_eq!((answer.status, answer.text.starts_with("<!doctype html>")), (status, true), "{path}");
    }
}

/// Every page and file, as each kind of visitor, by GET and HEAD: nothing changes in the tables.
#[tokio::test(start_paused = true)]
async fn get_changes_nothing_and_each_page_needs_its_role() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let mut visitors = vec![(None, Browser::new(&office))];
    for role in [Role::Viewer, Role::Reviewer, Role::Author, Role::Operator] {
        let mut browser = browser_of(&office, role.as_str(), role).await;
        browser.get("/console").await;
        visitors.push((Some(role), browser));
    }
    let before = (office.world.items("tasks"), office.world.items("control"));
    let provider = ["/console/sign-in/provider", "/console/sign-in/callback"];
    let files = ["/", "/console/style.css", "/console/live.js", "/console/icon.svg"];
    let open = [&files[..], &provider, &["/console/sign-in", "/console/sign-out"]].concat();
    for (method, path, needed) in matrix() {
        assert_eq!(needed.is_none(), open.contains(&path), "{path}: who may see it?");
        let target = path.replace("{id}", task.id.as_str()).replace("{*rest}", "x");
        if method != "GET" {
            continue;
        }
        for (role, browser) in &mut visitors {
            let (got, head) = (browser.get(&target).await, browser.send(Method::HEAD, &target, None).await);
            let is_let_in = needed.is_none() || role.is_some();
            assert_eq!(got.status != StatusCode::UNAUTHORIZED, is_let_in, "{role:?} {path}");
            let may = needed.is_none_or(|needed| needed == Role::Viewer || *role == Some(needed));
            assert_eq!(got.status == StatusCode::FORBIDDEN, is_let_in && !may, "{role:?} {path}");
            assert_eq!((head.status, &*head.text), (got.status, ""), "{role:?} HEAD {path}");
        }
    }
    assert!(
        before == (office.world.items("tasks"), office.world.items("control")),
        "a GET changed something"
    );

    // Who may not decide sees no form, and a form that is sent nevertheless decides nothing.
    let path = format!("/console/tasks/{}", task.id);
    for (role, browser) in &mut visitors {
        let page = browser.get(&path).await;
        let may = *role == Some(Role::Reviewer);
        assert_eq!(page.text.contains(">Approve<"), may, "{role:?}");
        if role.is_some() && !may {
            let form = format!("form_token={}&etag=2&outcome=approved", hidden(&page, "form_token"));
            let refused = browser.post(&format!("{path}/decision"), &form).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{role:?}");
            assert!(refused.text.contains("Your token does not allow this"), "{}", refused.text);
        }
    }
    assert!(office.state.tasks.get(&task.id).await.unwrap().unwrap().decision.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_form_counts_only_from_a_page_of_its_own_session() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let mut bob = browser_of(&office, "bob", Role::Reviewer).await;
    let path = format!("/console/tasks/{}", task.id);
    let (of_ada, of_bob) = (ada.get(&path).await, bob.get(&path).await);
    for page in [None, Some(&of_bob)] {
        let token = page.map(|page| hidden(page, "form_token")).unwrap_or_default();
        let form = format!("form_token={token}&etag=2&outcome=approved");
        let refused = ada.post(&format!("{path}/decision"), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("This form was not accepted"), "{}", refused.text);
    }
    let foreign = request(Method::POST, &format!("{path}/decision"))
        .header("sec-fetch-site", "cross-site")
        .header(header::COOKIE, &ada.cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let form = format!("form_token={}&etag=2&outcome=approved", hidden(&of_ada, "form_token"));
    let foreign = office.send(foreign.body(Body::from(form)).expect("a request")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    for missing in ["etag=2&outcome=approved", "outcome=approved", "", "outcome=both&etag=x"] {
        let form = format!("form_token={}&{missing}", hidden(&of_ada, "form_token"));
        let form = if missing.starts_with("etag") { missing.to_owned() } else { form };
        let bad = ada.post(&format!("{path}/decision"), &form).await;
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY, "{missing}: {}", bad.text);
    }
    assert!(office.state.tasks.get(&task.id).await.unwrap().unwrap().decision.is_none());

    // Signing out needs the session's own page, and ends the cookie.
    let kept = ada.cookie.clone();
    assert_eq!(ada.post("/console/sign-out", "form_token=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.cookie, kept);
    let form = format!("form_token={}", hidden(&of_ada, "form_token"));
    assert!(ada.post("/console/sign-out", &form).await.text.contains("You are signed out"));
    assert_eq!(ada.cookie, "countersign=");
    assert_eq!(ada.get("/console").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_token_and_a_wrong_one_begins_none() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let mut browser = Browser::new(&office);
    for (form, status, told) in [
        ("token=", StatusCode::UNPROCESSABLE_ENTITY, "This is not a token"),
        ("token=secret", StatusCode::UNPROCESSABLE_ENTITY, "This is not a token"),
        ("name=ada", StatusCode::UNPROCESSABLE_ENTITY, "This is not a token"),
    ] {
        let refused = browser.post("/console/sign-in", form).await;
        assert_eq!(refused.status, status, "{form}");
        assert!(refused.text.contains(told), "{form}: {}", refused.text);
    }
    let stranger = Secret::generate().expect("random numbers");
    let next = "/console/sign-in?next=%2Fconsole%2Fautomation";
    let refused = browser.post(next, &format!("token={}", stranger.reveal())).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(
        refused.text.contains("expired or revoked") && refused.text.contains("next=%2Fconsole%2Fautomation")
    );
    assert!(!refused.text.contains(stranger.reveal()));

    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let page = ada.get(&format!("/console/tasks/{}", task.id)).await;
    let table = &office.state.control_table;
    let id = table.tokens().await.unwrap()[0].id.clone();
    table.revoke_token(&id, office.now()).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    let late = ada.decide(&page, &task, "approved", "").await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(late.text.contains("nothing was decided"), "{}", late.text);
    assert!(late.text.contains(&format!("next=%2Fconsole%2Ftasks%2F{}\"", task.id)), "{}", late.text);
    assert_eq!(ada.cookie, "countersign=", "the browser forgets it");
}

/// Browsers do not send the cookie with a link in a mail: the page that such a link gets asks again by itself, and does not
/// end the session.
#[tokio::test(start_paused = true)]
async fn a_link_from_another_site_leads_to_its_page() {
    let office = Office::open();
    let ada = Browser::signed_in(&office, "name=ada").await;
    let get = async |cookie: &str, site: &str| {
        let request = request(Method::GET, "/console?due=1h")
            .header("sec-fetch-site", site)
            .header(header::COOKIE, cookie);
        office.send(request.body(Body::empty()).expect("a request")).await
    };
    let refresh = "http-equiv=\"refresh\" content=\"0; url=/console?due=1h\"";
    let linked = get("", "cross-site").await;
    assert_eq!(linked.status, StatusCode::UNAUTHORIZED);
    assert!(
        linked.text.contains(refresh) && !linked.headers.contains_key(header::SET_COOKIE),
        "{}",
        linked.text
    );
    for site in ["same-origin", "none"] {
        assert!(!get("", site).await.text.contains("refresh"), "it would go on for ever");
    }
    assert!(!get("countersign=x", "none").await.headers.contains_key(header::SET_COOKIE));
    assert_eq!(get(&ada.cookie, "same-origin").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn without_tokens_a_name_is_asked_for_and_marked_as_unverified() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let mut ada = Browser::new(&office);
    let asked = ada.get("/console").await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.text.contains("Your name") && !asked.text.contains("name=\"token\""), "{}", asked.text);
    for name in ["", "rule", "a%0Ab"] {
        let refused = ada.post("/console/sign-in", &format!("name={name}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    let mut ada = Browser::signed_in(&office, "name=Ada+L%C3%B6v").await;
    let page = ada.get(&format!("/console/tasks/{}", task.id)).await;
    assert!(page.text.contains("<bdi>Ada Löv</bdi>") && page.text.contains("(unverified)"), "{}", page.text);
    ada.decide(&page, &task, "approved", "").await;
    let decision = office.state.tasks.get(&task.id).await.unwrap().unwrap().decision.expect("decided");
    assert_eq!(
        (String::from(decision.decided_by), decision.code),
        ("Ada Löv".to_owned(), "decided-by-person".to_owned())
    );
}

/// Over a network in plain text the session would be there for everybody on the way.
#[tokio::test(start_paused = true)]
async fn nobody_signs_in_over_a_network_in_plain_text() {
    let office = Office::open_as(
        |clock| clock,
        |config| {
            config.auth.mode = AuthMode::Tokens;
            config.api.public_url = Some("https://approvals.example".to_owned());
        },
    );
    let secret = token(&office, "ada", Role::Viewer).await;
    let sign_in = async |host: &str| {
        let request = request(Method::POST, "/console/sign-in")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut request = request.body(Body::from(format!("token={}", secret.reveal()))).expect("a request");
        request.headers_mut().insert(header::HOST, host.parse().expect("a host"));
        office.send(request).await
    };
    let plain = sign_in("10.0.0.1:8420").await;
    assert_eq!(plain.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", plain.text);
    assert!(plain.text.contains("in plain text") && !plain.headers.contains_key(header::SET_COOKIE));
    let safe = sign_in("approvals.example").await;
    let cookie = safe.header(header::SET_COOKIE);
    assert!(cookie.starts_with("__Host-countersign=csgn_") && cookie.ends_with("; Secure"), "the flags");
}

#[tokio::test(start_paused = true)]
async fn similar_tasks_that_people_decided_are_shown_with_their_ends() {
    let office = Office::open();
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let (_, open) = office.escalate("o-new", None).await;
    let path = format!("/console/tasks/{}/similar", open.id);
    assert!(ada.get(&path).await.text.contains("None lately"));
    for (number, body) in [
        (1, r#"{"outcome":"approved","reason":"known <customer>","by":"bob"}"#),
        (2, r#"{"outcome":"rejected","reason":"no such address","by":"bob"}"#),
    ] {
        let (_, task) = office.escalate(&format!("o-{number}"), None).await;
        office.decide(&task, body).await;
    }
    let page = ada.get(&path).await;
    for shown in [
        "1 approved",
        "1 rejected",
        "known &#60;customer&#62;",
        "<bdi>bob</bdi>",
        "the workflow received it",
        "o-2",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(ada.get(&format!("/console/tasks/{}", open.id)).await.text.contains(&path));
}
