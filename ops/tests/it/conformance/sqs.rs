//! SQS: visibility, receive counts, dead letters.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use tokio::time::sleep;

use super::cases;
use super::target::{Target, code};

cases! {
    a_received_message_hides_and_returns => "1, none, 2",
    a_deleted_message_is_gone => "1, none",
    visibility_zero_returns_a_message_at_once => "1, 2",
    a_message_dies_after_its_receives => "1, 2, none; dead: letter",
    a_long_poll_ends_with_a_message => "1 before the wait was over",
    an_unknown_queue_does_not_exist => "AWS.SimpleQueueService.NonExistentQueue",
    a_garbled_receipt_is_invalid => "ReceiptHandleIsInvalid",
    a_sent_message_tells_when => "SentTimestamp in milliseconds",
}

async fn send(target: &Target, url: &str) {
    target.sqs.send_message().queue_url(url).message_body("letter").send().await.unwrap();
}

async fn receive(target: &Target, url: &str) -> Option<Message> {
    let request = target.sqs.receive_message().queue_url(url);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    request.send().await.unwrap().messages.unwrap_or_default().pop()
}

/// How often a message was received, or `none`.
fn count(message: Option<&Message>) -> String {
    let attributes = message.and_then(|message| message.attributes());
    let count = attributes.and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.map_or("none".to_owned(), ToOwned::to_owned)
}

async fn a_received_message_hides_and_returns(target: &Target) -> String {
    // Long enough for a second look while it is hidden, on a busy machine too.
    let url = target.queue("hides", &[("VisibilityTimeout", "5")]).await;
    send(target, &url).await;
    let first = receive(target, &url).await;
    let hidden = receive(target, &url).await;
    sleep(Duration::from_millis(5_100)).await;
    let second = receive(target, &url).await;
    format!("{}, {}, {}", count(first.as_ref()), count(hidden.as_ref()), count(second.as_ref()))
}

async fn a_deleted_message_is_gone(target: &Target) -> String {
    let url = target.queue("deleted", &[("VisibilityTimeout", "1")]).await;
    send(target, &url).await;
    let message = receive(target, &url).await.unwrap();
    let receipt = message.receipt_handle().unwrap();
    target.sqs.delete_message().queue_url(&url).receipt_handle(receipt).send().await.unwrap();
    sleep(Duration::from_millis(1_100)).await;
    format!("{}, {}", count(Some(&message)), count(receive(target, &url).await.as_ref()))
}

async fn visibility_zero_returns_a_message_at_once(target: &Target) -> String {
    let url = target.queue("returned", &[]).await;
    send(target, &url).await;
    let message = receive(target, &url).await.unwrap();
    let request = target.sqs.change_message_visibility().queue_url(&url).visibility_timeout(0);
    request.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    format!("{}, {}", count(Some(&message)), count(receive(target, &url).await.as_ref()))
}

async fn a_message_dies_after_its_receives(target: &Target) -> String {
    let dead = target.queue("dead", &[]).await;
    let request =
        target.sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn);
    let attributes = request.send().await.unwrap().attributes.unwrap();
    let arn = &attributes[&QueueAttributeName::QueueArn];
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
    let url = target.queue("dying", &[("VisibilityTimeout", "0"), ("RedrivePolicy", &policy)]).await;
    send(target, &url).await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(count(receive(target, &url).await.as_ref()));
    }
    let letter = receive(target, &dead).await.and_then(|message| message.body).unwrap_or_default();
    format!("{}; dead: {letter}", counts.join(", "))
}

async fn a_long_poll_ends_with_a_message(target: &Target) -> String {
    let url = target.queue("polled", &[]).await;
    let start = tokio::time::Instant::now();
    let poll = target.sqs.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let later = async {
        sleep(Duration::from_millis(500)).await;
        send(target, &url).await;
    };
    let (answer, ()) = tokio::join!(poll, later);
    let is_early = start.elapsed() < Duration::from_secs(10);
    format!(
        "{} {} the wait was over",
        answer.unwrap().messages().len(),
        if is_early { "before" } else { "after" }
    )
}

async fn an_unknown_queue_does_not_exist(target: &Target) -> String {
    let url = target.queue("known", &[]).await.replace("known", "unknown");
    code(&target.sqs.receive_message().queue_url(url).send().await)
}

async fn a_garbled_receipt_is_invalid(target: &Target) -> String {
    let url = target.queue("garbled", &[]).await;
    code(&target.sqs.delete_message().queue_url(url).receipt_handle("garbled").send().await)
}

async fn a_sent_message_tells_when(target: &Target) -> String {
    let url = target.queue("timed", &[]).await;
    send(target, &url).await;
    let message = receive(target, &url).await.unwrap();
    let sent = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    match sent {
        Some(text) if text.len() == 13 && text.parse::<u64>().is_ok() => {
            "SentTimestamp in milliseconds".to_owned()
        }
        other => format!("{other:?}"),
    }
}
