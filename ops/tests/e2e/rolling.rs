//! A rolling update under load, as CloudFormation makes it: a new worker is ready before the next old one stops.
//! `cargo ops trial rolling` does it with programs of two versions, and measures the pauses.

use std::time::Duration;

use aws_sdk_sfn::types::HistoryEventType;
use ops::orders::Story;

use crate::journey::{SOON, all_ended, assert_one_decision_each, in_world, orders_of, patient, quick};

const ORDERS: usize = 20;
/// So that orders arrive from before the first replacement until after the last.
const BETWEEN: Duration = Duration::from_millis(250);
const GRACE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_rolling_update_under_load_loses_no_task_and_answers_none_twice() {
    in_world(patient(), async |world| {
        let mut fleet = vec![];
        for number in 0..2 {
            fleet.push(world.start_worker(&format!("old-{number}"), quick()).await.unwrap());
        }
        let orders = orders_of(Story::SmallKnown, ORDERS);
        let load = async {
            let mut executions = vec![];
            for order in &orders {
                executions.push(world.start_execution(&order.input).await.unwrap());
                tokio::time::sleep(BETWEEN).await;
            }
            executions
        };
        let replace = async {
            let mut new = vec![];
            for (number, old) in fleet.into_iter().enumerate() {
                new.push(world.start_worker(&format!("new-{number}"), quick()).await.unwrap());
                let status = old.drain(GRACE).await.unwrap();
                assert!(status.is_some_and(|status| status.success()), "{status:?}");
            }
            new
        };
        let (executions, new) = tokio::join!(load, replace);
        let tasks = all_ended(world, ORDERS, SOON).await;
        assert_one_decision_each(world, &tasks).await;
        for execution in &executions {
            let history = world.history(execution).await.unwrap();
            let answers = history.iter().filter(|event| {
                matches!(event.r#type(), HistoryEventType::TaskSucceeded | HistoryEventType::TaskFailed)
            });
            assert_eq!(answers.count(), 1, "{execution}");
        }
        new
    })
    .await;
}
