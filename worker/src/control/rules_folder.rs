//! The folder of `rules.dir`: its content at one moment, and whether that content may decide.
//!
//! Files are read on a separate thread and within a time limit: a network folder that hangs must block nothing else.
//! The same reading is hashed, checked and activated; nothing is read again in between.

mod reader;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use rules::lock::{self, Lock};
use rules::{Diagnostic, Files, Refused, Ruleset, Severity, snapshot};
use tokio::task::spawn_blocking;

use self::reader::Reader;
pub(crate) use self::reader::{files_in_time, is_folder_in_time};
use super::accepted::Accepted;
use super::tested::tested;
use crate::clock::Clock;
use crate::config;

/// The pause between two readings that must agree: longer than an editor takes to save its files.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many readings a folder may keep changing for.
pub(super) const MAX_UNSETTLED: u32 = 20;
/// The largest lock file, in bytes.
const MAX_LOCK_BYTES: u64 = 4 * 1024 * 1024;

/// Where the rules are, and which version may decide.
#[derive(Debug, Clone)]
pub struct RulesFolder {
    dir: PathBuf,
    clock: Clock,
    strict: Option<Strict>,
}

/// The files beside the folder that `rules.strict` needs.
#[derive(Debug, Clone)]
struct Strict {
    lock: PathBuf,
    accepted: Accepted,
}

/// The folder and its lock at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    files: Result<Files, Refused>,
    /// The lock's text; none if there is no such file.
    lock: Result<Option<String>, String>,
}

impl RulesFolder {
    /// The folder that the settings name.
    ///
    /// # Errors
    ///
    /// When `rules.strict` is set and the folder has no name from which to name a file beside it.
    pub fn new(rules: &config::Rules, clock: Clock) -> anyhow::Result<RulesFolder> {
        let dir = rules.dir.clone();
        let beside = |suffix| {
            let nameless = || anyhow::anyhow!("rules.dir = {}: name the folder itself", dir.display());
            lock::beside(&dir, suffix).ok_or_else(nameless)
        };
        let strict = match rules.strict {
            false => None,
            true => Some(Strict {
                lock: beside(".lock")?,
                accepted: Accepted::new(match &rules.accepted_file {
                    Some(file) => PathBuf::from(file),
                    None => beside(".accepted")?,
                }),
            }),
        };
        Ok(RulesFolder { dir, clock, strict })
    }

    /// The folder's path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The ruleset to start with: the folder's, once two readings agree; otherwise, if `rules.strict` is set, the last
    /// accepted one, with the reason why the folder's does not decide.
    ///
    /// # Errors
    ///
    /// [`Refused`] when there is no ruleset that may decide.
    pub async fn first(&self) -> Result<(Ruleset, Option<Refused>), Refused> {
        let refused = match self.settled().await {
            Ok(reading) => match self.judge(reading).await {
                Ok(ruleset) => {
                    self.keep(&ruleset).await;
                    return Ok((ruleset, None));
                }
                Err(refused) => refused,
            },
            Err(refused) => refused,
        };
        let Some(strict) = &self.strict else { return Err(refused) };
        match strict.accepted.load(self.clock.now_text()).await {
            Ok(ruleset) => Ok((ruleset, Some(refused))),
            Err(reason) => {
                let mut refused = refused;
                let message = format!("there is no earlier accepted set to start with: {reason}");
                refused.diagnostics.push(error(strict.accepted.path(), "no-accepted-set", message, ""));
                Err(refused)
            }
        }
    }

    /// Reads until two readings in a row agree.
    async fn settled(&self) -> Result<Reading, Refused> {
        let mut readings = pin!(self.clone().readings().take(MAX_UNSETTLED as usize + 1));
        let mut last = None;
        while let Some(reading) = readings.try_next().await? {
            if last.as_ref() == Some(&reading) {
                return Ok(reading);
            }
            last = Some(reading);
        }
        Err(self.unsettled())
    }

    /// Readings of this folder, at most one every [`LOOK_EVERY`]; an error when the file system does not respond in
    /// time. Never ends.
    pub(super) fn readings(self) -> impl Stream<Item = Result<Reading, Refused>> {
        let reader = Reader::new(self.dir.clone(), move || self.read());
        let readings = stream::unfold(reader, async |mut reader| Some((reader.next().await, reader)));
        tokio_stream::StreamExt::throttle(readings, LOOK_EVERY)
    }

    /// The finding for a folder that never stays the same for long enough.
    pub(super) fn unsettled(&self) -> Refused {
        let message = "the folder keeps changing: no two readings in a row agree".to_owned();
        refused(error(
            &self.dir,
            "unsettled",
            message,
            "stop the program that writes to it, or let it write less often",
        ))
    }

    /// The ruleset of a reading, if it may decide: it compiles, its tests pass, and if `rules.strict` is set, its lock
    /// accepts it.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error.
    pub(super) async fn judge(&self, reading: Reading) -> Result<Ruleset, Refused> {
        let (strict, now) = (self.strict.clone(), self.clock.now_text());
        // Tests may be slow, and must not block the runtime.
        let judged = spawn_blocking(move || {
            let ruleset = tested(reading.files?, &now)?;
            if let Some(Strict { lock, .. }) = strict {
                accepted_by(&lock, reading.lock, &ruleset)?;
            }
            Ok(ruleset)
        });
        judged.await.unwrap_or_else(|_| {
            let message = "checking it panicked; the process goes on".to_owned();
            Err(refused(error(&self.dir, "panic", message, "report this")))
        })
    }

    /// Stores an accepted ruleset for the next start, if `rules.strict` is set.
    pub(super) async fn keep(&self, ruleset: &Ruleset) {
        if let Some(strict) = &self.strict {
            strict.accepted.keep(ruleset).await;
        }
    }

    fn read(&self) -> Reading {
        let lock = match &self.strict {
            None => Ok(None),
            Some(strict) => read_lock(&strict.lock).map_err(|error| error.to_string()),
        };
        Reading { files: snapshot(&self.dir), lock }
    }
}

fn accepted_by(file: &Path, text: Result<Option<String>, String>, ruleset: &Ruleset) -> Result<(), Refused> {
    const ACCEPT: &str = "look at the change, then run `countersign rules check --accept`";
    let name = file.display().to_string();
    match text {
        Ok(Some(text)) => Lock::parse(&name, &text)?.accepts(&name, ruleset),
        Ok(None) => {
            let message = format!("rules.strict is set, and nobody has accepted {}", ruleset.label());
            Err(refused(error(file, "not-accepted", message, ACCEPT)))
        }
        Err(reason) => Err(refused(error(file, "unreadable", format!("cannot be read: {reason}"), ACCEPT))),
    }
}

/// The lock's text; none if there is no lock. A pipe in its place is an error: reading it might never end.
pub(crate) fn read_lock(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_LOCK_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

fn error(path: &Path, code: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        code: code.to_owned(),
        severity: Severity::Error,
        message,
        help: Some(help.to_owned()).filter(|help| !help.is_empty()),
        snippet: String::new(),
    }
}

fn refused(diagnostic: Diagnostic) -> Refused {
    Refused { diagnostics: vec![diagnostic], sha256: None }
}
