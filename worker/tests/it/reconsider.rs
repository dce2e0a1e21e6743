//! A task that was left to a person goes back to the rules, and what was decided before lands nowhere.

use std::time::Duration;

use rules::FourEyes;
use statemachine::decision::{DecidedBy, Decision, Draft, Outcome};
use statemachine::status::Status;
use statemachine::task::{Escalation, Task};
use tokio::sync::watch;
use tokio::time::sleep;
use worker::control::gate::{self, ControlItem};
use worker::tasks::table::{Notes, Written};

use crate::office::{Answer, Office};

/// Starts to follow the switch, and waits until it is known.
async fn follow(office: &Office) {
    let state = &office.state;
    let followed = watch::Sender::new(ControlItem::default());
    let table = state.control_table.clone();
    let gate = gate::follow(table, state.automation.gate.clone(), state.metrics.clone(), followed);
    office.state.tracker.spawn(gate);
    sleep(Duration::from_secs(1)).await;
}

async fn reconsider(office: &Office, task: &Task) -> Answer {
    office.post(&format!("/v1/tasks/{}/reconsider", task.id), r#"{"by":"ada"}"#).await
}

async fn stored(office: &Office, task: &Task) -> Task {
    office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored")
}

fn decision(office: &Office, task: &Task, by: DecidedBy) -> Decision {
    let draft = Draft {
        id: "01JD".to_owned(),
        outcome: Outcome::Approved,
        code: "small".to_owned(),
        reason: String::new(),
        rule: None,
        ruleset: None,
        decided_by: by,
        decided_at: worker::clock::text(office.now()),
    };
    draft.seal(&task.order_id, &task.token)
}

fn asked(code: &str, ruleset: Option<&str>) -> Escalation {
    Escalation {
        code: code.to_owned(),
        reason: "why".to_owned(),
        rule: None,
        ruleset: ruleset.map(str::to_owned),
        at: "2026-11-22T10:00:00.000Z".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_back_with_its_history() {
    let office = Office::open();
    follow(&office).await;
    let (_, task) = office.escalate("o-1", None).await;
    let answer = reconsider(&office, &task).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let json = answer.json();
    assert_eq!((&json["status"], &json["escalation"]), (&"PENDING".into(), &serde_json::Value::Null));
    assert_eq!(json["history"][0]["escalation"]["code"], "high-amount");
    assert_eq!((&json["history"][0]["round"], &json["history"][0]["by"]), (&0.into(), &"ada".into()));
    let now = stored(&office, &task).await;
    assert_eq!((now.status, now.round, now.escalation), (Status::Pending, 1, None));
    // The sweeper finds it at once, where the PENDING stand.
    assert_eq!(now.list.as_deref().map(|list| list.starts_with("PENDING#")), Some(true));
    assert!(now.list_at.is_some_and(|at| at <= office.now().as_second()));
    assert_eq!(reconsider(&office, &task).await.problem(), "not-reconsidered");
    let metrics = office.get("/metrics").await.text;
    assert!(metrics.contains("\ncountersign_tasks_given_back_total 1\n"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn each_round_is_kept_and_the_oldest_are_let_go() {
    let office = Office::open();
    follow(&office).await;
    let (_, task) = office.escalate("o-1", None).await;
    for round in 0..7 {
        assert_eq!(reconsider(&office, &task).await.status, 200);
        let now = stored(&office, &task).await;
        assert_eq!(now.round, round + 1);
        let code = format!("round-{}", round + 1);
        let escalated = office
            .state
            .tasks
            .escalate(&now, &asked(&code, None), &FourEyes::default(), Notes::default(), office.now())
            .await;
        assert!(matches!(escalated, Ok(Written::Now(_))), "{escalated:?}");
    }
    let rounds: Vec<i64> = stored(&office, &task).await.history.iter().map(|given| given.round).collect();
    assert_eq!(rounds, [2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_wrote_before_lands_nowhere() {
    let office = Office::open();
    follow(&office).await;
    let tasks = &office.state.tasks;
    let (_, read_before) = office.receive("o-1", None).await;
    let before = decision(&office, &read_before, DecidedBy::Rule);
    for round in 0..2 {
        let read = stored(&office, &read_before).await;
        assert_eq!(read.round, round);
        tasks
            .escalate(&read, &asked("paused", None), &FourEyes::default(), Notes::default(), office.now())
            .await
            .unwrap();
        assert_eq!(reconsider(&office, &read).await.status, 200);
        let late = tasks.decide(&read, &before, Notes::default(), office.now()).await.unwrap();
        assert!(matches!(&late, Written::Otherwise(now) if now.decision.is_none()), "{late:?}");
        let late = tasks
            .escalate(&read, &asked("late", None), &FourEyes::default(), Notes::default(), office.now())
            .await
            .unwrap();
        assert!(matches!(&late, Written::Otherwise(now) if now.status == Status::Pending), "{late:?}");
    }
    let read = stored(&office, &read_before).await;
    let written = tasks.decide(&read, &before, Notes::default(), office.now()).await.unwrap();
    assert!(matches!(&written, Written::Now(now) if now.decision.is_some()), "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn what_must_stay_with_a_person_stays() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    // Nobody knows yet whether automation runs.
    assert_eq!(reconsider(&office, &task).await.problem(), "unavailable");
    follow(&office).await;

    let current = office.state.automation.rules.pin().sha256().to_owned();
    for (code, ruleset, goes) in [
        ("over-limit", Some(current.as_str()), false),
        ("budget-exhausted", Some(current.as_str()), true),
        ("over-limit", Some("0000"), true),
        ("automation-paused", None, true),
    ] {
        let (_, task) = office.receive(&format!("o-{code}-{goes}"), None).await;
        let escalation = asked(code, ruleset);
        office
            .state
            .tasks
            .escalate(&task, &escalation, &FourEyes::default(), Notes::default(), office.now())
            .await
            .unwrap();
        let answer = reconsider(&office, &task).await;
        assert_eq!(answer.status == 200, goes, "{code} {ruleset:?}: {}", answer.text);
        let now = stored(&office, &task).await;
        assert_eq!(now.status == Status::Pending, goes);
    }

    let (_, pending) = office.receive("o-2", None).await;
    assert_eq!(reconsider(&office, &pending).await.problem(), "not-reconsidered");
    let (_, decided) = office.escalate("o-3", None).await;
    office.decide(&decided, r#"{"outcome":"approved"}"#).await;
    assert_eq!(reconsider(&office, &decided).await.problem(), "not-reconsidered");

    office.post("/v1/automation/pause", r#"{"reason":"audit","by":"ada"}"#).await;
    sleep(Duration::from_secs(1)).await;
    let paused = reconsider(&office, &task).await;
    assert_eq!(paused.problem(), "not-reconsidered");
    assert!(paused.text.contains("automation is paused"), "{}", paused.text);
    assert_eq!(stored(&office, &task).await.status, Status::Escalated);
}
