//! Which streams the table has, and which shards a stream has: always every page, never a part.

use std::time::Duration;

use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{ShardFilter, ShardFilterType, StreamStatus};
use tokio::time::sleep;

use crate::aws::Fault;
use crate::stream::lineage::Listed;

/// Between two pages of a listing: DescribeStream allows ten calls a second, perhaps over the whole fleet.
const PAGE_PACE: Duration = Duration::from_millis(250);

/// Reads the shape of streams.
#[derive(Debug, Clone)]
pub struct Discovery {
    dynamodb: dynamodb::Client,
    streams: Client,
    table: String,
}

/// A complete listing of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Every shard, open and closed, that the stream still shows.
    pub shards: Vec<Listed>,
    /// The stream is disabled: no shard follows.
    pub is_disabled: bool,
}

impl Discovery {
    /// Of the streams of `table`.
    pub fn new(dynamodb: dynamodb::Client, streams: Client, table: &str) -> Discovery {
        Discovery { dynamodb, streams, table: table.to_owned() }
    }

    /// The ARN of the table's latest stream; none while it has none.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the table does not answer.
    pub async fn latest_stream(&self) -> Result<Option<String>, Fault> {
        let request = self.dynamodb.describe_table().table_name(&self.table);
        let answer = request.send().await.map_err(|error| Fault::of("DescribeTable", &error))?;
        Ok(answer.table().and_then(|table| table.latest_stream_arn()).map(str::to_owned))
    }

    /// Every shard of a stream, all pages, paced.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page is not answered; a part is never returned.
    pub async fn list(&self, stream: &str) -> Result<Listing, Fault> {
        let mut listing = Listing { shards: vec![], is_disabled: false };
        let mut start = None;
        loop {
            let request =
                self.streams.describe_stream().stream_arn(stream).set_exclusive_start_shard_id(start.clone());
            let answer = request.send().await.map_err(|error| Fault::of("DescribeStream", &error))?;
            let description = answer
                .stream_description
                .ok_or_else(|| Fault::unreadable("DescribeStream", "a description"))?;
            listing.is_disabled =
                matches!(description.stream_status(), Some(StreamStatus::Disabled | StreamStatus::Disabling));
            listing.shards.extend(description.shards().iter().filter_map(read_shard));
            // Only an absent key is the end; a page without shards is not.
            let next = description.last_evaluated_shard_id;
            if next.is_none() {
                return Ok(listing);
            }
            // A page that repeats its own key would go on for ever.
            if next == start {
                return Err(Fault::unreadable("DescribeStream", "a next page"));
            }
            start = next;
            sleep(PAGE_PACE).await;
        }
    }

    /// The children of a shard that ended; none while the roll is not visible yet, or the stream is disabled.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the stream does not answer.
    pub async fn children(&self, stream: &str, shard: &str) -> Result<Vec<Listed>, Fault> {
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(shard).build();
        let request = self.streams.describe_stream().stream_arn(stream).shard_filter(filter);
        let answer = request.send().await.map_err(|error| Fault::of("DescribeStream", &error))?;
        let description =
            answer.stream_description.ok_or_else(|| Fault::unreadable("DescribeStream", "a description"))?;
        let children = description.shards().iter().filter_map(read_shard);
        // An old emulator ignores the filter.
        Ok(children.filter(|child| child.parent.as_deref() == Some(shard)).collect())
    }
}

fn read_shard(shard: &aws_sdk_dynamodbstreams::types::Shard) -> Option<Listed> {
    Some(Listed { shard: shard.shard_id()?.to_owned(), parent: shard.parent_shard_id().map(str::to_owned) })
}
