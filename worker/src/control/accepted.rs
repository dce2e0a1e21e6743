//! The last accepted ruleset, stored in a file for the next start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rules::lock::Lock;
use rules::{Files, Ruleset};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use statemachine::format;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::error;

use super::tested::tested_before;

/// The longest time that reading or writing the file may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest file: a ruleset has at most 1 MiB, which escapes may make six times as long.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Accepted(PathBuf);

/// What it holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The lock that accepted the ruleset.
    lock: String,
    /// Path to content.
    files: BTreeMap<String, String>,
}

/// The format of what it holds, as in the tables: absent in what this version writes.
#[derive(Debug, Deserialize)]
struct Format {
    format: Option<Value>,
}

impl Accepted {
    /// The file at this path; it need not exist yet.
    pub(super) fn new(path: PathBuf) -> Accepted {
        Accepted(path)
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Stores a ruleset that the lock accepts. A failure is logged; the ruleset still becomes active.
    pub(super) async fn keep(&self, ruleset: &Ruleset) {
        let files = ruleset.files().iter();
        let files =
            files.map(|(path, content)| (path.clone(), String::from_utf8_lossy(content).into_owned()));
        let kept = Kept { lock: Lock::of(ruleset).to_text(), files: files.collect() };
        let path = self.0.clone();
        let write = spawn_blocking(move || write(&path, &serde_json::to_vec(&kept)?));
        let failed = match timeout(LIMIT, write).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(failed))) => failed.to_string(),
            Ok(Err(_)) => "writing it panicked".to_owned(),
            Err(_) => format!("writing it takes longer than {} s", LIMIT.as_secs()),
        };
        let (path, label) = (self.0.display(), ruleset.label());
        error!(
            ruleset = label, place = %path, error = failed,
            "{path}: cannot be written: {failed}; a restart needs a folder that holds {label} or another accepted set"
        );
    }

    /// The stored ruleset. Err says why there is none that may decide.
    pub(super) async fn load(&self, now: String) -> Result<Ruleset, String> {
        let path = self.0.clone();
        let name = path.display().to_string();
        let load = spawn_blocking(move || {
            let text = read(&path).map_err(|error| error.to_string())?;
            let kept = parse(&text)?;
            let lock = Lock::parse(&name, &kept.lock).map_err(|refused| refused.to_string())?;
            let files: Files =
                kept.files.into_iter().map(|(path, content)| (path, content.into_bytes())).collect();
            let ruleset = tested_before(files, &now).map_err(|refused| refused.to_string())?;
            lock.accepts(&name, &ruleset).map_err(|refused| refused.to_string())?;
            Ok(ruleset)
        });
        match timeout(LIMIT, load).await {
            Ok(loaded) => loaded.unwrap_or_else(|_| Err("reading it panicked".to_owned())),
            Err(_) => Err(format!("reading it takes longer than {} s", LIMIT.as_secs())),
        }
    }
}

/// Replaces the file as a whole: a reader sees the old one or the new one.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Parses the file. Its format comes first: what a newer version wrote may have other fields.
fn parse(text: &str) -> Result<Kept, String> {
    let Format { format } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let digits = format.map(|format| format.to_string());
    format::check(digits.as_deref(), format::CONTROL).map_err(|newer| newer.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn read(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_kept_is_refused_by_name() {
        let kept = r#""lock": "", "files": {"rules/a.rhai": "pass();"}"#;
        assert_eq!(parse(&format!("{{{kept}}}")).unwrap().files.len(), 1);
        assert!(parse(&format!(r#"{{"format": 1, {kept}}}"#)).is_ok());
        for newer in [format!(r#"{{"format": 2, {kept}}}"#), r#"{"format": 2, "sets": []}"#.to_owned()] {
            let told = parse(&newer).unwrap_err();
            assert!(told.contains("it has format 2") && told.contains("update this one"), "{told}");
        }
    }
}
