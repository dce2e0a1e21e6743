//! What a worker shows before it is ready: it can read the stream, and Step Functions takes its calls.
//!
//! Otherwise a worker without a route or a permission becomes ready, and a rolling update replaces good workers by such
//! ones. Both are shown once, at the start: a later outage replaces nobody. An outage at the start delays a new worker,
//! but stops no fleet: a service that has not answered for a minute is taken to work, and a metric tells.

use std::future::Future;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::aws::fault::{Class, Fault, Resource, is_of_credentials};
use crate::config::SendTaskScope;
use crate::metrics::{Metrics, Service};
use crate::stream::discovery::{Discovery, Latest};

/// How long a service may give no answer until it is taken to work.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two attempts.
const AGAIN: Duration = Duration::from_secs(2);
/// No workflow's token: Step Functions answers that it knows no such task.
const MADE_UP_TOKEN: &str = "AAAAKgAAAAIAAAAAcountersign-made-this-up";

/// What one attempt showed.
#[derive(Debug)]
pub enum Shown {
    /// The service works for this worker.
    Works,
    /// It does not, and waiting does not help: the reason.
    Broken(String),
    /// Nothing, because it did not answer: the reason.
    Nothing(String),
}

/// Shows that a worker can do its work.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The tasks table's streams.
    pub discovery: Discovery,
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// What the worker's role allows.
    pub scope: SendTaskScope,
    /// The metrics.
    pub metrics: Metrics,
}

impl Proof {
    /// Returns once the stream was read and Step Functions answered. Until then, `lacks` is told what is missing.
    pub async fn given(&self, lacks: impl Fn(&str)) {
        tokio::join!(
            self.until_works(Service::Stream, &lacks, || self.read_stream()),
            self.until_works(Service::StepFunctions, &lacks, || self.call_back()),
        );
    }

    async fn until_works<F: Future<Output = Shown>>(
        &self,
        service: Service,
        lacks: &impl Fn(&str),
        attempt: impl Fn() -> F,
    ) {
        let mut silent_since = Instant::now();
        loop {
            let reason = match attempt().await {
                Shown::Works => return,
                Shown::Broken(reason) => {
                    silent_since = Instant::now();
                    error!(reason, "not ready: {reason}");
                    reason
                }
                Shown::Nothing(reason) if silent_since.elapsed() >= PATIENCE => {
                    self.metrics.ready_unproven(service);
                    warn!(reason, "ready without an answer for {PATIENCE:?}: {reason}");
                    return;
                }
                Shown::Nothing(reason) => {
                    info!(reason, "not ready yet: {reason}");
                    reason
                }
            };
            lacks(&reason);
            sleep(AGAIN).await;
        }
    }

    /// One answered `DescribeStream` of the table's latest stream.
    pub async fn read_stream(&self) -> Shown {
        let stream = match self.discovery.latest_stream().await {
            Ok(Latest { off: Some(off), .. }) => return Shown::Broken(off.to_string()),
            Ok(Latest { arn: Some(stream), off: None }) => stream,
            Ok(Latest { arn: None, off: None }) => {
                return Shown::Broken("the tasks table has no stream".to_owned());
            }
            Err(fault) => return shown_by(&fault),
        };
        match self.discovery.list(&stream).await {
            Ok(listing) if listing.is_disabled => Shown::Broken(format!("stream {stream} is disabled")),
            Ok(_) => Shown::Works,
            Err(fault) => shown_by(&fault),
        }
    }

    /// One answered `SendTaskHeartbeat`. Whatever Step Functions answers to a token that no workflow has, it was
    /// reached, and it knows the caller.
    pub async fn call_back(&self) -> Shown {
        let request = self.sfn.send_task_heartbeat().task_token(MADE_UP_TOKEN);
        let Err(error) = request.send().await else { return Shown::Works };
        let fault =
            Fault::of("SendTaskHeartbeat", Resource::Execution("of a made-up token".to_owned()), &error);
        let reason = format!("SendTaskHeartbeat with a made-up token: {}", fault.code);
        // A proxy in the way answers without a code.
        let is_answer = matches!(&error, SdkError::ServiceError(service)
            if service.err().code().is_some() && !service.raw().status().is_success());
        match (is_answer, fault.code.as_str(), fault.class) {
            (true, code, _) if is_of_credentials(code) => Shown::Broken(reason),
            (true, "AccessDeniedException" | "AccessDenied", _) => match self.scope {
                SendTaskScope::All => Shown::Broken(reason),
                SendTaskScope::StateMachines => {
                    warn!(
                        "{reason}, as the role allows callbacks by state machine (aws.send_task_scope): only the first \
                         callback shows whether they are allowed"
                    );
                    Shown::Works
                }
            },
            (true, ..) => Shown::Works,
            // The credentials or the endpoint are wrong, and nothing was sent.
            (false, _, Class::Systemic) if !matches!(error, SdkError::ServiceError(_)) => {
                Shown::Broken(reason)
            }
            (false, ..) => Shown::Nothing(reason),
        }
    }
}

fn shown_by(fault: &Fault) -> Shown {
    if fault.class.may_pass() { Shown::Nothing(fault.to_string()) } else { Shown::Broken(fault.to_string()) }
}
