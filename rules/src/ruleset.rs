//! A folder of rules, compiled: immutable, shared between threads, asked about one task at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use rhai::{Dynamic, Engine, Scope};

use crate::compiled::Compiled;
use crate::diagnostic::Diagnostic;
use crate::files::Files;
use crate::masked;
use crate::reading::Plan;
use crate::rule::Rule;
use crate::schema::Schema;
use crate::settings::Settings;
use crate::shared_text::SharedText;

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
    /// repeated at any time.
    pub received_at: &'a str,
}

/// A compiled ruleset.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) settings: Settings,
    pub(crate) sha256: SharedText,
    pub(crate) fingerprint: SharedText,
    pub(crate) files: Files,
    /// Notes and the like in its folder.
    pub(crate) unread: Vec<String>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) engine: Engine,
    /// What scripts may call, with the numbers of arguments.
    pub(crate) functions: BTreeMap<String, BTreeSet<usize>>,
    pub(crate) schema: Option<Schema>,
    /// The schema, ready to read orders.
    pub(crate) plan: Option<Plan>,
    /// The schema's derived facts, compiled, in its order.
    pub(crate) derived: Vec<Compiled>,
    /// `lists` and the parameter files, by name.
    pub(crate) shared: Vec<(String, Dynamic)>,
    /// In the order they run.
    pub(crate) rules: Vec<Rule>,
    pub(crate) scopes: Scopes,
}

/// Scopes with `lists` and the parameters, between evaluations.
#[derive(Debug, Default)]
pub(crate) struct Scopes(Mutex<Vec<Scope<'static>>>);

impl Scopes {
    /// One scope; a new one if all are in use.
    pub(crate) fn take(&self, shared: &[(String, Dynamic)]) -> Scope<'static> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| {
            let mut scope = Scope::with_capacity(shared.len() + 8);
            for (name, value) in shared {
                scope.push_constant_dynamic(name, value.clone());
            }
            scope
        })
    }

    /// Keeps a scope that has nothing in it but what it had when it was taken.
    pub(crate) fn give_back(&self, scope: Scope<'static>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scope);
    }
}

impl Ruleset {
    /// The files that make up this version, and its tests, in canonical form: what to publish and to compare.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The name in `ruleset.toml`; `rules` where there is none.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What `ruleset.toml` says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The version: 64 hexadecimal digits over all files but the tests.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Name and version as people see them, such as `approval@7f3a91c2`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.settings.name, &self.sha256[..8])
    }

    /// What an answer depends on besides the ruleset and the task: rhai, host functions and limits.
    pub fn engine_fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The names of the order's fields that its schema masks; a name that is masked anywhere counts everywhere.
    pub fn masked_names(&self) -> BTreeSet<String> {
        self.schema.as_ref().map(masked::of_schema).unwrap_or_default()
    }

    /// The ids of its rules, in the order they run.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.header.id.as_str())
    }

    /// The functions that its scripts may call, for editors and completeness of the handbook.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// What its author should look at, although it runs: warnings, and errors of [`check`](crate::check::check) that do
    /// not keep it from running.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}
