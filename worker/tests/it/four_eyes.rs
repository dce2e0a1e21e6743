//! Four eyes: nobody decides their own request, and a large amount needs two people, whatever else happens.

use axum::http::StatusCode;
use statemachine::decision::{DecidedBy, Draft, Outcome};
use statemachine::status::Status;
use statemachine::task::{FirstApproval, GivenBack, Task};
use worker::tasks::table::{Approving, ByPerson, Written};

use crate::browser::{browser_of, set_tokens};
use crate::office::{Answer, Office};
use worker::control::tokens::Role;

const RULES: [(&str, &str); 3] = [
    ("rules/none.rhai", "pass();"),
    ("ruleset.toml", "[people]\namount = \"order.amount\"\nsecond_from = 1000\n"),
    (
        "schema/order.toml",
        "requester = \"agent\"\n[fields]\namount = \"money\"\nagent = { type = \"text\", optional = true }\n",
    ),
];

fn office() -> Office {
    Office::open_under(&RULES, |clock| clock, |_| {})
}

/// A task with this order that waits for people.
async fn waiting(office: &Office, order: &str) -> Task {
    let (_, task) = office.receive_order("o-1", None, |_| order.to_owned()).await;
    office.escalate_task(&task).await;
    task
}

async fn decide(office: &Office, task: &Task, outcome: &str, by: &str) -> Answer {
    office.decide(task, &format!(r#"{{"outcome":"{outcome}","reason":"seen","by":"{by}"}}"#)).await
}

async fn stored(office: &Office, task: &Task) -> Task {
    office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored")
}

#[tokio::test(start_paused = true)]
async fn two_people_approve_a_large_amount() {
    let office = office();
    let task = waiting(&office, r#"{"amount":1000}"#).await;
    for _ in 0..2 {
        // The same person twice is one person, however the name is written.
        for name in ["Ada", " ADA "] {
            let first = decide(&office, &task, "approved", name).await;
            assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
            let json = first.json();
            assert_eq!((json["status"].as_str(), json["decision"].is_null()), (Some("ESCALATED"), true));
            assert_eq!((&json["firstApproval"]["by"], &json["approvals"]), (&"Ada".into(), &2.into()));
            assert_eq!(json["firstApproval"]["code"], "decided-by-person");
        }
    }
    let second = decide(&office, &task, "approved", "Ben").await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let json = second.json();
    assert_eq!((&json["status"], &json["decision"]["decidedBy"]), (&"APPROVED".into(), &"Ben".into()));
    assert_eq!(json["firstApproval"]["by"], "Ada");
    let metrics = office.get("/metrics").await.text;
    assert!(metrics.contains("\ncountersign_first_approvals_total 1\n"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn one_person_is_enough_to_reject_and_for_a_small_amount() {
    let office = office();
    let small = waiting(&office, r#"{"amount":999.99}"#).await;
    assert_eq!(decide(&office, &small, "approved", "Ada").await.json()["status"], "APPROVED");
    let large = waiting(&office, r#"{"amount":5000}"#).await;
    assert_eq!(decide(&office, &large, "rejected", "Ada").await.json()["status"], "REJECTED");
    let half = waiting(&office, r#"{"amount":5000}"#).await;
    decide(&office, &half, "approved", "Ada").await;
    assert_eq!(decide(&office, &half, "rejected", "Ada").await.json()["status"], "REJECTED");
    // No amount to read.
    let doubtful = waiting(&office, r#"{"amount":"a lot"}"#).await;
    assert!(decide(&office, &doubtful, "approved", "Ada").await.json()["decision"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_requester_decides_nothing() {
    let office = office();
    for order in [r#"{"amount":1,"agent":"ada"}"#, r#"{"amount":9000,"agent":"ada"}"#, r#"{"agent":"ada"}"#] {
        let task = waiting(&office, order).await;
        for outcome in ["approved", "rejected"] {
            let answer = decide(&office, &task, outcome, "Ada").await;
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "own-request"));
        }
        let now = stored(&office, &task).await;
        assert!(now.decision.is_none() && now.first_approval.is_none(), "{order}");
        assert_eq!(decide(&office, &task, "rejected", "Ben").await.json()["status"], "REJECTED");
    }
    // Before the rules have looked at it, the order says the same.
    let (_, pending) =
        office.receive_order("o-2", None, |_| r#"{"amount":1,"agent":"ada"}"#.to_owned()).await;
    assert_eq!(decide(&office, &pending, "approved", "Ada").await.problem(), "own-request");
}

#[tokio::test(start_paused = true)]
async fn a_pending_task_that_needs_two_waits_for_the_rules() {
    let office = office();
    let (_, task) = office.receive_order("o-1", None, |_| r#"{"amount":2000}"#.to_owned()).await;
    let early = decide(&office, &task, "approved", "Ada").await;
    assert_eq!((early.status, early.problem().as_str()), (StatusCode::CONFLICT, "too-early"));
    assert_eq!(stored(&office, &task).await.revision, 1);
    assert_eq!(decide(&office, &task, "rejected", "Ada").await.json()["status"], "REJECTED");
}

#[tokio::test(start_paused = true)]
async fn two_first_approvals_at_once_are_a_first_and_a_second() {
    let office = office();
    let task = waiting(&office, r#"{"amount":2000}"#).await;
    let (ada, ben) =
        tokio::join!(decide(&office, &task, "approved", "Ada"), decide(&office, &task, "approved", "Ben"));
    let mut statuses = [ada.status.as_u16(), ben.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 202], "{} {}", ada.text, ben.text);
    let now = stored(&office, &task).await;
    let second = String::from(now.decision.expect("it is decided").decided_by);
    assert_eq!(now.status, Status::Approved);
    assert_ne!(now.first_approval.expect("one was first").by, second);
}

#[tokio::test(start_paused = true)]
async fn after_a_first_approval_a_task_stays_with_people() {
    let office = office();
    let task = waiting(&office, r#"{"amount":2000}"#).await;
    let read = stored(&office, &task).await;
    decide(&office, &task, "approved", "Ada").await;
    let answer = office.post(&format!("/v1/tasks/{}/reconsider", task.id), r#"{"by":"ben"}"#).await;
    assert_ne!(answer.status, StatusCode::OK, "{}", answer.text);
    // Nor by a request that read the task before.
    let escalation = read.escalation.clone().expect("it was left to people");
    let given = GivenBack { round: 0, escalation, by: "ben".to_owned(), worker: None, at: "t".to_owned() };
    let late = office.state.tasks.give_back(&read, given, office.now()).await;
    assert!(matches!(late, Ok(Written::Otherwise(_))), "{late:?}");
}

/// Whatever a caller of the table believes, the write holds it.
#[tokio::test(start_paused = true)]
async fn the_write_itself_holds_four_eyes() {
    let office = office();
    let task = waiting(&office, r#"{"amount":2000,"agent":"eve"}"#).await;
    let write = async |by: &str, outcome, approving| {
        let draft = Draft {
            id: office.state.clock.ulid(),
            outcome,
            code: "decided-by-person".to_owned(),
            reason: String::new(),
            rule: None,
            ruleset: None,
            decided_by: DecidedBy::Person(by.to_owned()),
            decided_at: worker::clock::text(office.now()),
        };
        let decision = draft.seal(&task.order_id, &task.token);
        let by = ByPerson { name: by, approving, as_read: false };
        let written = office.state.tasks.decide_for_person(&task, &decision, by, office.now()).await;
        matches!(written.expect("the model answers"), Written::Now(_))
    };
    assert!(!write("ada", Outcome::Approved, Approving::Alone).await, "alone");
    assert!(!write("ada", Outcome::Approved, Approving::Second).await, "second without a first");
    assert!(!write("Eve", Outcome::Rejected, Approving::Alone).await, "the requester");
    let first = |subject: &str| FirstApproval {
        subject: subject.to_owned(),
        by: subject.to_owned(),
        reason: String::new(),
        code: "decided-by-person".to_owned(),
        at: "t".to_owned(),
    };
    let written = office.state.tasks.approve_first(&task, &first("eve")).await;
    assert!(matches!(written, Ok(Written::Otherwise(_))), "the requester first: {written:?}");
    let written = office.state.tasks.approve_first(&task, &first("ada")).await;
    assert!(matches!(written, Ok(Written::Now(_))), "{written:?}");
    let written = office.state.tasks.approve_first(&task, &first("ben")).await;
    assert!(matches!(written, Ok(Written::Otherwise(_))), "a first again: {written:?}");
    assert!(!write("ADA", Outcome::Approved, Approving::Second).await, "the same person");
    assert!(!write("Eve", Outcome::Approved, Approving::Second).await, "the requester second");
    assert!(!write("ben", Outcome::Approved, Approving::Alone).await, "alone after a first");
    assert!(write("ben", Outcome::Approved, Approving::Second).await, "another person");
}

#[tokio::test(start_paused = true)]
async fn the_console_says_what_a_click_means() {
    let office = Office::open_under(&RULES, |clock| clock, set_tokens);
    let task = waiting(&office, r#"{"amount":2000,"agent":"eve"}"#).await;
    let path = format!("/console/tasks/{}", task.id);
    let mut eve = browser_of(&office, "eve", Role::Reviewer).await;
    let own = eve.get(&path).await;
    assert!(
        own.text.contains("names you as its requester") && !own.text.contains(">Approve<"),
        "{}",
        own.text
    );
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let shown = ada.get(&path).await;
    assert!(shown.text.contains("Two people must approve it."), "{}", shown.text);
    let first = ada.decide(&shown, &task, "approved", "known").await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text);
    let again = ada.get(&path).await;
    assert!(
        again.text.contains("You have approved it.") && again.text.contains(">Reject<"),
        "{}",
        again.text
    );
    assert!(!again.text.contains(">Approve<"), "{}", again.text);
    let mut ben = browser_of(&office, "ben", Role::Reviewer).await;
    let second = ben.get(&path).await;
    for text in ["First of two approvals", "<bdi>ada</bdi>", "known", "Yours is the second approval"] {
        assert!(second.text.contains(text), "{text}: {}", second.text);
    }
    ben.decide(&second, &task, "approved", "").await;
    assert_eq!(stored(&office, &task).await.status, Status::Approved);
}
