//! From a ruleset's files to the ruleset: every error of every file, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rhai::{Dynamic, Engine, Scope};

use crate::diagnostic::{Diagnostic, Refused, Severity};
use crate::document::Document;
use crate::facts::{self, Fact, Field, Record, Watch};
use crate::files::{self, Files, Kind, SETTINGS_FILE, Sorted};
use crate::names::Names as ListNames;
use crate::reading::Plan;
use crate::rule::Names;
use crate::ruleset::{Ruleset, Scopes};
use crate::schema::Schema;
use crate::scripts::{self, Scripts};
use crate::settings::{self, Settings};
use crate::typing::{self, Fields};
use crate::{engine, folder, json, lint, lists, masked, schema_file, texts};

/// The names every script is given; parameter files add theirs.
const GIVEN: [&str; 3] = ["order", "task", "lists"];

/// The parts of a ruleset before its rules are known.
struct Parts {
    settings: Settings,
    schema: Option<Schema>,
    shared: Vec<(String, Dynamic)>,
    findings: Vec<Diagnostic>,
}

impl Ruleset {
    /// Reads and compiles the ruleset in a folder. Reads until two readings agree.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error of every file.
    pub fn load(dir: &Path) -> Result<Ruleset, Refused> {
        Ruleset::from_files(folder::snapshot(dir)?)
    }

    /// Compiles a ruleset from its files: path inside the folder, with `/`, to content. Each file that is no part of a
    /// ruleset is named in a finding.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error of every file.
    pub fn from_files(files: Files) -> Result<Ruleset, Refused> {
        compile(files::sort_out(files)?)
    }
}

/// Compiles the files of a folder.
fn compile(sorted: Sorted) -> Result<Ruleset, Refused> {
    let Sorted { files, mut findings, unread } = sorted;
    let sha256 = files::sha256(&files);
    let texts = match texts::of(&files) {
        Ok(texts) => texts,
        Err(errors) => {
            findings.extend(errors);
            findings.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
            return Err(Refused { diagnostics: findings, sha256: Some(sha256) });
        }
    };
    let texts: BTreeMap<&str, &str> = texts.iter().map(|(path, text)| (*path, text.as_ref())).collect();
    let mut engine = engine::new();
    let mut parts = parts(&engine, &texts, findings);
    let names = Names {
        functions: engine::functions(&engine),
        globals: GIVEN
            .map(str::to_owned)
            .into_iter()
            .chain(parts.shared.iter().map(|(name, _)| name.clone()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        fields: parts.schema.iter().flat_map(|schema| schema.fields.keys().cloned()).collect(),
    };
    let Scripts { mut rules, derived, findings } = {
        let fields = Fields::new(parts.schema.as_ref(), &parts.shared);
        scripts::read(&engine, &names, &texts, &parts.settings, fields, parts.schema.as_ref())
    };
    parts.findings.extend(findings);
    parts.findings.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
    let refuses = |finding: &Diagnostic| {
        finding.severity == Severity::Error && !typing::DOUBTS.contains(&finding.code.as_str())
    };
    if parts.findings.iter().any(refuses) {
        return Err(Refused { diagnostics: parts.findings, sha256: Some(sha256) });
    }
    let mut properties = BTreeSet::new();
    for ast in rules.iter().flat_map(|rule| rule.when.iter().chain([&rule.ast])).chain(&derived) {
        lint::properties(ast, &mut properties);
    }
    engine::register_properties(&mut engine, &properties);
    if let Some(schema) = &parts.schema {
        let shared: BTreeSet<&str> = parts.shared.iter().map(|(name, _)| name.as_str()).collect();
        let masked = masked::doubtful_names(schema, &derived, &shared);
        for rule in rules.iter_mut().filter(|_| !masked.is_empty()) {
            rule.open_texts = masked::texts(&rule.ast, &masked, &shared).open;
        }
    }
    rules.sort_by(|a, b| (a.header.priority, &a.header.id).cmp(&(b.header.priority, &b.header.id)));
    Ok(Ruleset {
        fingerprint: engine::fingerprint(&names.functions).into(),
        settings: parts.settings,
        sha256: sha256.into(),
        files,
        unread,
        warnings: parts.findings,
        engine,
        functions: names.functions,
        plan: parts.schema.as_ref().map(Plan::new),
        schema: parts.schema,
        derived,
        shared: parts.shared,
        rules,
        scopes: Scopes::default(),
    })
}

fn parts(engine: &Engine, texts: &BTreeMap<&str, &str>, findings: Vec<Diagnostic>) -> Parts {
    let mut parts = Parts { settings: Settings::default(), schema: None, shared: Vec::new(), findings };
    let mut lists = Vec::new();
    for (path, text) in texts {
        let name = stem(path);
        match Kind::of(path) {
            Some(Kind::Settings) => {
                let (settings, findings) = settings::parse(path, text);
                parts.settings = settings;
                parts.findings.extend(findings);
            }
            Some(Kind::Schema) => match schema_file::parse(path, text) {
                Ok(schema) => parts.schema = Some(schema),
                Err(errors) => parts.findings.extend(errors),
            },
            Some(Kind::List) => {
                parts.findings.extend(check_name(engine, path, name));
                let (entries, findings) = lists::parse(path, text);
                parts.findings.extend(findings);
                lists.push((name.to_owned(), entries));
            }
            Some(Kind::Params) => {
                parts.findings.extend(check_name(engine, path, name));
                match params(path, name, text) {
                    Ok(fact) => parts.shared.push((name.to_owned(), fact.to_dynamic())),
                    Err(error) => parts.findings.push(*error),
                }
            }
            Some(Kind::Rule | Kind::Tests) | None => {}
        }
    }
    parts.findings.extend(unknown_lists(texts, &parts.settings, &lists));
    let fold = |name: &str| parts.settings.lists.get(name).copied().unwrap_or_default();
    let lists = lists.into_iter().map(|(name, entries)| {
        let names = ListNames::new(entries, fold(&name));
        Field::new(name, Fact::Names(names))
    });
    let lists = Fact::Record(Record::new("lists".into(), lists.collect(), Watch::Nothing));
    parts.shared.push(("lists".to_owned(), lists.to_dynamic()));
    parts
}

/// Settings of lists that are not there.
fn unknown_lists(
    texts: &BTreeMap<&str, &str>,
    settings: &Settings,
    lists: &[(String, Vec<String>)],
) -> Vec<Diagnostic> {
    let unknown = settings.lists.keys().filter(|name| lists.iter().all(|(list, _)| list != *name));
    let text = texts.get(SETTINGS_FILE).copied().unwrap_or_default();
    let error = |name: &String| {
        let message = format!("there is no lists/{name}.txt");
        let line = text.lines().position(|line| line.contains(name.as_str())).map_or(0, |line| line + 1);
        Diagnostic::error(SETTINGS_FILE, "unknown-list", message).at(text, line, 0)
    };
    unknown.map(error).collect()
}

/// What scripts call a file: its name without the suffix. All of the name counts, so that no two files share one.
pub(crate) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn params(path: &str, name: &str, text: &str) -> Result<Fact, Box<Diagnostic>> {
    let document = Document::parse(path, text)?;
    let mut fields = Vec::new();
    for (key, _) in document.table().iter() {
        let value = document.value(document.table(), key)?;
        let value = json::of(value)
            .map_err(|problem| document.error(document.table(), key, "number", problem.to_string()))?;
        let fact = facts::from_json(&Arc::from(format!("{name}.{key}")), value, Watch::Nothing);
        fields.push(Field::new(key.to_owned(), fact));
    }
    Ok(Fact::Record(Record::new(name.into(), fields, Watch::Nothing)))
}

/// The language lets a script use it as a name.
fn is_word(engine: &Engine, name: &str) -> bool {
    let mut scope = Scope::new();
    scope.push(name, ());
    engine.compile_expression_with_scope(&scope, format!("{name}.{name}")).is_ok()
}

fn check_name(engine: &Engine, path: &str, name: &str) -> Option<Diagnostic> {
    let mut chars = name.chars();
    let is_name = chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let message = if GIVEN.contains(&name) {
        format!("'{name}' is predefined in every rule: rename the file")
    } else if !is_name {
        format!(
            "scripts cannot use the name '{name}': file names consist of lower-case letters, digits and '_'"
        )
    } else if !is_word(engine, name) {
        format!("scripts cannot use the name '{name}', which is a word of the language: rename the file")
    } else {
        return None;
    };
    Some(Diagnostic::error(path, "file-name", message))
}
