//! DynamoDB: queries, their pages, and indexes.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;

use super::cases;
use super::target::{ITEMS, PAIRS, Target, code, n, s};

cases! {
    a_full_page_names_a_next_one => "2 true, 1 false; 3 true, 0 false",
    a_query_goes_backward_from_a_key => "c, b",
    sort_keys_are_ranged => "b, c; b2; a, b",
    a_limit_counts_before_the_filter => "1 of 2",
    an_index_shows_what_has_its_keys => "worklist: in kept=yes other=absent, next id list listAt",
    an_index_is_never_consistent => "ValidationException",
    an_index_key_of_another_type_is_refused => "ValidationException",
}

fn put(target: &Target, id: &str) -> PutItemFluentBuilder {
    target.dynamodb.put_item().table_name(ITEMS).item("id", s(id))
}

async fn pairs(target: &Target, pk: &str, keys: &[&str]) {
    for sk in keys {
        let request = target.dynamodb.put_item().table_name(PAIRS).item("pk", s(pk)).item("sk", s(sk));
        request.item("v", n(sk.len())).send().await.unwrap();
    }
}

async fn a_full_page_names_a_next_one(target: &Target) -> String {
    pairs(target, "pages", &["a", "b", "c"]).await;
    let mut walks = Vec::new();
    for limit in [2, 3] {
        let mut pages = Vec::new();
        let mut next = None;
        loop {
            let request =
                target.dynamodb.query().table_name(PAIRS).limit(limit).set_exclusive_start_key(next);
            let request =
                request.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s("pages"));
            let page = request.send().await.unwrap();
            next = page.last_evaluated_key.clone();
            pages.push(format!("{} {}", page.count(), next.is_some()));
            if next.is_none() {
                break;
            }
        }
        walks.push(pages.join(", "));
    }
    walks.join("; ")
}

async fn sorted(target: &Target, pk: &str, condition: &str, values: &[(&str, &str)]) -> String {
    let mut request = target.dynamodb.query().table_name(PAIRS).key_condition_expression(condition);
    request = request.expression_attribute_values(":pk", s(pk));
    for (name, value) in values {
        request = request.expression_attribute_values(*name, s(value));
    }
    let page = request.send().await.unwrap();
    let keys: Vec<_> = page.items().iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
    keys.join(", ")
}

async fn a_query_goes_backward_from_a_key(target: &Target) -> String {
    pairs(target, "back", &["a", "b", "c", "d"]).await;
    let start = HashMap::from([("pk".to_owned(), s("back")), ("sk".to_owned(), s("d"))]);
    let request = target.dynamodb.query().table_name(PAIRS).key_condition_expression("pk = :pk AND sk > :sk");
    let request =
        request.expression_attribute_values(":pk", s("back")).expression_attribute_values(":sk", s("a"));
    let request = request.scan_index_forward(false).set_exclusive_start_key(Some(start));
    let page = request.send().await.unwrap();
    let keys: Vec<_> = page.items().iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
    keys.join(", ")
}

async fn sort_keys_are_ranged(target: &Target) -> String {
    pairs(target, "range", &["a", "b", "c"]).await;
    pairs(target, "begin", &["a1", "b2"]).await;
    let between = [(":low", "b"), (":high", "c")];
    let ranged = sorted(target, "range", "pk = :pk AND sk BETWEEN :low AND :high", &between).await;
    let begins = sorted(target, "begin", "pk = :pk AND begins_with(sk, :b)", &[(":b", "b")]).await;
    let up_to = sorted(target, "range", "sk <= :sk AND pk = :pk", &[(":sk", "b")]).await;
    format!("{ranged}; {begins}; {up_to}")
}

async fn a_limit_counts_before_the_filter(target: &Target) -> String {
    pairs(target, "filter", &["a", "bb", "cc"]).await;
    let request = target.dynamodb.query().table_name(PAIRS).limit(2).key_condition_expression("pk = :pk");
    let request = request.filter_expression("v = :v").expression_attribute_values(":pk", s("filter"));
    let page = request.expression_attribute_values(":v", n(2)).send().await.unwrap();
    format!("{} of {}", page.count(), page.scanned_count())
}

async fn an_index_shows_what_has_its_keys(target: &Target) -> String {
    put(target, "in")
        .item("list", s("shown"))
        .item("listAt", n(5))
        .item("kept", s("yes"))
        .item("other", s("no"))
        .send()
        .await
        .unwrap();
    put(target, "out").item("list", s("shown")).send().await.unwrap();
    let request = target.dynamodb.query().table_name(ITEMS).index_name("worklist").limit(1);
    let request = request
        .key_condition_expression("#list = :l AND listAt <= :at")
        .expression_attribute_names("#list", "list");
    let request =
        request.expression_attribute_values(":l", s("shown")).expression_attribute_values(":at", n(10));
    let page = request.send().await.unwrap();
    let mut next: Vec<_> = page.last_evaluated_key().unwrap().keys().cloned().collect();
    next.sort();
    let item = &page.items()[0];
    let text = |name: &str| item.get(name).map_or("absent", |value| value.as_s().unwrap());
    format!("worklist: {} kept={} other={}, next {}", text("id"), text("kept"), text("other"), next.join(" "))
}

async fn an_index_is_never_consistent(target: &Target) -> String {
    let request = target.dynamodb.query().table_name(ITEMS).index_name("worklist").consistent_read(true);
    let request = request.key_condition_expression("#list = :l").expression_attribute_names("#list", "list");
    code(&request.expression_attribute_values(":l", s("shown")).send().await)
}

async fn an_index_key_of_another_type_is_refused(target: &Target) -> String {
    code(&put(target, "typed").item("list", n(1)).send().await)
}
