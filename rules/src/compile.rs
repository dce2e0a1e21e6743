//! From a ruleset's files to the ruleset: every error of every file, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine};

use crate::diagnostic::{Diagnostic, Refused, Severity};
use crate::document::Document;
use crate::facts::{self, Fact, Field, Names as ListNames, Record, Watch};
use crate::fields::Fields;
use crate::files::{self, Files, Kind};
use crate::rule::{self, Names, Rule};
use crate::ruleset::Ruleset;
use crate::schema::Schema;
use crate::settings::{self, Settings};
use crate::{engine, json, lint, schema_file};

/// The names every script is given; parameter files add theirs.
const GIVEN: [&str; 3] = ["order", "task", "lists"];
pub(crate) const SCHEMA_FILE: &str = "schema/order.toml";

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
        Ruleset::from_files(files::snapshot(dir)?)
    }

    /// Compiles a ruleset from its files: path inside the folder, with `/`, to content. Other files are left out.
    ///
    /// # Errors
    ///
    /// [`Refused`], with every error of every file.
    pub fn from_files(files: Files) -> Result<Ruleset, Refused> {
        compile(files::canonical(files)?)
    }
}

/// Compiles canonical files.
fn compile(files: Files) -> Result<Ruleset, Refused> {
    let sha256 = files::sha256(&files);
    let texts = match texts(&files) {
        Ok(texts) => texts,
        Err(diagnostics) => return Err(Refused { diagnostics, sha256: Some(sha256) }),
    };
    let mut parts = parts(&texts);
    let mut engine = engine::new();
    let names = Names {
        functions: engine::functions(&engine),
        globals: GIVEN
            .map(str::to_owned)
            .into_iter()
            .chain(parts.shared.iter().map(|(name, _)| name.clone()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    };
    let (mut rules, derived) = scripts(&engine, &names, &texts, &mut parts);
    parts.findings.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
    if parts.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Refused { diagnostics: parts.findings, sha256: Some(sha256) });
    }
    let mut properties = BTreeSet::new();
    for ast in rules.iter().flat_map(|rule| rule.when.iter().chain([&rule.ast])).chain(&derived) {
        lint::properties(ast, &mut properties);
    }
    engine::register_properties(&mut engine, &properties);
    rules.sort_by(|a, b| (a.header.priority, &a.header.id).cmp(&(b.header.priority, &b.header.id)));
    Ok(Ruleset {
        fingerprint: engine::fingerprint(&names.functions),
        settings: parts.settings,
        sha256,
        files,
        warnings: parts.findings,
        engine,
        functions: names.functions,
        schema: parts.schema,
        derived,
        shared: parts.shared,
        rules,
    })
}

fn texts(files: &Files) -> Result<BTreeMap<&str, &str>, Vec<Diagnostic>> {
    let mut texts = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, content) in files {
        match std::str::from_utf8(content) {
            Ok(text) => drop(texts.insert(path.as_str(), text)),
            Err(error) => {
                let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                errors.push(Diagnostic::error(path, "encoding", "the file is not UTF-8").at("", line, 0));
            }
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(errors) }
}

fn parts(texts: &BTreeMap<&str, &str>) -> Parts {
    let mut parts =
        Parts { settings: Settings::default(), schema: None, shared: Vec::new(), findings: Vec::new() };
    let mut lists = Vec::new();
    for (path, text) in texts {
        let name = path.rsplit('/').next().unwrap_or(path).split('.').next().unwrap_or_default();
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
                parts.findings.extend(check_name(path, name));
                lists.push(Field::unwatched(name.to_owned(), Fact::Names(list(text))));
            }
            Some(Kind::Params) => {
                parts.findings.extend(check_name(path, name));
                match params(path, name, text) {
                    Ok(fact) => parts.shared.push((name.to_owned(), fact.to_dynamic())),
                    Err(error) => parts.findings.push(*error),
                }
            }
            Some(Kind::Rule | Kind::Tests) | None => {}
        }
    }
    parts.shared.push(("lists".to_owned(), Fact::Record(Record::new("lists".into(), lists)).to_dynamic()));
    parts
}

/// One entry a line; blank lines and what follows `#` do not count.
fn list(text: &str) -> ListNames {
    let entries = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let entries: BTreeSet<&str> = entries.filter(|entry| !entry.is_empty()).collect();
    ListNames(Arc::new(entries.into_iter().map(str::to_owned).collect()))
}

fn params(path: &str, name: &str, text: &str) -> Result<Fact, Box<Diagnostic>> {
    let document = Document::parse(path, text)?;
    let mut fields = Vec::new();
    for (key, _) in document.table().iter() {
        let value = document.value(document.table(), key)?;
        let value = json::of(value)
            .map_err(|problem| document.error(document.table(), key, "number", problem.to_string()))?;
        let fact = facts::from_json(&Arc::from(format!("{name}.{key}")), value, Watch::Nothing);
        fields.push(Field::unwatched(key.to_owned(), fact));
    }
    Ok(Fact::Record(Record::new(name.into(), fields)))
}

fn check_name(path: &str, name: &str) -> Option<Diagnostic> {
    let mut chars = name.chars();
    let is_name = chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let message = if GIVEN.contains(&name) {
        format!("'{name}' is given to every rule: name the file otherwise")
    } else if !is_name {
        format!("scripts cannot say '{name}': file names are lower-case letters, digits and '_'")
    } else {
        return None;
    };
    Some(Diagnostic::error(path, "file-name", message))
}

fn scripts(
    engine: &Engine,
    names: &Names,
    texts: &BTreeMap<&str, &str>,
    parts: &mut Parts,
) -> (Vec<Rule>, Vec<AST>) {
    let mut rules: Vec<Rule> = Vec::new();
    let fields = Fields::new(parts.schema.as_ref(), &parts.shared);
    let rule_texts = texts.iter().filter(|(path, _)| Kind::of(path) == Some(Kind::Rule));
    let mut found_any = false;
    for (path, text) in rule_texts {
        found_any = true;
        match rule::parse(engine, names, path, text) {
            Err(errors) => parts.findings.extend(errors),
            Ok(rule) => {
                parts.findings.extend(lint::check(&rule, names, &fields));
                if let Some(first) = rules.iter().find(|other| other.header.id == rule.header.id) {
                    let message = format!("the id '{}' is taken by {}", rule.header.id, first.file);
                    let line = text.lines().position(|line| line.starts_with("//! id:"));
                    let error = Diagnostic::error(path, "duplicate-id", message);
                    parts.findings.push(error.at(text, line.map_or(0, |line| line + 1), 0));
                }
                rules.push(rule);
            }
        }
    }
    if !found_any {
        let error = Diagnostic::error("", "no-rules", "the folder holds no rule (rules/*.rhai or *.rhai)");
        parts.findings.push(error);
    }
    let mut derived = Vec::new();
    for fact in parts.schema.iter().flat_map(|schema| &schema.derived) {
        match engine.compile_expression_with_scope(&names.scope(), &fact.expression) {
            Ok(ast) => {
                for misreading in fields.check(&ast) {
                    let error = Diagnostic::error(SCHEMA_FILE, misreading.code, misreading.message);
                    let text = texts.get(SCHEMA_FILE).copied().unwrap_or_default();
                    parts.findings.push(Diagnostic { help: misreading.help, ..error.at(text, fact.line, 0) });
                }
                derived.push(ast);
            }
            Err(error) => {
                let text = texts.get(SCHEMA_FILE).copied().unwrap_or_default();
                let error = rule::parse_error(names, SCHEMA_FILE, text, &error, Some((fact.line, 1)));
                parts.findings.push(Diagnostic { column: 0, ..error });
            }
        }
    }
    (rules, derived)
}
