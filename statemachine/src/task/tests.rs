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
fn a_long_order_is_stored_compressed_and_read_bit_for_bit() {
    let text = |bytes: usize| {
        let items: Vec<String> =
            (0..bytes / 32).map(|n| format!(r#"{{"sku":"BK-{n:04}","price":1.50}}"#)).collect();
        format!("[ {}]", items.join(",\n"))
    };
    let mut task = task();
    for (bytes, is_packed) in [(512, false), (32 * 1_024, true), (300_000, true)] {
        task.order = Some(text(bytes).into());
        assert_eq!(task.order_text().unwrap(), text(bytes));
        let item = task.to_item();
        assert_eq!(matches!(item["order"], Value::Bytes(_)), is_packed);
        // What an earlier version would misread it refuses by this.
        assert_eq!(item.get("format"), is_packed.then(|| Value::Number("2".to_owned())).as_ref());
        assert_eq!(Task::from_item(&item), Ok(task.clone()));
    }
    // As earlier versions stored it.
    let mut item = task.to_item();
    item.insert("order".to_owned(), Value::Text(text(300_000)));
    item.remove("format");
    let read = Task::from_item(&item).unwrap();
    assert_eq!(read.order_text().unwrap(), text(300_000));
    assert_eq!(read.order, task.order, "both forms are the same order");
    assert_ne!(read.order, Some(text(300_032).into()));
}

/// An error here quarantines the task; nothing is decided by half an order.
#[test]
fn an_order_that_cannot_be_unpacked_is_not_read() {
    let packed = |text: &str| match Compact::of(text.to_owned()) {
        Compact::Deflated(bytes) => bytes,
        Compact::Plain(_) => panic!("it is compressed"),
    };
    let whole = packed(&r#"{"sku":"BK-1042","price":1.50},"#.repeat(1_000));
    let bomb = packed(&"1".repeat(400 * 1_024 + 1));
    assert!(bomb.len() < 1_000);
    for bytes in [b"by hand".to_vec(), whole[..whole.len() - 1].to_vec(), bomb, vec![]] {
        let mut item = task().to_item();
        item.insert("order".to_owned(), Value::Bytes(bytes));
        let error = Task::from_item(&item).unwrap_err().to_string();
        assert_eq!(error, "attribute order is not a string, or a compressed one of up to 400 KB");
    }
}

#[test]
fn of_two_forms_of_an_evaluation_the_plain_one_is_the_later() {
    let mut task = decided();
    let text = r#"{"rule":"tier-limit","ended":"pass"},"#.repeat(20);
    task.evaluation = Some(Compact::of(text.clone()));
    let mut item = task.to_item();
    assert!(matches!(item["packedEvaluation"], Value::Bytes(_)) && !item.contains_key("evaluation"));
    assert_eq!(Task::from_item(&item), Ok(task.clone()));
    assert_eq!(task.evaluation.unwrap().text().unwrap(), text);
    // An earlier version, which knows no other form, was given the task back and wrote again.
    item.insert("evaluation".to_owned(), Value::Text("{}".to_owned()));
    let read = Task::from_item(&item).unwrap();
    assert_eq!(read.evaluation, Some(Compact::Plain("{}".to_owned())));
    item.remove("evaluation");
    item.insert("packedEvaluation".to_owned(), Value::Text("{}".to_owned()));
    let error = Task::from_item(&item).unwrap_err().to_string();
    assert_eq!(error, "attribute packedEvaluation is not bytes");
}

#[test]
fn only_the_known_format_is_read() {
    let with = |value: Value| {
        let mut item = decided().to_item();
        item.insert("format".to_owned(), value);
        Task::from_item(&item)
    };
    for known in ["1", "2"] {
        assert_eq!(with(Value::Number(known.to_owned())), Ok(decided()));
    }
    for (value, told) in [
        (Value::Number("3".to_owned()), "it has format 3, and this version knows only format 2:"),
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
