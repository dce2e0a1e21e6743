//! Streams: what a change leaves, and how it is read.

use aws_sdk_dynamodb::types::ReturnValue;
use aws_sdk_dynamodbstreams::types::{Record, ShardFilter, ShardFilterType, ShardIteratorType};

use super::cases;
use super::target::{ITEMS, Target, code, n, s};

cases! {
    a_change_is_a_record_and_no_change_is_none => "INSERT 1, MODIFY 2, REMOVE absent",
    a_failed_condition_leaves_no_record => "",
    a_record_has_its_number_and_a_whole_second => "21 to 40 digits, rising; whole seconds",
    a_reader_resumes_behind_a_record => "MODIFY 2, REMOVE absent",
    a_reader_resumes_at_a_record => "INSERT 1, MODIFY 2, REMOVE absent",
    an_open_shard_has_no_children => "0 shards",
    an_open_shard_always_goes_on => "0 records, next true",
    the_latest_iterator_brings_what_follows => "INSERT 1",
    an_unknown_shard_is_not_found => "ResourceNotFoundException",
    an_unknown_stream_is_not_found => "ResourceNotFoundException",
    a_garbled_iterator_is_refused => "ValidationException",
    a_page_has_at_most_1000_records => "ValidationException",
    a_table_names_its_stream => "true ENABLED NEW_IMAGE",
}

async fn stream_arn(target: &Target) -> String {
    let table = target.dynamodb.describe_table().table_name(ITEMS).send().await.unwrap();
    table.table().unwrap().latest_stream_arn().unwrap().to_owned()
}

async fn shard_id(target: &Target, arn: &str) -> String {
    let stream = target.streams.describe_stream().stream_arn(arn).send().await.unwrap();
    stream.stream_description().unwrap().shards()[0].shard_id().unwrap().to_owned()
}

/// An iterator of the stream's one shard.
async fn iterator(target: &Target, kind: ShardIteratorType, sequence: Option<&str>) -> String {
    let arn = stream_arn(target).await;
    let request = target.streams.get_shard_iterator().shard_id(shard_id(target, &arn).await).stream_arn(arn);
    let request = request.shard_iterator_type(kind).set_sequence_number(sequence.map(str::to_owned));
    request.send().await.unwrap().shard_iterator().unwrap().to_owned()
}

/// The records of one item from an iterator to the shard's present end.
async fn records(target: &Target, iterator: String, id: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = Some(iterator);
    let mut empty_pages = 0;
    while let Some(iterator) = next.take()
        && empty_pages < 2
    {
        let answer = target.streams.get_records().shard_iterator(iterator.clone()).send().await;
        // The cases run side by side and share the shard's quota.
        if code(&answer) == "LimitExceededException" {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            next = Some(iterator);
            continue;
        }
        let page = answer.unwrap();
        empty_pages += u32::from(page.records().is_empty());
        let is_of_item = |record: &&Record| {
            record.dynamodb().and_then(|change| change.keys()?.get("id")) == Some(&stream_s(id))
        };
        records.extend(page.records().iter().filter(is_of_item).cloned());
        next = page.next_shard_iterator;
    }
    records
}

fn stream_s(text: &str) -> aws_sdk_dynamodbstreams::types::AttributeValue {
    aws_sdk_dynamodbstreams::types::AttributeValue::S(text.to_owned())
}

fn told(records: &[Record]) -> String {
    let one = |record: &Record| {
        let image = record.dynamodb().unwrap().new_image();
        let v = image.and_then(|item| item.get("v")?.as_n().ok()).map_or("absent", String::as_str);
        format!("{} {v}", record.event_name().unwrap())
    };
    records.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Puts 1, puts 1 again, sets 2, sets 2 again, deletes, deletes again.
async fn live(target: &Target, id: &str) -> Vec<Record> {
    let table = &target.dynamodb;
    for _ in 0..2 {
        table.put_item().table_name(ITEMS).item("id", s(id)).item("v", n(1)).send().await.unwrap();
    }
    for _ in 0..2 {
        let request = table.update_item().table_name(ITEMS).key("id", s(id)).update_expression("SET v = :v");
        request
            .expression_attribute_values(":v", n(2))
            .return_values(ReturnValue::None)
            .send()
            .await
            .unwrap();
    }
    for _ in 0..2 {
        table.delete_item().table_name(ITEMS).key("id", s(id)).send().await.unwrap();
    }
    records(target, iterator(target, ShardIteratorType::TrimHorizon, None).await, id).await
}

async fn a_change_is_a_record_and_no_change_is_none(target: &Target) -> String {
    told(&live(target, "lived").await)
}

async fn a_failed_condition_leaves_no_record(target: &Target) -> String {
    let request = target.dynamodb.put_item().table_name(ITEMS).item("id", s("failed"));
    request.condition_expression("attribute_exists(id)").send().await.unwrap_err();
    told(&records(target, iterator(target, ShardIteratorType::TrimHorizon, None).await, "failed").await)
}

async fn a_record_has_its_number_and_a_whole_second(target: &Target) -> String {
    let records = live(target, "numbered").await;
    let changes: Vec<_> = records.iter().map(|record| record.dynamodb().unwrap()).collect();
    let numbers: Vec<_> = changes.iter().map(|change| change.sequence_number().unwrap()).collect();
    let fits =
        |number: &&str| (21..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let rises = numbers.windows(2).all(|pair| (pair[0].len(), pair[0]) < (pair[1].len(), pair[1]));
    let is_whole = changes
        .iter()
        .all(|change| change.approximate_creation_date_time().is_some_and(|time| time.subsec_nanos() == 0));
    let digits = if numbers.iter().all(fits) {
        "21 to 40 digits".to_owned()
    } else {
        format!("{} digits", numbers[0].len())
    };
    format!(
        "{digits}, {}; {}",
        if rises { "rising" } else { "not rising" },
        if is_whole { "whole seconds" } else { "fractions of seconds" }
    )
}

async fn resumed(target: &Target, id: &str, kind: ShardIteratorType) -> String {
    let all = live(target, id).await;
    let first = all[0].dynamodb().unwrap().sequence_number().unwrap();
    told(&records(target, iterator(target, kind, Some(first)).await, id).await)
}

async fn a_reader_resumes_behind_a_record(target: &Target) -> String {
    resumed(target, "behind", ShardIteratorType::AfterSequenceNumber).await
}

async fn a_reader_resumes_at_a_record(target: &Target) -> String {
    resumed(target, "at", ShardIteratorType::AtSequenceNumber).await
}

async fn an_open_shard_always_goes_on(target: &Target) -> String {
    let arn = target.create_streamed_table("quiet").await;
    let request = target.streams.get_shard_iterator().shard_id(shard_id(target, &arn).await).stream_arn(arn);
    let iterator = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let page = target.streams.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    format!("{} records, next {}", page.records().len(), page.next_shard_iterator().is_some())
}

async fn an_open_shard_has_no_children(target: &Target) -> String {
    let arn = stream_arn(target).await;
    let of = ShardFilter::builder().r#type(ShardFilterType::ChildShards);
    let of = of.shard_id(shard_id(target, &arn).await).build();
    let stream = target.streams.describe_stream().stream_arn(arn).shard_filter(of).send().await.unwrap();
    format!("{} shards", stream.stream_description().unwrap().shards().len())
}

async fn the_latest_iterator_brings_what_follows(target: &Target) -> String {
    let put = |v| {
        target
            .dynamodb
            .put_item()
            .table_name(ITEMS)
            .item("id", s(&format!("latest-{v}")))
            .item("v", n(1))
            .send()
    };
    put(0).await.unwrap();
    let iterator = iterator(target, ShardIteratorType::Latest, None).await;
    put(1).await.unwrap();
    let before = records(target, iterator.clone(), "latest-0").await;
    let after = records(target, iterator, "latest-1").await;
    format!("{}{}", told(&before), told(&after))
}

async fn an_unknown_shard_is_not_found(target: &Target) -> String {
    let request = target.streams.get_shard_iterator().stream_arn(stream_arn(target).await);
    let request = request.shard_id("shardId-00000000000000000000-00000000");
    code(&request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await)
}

async fn an_unknown_stream_is_not_found(target: &Target) -> String {
    let arn = stream_arn(target).await.replace(ITEMS, "absent");
    code(&target.streams.describe_stream().stream_arn(arn).send().await)
}

async fn a_garbled_iterator_is_refused(target: &Target) -> String {
    code(&target.streams.get_records().shard_iterator("garbled").send().await)
}

async fn a_page_has_at_most_1000_records(target: &Target) -> String {
    let iterator = iterator(target, ShardIteratorType::TrimHorizon, None).await;
    code(&target.streams.get_records().shard_iterator(iterator).limit(1_001).send().await)
}

async fn a_table_names_its_stream(target: &Target) -> String {
    let arn = stream_arn(target).await;
    let stream = target.streams.describe_stream().stream_arn(&arn).send().await.unwrap();
    let stream = stream.stream_description().unwrap();
    format!(
        "{} {} {}",
        stream.stream_arn() == Some(&arn),
        stream.stream_status().unwrap().as_str(),
        stream.stream_view_type().unwrap().as_str()
    )
}
