//! Lists a table's streams and a stream's shards: every page, or a result that is marked as partial.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::types::{StreamViewType, TableDescription};
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{ShardFilter, ShardFilterType, StreamStatus};

use crate::aws::fault::{Fault, Resource};
use crate::aws::rate_limit::RateLimit;
use crate::lease::lineage::Listed;

/// Lists streams and their shards.
#[derive(Debug, Clone)]
pub struct Discovery {
    dynamodb: dynamodb::Client,
    streams: Client,
    table: String,
    /// Half of the calls of `DescribeStream`, for complete listings: one worker makes them.
    listing: Arc<RateLimit>,
    /// The other half, for readers (the children of ended shards, shards that reads do not find): shared by all
    /// workers.
    pub(crate) of_readers: Arc<RateLimit>,
}

/// The latest stream of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latest {
    /// Its ARN; none while the table has none. A table whose stream was switched off still names it.
    pub arn: Option<String>,
    /// Why new tasks do not come from it, if they do not.
    pub off: Option<StreamOff>,
}

/// Why no new tasks come from a table's stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamOff {
    /// It never had one, or it was switched off.
    #[error("the tasks table's stream is off")]
    Disabled,
    /// The table has it on, and the stream itself says that it ends.
    #[error("the tasks table's stream is being switched off")]
    Ending,
    /// Its records lack the new item.
    #[error("the records of the tasks table's stream lack the new item (view type {0})")]
    View(String),
}

impl Latest {
    fn of(table: &TableDescription) -> Latest {
        // Only the specification says that the stream is on: after it was switched off, the ARN stays.
        let specification = table.stream_specification().filter(|stream| stream.stream_enabled());
        let off = match specification.map(|stream| stream.stream_view_type()) {
            None => Some(StreamOff::Disabled),
            Some(None | Some(StreamViewType::NewImage | StreamViewType::NewAndOldImages)) => None,
            Some(Some(view)) => Some(StreamOff::View(view.as_str().to_owned())),
        };
        Latest { arn: table.latest_stream_arn().map(str::to_owned), off }
    }
}

/// A listing of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Every shard, open and closed, that the stream still lists; if `lacks` is set, those of the pages before.
    pub shards: Vec<Listed>,
    /// The stream is disabled: no shard follows.
    pub is_disabled: bool,
    /// Why the rest is missing: a shard's absence then proves nothing.
    pub lacks: Option<Fault>,
}

impl Listing {
    /// The stream is deleted, or it is disabled and lists no shards.
    pub fn is_gone(&self) -> bool {
        match &self.lacks {
            Some(fault) => fault.code == "ResourceNotFoundException",
            None => self.is_disabled && self.shards.is_empty(),
        }
    }

    /// Every shard, or why some are missing.
    fn whole(self) -> Result<Listing, Fault> {
        match self.lacks {
            None => Ok(self),
            Some(fault) => Err(fault),
        }
    }
}

impl Discovery {
    /// For the streams of `table`, with at most `rate` calls of `DescribeStream` a second over the fleet.
    pub fn new(dynamodb: dynamodb::Client, streams: Client, table: &str, rate: u32) -> Discovery {
        let half = (rate / 2).max(1);
        let (listing, of_readers) = (Arc::new(RateLimit::new(half)), Arc::new(RateLimit::new(half)));
        Discovery { dynamodb, streams, table: table.to_owned(), listing, of_readers }
    }

    /// The table's latest stream, and whether it is on.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn latest_stream(&self) -> Result<Latest, Fault> {
        let request = self.dynamodb.describe_table().table_name(&self.table);
        let answer = request
            .send()
            .await
            .map_err(|error| Fault::of("DescribeTable", Resource::Tasks(self.table.clone()), &error))?;
        Ok(answer.table().map(Latest::of).unwrap_or_default())
    }

    /// The table's latest stream is `stream`.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn is_latest(&self, stream: &str) -> Result<bool, Fault> {
        Ok(self.latest_stream().await?.arn.as_deref() == Some(stream))
    }

    /// Every shard of a stream, all pages, for a reader whose shard was not found.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read; a partial listing is never returned.
    pub async fn list(&self, stream: &str) -> Result<Listing, Fault> {
        self.pages(stream, None, &self.of_readers).await.whole()
    }

    /// The shards of the pages of a stream that could be read: one failed page must not hide the others. For the
    /// discoverer.
    pub async fn list_what_is_there(&self, stream: &str) -> Listing {
        self.pages(stream, None, &self.listing).await
    }

    /// The children of a shard that ended; none while the roll is not visible yet, or the stream is disabled.
    ///
    /// # Errors
    ///
    /// [`Fault`] when a page cannot be read.
    pub async fn children(&self, stream: &str, shard: &str) -> Result<Vec<Listed>, Fault> {
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(shard).build();
        let listing = self.pages(stream, Some(filter), &self.of_readers).await.whole()?;
        // An old emulator ignores the filter. Each child once: a transaction may not write an item twice.
        let is_child = |child: &Listed| child.parent.as_deref() == Some(shard) && child.shard != shard;
        let children = listing.shards.into_iter().filter(is_child);
        let by_id: BTreeMap<String, Listed> = children.map(|child| (child.shard.clone(), child)).collect();
        Ok(by_id.into_values().collect())
    }

    async fn pages(&self, stream: &str, filter: Option<ShardFilter>, rate: &RateLimit) -> Listing {
        let mut listing = Listing { shards: vec![], is_disabled: false, lacks: None };
        let mut start = None;
        loop {
            rate.take().await;
            match self.page(stream, filter.clone(), start.clone(), &mut listing).await {
                Ok(None) => return listing,
                // A page that repeats its own key would loop forever.
                Ok(next) if next == start => {
                    listing.lacks = Some(Fault::unreadable(
                        "DescribeStream",
                        Resource::Stream(stream.to_owned()),
                        "a next page",
                    ));
                    return listing;
                }
                Ok(next) => start = next,
                Err(fault) => {
                    listing.lacks = Some(fault);
                    return listing;
                }
            }
        }
    }

    /// Adds one page, and returns where the next starts. Only an absent key is the end, not a page without shards.
    async fn page(
        &self,
        stream: &str,
        filter: Option<ShardFilter>,
        start: Option<String>,
        listing: &mut Listing,
    ) -> Result<Option<String>, Fault> {
        let request = self
            .streams
            .describe_stream()
            .stream_arn(stream)
            .set_shard_filter(filter)
            .set_exclusive_start_shard_id(start);
        let answer = request
            .send()
            .await
            .map_err(|error| Fault::of("DescribeStream", Resource::Stream(stream.to_owned()), &error))?;
        let description = answer.stream_description.ok_or_else(|| {
            Fault::unreadable("DescribeStream", Resource::Stream(stream.to_owned()), "a description")
        })?;
        listing.is_disabled =
            matches!(description.stream_status(), Some(StreamStatus::Disabled | StreamStatus::Disabling));
        listing.shards.extend(description.shards().iter().filter_map(read_shard));
        Ok(description.last_evaluated_shard_id)
    }
}

fn read_shard(shard: &aws_sdk_dynamodbstreams::types::Shard) -> Option<Listed> {
    Some(Listed { shard: shard.shard_id()?.to_owned(), parent: shard.parent_shard_id().map(str::to_owned) })
}
