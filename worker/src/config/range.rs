//! The range of each setting whose type allows more values than the worker can use.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use reqwest::Url;

use super::{AuthMode, Config, ConfigError, Oidc, Queues};

/// The longest `worker.id`: it is part of keys in the control table.
const MAX_ID_CHARS: usize = 100;

impl Config {
    /// Every number with its range; the README and `config.default.toml` state each range.
    pub(super) fn numbers(&self) -> [(&'static str, u64, RangeInclusive<u64>); 11] {
        let (worker, budgets) = (&self.worker, &self.budgets);
        [
            ("tables.retention_days", self.tables.retention_days.into(), 1..=3_650),
            ("worker.lease_ms", worker.lease_ms, 1_000..=600_000),
            ("worker.in_flight_records", worker.in_flight_records.into(), 1..=100_000),
            ("worker.in_flight_mib", worker.in_flight_mib.into(), 1..=4_096),
            ("worker.sweep_ms", worker.sweep_ms, 100..=3_600_000),
            // With less, leases cannot be handed over in time; with more, systemd's TimeoutStopSec kills the worker
            // first.
            ("worker.drain_ms", worker.drain_ms, 15_000..=35_000),
            ("budgets.send_task", budgets.send_task.into(), 0..=100_000),
            ("budgets.describe_execution", budgets.describe_execution.into(), 1..=100_000),
            ("budgets.execution_history", budgets.execution_history.into(), 1..=100_000),
            // One half is for listings, the other for finding the children of shards.
            ("budgets.describe_stream", budgets.describe_stream.into(), 2..=100_000),
            ("budgets.sweep", budgets.sweep.into(), 1..=100_000),
        ]
    }

    /// Checks every setting. `place` returns the file, variable or flag that gave a key's value.
    pub(super) fn check(&self, place: &dyn Fn(&str) -> String) -> Result<(), ConfigError> {
        let refuse = |key, value: String, remedy: String| {
            Err(ConfigError::OutOfRange { key, value, place: place(key), remedy })
        };
        for (key, value, range) in self.numbers() {
            if !range.contains(&value) {
                return refuse(key, value.to_string(), format!("use {} to {}", range.start(), range.end()));
            }
        }
        for (key, value, is_right, remedy) in self.texts() {
            if !is_right {
                return refuse(key, format!("{value:?}"), remedy.to_owned());
            }
        }
        if let Some((key, url, other)) = self.queues.shared() {
            return refuse(
                key,
                format!("{url:?}"),
                format!("it is also {other}: use the URL of its own queue"),
            );
        }
        Ok(())
    }

    /// Every text setting with restrictions: whether its value is valid, and what to use instead.
    fn texts(&self) -> Vec<Text> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let absent_or = |text: &Option<String>, is: fn(&str) -> bool| text.as_deref().is_none_or(is);
        let table = "use the name or the ARN of a table";
        let queue = |key, url: &Option<String>| {
            let remedy = "use a queue URL, such as \
                https://sqs.eu-central-1.amazonaws.com/123456789012/closed, or leave it empty";
            (key, text(url), absent_or(url, is_url), remedy)
        };
        let texts = [
            (
                "aws.endpoint_url",
                text(&self.aws.endpoint_url),
                absent_or(&self.aws.endpoint_url, is_url),
                "use a URL with scheme and host, such as http://127.0.0.1:4566, or leave it empty to use AWS",
            ),
            (
                "aws.region",
                text(&self.aws.region),
                absent_or(&self.aws.region, is_region),
                "use a region code, such as eu-central-1, or leave it empty to use the environment's region",
            ),
            ("tables.tasks", self.tables.tasks.clone(), is_table(&self.tables.tasks), table),
            ("tables.control", self.tables.control.clone(), is_table(&self.tables.control), table),
            queue("queues.closed_executions", &self.queues.closed_executions),
            queue("queues.hints", &self.queues.hints),
            queue("queues.tasks", &self.queues.tasks),
            queue("queues.task_dead_letters", &self.queues.task_dead_letters),
            queue("queues.closed_executions_dead_letters", &self.queues.closed_executions_dead_letters),
            (
                "notices.event_bus",
                text(&self.notices.event_bus),
                absent_or(&self.notices.event_bus, is_bus),
                "use the name or the ARN of an event bus, or leave it empty",
            ),
            (
                "rules.dir",
                self.rules.dir.display().to_string(),
                !self.rules.dir.as_os_str().is_empty(),
                "use the path of a folder",
            ),
            (
                "worker.id",
                text(&self.worker.id),
                absent_or(&self.worker.id, is_id),
                "use 1 to 100 letters, digits and the characters . _ - : or leave it empty to use the host name",
            ),
            (
                "api.listen",
                self.api.listen.to_string(),
                self.api.listen.ip().is_loopback() || self.auth.mode != AuthMode::None,
                "without authentication use a loopback address, such as 127.0.0.1:8420, or set auth.mode = \"tokens\" or \"oidc\"",
            ),
            (
                "api.public_url",
                text(&self.api.public_url),
                absent_or(&self.api.public_url, |url| public_url(url).is_some())
                    && (self.api.public_url.is_none() || self.auth.mode != AuthMode::None),
                "use scheme and host alone, such as https://approvals.example.com, with auth.mode = \"tokens\" or \
                 \"oidc\"; or leave it empty",
            ),
            (
                "api.tls_key_file",
                text(&self.api.tls_key_file),
                self.api.tls_key_file.is_some() == self.api.tls_cert_file.is_some(),
                "TLS needs both api.tls_cert_file and api.tls_key_file; set both or neither",
            ),
        ];
        texts.into_iter().chain(self.auth.oidc.texts(self.auth.mode)).collect()
    }
}

impl Oidc {
    fn texts(&self, mode: AuthMode) -> [Text; 5] {
        let is_off = mode != AuthMode::Oidc;
        let one =
            |key, text: &String, is_right: bool, remedy| (key, text.clone(), is_off || is_right, remedy);
        let is_claim = |text: &String| !text.is_empty() && !text.chars().any(char::is_whitespace);
        [
            one(
                "auth.oidc.issuer",
                &self.issuer,
                is_issuer(&self.issuer),
                "with auth.mode = \"oidc\", use the identity provider's issuer, such as \
                 https://login.example.com, exactly as its tokens have it in `iss`",
            ),
            one(
                "auth.oidc.audience",
                &self.audience,
                !self.audience.is_empty(),
                "with auth.mode = \"oidc\", use the name that access tokens for this API have in `aud`",
            ),
            one(
                "auth.oidc.person_claim",
                &self.person_claim,
                is_claim(&self.person_claim),
                "use the name of the claim that names a person for good, such as sub",
            ),
            one(
                "auth.oidc.roles_claim",
                &self.roles_claim,
                is_claim(&self.roles_claim),
                "use the name of the claim that lists a caller's groups, such as groups",
            ),
            one(
                "auth.oidc.roles",
                &String::new(),
                !self.roles.is_empty(),
                "with auth.mode = \"oidc\", give at least one group a role, as in \
                 [auth.oidc.roles] \"approvers\" = \"reviewer\"",
            ),
        ]
    }
}

/// A key, its value as text, whether that is right, and what to use instead.
type Text = (&'static str, String, bool, &'static str);

/// Whether the text is the issuer of an identity provider (OpenID Connect Discovery 1.0, section 4.3): over TLS, except on
/// this machine.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
    is_safe && !text.contains(['?', '#']) && url.username().is_empty()
}

impl Queues {
    /// A queue that two settings name: the worker would take one's messages for the other's, and delete them.
    fn shared(&self) -> Option<(&'static str, &str, &'static str)> {
        let queues = [
            ("queues.tasks", &self.tasks),
            ("queues.task_dead_letters", &self.task_dead_letters),
            ("queues.closed_executions", &self.closed_executions),
            ("queues.closed_executions_dead_letters", &self.closed_executions_dead_letters),
            ("queues.hints", &self.hints),
        ];
        queues.iter().enumerate().find_map(|(index, (key, url))| {
            let (other, _) = queues[..index].iter().find(|(_, before)| url.is_some() && before == url)?;
            Some((*key, url.as_deref()?, *other))
        })
    }
}

/// Whether the text is a URL that a client can call. The SDK does not check the values of its own variables.
pub(crate) fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

/// The URL, if it has a scheme, a host and nothing else.
pub(crate) fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    // Equal only without a path, a query, a fragment and a user.
    let is_bare = url.as_str() == format!("{}/", url.origin().ascii_serialization());
    (is_url(text) && is_bare).then_some(url)
}

/// Letters, digits and hyphens only: a region is part of the host name of each endpoint.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// DynamoDB accepts names of 3 to 255 letters, digits and `_ - .`, and ARNs.
fn is_table(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    text.starts_with("arn:") || ((3..=255).contains(&text.len()) && text.bytes().all(is_name))
}

/// EventBridge accepts names of 1 to 256 letters, digits and `/ . - _`, and ARNs.
fn is_bus(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
    text.starts_with("arn:") || (text.len() <= 256 && text.bytes().all(is_name))
}

fn is_id(text: &str) -> bool {
    text.len() <= MAX_ID_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}
