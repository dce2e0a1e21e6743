//! One node's way to the world: the SDK's HTTP connector, with latency, faults and holds on the way there and back.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::time::sleep;

use super::faults::{Failure, Fault};
use super::hold::Door;
use super::wire::{Answer, Call, Service, response};
use super::world::{Link, World};

/// The world as one node reaches it. Give it to the SDK as `.http_client(node)`.
#[derive(Debug, Clone)]
pub struct Node {
    world: World,
    name: Arc<str>,
}

impl HttpClient for Node {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Node {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let node = self.clone();
        let call = Call::read(self.name.clone(), &request, self.world.now_ms());
        HttpConnectorFuture::new(async move {
            node.world.sent(&call);
            node.exchange(call).await
        })
    }
}

impl Node {
    pub(super) fn new(world: World, name: &str) -> Node {
        Node { world, name: name.into() }
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn exchange(&self, call: Call) -> Result<HttpResponse, ConnectorError> {
        let (there, back) = self.world.latency();
        self.pass_link(&call).await?;
        sleep(there).await;
        let fault = self.world.strike(&call);
        if let Some(held) = self.world.held(&call, Door::BeforeApply)
            && let Some(failure) = held.wait().await
        {
            return self.lost(&call, failure).await;
        }
        let answer = match fault {
            None => self.apply(&call).await,
            Some(Fault::Delayed { there_ms, back_ms }) => {
                sleep(Duration::from_millis(there_ms)).await;
                let answer = self.apply(&call).await;
                sleep(Duration::from_millis(back_ms)).await;
                answer
            }
            Some(Fault::Lost(failure)) => return self.lost(&call, failure).await,
            Some(Fault::AppliedLate { failure, after_ms }) => {
                self.world.apply_later(call.clone(), after_ms);
                return self.lost(&call, failure).await;
            }
            Some(Fault::AnswerLost(failure)) => {
                self.apply(&call).await.ok();
                return self.lost(&call, failure).await;
            }
            Some(Fault::Refused(error)) => Err(error),
            Some(Fault::AppliedButRefused(error)) => {
                self.apply(&call).await.ok();
                Err(error)
            }
            Some(Fault::Forged(body)) => Ok(body),
            Some(Fault::Altered(alteration)) => alteration.apply(self.apply(&call).await),
            Some(Fault::Panic) => panic!("the caller of {} breaks", call.operation),
        };
        let answered_ms = self.world.now_ms();
        if let Some(held) = self.world.held(&call, Door::AfterApply)
            && let Some(failure) = held.wait().await
        {
            return self.lost(&call, failure).await;
        }
        sleep(back).await;
        self.pass_link(&call).await?;
        self.world.answered(&call, &answer);
        Ok(response(&answer, answered_ms))
    }

    /// Applies a call; a long poll waits for its message first.
    async fn apply(&self, call: &Call) -> Answer {
        if call.service == Service::Sqs && call.operation == "ReceiveMessage" {
            self.world.wait_for_message(call).await;
        }
        self.world.apply(call)
    }

    /// Waits while the node is frozen; fails while it is cut off or dead.
    async fn pass_link(&self, call: &Call) -> Result<(), ConnectorError> {
        loop {
            // Registered before the look, so that a thaw in between is not missed.
            let changed = self.world.changed();
            match self.world.link(&self.name) {
                Link::Up => return Ok(()),
                Link::Cut | Link::Dead => return Err(self.failed(call, Failure::Connection)),
                Link::Frozen => changed.await,
            }
        }
    }

    async fn lost(&self, call: &Call, failure: Failure) -> Result<HttpResponse, ConnectorError> {
        let error = self.failed(call, failure);
        if failure == Failure::Silence {
            pending::<()>().await;
        }
        Err(error)
    }

    fn failed(&self, call: &Call, failure: Failure) -> ConnectorError {
        self.world.note(call, "lost", None);
        match failure {
            Failure::Connection => ConnectorError::io("the connection broke".into()),
            Failure::Timeout | Failure::Silence => ConnectorError::timeout("no answer in time".into()),
        }
    }
}
