//! A browser without JavaScript, and people who sign in with it.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use jiff::SignedDuration;
use statemachine::task::Task;
use worker::config::{AuthMode, Config};
use worker::control::tokens::{Role, Secret};

use crate::office::{Answer, Office, request};

/// A browser without JavaScript.
pub(crate) struct Browser<'a> {
    office: &'a Office,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(office: &'a Office) -> Browser<'a> {
        Browser { office, cookie: String::new() }
    }

    pub(crate) async fn signed_in(office: &'a Office, form: &str) -> Browser<'a> {
        let mut browser = Browser::new(office);
        let answer = browser.post("/console/sign-in?next=%2Fconsole%2Fautomation", form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        assert_eq!(answer.header(header::LOCATION), "/console/automation");
        browser
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, form: Option<&str>) -> Answer {
        let mut request = request(method, path).header("sec-fetch-site", "same-origin");
        if !self.cookie.is_empty() {
            request = request.header(header::COOKIE, &self.cookie);
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Body::from(form.unwrap_or_default().to_owned());
        let answer = self.office.send(request.body(body).expect("a request")).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("text");
            // Only the cookie of a sign-in comes back with a link of another site.
            let is_session = !set.starts_with("countersign-sign-in=");
            let same_site = if is_session { "Strict" } else { "Lax" };
            assert!(set.contains(&format!("; HttpOnly; SameSite={same_site}; ")), "{set}");
            if is_session {
                self.cookie = set.split(';').next().expect("a pair").to_owned();
            }
        }
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        // Scripts only from files: none is in a page.
        let text = answer.text.replace("<script src=\"/console/live.js\" defer></script>", "");
        assert!(!text.contains("<script") && !text.contains("style=\""), "{text}");
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send(Method::POST, path, Some(form)).await
    }

    /// Sends the form of a task's page as the person fills it in.
    pub(crate) async fn decide(&mut self, page: &Answer, task: &Task, outcome: &str, reason: &str) -> Answer {
        let (token, etag) = (hidden(page, "form_token"), hidden(page, "etag"));
        let form = format!("form_token={token}&etag={etag}&outcome={outcome}&reason={reason}");
        self.post(&format!("/console/tasks/{}/decision", task.id), &form).await
    }
}

/// The value of a hidden field of the page's last form that has it.
pub(crate) fn hidden(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.text.rsplit_once(&start).unwrap_or_else(|| panic!("no {name} in {}", page.text)).1;
    rest.split('"').next().expect("a value").to_owned()
}

pub(crate) fn with_tokens() -> Office {
    Office::open_as(|clock| clock, set_tokens)
}

/// The settings of a worker that asks for tokens.
pub(crate) fn set_tokens(config: &mut Config) {
    config.auth.mode = AuthMode::Tokens;
}

pub(crate) async fn token(office: &Office, name: &str, role: Role) -> Secret {
    let secret = Secret::generate().expect("random numbers");
    let times = (office.now(), office.now() + SignedDuration::from_hours(24));
    let table = &office.state.control_table;
    table.store_token(&secret.hash(), name, &[role], "the test", times).await.expect("the model answers");
    secret
}

pub(crate) async fn browser_of<'a>(office: &'a Office, name: &str, role: Role) -> Browser<'a> {
    let secret = token(office, name, role).await;
    Browser::signed_in(office, &format!("token={}", secret.reveal())).await
}
