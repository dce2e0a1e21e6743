//! A folder of rules, compiled: immutable, shared between threads, asked about one task at a time.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Refused};
use crate::evaluation::Evaluation;
use crate::files::{self, Files};
use crate::verdict::{Cause, Verdict};

/// What a task is to its rules. Nothing else reaches a script.
#[derive(Debug, Clone, Copy)]
pub struct TaskFacts<'a> {
    /// The JSON text that the workflow passed, as it is stored; absent in the minimal message.
    pub order: Option<&'a str>,
    /// `task.orderId`.
    pub order_id: &'a str,
    /// `task.startTime`, as the workflow wrote it.
    pub start_time: &'a str,
    /// `task.transactionId`: the execution's ARN.
    pub transaction_id: &'a str,
    /// `task.now`: when the task was received, RFC 3339 in UTC. Stored with the task, so that an evaluation can be
    /// repeated for ever.
    pub received_at: &'a str,
}

/// A compiled ruleset.
#[derive(Debug)]
pub struct Ruleset {
    name: String,
    sha256: String,
    files: Files,
    warnings: Vec<Diagnostic>,
}

impl Ruleset {
    /// Reads and compiles the ruleset in a folder. Reads until two readings agree.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error of every file.
    pub fn load(dir: &Path) -> Result<Ruleset, Refused> {
        Ruleset::from_files(files::snapshot(dir)?)
    }

    /// Compiles a ruleset from its files: path inside the folder, with `/`, to content.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error of every file.
    pub fn from_files(files: Files) -> Result<Ruleset, Refused> {
        let files = files::canonical(files)?;
        Ok(Ruleset { name: "rules".to_owned(), sha256: files::sha256(&files), files, warnings: Vec::new() })
    }

    /// The files that make up this version, and its tests, in canonical form: what to publish and to compare.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The name in `ruleset.toml`; `rules` where there is none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version: 64 hexadecimal digits over all files but the tests.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Name and version as people see them, such as `approval@7f3a91c2`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, &self.sha256[..8])
    }

    /// What its author should look at, although it works.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Decides one task. Never panics and never fails: whatever goes wrong is a verdict to escalate.
    pub fn evaluate(&self, _task: &TaskFacts<'_>) -> Evaluation {
        Evaluation {
            verdict: Verdict::escalate(Cause::NoRuleApproved, "no rule approved".to_owned(), None),
            ruleset: self.sha256.clone(),
            engine: String::new(),
            verdicts: Vec::new(),
            facts: Vec::new(),
            timed: false,
            truncated: false,
        }
    }
}
