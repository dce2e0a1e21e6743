//! An outage of the table in front of the queue, and state machines that somebody else made.

use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use ops::orders::Story;
use ops::world::{Options, World, eventually};

use crate::journey::{SOON, orders_of, patient, quick, stored};

/// How often a message is received in ten minutes with the template's visibility timeout of a minute.
const RECEIVES: usize = 10;

/// Ten minutes of refused puts, shortened: a message is visible again after one second instead of sixty, so that it is
/// received as often within seconds. All else is as deployed: the role, the function, the queue, its redrive policy.
#[tokio::test]
async fn ten_minutes_of_refused_puts_dead_letter_nothing_and_all_is_stored_afterwards() {
    let world = World::start(Options { max_receive_count: 240, ..patient() }).await.unwrap();
    let queue = world.clients.sqs.set_queue_attributes().queue_url(&world.stack.task_queue_url);
    queue.attributes(QueueAttributeName::VisibilityTimeout, "1").send().await.unwrap();

    world.set_puts_of_ingest("Deny").await.unwrap();
    let orders = orders_of(Story::SmallKnown, 3);
    for order in &orders {
        world.start_execution(&order.input).await.unwrap();
    }
    eventually(SOON * 2, "every message is refused ten times", async || {
        let retries = world.emulator_log()?.matches(r#""outcome":"retry""#).count();
        Ok((retries >= RECEIVES * orders.len()).then_some(()))
    })
    .await
    .unwrap();
    assert!(world.tasks().await.unwrap().is_empty());

    world.set_puts_of_ingest("Allow").await.unwrap();
    assert_eq!(stored(&world, &orders).await.len(), orders.len());
    assert_eq!(world.messages(&world.stack.task_dead_letter_queue_url).await.unwrap(), 0);
}

/// As in `cargo ops up`: whoever creates a state machine there, with a state that sends to the queue, is answered.
#[tokio::test]
async fn a_state_machine_that_somebody_creates_is_answered() {
    let world = World::start(Options { other_state_machines: "*".to_owned(), ..patient() }).await.unwrap();
    let _worker = world.start_worker("worker", quick()).await.unwrap();
    let sample = world.clients.sfn.describe_state_machine().state_machine_arn(&world.stack.state_machine_arn);
    let definition = sample.send().await.unwrap().definition;
    let mine = world.create_state_machine("somebodys", &definition).await.unwrap();
    let order = &orders_of(Story::SmallKnown, 1)[0];
    let execution = world.start_execution_of(&mine, &order.input).await.unwrap();
    eventually(SOON * 2, "the rules' answer arrives", async || {
        Ok((world.execution(&execution).await?.status == ExecutionStatus::Succeeded).then_some(()))
    })
    .await
    .unwrap();
}
