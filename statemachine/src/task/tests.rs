use super::*;
use crate::decision::{DecidedBy, Draft, Outcome};

fn task() -> Task {
    let body = r#"{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"AAAAKgAAAAIAAAAAabc","startTime":"t","orderId":"o-1","order":{"a":1.50},"timeoutSeconds":120}"#;
    let received_at =
        ReceivedAt { text: "2026-11-22T10:00:00.123Z".to_owned(), epoch_seconds: 1_795_341_600 };
    Task::new(Message::parse(body).unwrap(), received_at, None)
}

fn decided() -> Task {
    let mut task = task();
    let draft = Draft {
        id: "01JD".to_owned(),
        outcome: Outcome::Approved,
        code: "small-order".to_owned(),
        reason: String::new(),
        rule: Some("tier-limit".to_owned()),
        ruleset: Some("7f3a".to_owned()),
        decided_by: DecidedBy::Rule,
        decided_at: "2026-11-22T10:00:01.000Z".to_owned(),
    };
    task.decision = Some(draft.seal(&task.order_id, &task.token));
    task.delivery = Some(Delivery::Due);
    task.list = Some(Worklist::Due.key_of(&task.id));
    task.escalation = Some(Escalation {
        code: "no-rule-approved".to_owned(),
        reason: "no rule had an answer".to_owned(),
        rule: None,
        ruleset: Some("7f3a".to_owned()),
        at: "2026-11-22T10:00:01.000Z".to_owned(),
    });
    task
}

#[test]
fn a_new_task_waits_in_its_worklist() {
    let task = task();
    assert_eq!(task.state(), State::NEW);
    assert_eq!(task.deadline, Some(1_795_341_720));
    assert_eq!((task.list.as_deref(), task.list_at), (Some("PENDING#14"), Some(1_795_341_660)));
}

#[test]
fn an_item_reads_back_whole() {
    let mut again = decided();
    (again.requester, again.approvals) = (Some("eve".to_owned()), Some(BOTH));
    let escalation = again.escalation.clone().expect("it was left to a person");
    let given = |round| GivenBack {
        round,
        escalation: escalation.clone(),
        by: "ada".to_owned(),
        worker: Some("w-1".to_owned()),
        at: "2026-11-22T11:00:00.000Z".to_owned(),
    };
    // Ten comes after nine.
    (again.round, again.history) = (11, vec![given(9), given(10)]);
    let mut half = task();
    (half.status, half.list) = (Status::Escalated, Some(Worklist::Escalated.key_of(&half.id)));
    half.approvals = Some(BOTH);
    half.claim = Some(Claim { subject: "ada".to_owned(), by: "Ada".to_owned(), until: 1_795_341_700 });
    // Ten comes after nine.
    let at = "2026-11-22T11:00:00.000Z";
    half.comments = (0..11)
        .map(|number| Comment { by: "ben".to_owned(), at: at.to_owned(), text: format!("{number}?") })
        .collect();
    half.first_approval = Some(FirstApproval {
        subject: "ada".to_owned(),
        by: "Ada".to_owned(),
        reason: "known".to_owned(),
        code: "decided-by-token".to_owned(),
        at: "2026-11-22T11:00:00.000Z".to_owned(),
    });
    for task in [task(), decided(), again, half] {
        assert_eq!(Task::from_item(&task.to_item()), Ok(task));
    }
}

#[test]
fn only_the_known_format_is_read() {
    let with = |value: Value| {
        let mut item = decided().to_item();
        item.insert("format".to_owned(), value);
        Task::from_item(&item)
    };
    assert_eq!(with(Value::Number("1".to_owned())), Ok(decided()));
    for (value, told) in [
        (Value::Number("2".to_owned()), "it has format 2,"),
        (Value::Number("1.5".to_owned()), "it has format 1.5,"),
        (Value::Text("1".to_owned()), "it has format (not a number),"),
        (Value::Other, "it has format (not a number),"),
    ] {
        let error = with(value).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn what_was_reviewed_changes_only_with_what_a_decision_depends_on() {
    let mut asked = decided();
    (asked.decision, asked.delivery, asked.status) = (None, None, Status::Escalated);
    let reviewed = asked.reviewed();
    let mut same = asked.clone();
    same.revision += 3;
    (same.attempts, same.list_at) = (2, Some(1));
    same.claim = Some(Claim { subject: "ada".to_owned(), by: "Ada".to_owned(), until: 1 });
    let (by, at, text) = ("ben".to_owned(), String::new(), "hm".to_owned());
    same.comments = vec![Comment { by, at, text }];
    assert_eq!(same.reviewed(), reviewed);
    let changes: [fn(&mut Task); 4] = [
        |task| task.status = Status::Pending,
        |task| task.escalation.as_mut().unwrap().at.push('1'),
        |task| task.delivery = Some(Delivery::Due),
        |task| task.decision = decided().decision,
    ];
    for change in changes {
        let mut other = asked.clone();
        change(&mut other);
        assert_ne!(other.reviewed(), reviewed);
    }
}

#[test]
fn a_malformed_item_names_the_attribute_and_never_the_token() {
    let refused = |change: &dyn Fn(&mut Item)| {
        let mut item = decided().to_item();
        change(&mut item);
        Task::from_item(&item).unwrap_err().to_string()
    };
    assert_eq!(refused(&|item| drop(item.remove("taskToken"))), "attribute taskToken is missing");
    assert_eq!(
        refused(&|item| drop(item.insert("taskToken".to_owned(), Value::Text("other".to_owned())))),
        "attribute taskId is not the hash of the task token"
    );
    assert_eq!(
        refused(&|item| drop(item.insert("status".to_owned(), Value::Text("APPROVED".to_owned())))),
        "no task can have status APPROVED, approved decision, delivery DUE"
    );
    assert_eq!(
        refused(&|item| drop(item.insert("status".to_owned(), Value::Text("approved".to_owned())))),
        "attribute status is not a known status"
    );
    assert_eq!(
        refused(&|item| drop(item.remove("delivery"))),
        "no task can have status PENDING, approved decision, delivery none"
    );
    assert_eq!(
        refused(&|item| drop(item.insert("order".to_owned(), Value::Other))),
        "attribute order is not a string"
    );
}
