//! Access to the tables, for the commands that need more than a worker's API.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use tokio::time::timeout;

use crate::aws::clients::{self, Clients};
use crate::cli::Failed;
use crate::config::Config;
use crate::control::rule_store::Author;
use crate::control::table::ControlTable;

/// Which tables, by the same settings as the worker's.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Store {
    /// A file with the worker's settings, which name the tables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(from_global)]
    timeout: Duration,
}

/// Who changes something, and why.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Signed {
    /// The reason, for the history
    #[arg(long, short, value_name = "TEXT", visible_alias = "reason")]
    message: String,
    /// The name of the person
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "operator")]
    by: String,
}

/// What the settings name.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) control_table: ControlTable,
    pub(super) clients: Clients,
    /// What the clients are made of.
    pub(super) shared: SdkConfig,
    pub(super) config: Config,
}

impl Store {
    /// For a command that has taken the global time limit already.
    pub(super) fn new(config: Option<PathBuf>, timeout: Duration) -> Store {
        Store { config, timeout }
    }

    /// Reads the settings and makes the clients; no call is made yet.
    pub(super) async fn open(&self) -> Result<Opened, Failed> {
        let config = Config::load(self.config.as_deref(), &[]).map_err(anyhow::Error::from)?;
        let loading = timeout(self.timeout, clients::load(&config.aws, Some(self.timeout)));
        let shared = loading.await.context("the AWS settings of this machine do not load in time")?;
        let shared = shared.map_err(anyhow::Error::from)?;
        let clients = Clients::new(&shared);
        let control_table = ControlTable::new(clients.dynamodb.clone(), &config.tables.control);
        Ok(Opened { control_table, clients, shared, config })
    }
}

impl From<Signed> for Author {
    fn from(signed: Signed) -> Author {
        Author { by: signed.by, message: signed.message }
    }
}
