//! The control table's keys, and its items beside the leases: heartbeats, gap records, poison records.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use jiff::Timestamp;

use crate::aws::attribute::{names, number, number_of, text, text_of};
use crate::aws::date::ServerDate;
use crate::aws::fault::{Fault, Resource};
use crate::clock;

/// The table's partition key.
pub const PK: &str = "pk";
/// The table's sort key.
pub const SK: &str = "sk";
/// How long a heartbeat that no longer moves, a gap record or a poison record is kept, in seconds.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// One worker's heartbeat as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The worker.
    pub worker: String,
    /// +1 each beat. Peers watch it move on their own clocks.
    pub counter: i64,
    /// It takes nothing more and gives up what it has.
    pub leaving: bool,
    /// The ruleset it decides with.
    pub ruleset: String,
    /// How long it had been up, on its own monotonic clock; none from a version that did not tell.
    pub uptime: Option<Duration>,
}

/// What became of a heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Beat {
    /// It is written.
    Written,
    /// It is not: somebody's edit left this higher counter. The next one may be written over it.
    Edited(AttributeValue),
}

/// The control table.
#[derive(Debug, Clone)]
pub struct ControlTable {
    /// For the modules that keep their own items in the table.
    pub(crate) client: Client,
    /// The table's name.
    pub(crate) name: String,
}

impl ControlTable {
    /// The table `name`.
    pub fn new(client: Client, name: &str) -> ControlTable {
        ControlTable { client, name: name.to_owned() }
    }

    /// The table, as a failed call names it.
    pub(crate) fn resource(&self) -> Resource {
        Resource::Control(self.name.clone())
    }

    /// Writes this worker's heartbeat, unless a later one stands: a write that arrives late would hide it, and peers
    /// that saw the older one before would see a heart that stands still. `edited` is a counter that an edit by hand
    /// left, to be written over. `date` takes the date of the answer.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be written.
    pub(crate) async fn beat(
        &self,
        beat: &Heartbeat,
        now: Timestamp,
        edited: Option<&AttributeValue>,
        date: &ServerDate,
    ) -> Result<Beat, Fault> {
        let counter = number(beat.counter);
        let uptime_ms = beat.uptime.and_then(|uptime| i64::try_from(uptime.as_millis()).ok());
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .item(PK, text("worker"))
            .item(SK, text(&beat.worker))
            .item("counter", number(beat.counter))
            .item("leaving", AttributeValue::Bool(beat.leaving))
            .item("ruleset", text(&beat.ruleset))
            .item("uptimeMs", number(uptime_ms.unwrap_or(0)))
            .item("version", text(env!("CARGO_PKG_VERSION")))
            .item("expiresAt", number(now.as_second() + KEPT_SECONDS))
            // Also true where there is none, or where an edit by hand left no number.
            .condition_expression("NOT #counter > :counter OR #counter = :edited")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":edited", edited.unwrap_or(&counter).clone())
            .expression_attribute_values(":counter", counter)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match request.customize().interceptor(date.clone()).send().await {
            Ok(_) => Ok(Beat::Written),
            Err(error) => {
                let stored = match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item(),
                    _ => None,
                };
                let edited = stored.and_then(|stored| stored.get("counter")).cloned();
                edited.map(Beat::Edited).ok_or_else(|| Fault::of("PutItem", self.resource(), &error))
            }
        }
    }

    /// Removes a worker's heartbeat: its last act, or another's after it was long dead.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be removed.
    pub async fn remove_heartbeat(&self, worker: &str) -> Result<(), Fault> {
        let request =
            self.client.delete_item().table_name(&self.name).key(PK, text("worker")).key(SK, text(worker));
        request.send().await.map(drop).map_err(|error| Fault::of("DeleteItem", self.resource(), &error))
    }

    /// Every heartbeat, moving or not. Read consistently: a worker that is missed would lose its leases.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page is not answered; nothing is concluded from a part.
    pub async fn heartbeats(&self) -> Result<Vec<Heartbeat>, Fault> {
        let items = self.query_consistently("worker").await?;
        Ok(items.iter().filter_map(read_heartbeat).collect())
    }

    /// Notes a stretch of the stream that could not be read: which shard, after which record, when it was noticed.
    /// A second note of it takes the first one's place.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be written.
    pub async fn note_gap(
        &self,
        stream: &str,
        shard: &str,
        after: &str,
        cause: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let fields = [("stream", stream), ("shard", shard), ("after", after), ("cause", cause)];
        let request = self.note("gap", &format!("{stream}|{shard}|{after}"), &fields, now);
        request.send().await.map(drop).map_err(|error| Fault::of("PutItem", self.resource(), &error))
    }

    /// Keeps a record or a task that can neither be worked on nor left to a person, without its token, and the
    /// label of the ruleset that was active. `key` is its sequence number or its id; a second note of it takes the first
    /// one's place. Gives whether it is news: false where the same image was kept for the same cause before.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be written.
    pub async fn note_poison(
        &self,
        key: &str,
        image: &str,
        cause: &str,
        ruleset: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let fields = [("record", image), ("cause", cause), ("ruleset", ruleset)];
        let condition = "attribute_not_exists(#pk) OR #cause <> :cause OR #record <> :record";
        let request = self
            .note("poison", key, &fields, now)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .expression_attribute_values(":cause", text(cause))
            .expression_attribute_values(":record", text(image))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // The SDK repeats a write whose answer was lost: what stands may be this very note.
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let at = failed.item().and_then(|item| text_of(item, "at"));
                    Ok(at == Some(clock::text(now)))
                }
                _ => Err(Fault::of("PutItem", self.resource(), &error)),
            },
        }
    }

    fn note(&self, kind: &str, key: &str, fields: &[(&str, &str)], now: Timestamp) -> PutItemFluentBuilder {
        let mut request = self
            .client
            .put_item()
            .table_name(&self.name)
            .item(PK, text(kind))
            .item(SK, text(key))
            .item("at", text(&clock::text(now)))
            .item("expiresAt", number(now.as_second() + KEPT_SECONDS));
        for (name, value) in fields {
            request = request.item(*name, text(value));
        }
        request
    }

    /// One item, as it is.
    pub(crate) async fn get(
        &self,
        partition: &str,
        key: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(item_key(partition, key)))
            .consistent_read(true);
        Ok(request.send().await.map_err(|error| Fault::of("GetItem", self.resource(), &error))?.item)
    }

    /// The item of a partition with the greatest sort key, as it is.
    pub(crate) async fn last_of(
        &self,
        partition: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, Fault> {
        let condition = "#pk = :pk";
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .expression_attribute_values(":pk", text(partition))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| Fault::of("Query", self.resource(), &error))?;
        Ok(answer.items.unwrap_or_default().into_iter().next())
    }

    /// Every item of a partition, all pages; perhaps as it was a moment ago.
    pub(crate) async fn query(&self, partition: &str) -> Result<Vec<HashMap<String, AttributeValue>>, Fault> {
        self.query_pages(partition, false).await
    }

    /// Every item of a partition, all pages, as it is.
    pub(crate) async fn query_consistently(
        &self,
        partition: &str,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, Fault> {
        self.query_pages(partition, true).await
    }

    async fn query_pages(
        &self,
        partition: &str,
        is_consistent: bool,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, Fault> {
        let condition = "#pk = :pk";
        let mut items = vec![];
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression(condition)
                .set_expression_attribute_names(Some(names(&[condition])))
                .expression_attribute_values(":pk", text(partition))
                .set_exclusive_start_key(start)
                .consistent_read(is_consistent)
                .send()
                .await
                .map_err(|error| Fault::of("Query", self.resource(), &error))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

/// The key of an item.
pub(crate) fn item_key(partition: &str, key: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([(PK.to_owned(), text(partition)), (SK.to_owned(), text(key))])
}

/// An edit by hand may leave anything: the worker is there still, and its next beat mends the item. Until then the edit
/// looks like one beat.
fn read_heartbeat(item: &HashMap<String, AttributeValue>) -> Option<Heartbeat> {
    let uptime_ms = number_of(item, "uptimeMs").and_then(|uptime_ms| u64::try_from(uptime_ms).ok());
    Some(Heartbeat {
        worker: text_of(item, SK)?,
        counter: number_of(item, "counter").unwrap_or(-1),
        leaving: item.get("leaving").and_then(|leaving| leaving.as_bool().ok()).copied().unwrap_or(false),
        ruleset: text_of(item, "ruleset").unwrap_or_default(),
        uptime: uptime_ms.map(Duration::from_millis),
    })
}
