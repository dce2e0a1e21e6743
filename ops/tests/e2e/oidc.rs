//! An identity provider: people who sign in to the console with it, and machines with its access tokens.

use ops::browser::Browser;
use ops::emulator::free_port;
use ops::identity::IdentityProvider;
use ops::orders::Story;
use ops::worker::Worker;
use ops::world::{World, eventually};
use statemachine::status::Status;
use statemachine::task::Task;

use crate::journey::{SOON, in_world, orders_of, patient, quick, start, task_that};

/// The way to the provider.
const SIGN_IN: &str = "a.button[href^='/console/sign-in/provider']";

/// A worker whose callers the provider knows, and the port of the provider.
async fn start_both(world: &World) -> (IdentityProvider, u16, Worker) {
    let (port, listen) = (free_port().unwrap(), format!("127.0.0.1:{}", free_port().unwrap()));
    let provider = world.start_identity_provider(port, &format!("http://{listen}")).await.unwrap();
    let mut options = quick();
    options.listen = Some(listen);
    for (key, value) in [
        ("MODE", "oidc"),
        ("OIDC__ISSUER", &provider.issuer),
        ("OIDC__AUDIENCE", "countersign"),
        ("OIDC__CLIENT_ID", "console"),
        ("OIDC__ROLES__REVIEWERS", "reviewer"),
    ] {
        options.variables.push((format!("COUNTERSIGN_AUTH__{key}"), value.to_owned()));
    }
    let worker = world.start_worker("worker", options).await.unwrap();
    (provider, port, worker)
}

/// From our page over the provider's to wherever that leads.
async fn sign_in_as(browser: &Browser, name: &str) {
    browser.click(SIGN_IN).await.unwrap();
    browser.write("input[name=login]", name).await.unwrap();
    browser.write("input[name=password]", "any").await.unwrap();
    browser.click("button[type=submit]").await.unwrap();
    // The provider asks for consent.
    browser.click("button[type=submit]").await.unwrap();
}

async fn shows(browser: &Browser, text: &str) {
    eventually(SOON, &format!("the page shows {text:?}"), async || {
        Ok(browser.text().await?.contains(text).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_reviewer_signs_in_at_the_identity_provider_and_decides() {
    in_world(patient(), async |world| {
        let (provider, _, worker) = start_both(world).await;
        let orders = orders_of(Story::OverLimit, 1);
        start(world, &orders).await;
        let task =
            task_that(world, &orders[0].id, "escalated", |task| task.status == Status::Escalated).await;
        let browser = world.start_browser().await.unwrap();
        let page = format!("{}/console/tasks/{}", worker.url, task.id);

        // The way back to the task leads over the provider, and the decision has the provider's name.
        browser.open(&page).await.unwrap();
        sign_in_as(&browser, "ada.reviewers").await;
        shows(&browser, "Why the rules left it to people").await;
        shows(&browser, "ada of the test (ada.reviewers)").await;
        let complaints = browser.complaints().await.unwrap();
        // Those of the provider's own pages are not ours.
        let ours =
            complaints.iter().filter(|line| line.contains(&worker.url) && !line.contains("a status of"));
        assert_eq!(ours.collect::<Vec<_>>(), [""; 0], "the page's policy holds");
        browser.write("#reason", "a customer for years").await.unwrap();
        browser.click("button.approve").await.unwrap();
        shows(&browser, "decided-by-oidc").await;
        let is_approved = |task: &Task| task.status == Status::Approved;
        let settled = task_that(world, &orders[0].id, "approved", is_approved).await;
        assert_eq!(String::from(settled.decision.unwrap().decided_by), "ada.reviewers");

        // Signing out, here and there.
        browser.click(".who button").await.unwrap();
        shows(&browser, "You are signed out").await;
        assert_eq!(browser.obstacles().await.unwrap(), [""; 0]);
        browser.click("a.button.quiet").await.unwrap();
        browser.click("button[name=logout]").await.unwrap();

        // Somebody who turns back, and somebody without a role.
        browser.open(&page).await.unwrap();
        browser.click(SIGN_IN).await.unwrap();
        browser.click("a[href$='/abort']").await.unwrap();
        shows(&browser, "You did not finish signing in").await;
        sign_in_as(&browser, "eve").await;
        shows(&browser, "none of your groups has a role here").await;
        let log = std::fs::read_to_string(&worker.log).unwrap();
        let signed_in = log.lines().filter(|line| line.contains("signed in (oidc)")).collect::<Vec<_>>();
        assert_eq!(signed_in.len(), 1, "{signed_in:#?}");
        assert!(signed_in[0].contains("\"by\":\"ada.reviewers\""), "{}", signed_in[0]);
        (provider, worker, browser)
    })
    .await;
}

async fn status(worker: &Worker, token: &str) -> u16 {
    let http = ops::http().unwrap();
    http.get(format!("{}/v1/me", worker.url)).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn machines_call_with_the_providers_tokens_and_follow_its_keys() {
    in_world(patient(), async |world| {
        let (provider, port, worker) = start_both(world).await;
        let batch = provider.token("batch.reviewers").await.unwrap();
        let stranger = provider.token("stranger").await.unwrap();
        assert_eq!(status(&worker, &batch).await, 200);
        assert_eq!(status(&worker, &stranger).await, 403, "no group has a role");
        let parts: Vec<&str> = batch.split('.').collect();
        let theirs: Vec<&str> = stranger.split('.').collect();
        for (name, forged) in [
            ("another's claims", format!("{}.{}.{}", parts[0], theirs[1], parts[2])),
            ("another's signature", format!("{}.{}.{}", parts[0], parts[1], theirs[2])),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ] {
            assert_eq!(status(&worker, &forged).await, 401, "{name}");
        }

        // While it is silent, those whose keys are known go on.
        let origin = worker.url.clone();
        drop(provider);
        assert_eq!(status(&worker, &batch).await, 200);
        // It comes back with another key, and the old one is dropped.
        let provider = world.start_identity_provider(port, &origin).await.unwrap();
        let new = provider.token("batch.reviewers").await.unwrap();
        eventually(SOON, "the new key is known", async || {
            Ok((status(&worker, &new).await == 200).then_some(()))
        })
        .await
        .unwrap();
        assert_eq!(status(&worker, &batch).await, 401, "the old key is gone");
        (provider, worker)
    })
    .await;
}
