//! Claims and comments: what people leave on a task beside a decision, and what it does not change.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use rules::FourEyes;
use statemachine::status::Status;
use statemachine::task::{GivenBack, MAX_COMMENTS, Task};
use tokio::time::sleep;
use worker::control::tokens::{Role, Secret};
use worker::tasks::table::{Notes, Written};

use crate::browser::{browser_of, hidden, token, with_tokens};
use crate::office::{Answer, Office, decision, request};

const APPROVE: &str = r#"{"outcome":"approved","by":"Ben"}"#;

async fn act(office: &Office, task: &Task, what: &str, by: &str) -> Answer {
    office.post(&format!("/v1/tasks/{}/{what}", task.id), &format!(r#"{{"by":"{by}"}}"#)).await
}

async fn comment(office: &Office, task: &Task, text: &str) -> Answer {
    let body = serde_json::json!({ "text": text, "by": "ada" }).to_string();
    office.post(&format!("/v1/tasks/{}/comments", task.id), &body).await
}

async fn stored(office: &Office, task: &Task) -> Task {
    office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored")
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_one_persons_until_it_is_released_or_ends() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let claimed = act(&office, &task, "claim", "Ada").await;
    assert_eq!((claimed.status, &claimed.json()["claim"]["by"]), (StatusCode::OK, &"Ada".into()));
    // The same person, however the name is written, and nobody else.
    assert_eq!(act(&office, &task, "claim", "ada ").await.status, StatusCode::OK);
    let refused = act(&office, &task, "claim", "Ben").await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "not-claimed"));
    assert!(refused.text.contains("ada has claimed it"), "{}", refused.text);
    assert_eq!(act(&office, &task, "release", "Ben").await.problem(), "not-claimed");
    assert_eq!(act(&office, &task, "release", "Ada").await.status, StatusCode::OK);
    assert_eq!(act(&office, &task, "claim", "Ben").await.status, StatusCode::OK);
    sleep(Duration::from_secs(30 * 60 + 1)).await;
    assert_eq!(act(&office, &task, "claim", "Ada").await.status, StatusCode::OK, "Ben's has ended");
    // A claim keeps nobody from deciding.
    assert_eq!(office.decide(&task, APPROVE).await.status, StatusCode::OK);
    let late = act(&office, &task, "claim", "Ada").await;
    assert!(late.text.contains("only an undecided task"), "{}", late.text);
    let (_, pending) = office.receive("o-2", None).await;
    assert_eq!(act(&office, &pending, "claim", "Ada").await.problem(), "not-claimed");
}

#[tokio::test(start_paused = true)]
async fn a_claimed_task_does_not_go_back_to_the_rules() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let read = stored(&office, &task).await;
    act(&office, &task, "claim", "Ada").await;
    let given = || GivenBack {
        round: 0,
        escalation: read.escalation.clone().expect("it was left to people"),
        by: "ben".to_owned(),
        worker: None,
        at: "t".to_owned(),
    };
    let refused = office.state.tasks.give_back(&read, given(), office.now()).await;
    assert!(matches!(refused, Ok(Written::Otherwise(_))), "{refused:?}");
    act(&office, &task, "release", "Ada").await;
    let Ok(Written::Now(back)) = office.state.tasks.give_back(&read, given(), office.now()).await else {
        panic!("a released task goes back");
    };
    assert_eq!((back.status, back.claim), (Status::Pending, None));
}

#[tokio::test(start_paused = true)]
async fn comments_are_kept_in_their_order_and_are_not_without_end() {
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    for number in 0..MAX_COMMENTS {
        let text = if number == 3 { format!("3 {}", started.token) } else { format!("{number} ä") };
        let answer = comment(&office, &task, &text).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let full = comment(&office, &task, "one more").await;
    assert_eq!((full.status, full.problem().as_str()), (StatusCode::CONFLICT, "not-commented"));
    let comments = stored(&office, &task).await.comments;
    assert_eq!(comments.len(), MAX_COMMENTS);
    for (number, comment) in comments.iter().enumerate() {
        assert!(comment.text.starts_with(&number.to_string()), "{number}: {}", comment.text);
        assert!(!comment.text.contains(&started.token));
    }
    let (_, other) = office.escalate("o-2", None).await;
    for text in ["", "  ", &"ä".repeat(501)] {
        assert_eq!(comment(&office, &other, text).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    }
    assert_eq!(comment(&office, &other, &"ä".repeat(500)).await.status, StatusCode::OK);
    // Two at once are both kept.
    let (first, second) = tokio::join!(comment(&office, &other, "a"), comment(&office, &other, "b"));
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(stored(&office, &other).await.comments.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_etag_lasts_through_claims_and_comments_and_the_write_holds_it() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let path = format!("/v1/tasks/{}", task.id);
    let shown = office.get(&path).await;
    let etag = shown.header(header::ETAG).to_owned();
    assert_eq!(etag, format!("\"{}\"", shown.json()["etag"].as_str().expect("an ETag")));
    let listed = office.get("/v1/tasks?status=ESCALATED").await.json();
    assert_eq!(listed["tasks"][0]["etag"], shown.json()["etag"], "a list has the same");
    act(&office, &task, "claim", "Ada").await;
    comment(&office, &task, "hm").await;
    assert_eq!(office.get(&path).await.header(header::ETAG), etag);

    // It goes back to the rules and is left to people again, while the decision is on its way.
    act(&office, &task, "release", "Ada").await;
    let read = stored(&office, &task).await;
    let escalation = read.escalation.clone().expect("it was left to people");
    let given = GivenBack {
        round: 0,
        escalation: escalation.clone(),
        by: "x".to_owned(),
        worker: None,
        at: "t".to_owned(),
    };
    office.state.tasks.give_back(&read, given, office.now()).await.expect("the model answers");
    let back = stored(&office, &task).await;
    sleep(Duration::from_millis(5)).await;
    let again = statemachine::task::Escalation { at: worker::clock::text(office.now()), ..escalation };
    let written = office
        .state
        .tasks
        .escalate(&back, &again, &FourEyes::default(), Notes::default(), office.now())
        .await;
    assert!(matches!(written, Ok(Written::Now(_))), "{written:?}");
    let stale = office.send(decision(&task, APPROVE, &[(header::IF_MATCH, &etag)])).await;
    assert_eq!((stale.status, stale.problem().as_str()), (StatusCode::PRECONDITION_FAILED, "changed"));
    let fresh = stale.header(header::ETAG).to_owned();
    assert_ne!(fresh, etag);
    let approved = office.send(decision(&task, APPROVE, &[(header::IF_MATCH, &fresh)])).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
}

#[tokio::test(start_paused = true)]
async fn the_console_claims_releases_and_comments() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let path = format!("/console/tasks/{}", task.id);
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let page = ada.get(&path).await;
    assert!(page.text.contains("<button>Claim"), "{}", page.text);
    let form = format!("form_token={}", hidden(&page, "form_token"));
    for address in ["claim", "release", "comments"] {
        let unsigned = ada.post(&format!("{path}/{address}"), "form_token=x&text=x").await;
        assert_eq!(unsigned.status, StatusCode::FORBIDDEN, "{address}");
        assert_eq!(ada.get(&format!("{path}/{address}")).await.header(header::LOCATION), path);
    }
    assert_eq!(ada.post(&format!("{path}/claim"), &form).await.status, StatusCode::SEE_OTHER);
    let written = ada.post(&format!("{path}/comments"), &format!("{form}&text=asked+%3Cher%3E")).await;
    assert_eq!(written.status, StatusCode::SEE_OTHER, "{}", written.text);
    let page = ada.get(&path).await;
    for text in ["You have claimed it until", "<button>Release", "asked &#60;her&#62;"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let mut ben = browser_of(&office, "ben", Role::Reviewer).await;
    let of_ben = ben.get(&path).await;
    assert!(of_ben.text.contains("<bdi>ada</bdi> has claimed it"), "{}", of_ben.text);
    assert!(!of_ben.text.contains("<button>Claim") && of_ben.text.contains(">Approve<"), "{}", of_ben.text);
    assert_eq!(ada.post(&format!("{path}/release"), &form).await.status, StatusCode::SEE_OTHER);
    assert!(ben.get(&path).await.text.contains("<button>Claim"));
    let mut vic = browser_of(&office, "vic", Role::Viewer).await;
    let of_vic = vic.get(&path).await;
    assert!(
        !of_vic.text.contains("<button>Claim") && !of_vic.text.contains("Add comment"),
        "{}",
        of_vic.text
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_filtered_by_whose_claim_lasts() {
    let office = with_tokens();
    let mut tasks = Vec::new();
    for number in 0..30 {
        tasks.push(office.escalate(&format!("o-{number}"), Some(86_400)).await.1);
    }
    let mut ada = browser_of(&office, "Ada", Role::Reviewer).await;
    let (mine, theirs) =
        (token(&office, "Ada", Role::Reviewer).await, token(&office, "Ben", Role::Viewer).await);
    // Every third, so that each page of the list has some.
    for task in tasks.iter().step_by(3) {
        let page = ada.get(&format!("/console/tasks/{}", task.id)).await;
        let form = format!("form_token={}", hidden(&page, "form_token"));
        let answer = ada.post(&format!("/console/tasks/{}/claim", task.id), &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }
    let listed = async |secret: &Secret, query: &str| {
        let (mut found, mut cursor) = (0, String::new());
        loop {
            let path = format!("/v1/tasks?status=ESCALATED&limit=4&claimed_by={query}{cursor}");
            let bearer = format!("Bearer {}", secret.reveal());
            let asked = request(Method::GET, &path).header(header::AUTHORIZATION, bearer);
            let page = office.send(asked.body(Body::empty()).unwrap()).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            found += page.json()["tasks"].as_array().unwrap().len();
            let Some(next) = page.json()["cursor"].as_str().map(str::to_owned) else { break found };
            cursor = format!("&cursor={next}");
        }
    };
    for (query, count) in [("me", 10), ("ada", 10), ("nobody", 20), ("Ben", 0)] {
        assert_eq!(listed(&mine, query).await, count, "{query}");
    }
    assert_eq!(listed(&theirs, "me").await, 0);
    sleep(Duration::from_secs(30 * 60 + 1)).await;
    assert_eq!(listed(&mine, "nobody").await, 30, "claims end by themselves");
    for bad in ["", "rule", "a%0Ab"] {
        let path = format!("/v1/tasks?claimed_by={bad}");
        let bearer = format!("Bearer {}", mine.reveal());
        let asked = request(Method::GET, &path).header(header::AUTHORIZATION, bearer);
        assert_eq!(
            office.send(asked.body(Body::empty()).unwrap()).await.problem(),
            "invalid-request",
            "{bad}"
        );
    }
    let nameless = Office::open();
    assert_eq!(nameless.get("/v1/tasks?claimed_by=me").await.problem(), "invalid-request");
}
