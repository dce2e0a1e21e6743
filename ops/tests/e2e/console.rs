//! The console in a real Chromium: a reviewer's day, from signing in to signing out, in both colours and on a phone.
//! The pictures of each page are in `target/console`.

use std::path::PathBuf;

use ops::binaries::root;
use ops::browser::{Browser, Look};
use ops::orders::Story;
use ops::worker::Worker;
use ops::world::{WorkerOptions, World, eventually};
use serde_json::json;
use statemachine::status::Status;
use statemachine::task::Task;

use crate::journey::{SOON, in_world, orders_of, patient, quick, start, task_that};

/// What a reviewer sees, and where the pictures go.
struct Visit {
    browser: Browser,
    url: String,
    pictures: PathBuf,
}

impl Visit {
    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.url)).await.unwrap();
    }

    /// The page shows these texts, no obstacle for anybody, and nothing that its policy forbids.
    async fn sees(&self, name: &str, texts: &[&str]) {
        self.reads(name, texts).await;
        for look in Look::ALL {
            self.browser.look(look).await.unwrap();
            self.browser.picture(&self.pictures.join(format!("{name}-{}.png", look.name()))).await.unwrap();
            // Beside the colours, which differ, axe-core looks at what is the same on a phone.
            if look != Look::Phone {
                assert_eq!(self.browser.obstacles().await.unwrap(), [""; 0], "{name}, {look:?}");
            }
            assert!(
                !self.browser.is_too_wide().await.unwrap(),
                "{name}, {look:?}: a person must scroll sideways"
            );
        }
        let complaints = self.browser.complaints().await.unwrap();
        // Chromium notes each page that is not a success.
        let complaints: Vec<_> = complaints
            .into_iter()
            .filter(|line| !line.contains("the server responded with a status of"))
            .collect();
        assert_eq!(complaints, [""; 0], "{name}");
    }

    async fn reads(&self, name: &str, texts: &[&str]) {
        let shown = self.browser.text().await.unwrap();
        for text in texts {
            assert!(shown.contains(text), "{name} does not show {text:?}:\n{shown}");
        }
    }

    /// The page that is open shows one of these texts without being loaded again.
    async fn hears(&self, texts: &[&str]) {
        eventually(SOON, &texts.join(" or "), async || {
            let shown = self.browser.text().await?;
            Ok(texts.iter().any(|text| shown.contains(text)).then_some(()))
        })
        .await
        .unwrap();
    }

    async fn sign_in(&self, token: &str) {
        self.browser.write("#token", token).await.unwrap();
        self.browser.click("main button").await.unwrap();
    }

    async fn decides(&self, outcome: &str, reason: &str) {
        self.browser.write("#reason", reason).await.unwrap();
        self.browser.click(&format!("button.{outcome}")).await.unwrap();
    }
}

fn page(task: &Task) -> String {
    format!("/console/tasks/{}", task.id)
}

/// Makes a token as an operator does.
async fn token(world: &World, name: &str, roles: &[&str]) -> String {
    let config = world.command_line_config().unwrap();
    let config = config.to_str().unwrap();
    let mut make = vec!["token", "create", "--name", name, "--config", config];
    make.extend(roles.iter().flat_map(|role| ["--role", role]));
    let output = world.countersign(&make).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
}

/// Another person decides, over the API.
async fn other_decides(worker: &Worker, token: &str, task: &Task) {
    let http = ops::http().unwrap();
    let request = http.post(format!("{}/v1/tasks/{}/decision", worker.url, task.id)).bearer_auth(token);
    let body = json!({"outcome": "rejected", "reason": "the address does not exist"});
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
}

/// A link to a task leads there after signing in.
async fn signs_in(visit: &Visit, token: &str, tasks: &[Task]) {
    visit.open(&page(&tasks[0])).await;
    visit.sees("sign-in", &["Sign in", "Token"]).await;
    visit.sign_in(&format!("csgn_{}", "A".repeat(43))).await;
    visit.sees("refused", &["unknown, expired or revoked"]).await;
    visit.sign_in(token).await;
    let why = ["Why the rules left it to people", "tier-limit", "over-tier-limit"];
    visit.sees("task", &[&["ada", &tasks[0].order_id, "masked"], &why[..]].concat()).await;
    visit.browser.click("nav a").await.unwrap();
    let ids: Vec<&str> = tasks.iter().map(|task| task.order_id.as_str()).collect();
    visit.sees("inbox", &ids).await;
    visit.open("/console?code=other").await;
    visit.sees("no-match", &["No task matches"]).await;
}

async fn approves(visit: &Visit, world: &World, task: &Task) {
    visit.open(&page(task)).await;
    visit.decides("approve", "a customer for years").await;
    visit.sees("approved", &["Decided: approved", "a customer for years", "decided-by-token"]).await;
    let is_approved = |task: &Task| task.status == Status::Approved;
    let settled = task_that(world, &task.order_id, "approved", is_approved).await;
    assert_eq!(String::from(settled.decision.unwrap().decided_by), "ada");
}

async fn rejects(visit: &Visit, world: &World, task: &Task) {
    visit.open(&page(task)).await;
    visit.decides("reject", "").await;
    visit.sees("unreasoned", &["Reason is empty"]).await;
    visit.decides("reject", "no such address").await;
    visit.reads("rejected", &["Decided: rejected", "no such address"]).await;
    task_that(world, &task.order_id, "rejected", |task| task.status == Status::Rejected).await;
}

/// With the inbox open, a task comes and is decided by somebody else.
async fn hears_of_a_new_task(visit: &Visit, world: &World, worker: &Worker, other: &str) {
    visit.open("/console").await;
    // The first two have come before.
    let order = orders_of(Story::OverLimit, 3).remove(2);
    start(world, std::slice::from_ref(&order)).await;
    // The second, if it came before the first event.
    visit.hears(&["1 more task waits.", "What waits has changed."]).await;
    visit.sees("live", &["Show"]).await;
    visit.browser.click("#news a").await.unwrap();
    visit.reads("live-shown", &[&order.id]).await;
    let task = task_that(world, &order.id, "escalated", |task| task.status == Status::Escalated).await;
    other_decides(worker, other, &task).await;
    visit.hears(&["no longer waits", "What waits has changed."]).await;
}

/// Claims a task, finds it among theirs, and looks at what deciding it with another would mean.
async fn claims(visit: &Visit, [one, other]: [&Task; 2]) {
    visit.open(&page(one)).await;
    visit.browser.click("form[action$='/claim'] button").await.unwrap();
    visit.sees("claimed", &["You have claimed it until"]).await;
    visit.open("/console?claimed=me").await;
    visit.sees("mine", &["1 task,", "claimed by ada", &one.order_id]).await;
    visit.open(&format!("/console/bulk?task={}&task={}", one.id, other.id)).await;
    visit.sees("bulk", &["Decide 2 tasks together", &one.order_id, &other.order_id]).await;
    visit.open(&format!("{}/similar", page(one))).await;
    visit.sees("similar", &[&one.order_id]).await;
}

async fn tries_an_order(visit: &Visit) {
    visit.open("/console/rules").await;
    visit.sees("rules", &["approval@", "decides", "Try an order", "rules/"]).await;
    visit.browser.write("#order", r#"{"amount": 12.50}"#).await.unwrap();
    visit.browser.click("#try + form button").await.unwrap();
    visit.sees("rules-tried", &["Rule by rule"]).await;
    visit.open("/console/rules/agreement").await;
    visit.sees("agreement", &["What people decided", "over-tier-limit", "Nothing is changed here"]).await;
}

async fn pauses_and_resumes(visit: &Visit) {
    visit.open("/console/automation").await;
    visit.browser.click("a[href='/console/automation/switch']").await.unwrap();
    visit.sees("pause", &["Pause automatic decisions"]).await;
    visit.browser.write("#reason", "an audit").await.unwrap();
    visit.browser.click("main form button").await.unwrap();
    visit.sees("paused", &["Rules do not decide", "an audit", "ada"]).await;
    visit.browser.click("a[href='/console/automation/switch']").await.unwrap();
    visit.browser.write("#reason", "it is over").await.unwrap();
    visit.browser.click("main form button").await.unwrap();
    visit.reads("resumed", &["Rules decide"]).await;
}

/// From another site the browser sends no cookie with the link: the page that it gets asks again.
async fn follows_a_link_from_another_site(visit: &Visit) {
    let elsewhere = visit.url.replace("127.0.0.1", "localhost");
    visit.browser.open(&format!("{elsewhere}/console/sign-in")).await.unwrap();
    visit.browser.follow(&format!("{}/console/automation", visit.url)).await.unwrap();
    eventually(SOON, "a link from another site leads to the page", async || {
        Ok(visit.browser.text().await?.contains("Rules decide").then_some(()))
    })
    .await
    .unwrap();
}

async fn signs_out(visit: &Visit) {
    visit.open("/console").await;
    visit.browser.click(".who button").await.unwrap();
    visit.sees("signed-out", &["You are signed out"]).await;
    visit.open("/console").await;
    visit.reads("sign-in-again", &["Sign in"]).await;
}

#[tokio::test]
async fn a_reviewer_signs_in_decides_loses_a_race_and_signs_out() {
    in_world(patient(), async |world| {
        let mut options: WorkerOptions = quick();
        options.variables.push(("COUNTERSIGN_AUTH__MODE".to_owned(), "tokens".to_owned()));
        let worker = world.start_worker("worker", options).await.unwrap();
        let orders = [orders_of(Story::OverLimit, 2), orders_of(Story::Middling, 2)].concat();
        let arns = start(world, &orders).await;
        let mut tasks = Vec::new();
        for order in &orders {
            let is_escalated = |task: &Task| task.status == Status::Escalated;
            tasks.push(task_that(world, &order.id, "escalated", is_escalated).await);
        }
        let ada = token(world, "ada", &["reviewer", "operator"]).await;
        let bob = token(world, "bob", &["reviewer"]).await;
        let (url, pictures) = (worker.url.clone(), root().join("target/console"));
        std::fs::create_dir_all(&pictures).unwrap();
        let visit = Visit { browser: world.start_browser().await.unwrap(), url, pictures };

        signs_in(&visit, &ada, &tasks).await;
        approves(&visit, world, &tasks[0]).await;
        rejects(&visit, world, &tasks[1]).await;

        hears_of_a_new_task(&visit, world, &worker, &bob).await;
        claims(&visit, [&tasks[2], &tasks[3]]).await;

        visit.open(&page(&tasks[2])).await;
        other_decides(&worker, &bob, &tasks[2]).await;
        visit.hears(&["bob rejected this task."]).await;
        visit.decides("approve", "").await;
        visit.sees("race", &["Already decided", "bob", "the address does not exist"]).await;

        visit.open(&page(&tasks[3])).await;
        world.clients.sfn.stop_execution().execution_arn(&arns[3]).send().await.unwrap();
        visit.decides("approve", "").await;
        visit.sees("gone", &["Too late"]).await;

        visit.open("/console").await;
        visit.sees("empty", &["Nothing waits for you"]).await;
        visit.open("/console/automation").await;
        visit.sees("automation", &["Rules decide", "approval@", "live", "1 shard,"]).await;
        tries_an_order(&visit).await;
        pauses_and_resumes(&visit).await;
        visit.open("/console/tasks/00000000000000000000000000000000").await;
        visit.sees("not-found", &["There is no such task"]).await;
        follows_a_link_from_another_site(&visit).await;
        signs_out(&visit).await;
        (worker, visit)
    })
    .await;
}
