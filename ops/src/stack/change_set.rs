//! A change set: what CloudFormation would change, before it changes anything.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, OnStackFailure, Parameter, Replacement,
    ResourceChange, StackEvent,
};
use jiff::Timestamp;

use super::{Described, describe};
use crate::clients::Clients;

/// The first pause between two looks; each is longer than the one before.
const FIRST_POLL: Duration = Duration::from_millis(50);
/// CloudFormation allows few calls a second.
const LONGEST_POLL: Duration = Duration::from_secs(3);
/// What these hold is lost with them.
const HOLDS_DATA: [&str; 2] = ["AWS::DynamoDB::Table", "AWS::SQS::Queue"];

/// Whether a stack is created or updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Create,
    Update,
}

/// A change to one resource.
#[derive(Debug, Clone)]
pub struct Change {
    /// Such as `Modify`.
    pub action: ChangeAction,
    /// Whether a new resource takes the place of the old one; `None` for one that is added or removed.
    pub replacement: Option<Replacement>,
    /// Such as `AWS::DynamoDB::Table`.
    pub resource_type: String,
    /// Its name in the template.
    pub resource: String,
    /// The properties that change.
    pub properties: BTreeSet<String>,
}

/// What would change, ready to be executed.
#[derive(Debug)]
pub struct ChangeSet {
    id: String,
    stack: String,
    stack_id: String,
    kind: Kind,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// A parameter with its value.
pub(super) fn given(key: &str, value: &str) -> Parameter {
    Parameter::builder().parameter_key(key).parameter_value(value).build()
}

impl ChangeSet {
    /// Asks CloudFormation what would change if the template at `url` were deployed with these parameters. `None` if
    /// nothing would.
    ///
    /// # Errors
    ///
    /// If CloudFormation rejects the template or the parameters.
    pub async fn create(
        clients: &Clients,
        stack: &str,
        kind: Kind,
        url: &str,
        parameters: Vec<Parameter>,
    ) -> Result<Option<ChangeSet>> {
        let name = format!("deploy-{}", Timestamp::now().as_millisecond());
        let request = clients
            .cloudformation
            .create_change_set()
            .stack_name(stack)
            .change_set_name(&name)
            .template_url(url)
            .set_parameters(Some(parameters))
            .capabilities(Capability::CapabilityIam);
        let request = match kind {
            // A creation that fails leaves nothing in the way of the next.
            Kind::Create => {
                request.change_set_type(ChangeSetType::Create).on_stack_failure(OnStackFailure::Delete)
            }
            Kind::Update => request.change_set_type(ChangeSetType::Update),
        };
        let created = request.send().await.map_err(|error| {
            let told = error.message().map(str::to_owned);
            anyhow!(
                "CloudFormation rejected the change: {}",
                told.unwrap_or_else(|| DisplayErrorContext(error).to_string())
            )
        })?;
        let id = created.id().context("a change set has an id")?.to_owned();
        let stack_id = created.stack_id().context("a change set has a stack")?.to_owned();
        let mut set = ChangeSet { id, stack: stack.to_owned(), stack_id, kind, changes: vec![] };
        let mut pause = FIRST_POLL;
        loop {
            let answer = set.read(clients).await?;
            match answer {
                Read::Ready => return Ok(Some(set)),
                Read::Nothing => {
                    set.discard(clients).await?;
                    return Ok(None);
                }
                Read::Refused(reason) => {
                    set.discard(clients).await?;
                    bail!("CloudFormation cannot change the stack {stack}: {reason}");
                }
                Read::Pending => tokio::time::sleep(longer(&mut pause)).await,
            }
        }
    }

    async fn read(&mut self, clients: &Clients) -> Result<Read> {
        let request = clients.cloudformation.describe_change_set();
        let pages = request.change_set_name(&self.id).into_paginator().send();
        let pages: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await?;
        let first = pages.first().context("a change set has a description")?;
        let reason = first.status_reason().unwrap_or_default().to_owned();
        Ok(match first.status() {
            Some(ChangeSetStatus::CreateComplete) => {
                let changes = pages.iter().flat_map(|page| page.changes());
                self.changes = changes.filter_map(|it| it.resource_change()).map(Change::of).collect();
                Read::Ready
            }
            Some(ChangeSetStatus::Failed)
                if reason.contains("didn't contain changes") || reason.contains("No updates") =>
            {
                Read::Nothing
            }
            Some(ChangeSetStatus::Failed) => Read::Refused(reason),
            _ => Read::Pending,
        })
    }

    /// The changes that remove or replace a table or a queue: what it holds would be gone.
    pub fn losses(&self) -> Vec<&Change> {
        let is_loss = |change: &&Change| {
            HOLDS_DATA.contains(&change.resource_type.as_str())
                && (change.may_replace() || change.action == ChangeAction::Remove)
        };
        self.changes.iter().filter(is_loss).collect()
    }

    /// Removes the change set, and the empty stack that it began if it would have created one.
    ///
    /// # Errors
    ///
    /// If CloudFormation rejects the call.
    pub async fn discard(self, clients: &Clients) -> Result<()> {
        let request = clients.cloudformation.delete_change_set();
        request.change_set_name(&self.id).send().await?;
        if self.kind == Kind::Create {
            clients.cloudformation.delete_stack().stack_name(&self.stack_id).send().await?;
        }
        Ok(())
    }

    /// Makes the changes and waits until they are complete; tells each event of a resource as a line.
    ///
    /// # Errors
    ///
    /// If a resource fails: names it with its reason. CloudFormation has then undone the changes.
    pub async fn execute(self, clients: &Clients, mut tell: impl FnMut(&str)) -> Result<Described> {
        let mut seen: BTreeSet<String> =
            events(clients, &self.stack_id).await?.into_iter().map(|it| it.id).collect();
        let request = clients.cloudformation.execute_change_set();
        request.change_set_name(&self.id).send().await?;
        let mut failures = vec![];
        let mut pause = FIRST_POLL;
        loop {
            let described = describe(clients, &self.stack_id).await?;
            for event in events(clients, &self.stack_id).await?.into_iter().rev() {
                if seen.insert(event.id) && !event.line.ends_with("_IN_PROGRESS") {
                    if event.line.contains("_FAILED") {
                        failures.push(event.line.clone());
                    }
                    tell(&event.line);
                }
            }
            let status = described.as_ref().map(|stack| stack.status.as_str().to_owned());
            match (described, status.as_deref()) {
                (Some(stack), Some("CREATE_COMPLETE" | "UPDATE_COMPLETE")) => return Ok(stack),
                (_, Some(status)) if status.ends_with("_IN_PROGRESS") => {
                    tokio::time::sleep(longer(&mut pause)).await;
                }
                // Just begun.
                (None, _) if failures.is_empty() && self.kind == Kind::Create => {
                    tokio::time::sleep(longer(&mut pause)).await;
                }
                (_, status) => bail!(
                    "the stack {} is {}, and the changes are undone:\n{}",
                    self.stack,
                    status.unwrap_or("deleted"),
                    failures.join("\n")
                ),
            }
        }
    }
}

enum Read {
    Pending,
    Ready,
    Nothing,
    Refused(String),
}

struct Event {
    id: String,
    line: String,
}

/// The latest events of a stack, the newest first.
async fn events(clients: &Clients, stack_id: &str) -> Result<Vec<Event>> {
    let answer = clients.cloudformation.describe_stack_events().stack_name(stack_id).send().await?;
    let event = |event: &StackEvent| {
        let resource = event.logical_resource_id().unwrap_or("?");
        let status = event.resource_status().map_or("?", |status| status.as_str());
        let reason = event.resource_status_reason().filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(Event { id: event.event_id()?.to_owned(), line: format!("{resource} {status}{reason}") })
    };
    Ok(answer.stack_events().iter().filter_map(event).collect())
}

fn longer(pause: &mut Duration) -> Duration {
    let now = *pause;
    *pause = (now * 3 / 2).min(LONGEST_POLL);
    now
}

impl Change {
    fn may_replace(&self) -> bool {
        matches!(self.replacement, Some(Replacement::True | Replacement::Conditional))
    }

    fn of(change: &ResourceChange) -> Change {
        let details = change.details().iter().filter_map(|detail| detail.target());
        let property = |target: &aws_sdk_cloudformation::types::ResourceTargetDefinition| {
            target.name().or_else(|| target.attribute().map(|it| it.as_str())).map(str::to_owned)
        };
        Change {
            action: change.action().cloned().unwrap_or(ChangeAction::Dynamic),
            replacement: change.replacement().cloned(),
            resource_type: change.resource_type().unwrap_or("?").to_owned(),
            resource: change.logical_resource_id().unwrap_or("?").to_owned(),
            properties: details.filter_map(property).collect(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match &self.action {
            ChangeAction::Modify => match self.replacement {
                Some(Replacement::True) => "REPLACE",
                Some(Replacement::Conditional) => "replace?",
                _ => "modify",
            },
            ChangeAction::Add => "add",
            ChangeAction::Remove => "REMOVE",
            other => other.as_str(),
        };
        write!(f, "{word:<8} {:<44} {}", self.resource_type, self.resource)?;
        if !self.properties.is_empty() {
            let properties: Vec<&str> = self.properties.iter().map(String::as_str).collect();
            write!(f, "  {}", properties.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_or_queue_that_would_be_gone_is_a_loss() {
        let [table, queue] = HOLDS_DATA;
        let (never, maybe, surely) = (Replacement::False, Replacement::Conditional, Replacement::True);
        for (action, replacement, resource_type, is_loss) in [
            (ChangeAction::Remove, None, table, true),
            (ChangeAction::Remove, None, queue, true),
            (ChangeAction::Modify, Some(&surely), table, true),
            (ChangeAction::Modify, Some(&maybe), queue, true),
            (ChangeAction::Modify, Some(&never), table, false),
            (ChangeAction::Add, None, table, false),
            (ChangeAction::Modify, Some(&surely), "AWS::EC2::LaunchTemplate", false),
            (ChangeAction::Remove, None, "AWS::CloudWatch::Alarm", false),
        ] {
            let changes = vec![Change {
                action,
                replacement: replacement.cloned(),
                resource_type: resource_type.to_owned(),
                resource: "It".to_owned(),
                properties: BTreeSet::new(),
            }];
            let told = changes[0].to_string();
            let set = ChangeSet {
                id: String::new(),
                stack: String::new(),
                stack_id: String::new(),
                kind: Kind::Update,
                changes,
            };
            assert_eq!(set.losses().len(), usize::from(is_loss), "{told}");
        }
    }
}
