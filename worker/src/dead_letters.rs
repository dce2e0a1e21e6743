//! Dead letters: messages that could not be handled, in the two dead-letter queues of the template.

pub mod letter;

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;

use self::letter::{Kind, Letter};
use crate::aws::fault::{Fault, Resource};

/// How long a letter that was received is hidden from others, in seconds: long enough to read thousands.
const HIDDEN_SECONDS: i32 = 60;
/// How long a receive waits, in seconds: without a wait, SQS asks only some of its servers.
const WAIT_SECONDS: i32 = 1;
/// How many receives in a row that find nothing mean that there is no more.
const EMPTY_RECEIVES: u32 = 2;

/// One dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    /// The client.
    pub sqs: Client,
    /// Its URL.
    pub url: String,
    /// What its letters are about.
    pub kind: Kind,
}

impl DeadLetterQueue {
    /// Every letter, or the first `most`. They are hidden from others for a minute, or until they are released.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a call fails.
    pub async fn receive(&self, most: usize) -> Result<Vec<Letter>, Fault> {
        // By id: a standard queue may deliver a message twice.
        let mut letters = BTreeMap::new();
        let mut empty = 0;
        while letters.len() < most && empty < EMPTY_RECEIVES {
            let request = self
                .sqs
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(10)
                .visibility_timeout(HIDDEN_SECONDS)
                .wait_time_seconds(WAIT_SECONDS)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let answer = request.send().await.map_err(|error| self.fault("ReceiveMessage", &error))?;
            let known = letters.len();
            let received =
                answer.messages.unwrap_or_default().into_iter().filter_map(|message| self.letter(message));
            letters.extend(received.map(|letter| (letter.id.clone(), letter)));
            empty = if letters.len() == known { empty + 1 } else { 0 };
        }
        let mut letters: Vec<Letter> = letters.into_values().collect();
        letters.sort_by_key(|letter| letter.sent_at);
        Ok(letters)
    }

    fn letter(&self, message: Message) -> Option<Letter> {
        let sent_at = message.attributes.as_ref().and_then(|attributes| {
            let sent_ms = attributes.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
            Timestamp::from_millisecond(sent_ms).ok()
        });
        Some(Letter {
            id: message.message_id?,
            kind: self.kind,
            sent_at,
            receipt: message.receipt_handle?,
            body: message.body.unwrap_or_default(),
        })
    }

    /// Makes a letter visible to others again.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails; the letter is visible again after a minute.
    pub async fn release(&self, letter: &Letter) -> Result<(), Fault> {
        let request =
            self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(&letter.receipt);
        let sent = request.visibility_timeout(0).send().await;
        sent.map(drop).map_err(|error| self.fault("ChangeMessageVisibility", &error))
    }

    /// Sends a letter to its source again, and then deletes it here. If it is not deleted, it is delivered twice, which
    /// is harmless.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a call fails.
    pub async fn redrive(&self, letter: &Letter, source: &str) -> Result<(), Fault> {
        let request = self.sqs.send_message().queue_url(source).message_body(&letter.body);
        let sent = request.send().await;
        sent.map_err(|error| Fault::of("SendMessage", Resource::DeadLetters(source.to_owned()), &error))?;
        self.discard(letter).await
    }

    /// Deletes a letter.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn discard(&self, letter: &Letter) -> Result<(), Fault> {
        let request = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt);
        request.send().await.map(drop).map_err(|error| self.fault("DeleteMessage", &error))
    }

    fn fault<E: ProvideErrorMetadata>(
        &self,
        operation: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Fault {
        Fault::of(operation, Resource::DeadLetters(self.url.clone()), error)
    }
}
