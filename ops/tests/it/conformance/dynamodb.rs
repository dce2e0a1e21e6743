//! DynamoDB: conditions, updates, limits, transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use super::cases;
use super::target::{ITEMS, Target, code, n, s};

const REFUSED: &str = "ValidationException";
const FAILED: &str = "ConditionalCheckFailedException";

cases! {
    a_conditional_put_wins_once => "ok, ConditionalCheckFailedException with 1",
    a_condition_on_nothing_has_no_old_item => "ConditionalCheckFailedException without item",
    an_absent_attribute_is_unequal_to_all => "ok",
    an_absent_attribute_is_less_than_nothing => FAILED,
    numbers_compare_as_numbers => "ok, ok",
    a_text_is_not_compared_with_a_number => FAILED,
    conditions_nest => "ok",
    an_update_counts_and_returns_the_new_item => "2",
    an_update_makes_an_absent_item => "1",
    an_update_reads_the_old_item_only => "a=2 b=1",
    counting_from_nothing_is_refused => REFUSED,
    if_not_exists_begins_a_count => "1, 2",
    sets_grow_and_vanish => r#"Some(["x", "y"]), None"#,
    lists_append_and_nested_names_go => "a=2 b=absent",
    a_reserved_word_needs_an_alias => REFUSED,
    an_undefined_value_is_refused => REFUSED,
    an_unused_value_is_refused => REFUSED,
    a_key_attribute_is_not_updated => REFUSED,
    overlapping_paths_are_refused => REFUSED,
    a_path_into_nothing_is_refused => REFUSED,
    an_empty_key_is_refused => REFUSED,
    an_item_over_400_kilobytes_is_refused => "ok, ValidationException",
    numbers_keep_38_digits => "100, 0.00000000000000000000000000000000000001, 99999999999999999999999999999999999999, ValidationException",
    an_absent_table_is_not_found => "ResourceNotFoundException",
    deleting_nothing_succeeds => "ok, ConditionalCheckFailedException",
    a_transaction_is_all_or_nothing => "TransactionCanceledException [None, ConditionalCheckFailed with 1], 0",
    a_transaction_has_one_action_an_item => REFUSED,
    a_repeated_transaction_is_applied_once => "ok, ok, 1, IdempotentParameterMismatchException",
}

fn put(target: &Target, id: &str) -> PutItemFluentBuilder {
    target.dynamodb.put_item().table_name(ITEMS).item("id", s(id))
}

fn update(target: &Target, id: &str, expression: &str) -> UpdateItemFluentBuilder {
    let request = target.dynamodb.update_item().table_name(ITEMS).key("id", s(id));
    request.update_expression(expression).return_values(ReturnValue::AllNew)
}

async fn get(target: &Target, id: &str) -> HashMap<String, AttributeValue> {
    let request = target.dynamodb.get_item().table_name(ITEMS).key("id", s(id)).consistent_read(true);
    request.send().await.unwrap().item.unwrap_or_default()
}

fn number(item: &HashMap<String, AttributeValue>, name: &str) -> String {
    item.get(name).and_then(|value| value.as_n().ok()).map_or("absent".to_owned(), ToOwned::to_owned)
}

/// A put of `v = 5` under a condition on an item with `v = 9`, `words = "9"`.
async fn conditional(target: &Target, id: &str, condition: &str, value: AttributeValue) -> String {
    put(target, id).item("v", n(9)).item("words", s("9")).send().await.unwrap();
    let request = put(target, id).item("v", n(5)).condition_expression(condition);
    code(&request.expression_attribute_values(":value", value).send().await)
}

async fn a_conditional_put_wins_once(target: &Target) -> String {
    let request = |v| {
        put(target, "once")
            .item("v", n(v))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    let first = code(&request(1).send().await);
    let error = request(2).send().await.unwrap_err().into_service_error();
    match error {
        aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
            format!("{first}, {FAILED} with {}", number(failed.item().unwrap(), "v"))
        }
        other => format!("{first}, {other}"),
    }
}

async fn a_condition_on_nothing_has_no_old_item(target: &Target) -> String {
    let request = update(target, "nothing", "SET v = :v")
        .expression_attribute_values(":v", n(1))
        .condition_expression("attribute_exists(id)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match request.send().await.unwrap_err().into_service_error() {
        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
            failed,
        ) => {
            format!("{FAILED} {}", if failed.item().is_some() { "with item" } else { "without item" })
        }
        other => other.to_string(),
    }
}

async fn an_absent_attribute_is_unequal_to_all(target: &Target) -> String {
    conditional(target, "unequal", "nowhere <> :value", n(1)).await
}

async fn an_absent_attribute_is_less_than_nothing(target: &Target) -> String {
    conditional(target, "less", "nowhere < :value", n(1)).await
}

async fn numbers_compare_as_numbers(target: &Target) -> String {
    let less = conditional(target, "ten", "v < :value", n(10)).await;
    let equal = conditional(target, "nine", "v = :value", n("9.00")).await;
    format!("{less}, {equal}")
}

async fn a_text_is_not_compared_with_a_number(target: &Target) -> String {
    conditional(target, "mixed", "words >= :value", n(1)).await
}

async fn conditions_nest(target: &Target) -> String {
    let condition = "NOT (nowhere = :value OR v <> :value) AND v IN (nowhere, :value) \
                     AND (size(words) > :value OR attribute_exists(words)) AND v BETWEEN :value AND :value";
    conditional(target, "nested", condition, n(9)).await
}

async fn an_update_counts_and_returns_the_new_item(target: &Target) -> String {
    put(target, "count").item("v", n(1)).send().await.unwrap();
    let request = update(target, "count", "SET v = v + :one").expression_attribute_values(":one", n(1));
    number(&request.send().await.unwrap().attributes.unwrap(), "v")
}

async fn an_update_makes_an_absent_item(target: &Target) -> String {
    let request = update(target, "made", "SET v = :one").expression_attribute_values(":one", n(1));
    number(&request.send().await.unwrap().attributes.unwrap(), "v")
}

async fn an_update_reads_the_old_item_only(target: &Target) -> String {
    put(target, "swap").item("a", n(1)).item("b", n(2)).send().await.unwrap();
    let item = update(target, "swap", "SET a = b, b = a").send().await.unwrap().attributes.unwrap();
    format!("a={} b={}", number(&item, "a"), number(&item, "b"))
}

async fn counting_from_nothing_is_refused(target: &Target) -> String {
    code(&update(target, "fresh", "SET v = v + :one").expression_attribute_values(":one", n(1)).send().await)
}

async fn if_not_exists_begins_a_count(target: &Target) -> String {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let request = update(target, "begin", "SET v = if_not_exists(v, :zero) + :one");
        let request =
            request.expression_attribute_values(":zero", n(0)).expression_attribute_values(":one", n(1));
        seen.push(number(&request.send().await.unwrap().attributes.unwrap(), "v"));
    }
    seen.join(", ")
}

async fn sets_grow_and_vanish(target: &Target) -> String {
    let members =
        |members: &[&str]| AttributeValue::Ss(members.iter().map(|member| (*member).to_owned()).collect());
    let mut seen = Vec::new();
    for (expression, operand) in [
        ("ADD marks :m", members(&["x"])),
        ("ADD marks :m", members(&["y", "x"])),
        ("DELETE marks :m", members(&["x", "y"])),
    ] {
        let request = update(target, "sets", expression).expression_attribute_values(":m", operand);
        let item = request.send().await.unwrap().attributes.unwrap();
        let mut marks = item.get("marks").map(|marks| marks.as_ss().unwrap().clone());
        marks.iter_mut().for_each(|marks| marks.sort());
        seen.push(format!("{marks:?}"));
    }
    seen[1..].join(", ")
}

async fn lists_append_and_nested_names_go(target: &Target) -> String {
    let map = AttributeValue::M(HashMap::from([("b".to_owned(), n(1)), ("c".to_owned(), n(2))]));
    let list = AttributeValue::L(vec![n(1)]);
    put(target, "nest").item("l", list.clone()).item("m", map).send().await.unwrap();
    let request = update(target, "nest", "SET l = list_append(l, :more), m.c = :one REMOVE m.b");
    let request =
        request.expression_attribute_values(":more", list).expression_attribute_values(":one", n(3));
    let item = request.send().await.unwrap().attributes.unwrap();
    let length = item["l"].as_l().unwrap().len();
    format!("a={length} b={}", number(item["m"].as_m().unwrap(), "b"))
}

async fn a_reserved_word_needs_an_alias(target: &Target) -> String {
    code(&update(target, "word", "SET status = :s").expression_attribute_values(":s", s("x")).send().await)
}

async fn an_undefined_value_is_refused(target: &Target) -> String {
    code(&update(target, "undefined", "SET a = :a").send().await)
}

async fn an_unused_value_is_refused(target: &Target) -> String {
    let request = update(target, "unused", "SET a = :a").expression_attribute_values(":a", n(1));
    code(&request.expression_attribute_values(":b", n(1)).send().await)
}

async fn a_key_attribute_is_not_updated(target: &Target) -> String {
    code(&update(target, "key", "SET id = :a").expression_attribute_values(":a", s("other")).send().await)
}

async fn overlapping_paths_are_refused(target: &Target) -> String {
    let request = update(target, "overlap", "SET a = :a, a.b = :a").expression_attribute_values(":a", n(1));
    code(&request.send().await)
}

async fn a_path_into_nothing_is_refused(target: &Target) -> String {
    code(&update(target, "hollow", "SET a.b = :a").expression_attribute_values(":a", n(1)).send().await)
}

async fn an_empty_key_is_refused(target: &Target) -> String {
    code(&put(target, "").send().await)
}

async fn an_item_over_400_kilobytes_is_refused(target: &Target) -> String {
    // `id`, its value, and the name `v` take 2 + 3 + 1 bytes.
    let fits = 400 * 1_024 - 6;
    let mut codes = Vec::new();
    for bytes in [fits, fits + 1] {
        codes.push(code(&put(target, "big").item("v", s(&"x".repeat(bytes))).send().await));
    }
    codes.join(", ")
}

async fn numbers_keep_38_digits(target: &Target) -> String {
    let mut seen = Vec::new();
    for digits in ["100.00", "1e-38", &"9".repeat(38), &"9".repeat(39)] {
        let answer = put(target, "digits").item("v", n(digits)).send().await;
        seen.push(match answer {
            Ok(_) => number(&get(target, "digits").await, "v"),
            Err(_) => code(&answer),
        });
    }
    seen.join(", ")
}

async fn an_absent_table_is_not_found(target: &Target) -> String {
    code(&target.dynamodb.put_item().table_name("absent").item("id", s("x")).send().await)
}

async fn deleting_nothing_succeeds(target: &Target) -> String {
    let request = target.dynamodb.delete_item().table_name(ITEMS).key("id", s("no-such"));
    let conditional = request.clone().condition_expression("attribute_exists(id)");
    format!("{}, {}", code(&request.send().await), code(&conditional.send().await))
}

async fn a_transaction_is_all_or_nothing(target: &Target) -> String {
    put(target, "taken").item("v", n(1)).send().await.unwrap();
    let free = Put::builder().table_name(ITEMS).item("id", s("free")).build().unwrap();
    let check = ConditionCheck::builder()
        .table_name(ITEMS)
        .key("id", s("taken"))
        .condition_expression("v = :v")
        .expression_attribute_values(":v", n(2))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap();
    let request = target
        .dynamodb
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(free).build())
        .transact_items(TransactWriteItem::builder().condition_check(check).build());
    let answer = request.send().await;
    let code = code(&answer);
    let reasons: Vec<_> = match answer.unwrap_err().into_service_error() {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(canceled) => canceled
            .cancellation_reasons()
            .iter()
            .map(|reason| {
                let item = reason.item().map(|item| format!(" with {}", number(item, "v"))).unwrap_or_default();
                format!("{}{item}", reason.code().unwrap_or("none"))
            })
            .collect(),
        other => vec![other.to_string()],
    };
    format!("{code} [{}], {}", reasons.join(", "), get(target, "free").await.len())
}

async fn a_transaction_has_one_action_an_item(target: &Target) -> String {
    let put = |v| {
        let put = Put::builder().table_name(ITEMS).item("id", s("both")).item("v", n(v)).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let request = target.dynamodb.transact_write_items();
    code(&request.transact_items(put(1)).transact_items(put(2)).send().await)
}

async fn a_repeated_transaction_is_applied_once(target: &Target) -> String {
    let add = |v| {
        let update =
            Update::builder().table_name(ITEMS).key("id", s("repeated")).update_expression("ADD v :v");
        let update = update.expression_attribute_values(":v", n(v)).build().unwrap();
        let item = TransactWriteItem::builder().update(update).build();
        target.dynamodb.transact_write_items().client_request_token("token-1").transact_items(item)
    };
    let (first, second) = (code(&add(1).send().await), code(&add(1).send().await));
    let v = number(&get(target, "repeated").await, "v");
    format!("{first}, {second}, {v}, {}", code(&add(2).send().await))
}
