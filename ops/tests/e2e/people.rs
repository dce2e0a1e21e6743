//! Escalated tasks and their people: the command line, races with a rule and with another person, a token that someone
//! else closed, a workflow that no longer waits.

use aws_sdk_sfn::types::ExecutionStatus;
use ops::orders::{SampleOrder, Story};
use ops::worker::Worker;
use ops::world::{Options, World, eventually};
use serde_json::{Value, json};
use statemachine::decision::DecidedBy;
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use tokio::time::Instant;

use crate::journey::{
    SOON, assert_one_decision, in_world, orders_of, patient, quick, start, stored, task_that, through,
};
use ops::proxy::{Proxy, Step, Trap, Way};

async fn escalated(world: &World, order: &SampleOrder) -> Task {
    task_that(world, &order.id, "escalated", |task| task.status == Status::Escalated).await
}

async fn settled(world: &World, order: &SampleOrder) -> Task {
    let task = task_that(world, &order.id, "settled", |task| task.status.is_final()).await;
    assert_one_decision(world, &task).await;
    task
}

fn person(name: &str) -> DecidedBy {
    DecidedBy::Person(name.to_owned())
}

fn decision(outcome: &str, by: &str) -> Value {
    json!({"outcome": outcome, "reason": format!("{by} looked at it"), "by": by})
}

#[tokio::test]
async fn the_command_line_lists_shows_and_decides() {
    in_world(patient(), async |world| {
        let worker = world.start_worker("worker", quick()).await.unwrap();
        let orders = orders_of(Story::Middling, 2);
        start(world, &orders).await;
        let run = async |arguments: &[&str]| {
            let output =
                world.countersign(&[&["tasks", "--url", &worker.url], arguments].concat()).await.unwrap();
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            (output.status.code(), text)
        };
        let [first, second] = [escalated(world, &orders[0]).await, escalated(world, &orders[1]).await];

        let (code, list) = run(&["list"]).await;
        assert_eq!(code, Some(0), "{list}");
        assert!(list.contains(first.id.as_str()) && list.contains(second.id.as_str()), "{list}");
        let (code, shown) = run(&["show", first.id.as_str()]).await;
        assert!(code == Some(0) && shown.contains("no-rule-approved"), "{shown}");

        let (code, said) =
            run(&["approve", first.id.as_str(), "--by", "ada", "--reason", "known to us"]).await;
        assert_eq!(code, Some(0), "{said}");
        let task = settled(world, &orders[0]).await;
        assert_eq!(task.decision.map(|decision| decision.decided_by), Some(person("ada")));

        let (code, said) =
            run(&["reject", second.id.as_str(), "--by", "ada", "--reason", "no such street"]).await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(settled(world, &orders[1]).await.status, Status::Rejected);
        let (code, said) = run(&["approve", second.id.as_str(), "--by", "bob"]).await;
        assert!(code == Some(3) && said.contains("by ada"), "another decision stands: {said}");
        worker
    })
    .await;
}

#[tokio::test]
async fn an_aborted_workflow_expires_its_task_and_a_late_approval_is_told_so() {
    in_world(patient(), async |world| {
        let worker = world.start_worker("worker", quick()).await.unwrap();
        let orders = orders_of(Story::NewCustomer, 2);
        let arns = start(world, &orders).await;
        let task = escalated(world, &orders[0]).await;
        escalated(world, &orders[1]).await;

        let aborted = Instant::now();
        world.clients.sfn.stop_execution().execution_arn(&arns[0]).send().await.unwrap();
        let expired = task_that(world, &orders[0].id, "expired", |task| task.status == Status::Expired).await;
        println!("expired {:.1} s after the abort", aborted.elapsed().as_secs_f64());
        assert_eq!((expired.decision, expired.delivery), (None, None));

        let answer = world.decide(&worker, &task.id, &decision("approved", "ada")).await.unwrap();
        assert_eq!(answer.status, 410, "{}", answer.body);
        assert!(answer.body.contains("no longer waits"), "{}", answer.body);
        assert_eq!(answer.json()["task"]["status"], "EXPIRED");
        let other = world.task_of(&orders[1].id).await.unwrap().unwrap();
        assert_eq!(other.status, Status::Escalated, "another workflow's task is left alone");
        worker
    })
    .await;
}

#[tokio::test]
async fn a_decision_whose_token_someone_else_closed_is_not_called_delivered() {
    in_world(patient(), async |world| {
        let orders = [orders_of(Story::SmallKnown, 1), orders_of(Story::Sanctioned, 1)].concat();
        let arns = start(world, &orders).await;
        let tasks = stored(world, &orders).await;
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        let mut traps: Vec<_> =
            tasks.iter().map(|task| proxy.hold(Step::CallBack, Way::There, &task.id)).collect();
        let worker = world.start_worker("worker", through(&proxy.url)).await.unwrap();

        for (trap, (task, arn)) in traps.iter_mut().zip(tasks.iter().zip(&arns)) {
            tokio::time::timeout(SOON, trap.sprung()).await.unwrap();
            let foreign = world.clients.sfn.send_task_success().task_token(task.token.expose());
            foreign.output(r#"{"outcome":"approved","by":"someone else"}"#).send().await.unwrap();
            eventually(SOON, "the workflow went on", async || {
                Ok((world.execution(arn).await?.status == ExecutionStatus::Succeeded).then_some(()))
            })
            .await
            .unwrap();
        }
        traps.into_iter().for_each(Trap::release);
        for order in &orders {
            let task = task_that(world, &order.id, "ended", |task| task.status.is_final()).await;
            assert_eq!((task.status, task.delivery), (Status::Expired, Some(Delivery::ClosedElsewhere)));
            assert!(task.decision.is_some(), "what was decided stays");
        }
        worker
    })
    .await;
}

#[tokio::test]
async fn of_a_person_and_a_rule_the_first_write_wins() {
    in_world(patient(), async |world| {
        let orders = orders_of(Story::SmallKnown, 3);
        start(world, &orders).await;
        let tasks = stored(world, &orders).await;
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        // The rule's decision write is on its way for two tasks, and answered but unknown to the worker for one.
        let mut late = proxy.hold(Step::Decide, Way::There, &tasks[0].id);
        let mut between = proxy.hold(Step::Decide, Way::There, &tasks[1].id);
        let mut early = proxy.hold(Step::Decide, Way::Back, &tasks[2].id);
        let ruling = world.start_worker("ruling", through(&proxy.url)).await.unwrap();
        for trap in [&mut late, &mut between, &mut early] {
            tokio::time::timeout(SOON, trap.sprung()).await.unwrap();
        }

        let office = Proxy::start(&world.emulator).await.unwrap();
        let serving = world.start_worker("serving", through(&office.url)).await.unwrap();
        let by_ada = decision("rejected", "ada");
        let answer = world.decide(&serving, &tasks[0].id, &by_ada).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        late.release();
        let answer = world.decide(&serving, &tasks[2].id, &by_ada).await.unwrap();
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert!(answer.body.contains("by rule small-order"), "{}", answer.body);
        early.release();

        // The rule's write comes when the person's decision is stored and not yet sent.
        let mut unsent = office.hold(Step::CallBack, Way::There, &tasks[1].id);
        let rule = async {
            tokio::time::timeout(SOON, unsent.sprung()).await.unwrap();
            between.release();
            task_that(world, &orders[1].id, "settled", |task| task.status.is_final()).await;
            unsent.release();
        };
        let (answer, ()) = futures::future::join(world.decide(&serving, &tasks[1].id, &by_ada), rule).await;
        assert_eq!(answer.unwrap().status, 200, "the worker that met the person's decision sent it");

        for (order, by) in orders.iter().zip([person("ada"), person("ada"), DecidedBy::Rule]) {
            let task = settled(world, order).await;
            assert_eq!(task.decision.map(|decision| decision.decided_by), Some(by));
        }
        (ruling, serving)
    })
    .await;
}

#[tokio::test]
async fn of_two_people_one_decides_and_the_other_is_told_who() {
    in_world(patient(), async |world| {
        let [first, second] = [
            world.start_worker("first", quick()).await.unwrap(),
            world.start_worker("second", quick()).await.unwrap(),
        ];
        let orders = orders_of(Story::OverLimit, 5);
        start(world, &orders).await;
        for order in &orders {
            let task = escalated(world, order).await;
            let ask = async |worker: &Worker, outcome: &str, by: &'static str| {
                let answer = world.decide(worker, &task.id, &decision(outcome, by)).await.unwrap();
                (answer.status, by, answer.body)
            };
            let answers =
                futures::future::join(ask(&first, "approved", "ada"), ask(&second, "rejected", "bob")).await;
            let (winner, loser) =
                if answers.0.0 == 409 { (answers.1, answers.0) } else { (answers.0, answers.1) };
            assert_eq!((winner.0, loser.0), (200, 409), "{winner:?} {loser:?}");
            assert!(loser.2.contains(&format!("by {}", winner.1)), "{loser:?}");
            let task = settled(world, order).await;
            assert_eq!(task.decision.map(|decision| decision.decided_by), Some(person(winner.1)));

            // Repeating a stored decision succeeds.
            let again = if winner.1 == "ada" { "approved" } else { "rejected" };
            assert_eq!(ask(&first, again, winner.1).await.0, 200);
        }
        (first, second)
    })
    .await;
}

#[tokio::test]
async fn the_original_definition_is_decided_by_a_person() {
    let options = Options { other_state_machines: "original*".to_owned(), ..patient() };
    in_world(options, async |world| {
        let worker = world.start_worker("worker", quick()).await.unwrap();
        let original = include_str!("../../../statemachine/tests/it/data/seed-state-machine.json");
        let definition = original
            .replace("https://sqs.us-east-1.amazonaws.com/AccountID/QueueName", &world.stack.task_queue_url);
        assert_ne!(definition, original, "only the queue is another");
        let machine = world.create_state_machine("original", &definition).await.unwrap();
        let arn = world.start_execution_of(&machine, &json!({"orderId": "o-1", "amount": 5})).await.unwrap();

        // The message has four fields: no rule can know the order, and the person is told what is missing.
        let task = task_that(world, "o-1", "escalated", |task| task.status == Status::Escalated).await;
        assert_eq!((&task.order, task.deadline), (&None, None));
        let escalation = task.escalation.clone().unwrap();
        assert_eq!(escalation.code, "invalid-task", "{escalation:?}");
        assert!(escalation.reason.contains("order"), "{escalation:?}");

        let answer = world.decide(&worker, &task.id, &decision("approved", "ada")).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let task = task_that(world, "o-1", "approved", |task| task.status == Status::Approved).await;
        assert_one_decision(world, &task).await;
        let execution = world.execution(&arn).await.unwrap();
        let output: Value = serde_json::from_str(execution.output().unwrap()).unwrap();
        assert_eq!(output["decidedBy"], "ada");

        // Its closed executions are heard of, too.
        let arn = world.start_execution_of(&machine, &json!({"orderId": "o-2"})).await.unwrap();
        task_that(world, "o-2", "escalated", |task| task.status == Status::Escalated).await;
        world.clients.sfn.stop_execution().execution_arn(&arn).send().await.unwrap();
        let task = task_that(world, "o-2", "expired", |task| task.status == Status::Expired).await;
        assert_eq!(task.decision, None);
        worker
    })
    .await;
}

#[tokio::test]
async fn a_workflow_that_stops_waiting_expires_what_nobody_decided() {
    let options = Options { approval_timeout_seconds: 4, ..patient() };
    in_world(options, async |world| {
        let worker = world.start_worker("worker", quick()).await.unwrap();
        let orders = orders_of(Story::Middling, 1);
        start(world, &orders).await;
        let task = task_that(world, &orders[0].id, "expired", |task| task.status == Status::Expired).await;
        assert_eq!(task.decision, None);
        let execution = world.execution(&task.transaction_id).await.unwrap();
        assert_eq!(execution.error(), Some("Approval.TimedOut"));
        let answer = world.decide(&worker, &task.id, &decision("approved", "ada")).await.unwrap();
        assert_eq!(answer.status, 410, "{}", answer.body);
        worker
    })
    .await;
}
