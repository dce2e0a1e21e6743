//! The floor of ingest: ten bare PutItem calls at once, again and again.

use anyhow::{Context as _, Result, anyhow};
use aws_smithy_http_client::Builder;
use model::Item;
use tokio::task::JoinSet;

use crate::floor::{attribute, client};
use crate::orders;
use crate::process::Taken;
use crate::schema::TASKS;

/// What the floor does.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The model's address
    #[arg(long)]
    endpoint: String,
    /// How many batches of ten
    #[arg(long)]
    batches: u64,
}

/// Puts the batches, and prints what the process took.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let client = client!(aws_sdk_dynamodb, &arguments.endpoint, Builder::new().build_http());
    for batch in 0..arguments.batches {
        let mut puts = JoinSet::new();
        for number in 0..orders::BATCH {
            let item = orders::item(&orders::message(1_000_000 + batch * orders::BATCH + number))?;
            let item: Item = serde_json::from_value(item).context("an item")?;
            let item = item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            let put = client.put_item().table_name(TASKS).set_item(Some(item));
            puts.spawn(put.condition_expression("attribute_not_exists(taskId)").send());
        }
        while let Some(put) = puts.join_next().await {
            put?.map_err(|error| anyhow!("PutItem: {error:?}"))?;
        }
    }
    println!("{}", serde_json::to_string(&Taken::of("self")?)?);
    Ok(())
}
