//! Stored tasks are read back whole for a backtest.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::tz::TimeZone;
use rules::agreement::{Answer, End, Reviewed};
use worker::tasks::archive::Archive;

use crate::office::Office;

async fn read(office: &Office, days_back: i64) -> Vec<Reviewed> {
    let archive = Archive::new(office.world.client_for("author").dynamodb(), "tasks");
    let today = office.now().to_zoned(TimeZone::UTC).date();
    let since = today.checked_sub(jiff::Span::new().days(days_back)).expect("a day in the calendar");
    archive.tasks(since, today).try_collect().await.expect("the model answers")
}

/// Every fifth order was approved by a person.
fn is_decided(order_id: &str) -> bool {
    order_id.ends_with(['0', '5'])
}

#[tokio::test(start_paused = true)]
async fn every_task_of_the_days_comes_once_with_its_facts() {
    let office = Office::open();
    let mut expected = BTreeMap::new();
    for number in 0..250 {
        let (_, task) = office.escalate(&format!("o-{number}"), None).await;
        if number % 5 == 0 {
            office.decide(&task, r#"{"outcome":"approved"}"#).await;
        }
        expected.insert(task.id.to_string(), task);
    }
    let tasks = read(&office, 1).await;
    assert_eq!(tasks.len(), expected.len());
    for Reviewed { task: found, escalation, end } in tasks.clone() {
        let task = expected.remove(&found.task_id).expect("once");
        assert_eq!((found.order.as_deref(), &found.order_id), (task.order_text().as_deref(), &task.order_id));
        assert_eq!((found.received_at, found.start_time), (task.received_at, task.start_time));
        assert_eq!(found.transaction_id, task.transaction_id);
        let asked = escalation.expect("all were left to a person");
        assert_eq!((asked.code.as_str(), asked.reason.as_str()), ("high-amount", "above the limit"));
        match end {
            End::ByPerson { answer, .. } => {
                assert!(answer == Answer::Approved && is_decided(&found.order_id))
            }
            End::Open => assert!(!is_decided(&found.order_id)),
            End::Expired | End::ByRule(_) => panic!("{end:?}"),
        }
    }
    // The same table, the same tasks in the same order.
    assert_eq!(read(&office, 1).await, tasks);
}

#[tokio::test(start_paused = true)]
async fn settled_tasks_of_other_days_are_not_read() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    office.decide(&task, r#"{"outcome":"approved"}"#).await;
    assert_eq!(read(&office, 0).await.len(), 1);
    tokio::time::advance(std::time::Duration::from_secs(2 * 86_400)).await;
    assert_eq!(read(&office, 1).await, []);
    assert_eq!(read(&office, 2).await.len(), 1);
}
