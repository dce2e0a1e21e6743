//! Tests what the cases shared with the emulator cannot show: lag, and many pages.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::sleep;

use crate::{IndexSchema, KeySchema, Kind, Node, Options, Projection, TableSchema, World};

fn world(options: Options) -> (World, Node) {
    let world = World::new(9, options);
    world.create_table(TableSchema {
        name: "t".to_owned(),
        key: KeySchema::hash(("id", Kind::S)),
        indexes: vec![IndexSchema {
            name: "by-list".to_owned(),
            key: KeySchema::hash_and_range(("list", Kind::S), ("at", Kind::N)),
            projection: Projection::KeysOnly,
        }],
        has_stream: false,
    });
    let node = world.client_for("a");
    (world, node)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn put(node: &Node, id: &str, list: &str, at: u32) {
    let request = node.dynamodb().put_item().table_name("t").item("id", s(id)).item("list", s(list));
    request.item("at", AttributeValue::N(at.to_string())).send().await.unwrap();
}

/// The list of an item, as a read sees it.
async fn seen(node: &Node, id: &str, consistent: bool) -> Option<String> {
    let request = node.dynamodb().get_item().table_name("t").key("id", s(id)).consistent_read(consistent);
    let item = request.send().await.unwrap().item?;
    Some(item["list"].as_s().unwrap().clone())
}

/// The ids of one list in the index, read page by page.
async fn listed(node: &Node, list: &str, limit: i32) -> Vec<String> {
    let mut ids = Vec::new();
    let mut start = None;
    loop {
        let request = node.dynamodb().query().table_name("t").index_name("by-list").limit(limit);
        let request = request.key_condition_expression("#l = :l").expression_attribute_names("#l", "list");
        let request = request.expression_attribute_values(":l", s(list)).set_exclusive_start_key(start);
        let page = request.send().await.unwrap();
        ids.extend(page.items().iter().map(|item| item["id"].as_s().unwrap().clone()));
        start = page.last_evaluated_key;
        if start.is_none() {
            return ids;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_consistent_reads_see_a_write_at_once() {
    let (_, node) = world(Options { read_lag_ms: 1_000, ..Options::default() });
    let mut stale = 0;
    for round in 0..50 {
        put(&node, "x", &format!("l{round}"), 1).await;
        assert_eq!(seen(&node, "x", true).await, Some(format!("l{round}")));
        stale += u32::from(seen(&node, "x", false).await != Some(format!("l{round}")));
    }
    assert!(stale > 10, "{stale}");
    sleep(Duration::from_secs(2)).await;
    for _ in 0..20 {
        assert_eq!(seen(&node, "x", false).await, Some("l49".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_query_may_miss_a_new_item_and_show_a_deleted_one() {
    let (_, node) = world(Options { read_lag_ms: 10_000, ..Options::default() });
    let query = |consistent| {
        let request = node.dynamodb().query().table_name("t").key_condition_expression("id = :id");
        request.expression_attribute_values(":id", s("x")).consistent_read(consistent).send()
    };
    put(&node, "x", "l", 1).await;
    let mut counts = Vec::new();
    for _ in 0..20 {
        counts.push(query(false).await.unwrap().count());
    }
    assert!(counts.contains(&0), "{counts:?}");
    sleep(Duration::from_secs(20)).await;
    node.dynamodb().delete_item().table_name("t").key("id", s("x")).send().await.unwrap();
    assert_eq!(query(true).await.unwrap().count(), 0);
    let mut counts = Vec::new();
    for _ in 0..20 {
        counts.push(query(false).await.unwrap().count());
    }
    assert!(counts.contains(&1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_index_follows_its_table_later() {
    let (_, node) = world(Options { index_lag_ms: 60_000, ..Options::default() });
    put(&node, "x", "old", 1).await;
    sleep(Duration::from_secs(61)).await;
    assert_eq!(listed(&node, "old", 10).await, ["x"]);
    put(&node, "x", "new", 1).await;
    let before = (listed(&node, "old", 10).await, listed(&node, "new", 10).await);
    assert_eq!(before, (vec!["x".to_owned()], vec![]));
    sleep(Duration::from_secs(61)).await;
    assert_eq!(
        (listed(&node, "old", 10).await, listed(&node, "new", 10).await),
        (vec![], vec!["x".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn an_index_is_walked_in_pages_though_sort_keys_repeat() {
    let (_, node) = world(Options::default());
    let mut expected = Vec::new();
    for number in 0..25 {
        put(&node, &format!("i{number:02}"), "l", 7 + number / 10).await;
        expected.push(format!("i{number:02}"));
    }
    assert_eq!(listed(&node, "l", 4).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_scan_walks_the_table_in_pages() {
    let (_, node) = world(Options::default());
    for number in 0..7 {
        put(&node, &format!("i{number}"), "l", number).await;
    }
    let mut count = 0;
    let mut start = None;
    loop {
        let request = node.dynamodb().scan().table_name("t").limit(3).set_exclusive_start_key(start);
        let page = request.filter_expression("#at >= :at").expression_attribute_names("#at", "at");
        let page =
            page.expression_attribute_values(":at", AttributeValue::N("2".to_owned())).send().await.unwrap();
        count += page.count();
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(count, 5);
}
