//! The command line's client of the worker's API.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::crypto::ring;

use super::Failed;
use super::token_file::token_of;
use crate::api::problem::Problem;
use crate::config::token_of_environment;
use crate::control::tokens::Secret;
use crate::in_time::read_small;

/// Which worker is asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// The address of a worker's API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "COUNTERSIGN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8420"
    )]
    url: String,
    /// For an https URL: trust the certificates in this PEM file, and not those that the system trusts
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CA_FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// The longest time that a call may take.
    #[arg(from_global)]
    pub(super) timeout: Duration,
}

/// A connection to the API of one worker.
#[derive(Debug)]
pub(super) struct Api {
    http: Client,
    base: Url,
    token: Option<Secret>,
    timeout: Duration,
}

impl Server {
    /// A connection that sends the token in `COUNTERSIGN_TOKEN`, or the one that `countersign login` stored.
    pub(super) fn connect(&self) -> Result<Api, Failed> {
        let token = match token_of_environment() {
            Some(text) => Some(Secret::parse(&text).context(
                "COUNTERSIGN_TOKEN is not a token: a token begins with csgn_ and has 48 characters",
            )?),
            None => token_of(&self.base()?)?,
        };
        self.connect_with(token)
    }

    /// A connection that sends this token.
    pub(super) fn connect_with(&self, token: Option<Secret>) -> Result<Api, Failed> {
        let base = self.base()?;
        if token.is_some() && base.scheme() != "https" && !is_this_machine(&base) {
            return Err(anyhow!(
                "{base}: the token would cross the network in plain text; use https, or a tunnel that ends on this machine"
            )
            .into());
        }
        // A proxy for the outside world does not reach this machine. A redirect could lead the token anywhere.
        let mut http = Client::builder().no_proxy().redirect(Policy::none()).timeout(self.timeout);
        match (base.scheme(), &self.ca_file) {
            ("https", None) => {}
            ("https", Some(file)) => http = http.tls_certs_only(authorities(file)?),
            // A system without certificates can reach a worker in plain text.
            _ => http = http.tls_certs_only([]),
        }
        // An error means that it is set already.
        let _ = ring::default_provider().install_default();
        let http = http.build().context("the HTTP client cannot start")?;
        Ok(Api { http, base, token, timeout: self.timeout })
    }

    /// The address, with a slash at its end.
    pub(super) fn base(&self) -> Result<Url, Failed> {
        let mut base: Url = self.url.parse().with_context(|| format!("--url {}", self.url))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(anyhow!(
                "--url {}: use an http or https URL, such as https://approvals.example.com",
                self.url
            )
            .into());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(base)
    }
}

/// The certificates of `--ca-file`.
fn authorities(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let place = || format!("--ca-file {}", file.display());
    let text = read_small(file).with_context(place)?;
    let found = Certificate::from_pem_bundle(&text).ok().filter(|found| !found.is_empty());
    found.context("no PEM certificate").with_context(place)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Api {
    /// A GET of `path`, such as `v1/tasks`.
    pub(super) fn get(&self, path: &str) -> Result<RequestBuilder, Failed> {
        Ok(self.signed(self.http.get(self.at(path)?)))
    }

    /// A POST to `path`.
    pub(super) fn post(&self, path: &str) -> Result<RequestBuilder, Failed> {
        Ok(self.signed(self.http.post(self.at(path)?)))
    }

    /// Whether its requests have a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// `bearer_auth` marks the header as sensitive, so that no log shows it.
    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    /// Sends a request; returns the response as `T`, or the API's own explanation.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Reply<T>, Failed> {
        let request =
            request.build().with_context(|| format!("{}: the request cannot be built", self.base))?;
        let is_change = request.method() != Method::GET;
        let answer = self.http.execute(request).await;
        let response = answer.map_err(|error| self.unreachable(error, is_change))?;
        let status = response.status();
        if status.is_success() {
            let text = response.text().await.map_err(|error| self.unreachable(error, is_change))?;
            let body = serde_json::from_str(&text)
                .with_context(|| format!("{}: the response is not a Countersign worker's", self.base))?;
            return Ok(Reply { status, body });
        }
        Err(self.problem(status, response).await)
    }

    fn at(&self, path: &str) -> Result<Url, Failed> {
        Ok(self.base.join(path).with_context(|| format!("{}{path} is not a URL", self.base))?)
    }

    async fn problem(&self, status: StatusCode, response: Response) -> Failed {
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Failed::Problem(Box::new(problem)),
            Err(_) => anyhow!("{} answered {status}; is it a Countersign worker?", self.base).into(),
        }
    }

    fn unreachable(&self, error: reqwest::Error, is_change: bool) -> Failed {
        if error.is_timeout() {
            let seconds = self.timeout.as_secs_f64();
            let advice =
                if is_change { "it may still take effect: check before you repeat it" } else { "try again" };
            return anyhow!("{}: no answer within {seconds} s (--timeout): {advice}", self.base).into();
        }
        let advice = if error.is_connect() {
            "no worker answers there; start one with `countersign run`, or name another by --url or COUNTERSIGN_URL"
        } else {
            "the response ended early"
        };
        anyhow::Error::from(error.without_url()).context(format!("{}: {advice}", self.base)).into()
    }
}

/// A response of the API.
#[derive(Debug)]
pub(super) struct Reply<T> {
    /// 200, or 202 for a decision that is stored and still due.
    pub(super) status: StatusCode,
    /// The response itself.
    pub(super) body: T,
}
