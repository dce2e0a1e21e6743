//! The file that keeps a person's tokens, by the address of the worker's API. Only its owner can read it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use reqwest::Url;

use crate::control::tokens::Secret;
use crate::in_time::{READ_LIMIT, TimedFile, content};

/// Where the file is, below the person's home.
const FILE: &str = ".config/countersign/tokens.json";

/// The token that was kept for an address.
pub(super) fn token_of(base: &Url) -> anyhow::Result<Option<Secret>> {
    let tokens = stored()?;
    let Some(text) = tokens.get(base.as_str()) else { return Ok(None) };
    let secret = Secret::parse(text);
    secret
        .map(Some)
        .ok_or_else(|| anyhow!("~/{FILE}: the token for {base} is damaged; run `countersign login`"))
}

fn path() -> anyhow::Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    Ok(home.context("no home directory; set HOME, or COUNTERSIGN_TOKEN")?.join(FILE))
}

/// Every token by its address.
pub(super) fn stored() -> anyhow::Result<BTreeMap<String, String>> {
    let Ok(path) = path() else { return Ok(BTreeMap::new()) };
    let place = || format!("{}", path.display());
    let file = match TimedFile::open(&path, READ_LIMIT) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(place),
    };
    if file.metadata().permissions().mode() & 0o077 != 0 {
        bail!(
            "{}: others may read it; run `chmod 600` on it, and revoke its tokens if they did",
            path.display()
        );
    }
    let text = content(file).with_context(place)?;
    // The content stays out of the message.
    serde_json::from_slice(&text)
        .map_err(|_| anyhow!("{}: cannot be read; remove it, and log in again", path.display()))
}

/// Replaces the file as a whole: a crash leaves the old one.
pub(super) fn store(tokens: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let path = path()?;
    let place = || format!("{}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(place)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(serde_json::to_string_pretty(tokens)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        // Whatever is left of it holds tokens.
        let _ = fs::remove_file(&new);
    }
    written.with_context(place)
}
