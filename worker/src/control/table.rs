//! The control table's keys, and its items other than leases: heartbeats, gap records, quarantined items.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use jiff::Timestamp;

use crate::aws::attribute::{names, number, number_of, text, text_of};
use crate::aws::date::ServerDate;
use crate::aws::fault::{Fault, Resource};
use crate::clock;
use crate::metrics::report::Report;

/// The table's partition key.
pub const PK: &str = "pk";
/// The table's sort key.
pub const SK: &str = "sk";
/// How long a dead heartbeat, a gap record or a quarantined item is kept, in seconds.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// One worker's heartbeat as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The worker.
    pub worker: String,
    /// +1 with each heartbeat. Peers watch it move on their own clocks.
    pub counter: i64,
    /// It takes no more leases and releases those it has.
    pub leaving: bool,
    /// Its active ruleset.
    pub ruleset: String,
    /// The version of its program.
    pub version: String,
    /// Its uptime, on its own monotonic clock; none from a version that did not report it.
    pub uptime: Option<Duration>,
    /// What it tells of itself; none from a version that did not, and before its first look at the fleet.
    pub report: Option<Report>,
}

/// The outcome of a heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Beat {
    /// It was written.
    Written,
    /// It was not written: an edit by hand left this higher counter. The next heartbeat may overwrite it.
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

    /// The table, as the error of a failed call names it.
    pub(crate) fn resource(&self) -> Resource {
        Resource::Control(self.name.clone())
    }

    /// Writes this worker's heartbeat, unless a later one is stored: a write that arrives late would replace it, and
    /// peers that have seen the older one would see no movement. `edited` is a counter that an edit by hand left, to be
    /// overwritten. `date` takes the date of the response.
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
            .item("version", text(&beat.version))
            .item(
                "report",
                beat.report.as_ref().map_or(AttributeValue::Null(true), |told| text(&told.to_text())),
            )
            .item("expiresAt", number(now.as_second() + KEPT_SECONDS))
            // Also true if there is none, or if an edit by hand left something other than a number.
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

    /// Puts an item unless it exists.
    pub(super) async fn put_once<const N: usize>(
        &self,
        partition: &str,
        key: &str,
        fields: [(&str, AttributeValue); N],
    ) -> Result<(), Fault> {
        let mut item = item_key(partition, key);
        item.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(Fault::of("PutItem", self.resource(), &error)),
            },
        }
    }

    /// Removes a worker's heartbeat: the worker itself as its last call, or a peer long after the worker died.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be removed.
    pub async fn remove_heartbeat(&self, worker: &str) -> Result<(), Fault> {
        let request =
            self.client.delete_item().table_name(&self.name).key(PK, text("worker")).key(SK, text(worker));
        request.send().await.map(drop).map_err(|error| Fault::of("DeleteItem", self.resource(), &error))
    }

    /// Every heartbeat, moving or not. Read consistently: a worker that is missing would lose its leases.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read; nothing is concluded from the rest.
    pub async fn heartbeats(&self) -> Result<Vec<Heartbeat>, Fault> {
        let items = self.query_consistently("worker").await?;
        Ok(items.iter().filter_map(read_heartbeat).collect())
    }

    /// Records a gap in the stream: which shard, after which record, when it was detected. Recording it again replaces
    /// the first record.
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

    /// Quarantines a record or a task that can neither be handled nor left to a person, without its token, and with the
    /// label of the active ruleset. `key` is its sequence number or its id; a second call replaces the first item.
    /// Returns whether it is new: false if the same image was quarantined before for the same cause.
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
                // The SDK retries a write whose response was lost: the stored item may be this one.
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

    /// One item, read consistently.
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

    /// The item of a partition with the greatest sort key, read consistently.
    pub(crate) async fn last_of(
        &self,
        partition: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, Fault> {
        let request = self.of_partition(partition, true).scan_index_forward(false).limit(1);
        let answer = request.send().await.map_err(|error| Fault::of("Query", self.resource(), &error))?;
        Ok(answer.items.unwrap_or_default().into_iter().next())
    }

    /// Every item of a partition, all pages; eventually consistent.
    pub(crate) async fn query(&self, partition: &str) -> Result<Vec<HashMap<String, AttributeValue>>, Fault> {
        self.query_pages(partition, false).await
    }

    /// Every item of a partition, all pages, read consistently.
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
        let items = self.of_partition(partition, is_consistent).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await;
        items.map_err(|error| Fault::of("Query", self.resource(), &error))
    }

    fn of_partition(&self, partition: &str, is_consistent: bool) -> QueryFluentBuilder {
        let condition = "#pk = :pk";
        self.client
            .query()
            .table_name(&self.name)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .expression_attribute_values(":pk", text(partition))
            .consistent_read(is_consistent)
    }
}

/// The key of an item.
pub(crate) fn item_key(partition: &str, key: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([(PK.to_owned(), text(partition)), (SK.to_owned(), text(key))])
}

/// An edit by hand may leave anything: the worker is still alive, and its next heartbeat repairs the item. Until then
/// the edit looks like one heartbeat.
fn read_heartbeat(item: &HashMap<String, AttributeValue>) -> Option<Heartbeat> {
    let uptime_ms = number_of(item, "uptimeMs").and_then(|uptime_ms| u64::try_from(uptime_ms).ok());
    Some(Heartbeat {
        worker: text_of(item, SK)?,
        counter: number_of(item, "counter").unwrap_or(-1),
        leaving: item.get("leaving").and_then(|leaving| leaving.as_bool().ok()).copied().unwrap_or(false),
        ruleset: text_of(item, "ruleset").unwrap_or_default(),
        version: text_of(item, "version").unwrap_or_default(),
        uptime: uptime_ms.map(Duration::from_millis),
        report: text_of(item, "report").and_then(|report| Report::from_text(&report)),
    })
}
