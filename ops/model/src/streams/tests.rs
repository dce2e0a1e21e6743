//! Tests what a reader of a stream must handle: pages, rolls, trims, expiry, limits, a new stream.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_dynamodbstreams::types::{Shard, ShardFilter, ShardFilterType, ShardIteratorType};
use tokio::time::sleep;

use crate::{Item, KeySchema, Kind, Node, Options, TableSchema, Value, World};

struct Setting {
    world: World,
    node: Node,
    arn: String,
}

fn setting(options: Options) -> Setting {
    let world = World::new(5, options);
    world.create_table(TableSchema {
        name: "t".to_owned(),
        key: KeySchema::hash(("id", Kind::S)),
        indexes: Vec::new(),
        has_stream: true,
    });
    let arn = world.stream_arn("t").unwrap();
    Setting { node: world.client_for("a"), world, arn }
}

impl Setting {
    async fn put(&self, ids: impl IntoIterator<Item = u32>) {
        for id in ids {
            let id = AttributeValue::S(format!("i{id:03}"));
            self.node.dynamodb().put_item().table_name("t").item("id", id).send().await.unwrap();
        }
    }

    fn only_shard(&self) -> String {
        self.world.shards(&self.arn)[0].id.clone()
    }

    async fn iterator(&self, shard_id: &str) -> String {
        let request = self.node.streams().get_shard_iterator().stream_arn(&self.arn).shard_id(shard_id);
        let answer = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        answer.shard_iterator.unwrap()
    }

    async fn read(&self, iterator: &str) -> Result<GetRecordsOutput, GetRecordsError> {
        let request = self.node.streams().get_records().shard_iterator(iterator);
        request.send().await.map_err(|error| error.into_service_error())
    }

    /// The ids in a shard's records up to its end or its third empty page, and whether the end was reached.
    async fn drain(&self, shard_id: &str) -> (Vec<String>, bool) {
        let mut ids = Vec::new();
        let mut next = Some(self.iterator(shard_id).await);
        let mut empty_pages = 0;
        while let Some(iterator) = next {
            let page = self.read(&iterator).await.unwrap();
            empty_pages += u32::from(page.records().is_empty());
            for record in page.records() {
                ids.push(record.dynamodb().unwrap().keys().unwrap()["id"].as_s().unwrap().clone());
            }
            next = page.next_shard_iterator;
            if empty_pages > 20 {
                return (ids, false);
            }
            sleep(Duration::from_millis(250)).await;
        }
        (ids, true)
    }

    async fn listing(&self) -> Vec<Shard> {
        let mut shards = Vec::new();
        let mut start = None;
        loop {
            let request = self.node.streams().describe_stream().stream_arn(&self.arn);
            let answer = request.set_exclusive_start_shard_id(start).send().await.unwrap();
            let description = answer.stream_description.unwrap();
            shards.extend(description.shards.unwrap_or_default());
            start = description.last_evaluated_shard_id;
            if start.is_none() {
                return shards;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|id| format!("i{id:03}")).collect()
}

#[tokio::test(start_paused = true)]
async fn empty_pages_come_before_data_and_nothing_is_lost() {
    let setting = setting(Options { empty_page_percent: 50, stream_lag_ms: 2_000, ..Options::default() });
    setting.put(0..50).await;
    let (read, ended) = setting.drain(&setting.only_shard()).await;
    assert_eq!((read, ended), (ids(0..50), false));
}

#[tokio::test(start_paused = true)]
async fn a_rolled_shard_ends_with_or_without_records_on_its_last_page() {
    for empty_last_page_percent in [0, 100] {
        let setting = setting(Options { empty_last_page_percent, ..Options::default() });
        setting.put(0..3).await;
        let parent = setting.only_shard();
        let child = setting.world.roll_shard(&setting.arn, &parent);
        setting.put(3..5).await;
        let page = setting.read(&setting.iterator(&parent).await).await.unwrap();
        assert_eq!(page.records().len(), 3);
        assert_eq!(page.next_shard_iterator().is_some(), empty_last_page_percent == 100);
        assert_eq!(setting.drain(&parent).await, (ids(0..3), true));
        assert_eq!(setting.drain(&child).await, (ids(3..5), false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_may_look_open_and_a_child_unlisted_for_a_while() {
    let setting = setting(Options { close_lag_ms: 5_000, listing_lag_ms: 5_000, ..Options::default() });
    let parent = setting.only_shard();
    let mut child_first = 0;
    for _ in 0..8 {
        let open = setting.world.shards(&setting.arn).into_iter().find(|shard| shard.is_open).unwrap().id;
        let child = setting.world.roll_shard(&setting.arn, &open);
        for _ in 0..12 {
            let listing = setting.listing().await;
            let range =
                |shard: &Shard| shard.sequence_number_range().unwrap().ending_sequence_number().is_some();
            let is_listed = listing.iter().any(|shard| shard.shard_id() == Some(&child));
            let parent_is_closed =
                listing.iter().any(|shard| shard.shard_id() == Some(&open) && range(shard));
            child_first += u32::from(is_listed && !parent_is_closed);
            sleep(Duration::from_millis(500)).await;
        }
        let children = setting.node.streams().describe_stream().stream_arn(&setting.arn);
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(&open).build();
        let answer = children.shard_filter(filter).send().await.unwrap().stream_description.unwrap();
        assert_eq!(answer.shards().len(), 1);
        assert_eq!(answer.shards()[0].parent_shard_id(), Some(open.as_str()));
    }
    assert!(child_first > 0);
    assert_eq!(setting.listing().await.len(), 9);
    assert_eq!(setting.drain(&parent).await, (vec![], true));
}

#[tokio::test(start_paused = true)]
async fn listings_come_in_pages_and_in_no_order() {
    let setting = setting(Options { describe_page: 3, shards: 8, ..Options::default() });
    setting.world.roll_all(&setting.arn);
    let listed: Vec<_> = setting.listing().await.into_iter().map(|shard| shard.shard_id.unwrap()).collect();
    let mut all: Vec<_> = setting.world.shards(&setting.arn).into_iter().map(|shard| shard.id).collect();
    assert_ne!(listed, all);
    let mut sorted = listed;
    sorted.sort();
    all.sort();
    assert_eq!(sorted, all);
}

#[tokio::test(start_paused = true)]
async fn a_split_and_a_merge_keep_each_key_in_one_open_shard() {
    let setting = setting(Options::default());
    setting.put(0..20).await;
    let children = setting.world.split_shard(&setting.arn, &setting.only_shard(), 2);
    setting.put(20..60).await;
    let halves = [setting.drain(&children[0]).await.0, setting.drain(&children[1]).await.0];
    assert!(halves.iter().all(|half| !half.is_empty()));
    assert_eq!(halves.iter().map(Vec::len).sum::<usize>(), 40);
    let merged = setting.world.merge_shards(&setting.arn, [&children[0], &children[1]]);
    setting.put(60..70).await;
    assert_eq!(setting.drain(&merged).await.0, ids(60..70));
}

#[tokio::test(start_paused = true)]
async fn trimmed_records_and_gone_shards_are_told_apart() {
    let setting = setting(Options::default());
    setting.put(0..3).await;
    let shard = setting.only_shard();
    let old = setting.iterator(&shard).await;
    sleep(Duration::from_secs(10)).await;
    setting.put(3..4).await;
    setting.world.trim_shard(&setting.arn, &shard, 5_000);
    assert!(setting.read(&old).await.unwrap_err().is_trimmed_data_access_exception());
    assert_eq!(setting.drain(&shard).await.0, ids(3..4));
    let request = setting.node.streams().get_shard_iterator().stream_arn(&setting.arn).shard_id(&shard);
    let request = request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number("1");
    assert!(request.send().await.unwrap_err().into_service_error().is_trimmed_data_access_exception());
    setting.world.roll_shard(&setting.arn, &shard);
    setting.world.forget_shard(&setting.arn, &shard, true);
    assert!(setting.read(&old).await.unwrap_err().is_resource_not_found_exception());
    assert_eq!(setting.listing().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_day_later_old_records_are_trimmed() {
    let setting = setting(Options::default());
    setting.put(0..2).await;
    let parent = setting.only_shard();
    setting.world.roll_shard(&setting.arn, &parent);
    sleep(Duration::from_secs(25 * 3_600)).await;
    assert_eq!(setting.listing().await.len(), 1);
    let request = setting.node.streams().get_shard_iterator().stream_arn(&setting.arn).shard_id(parent);
    let answer = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
    assert!(answer.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn an_iterator_lives_15_minutes() {
    let setting = setting(Options::default());
    let iterator = setting.iterator(&setting.only_shard()).await;
    sleep(Duration::from_secs(15 * 60 - 1)).await;
    setting.read(&iterator).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    assert!(setting.read(&iterator).await.unwrap_err().is_expired_iterator_exception());
}

#[tokio::test(start_paused = true)]
async fn a_third_reader_and_a_hasty_one_are_throttled() {
    let setting = setting(Options::default());
    let iterator = setting.iterator(&setting.only_shard()).await;
    for (node, is_fine) in [("a", true), ("b", true), ("c", false), ("a", true)] {
        let streams = setting.world.client_for(node).streams();
        assert_eq!(streams.get_records().shard_iterator(&iterator).send().await.is_ok(), is_fine, "{node}");
    }
    sleep(Duration::from_secs(2)).await;
    let mut refused = 0;
    for _ in 0..20 {
        match setting.read(&iterator).await {
            Ok(_) => {}
            Err(error) if error.is_limit_exceeded_exception() => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((9..=10).contains(&refused), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_enabled_again_is_another_one() {
    let setting = setting(Options::default());
    setting.put(0..2).await;
    let shard = setting.only_shard();
    setting.world.disable_stream("t");
    setting.put(2..3).await;
    sleep(Duration::from_secs(1)).await;
    let other = setting.world.enable_stream("t");
    assert_ne!(other, setting.arn);
    setting.put(3..4).await;
    assert_eq!(setting.drain(&shard).await, (ids(0..2), true));
    let description = setting.node.dynamodb().describe_table().table_name("t").send().await.unwrap();
    assert_eq!(description.table().unwrap().latest_stream_arn(), Some(other.as_str()));
    let renewed = Setting { arn: other, ..setting };
    assert_eq!(renewed.drain(&renewed.only_shard()).await, (ids(3..4), false));
}

#[tokio::test(start_paused = true)]
async fn ttl_and_an_operator_delete_differently() {
    let setting = setting(Options::default());
    setting.put(0..2).await;
    let key = |id: &str| Item::from([("id".to_owned(), Value::S(id.to_owned()))]);
    assert!(setting.world.expire_item("t", &key("i000")) && setting.world.delete_item("t", &key("i001")));
    assert!(!setting.world.delete_item("t", &key("i001")));
    let page = setting.read(&setting.iterator(&setting.only_shard()).await).await.unwrap();
    let principals: Vec<_> = page.records()[2..]
        .iter()
        .map(|record| record.user_identity().and_then(|identity| identity.principal_id()))
        .collect();
    assert_eq!(principals, [Some("dynamodb.amazonaws.com"), None]);
}
