//! Cold start: sets up configuration, log, client and runtime.

use std::io::Write as _;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_lambda_events::event::sqs::SqsEvent;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use ingest::config::Config;
use ingest::handler::{self, Handled};
use ingest::hints::Hints;
use ingest::store::Store;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};

/// Time limit for one attempt to store a task; the SDK makes up to three attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Time limit for all attempts together. The function's timeout in the template is longer, so that a slow write fails
/// its own message and not the whole batch.
const PUT_TIMEOUT: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(config.log_filter())
        .init();
    // The text of a panic may quote the message body; the location is enough.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));

    let sdk = sdk_config().await;
    let store = Store::new(aws_sdk_dynamodb::Client::new(&sdk), &config.tasks_table);
    let hints = config.hints_queue.as_ref().map(|url| Hints::new(&aws_sdk_sqs::Config::new(&sdk), url));
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async {
        let Handled { response, counts, stored } =
            handler::handle(event.payload, &store, Timestamp::now).await;
        if let Some(hints) = &hints {
            hints.send(&stored).await;
        }
        print(&counts.lines(&config.function, Timestamp::now()));
        Ok::<_, lambda_runtime::Error>(response)
    }))
    .await
}

/// Writes lines to the log as they are. A log that cannot be written is no reason to fail a batch that is stored.
fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush());
}

async fn sdk_config() -> aws_config::SdkConfig {
    let tls = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(tls.build_https())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(PUT_TIMEOUT)
                .build(),
        )
        .load()
        .await
}
