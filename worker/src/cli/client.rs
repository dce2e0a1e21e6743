//! The command line's client of the worker's API.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::Failed;
use crate::api::error::Problem;

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
    /// The longest time that a call may take.
    #[arg(from_global)]
    pub(super) timeout: Duration,
}

/// A connection to the API of one worker.
#[derive(Debug)]
pub(super) struct Api {
    http: Client,
    base: Url,
    timeout: Duration,
}

impl Server {
    pub(super) fn connect(&self) -> Result<Api, Failed> {
        let mut base: Url = self.url.parse().with_context(|| format!("--url {}", self.url))?;
        if base.scheme() != "http" {
            return Err(anyhow!(
                "--url {}: the API speaks plain HTTP, such as http://127.0.0.1:8420",
                self.url
            )
            .into());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // A proxy for the outside world does not reach this machine.
        let http = Client::builder().no_proxy().timeout(self.timeout).build();
        let http = http.context("the HTTP client cannot start")?;
        Ok(Api { http, base, timeout: self.timeout })
    }
}

impl Api {
    /// A GET of `path`, such as `v1/tasks`.
    pub(super) fn get(&self, path: &str) -> Result<RequestBuilder, Failed> {
        Ok(self.http.get(self.at(path)?))
    }

    /// A POST to `path`.
    pub(super) fn post(&self, path: &str) -> Result<RequestBuilder, Failed> {
        Ok(self.http.post(self.at(path)?))
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
