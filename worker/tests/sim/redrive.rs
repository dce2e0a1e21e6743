//! A redriven execution waits again with a new token, while reads still show its former end for some time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::{ExecutionStatus, Failure, Fault, Matcher, Options, Rule, Service};
use statemachine::status::{Delivery, Status};

use crate::stage::{Stage, replay};

const ORDERS: u32 = 20;
/// The most by which reads of executions lag behind.
const LAG_MS: u64 = 60_000;

/// Every execution is stopped and redriven before a worker starts. The events of the ends wait in the queue, and the
/// response to each first callback is lost, so that the history is read as well.
#[test]
fn an_end_before_a_redrive_ends_no_task_that_was_sent_after_it() {
    replay(async || {
        let mut stage = Stage::new(Options { execution_lag_ms: LAG_MS, ..Options::default() });
        stage.store(ORDERS).await?;
        let executions = stage.sim.world.executions();
        assert!(executions.iter().all(|execution| stage.sim.world.stop(&execution.arn)));
        stage.sim.pass(LAG_MS / 2).await?;
        assert!(executions.iter().all(|execution| stage.sim.world.redrive(&execution.arn)));
        let all = 2 * ORDERS as usize;
        stage.until(5_000, "stored again", |sim| sim.watch.state().tasks.len() == all).await?;
        let known = Arc::new(Mutex::new(BTreeSet::new()));
        let first = Matcher::service(Service::StepFunctions).when(move |call| {
            let is_answer = matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure");
            let token = call.text("taskToken").filter(|_| is_answer).map(str::to_owned);
            token.is_some_and(|token| {
                known.lock().expect("no thread panics while it holds the lock").insert(token)
            })
        });
        stage.sim.world.inject(Rule::new(first, Fault::AnswerLost(Failure::Connection)));
        stage.sim.start_worker();
        stage.sim.pass(2 * LAG_MS).await?;
        let mut left = 0;
        for execution in stage.sim.world.executions() {
            let token = execution.tokens.last().expect("it has waited");
            let tasks = stage.sim.watch.state().tasks.all();
            let task = tasks.iter().find(|task| task.token.expose() == token).expect("it is stored");
            if execution.status == ExecutionStatus::Running {
                assert_eq!(task.status, Status::Escalated, "{}: it is waiting", task.id);
                left += 1;
            } else {
                assert_eq!(task.delivery, Some(Delivery::Delivered), "{}: {:?}", task.id, task.status);
            }
        }
        assert!(left > 0 && left < ORDERS, "{left} wait for a person");
        stage.end().await
    });
}
