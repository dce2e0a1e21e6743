//! The scripts of a ruleset: derived facts, rules, and the facts that caps and sums name, each checked against the rest.

use std::collections::BTreeMap;

use rhai::Engine;

use crate::compiled::Compiled;
use crate::diagnostic::Diagnostic;
use crate::files::{Kind, SCHEMA_FILE, SETTINGS_FILE};
use crate::header::Mode;
use crate::lint::{self, Source};
use crate::rule::{self, Names, Rule};
use crate::ruleset::Ruleset;
use crate::schema::Schema;
use crate::settings::Settings;
use crate::typing::{self, Fields, Known};

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) rules: Vec<Rule>,
    /// In the schema's order.
    pub(crate) derived: Vec<Compiled>,
    pub(crate) findings: Vec<Diagnostic>,
}

/// Compiles and checks them.
pub(crate) fn read(
    engine: &Engine,
    names: &Names,
    texts: &BTreeMap<&str, &str>,
    settings: &Settings,
    mut fields: Fields<'_>,
    schema: Option<&Schema>,
) -> Scripts {
    let mut scripts = Scripts::default();
    let mut rules = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| Kind::of(path) == Some(Kind::Rule)) {
        match rule::parse(engine, names, path, text) {
            Err(errors) => scripts.findings.extend(errors),
            Ok(rule) => rules.push(rule),
        }
    }
    for rule in rules.iter().filter(|rule| rule.header.mode == Mode::Active) {
        fields.ask(typing::asked_lists(&rule.ast));
    }
    if let Some(schema) = schema {
        let text = texts.get(SCHEMA_FILE).copied().unwrap_or_default();
        scripts.derived(engine, names, &mut fields, schema, text);
    }
    let known = lint::Known { names, fields: &fields };
    rules.into_iter().for_each(|rule| scripts.rule(rule, &known));
    if !texts.keys().any(|path| Kind::of(path) == Some(Kind::Rule)) {
        let error = Diagnostic::error("", "no-rules", "the folder holds no rule (rules/*.rhai or *.rhai)");
        scripts.findings.push(error);
    }
    let text = texts.get(SETTINGS_FILE).copied().unwrap_or_default();
    scripts.findings.extend(amounts(settings, &fields, text));
    scripts
}

impl Ruleset {
    /// What its scripts can read.
    pub(crate) fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::new(self.schema.as_ref(), &self.shared);
        self.rules.iter().for_each(|rule| fields.ask(typing::asked_lists(&rule.ast)));
        let derived = self.schema.iter().flat_map(|schema| &schema.derived).zip(&self.derived);
        let known: Vec<_> =
            derived.map(|(fact, script)| (&fact.name, typing::check_expression(&fields, script).0)).collect();
        known.into_iter().for_each(|(name, known)| fields.derive(name, known));
        fields
    }
}

impl Scripts {
    fn rule(&mut self, rule: Rule, known: &lint::Known<'_>) {
        self.findings.extend(lint::check(&rule, known));
        if let Some(first) = self.rules.iter().find(|other| other.header.id == rule.header.id) {
            let message = format!("the id '{}' is taken by {}", rule.header.id, first.file);
            let line = rule.text.lines().position(|line| line.trim_start().starts_with("//! id:"));
            let error = Diagnostic::error(&rule.file, "duplicate-id", message);
            self.findings.push(error.at(&rule.text, line.map_or(0, |line| line + 1), 0));
        }
        self.rules.push(rule);
    }

    /// Derived facts see the order as it came, not each other; rules see all of them.
    fn derived<'a>(
        &mut self,
        engine: &Engine,
        names: &Names,
        fields: &mut Fields<'a>,
        schema: &Schema,
        text: &str,
    ) {
        let mut derived = Vec::new();
        for fact in &schema.derived {
            let origin = Some((fact.line, 1));
            let known = match engine.compile_expression_with_scope(&names.scope(), &fact.expression) {
                Ok(ast) => {
                    let source = Source { file: SCHEMA_FILE, text, ast: &ast, origin };
                    let (known, findings) = lint::check_expression(source, names, fields);
                    // The expression's own columns are not the file's.
                    self.findings.extend(findings.into_iter().map(|found| Diagnostic { column: 0, ..found }));
                    self.derived.push(Compiled::new(ast));
                    known
                }
                Err(error) => {
                    let error = rule::parse_error(names, SCHEMA_FILE, text, &error, origin);
                    self.findings.push(Diagnostic { column: 0, ..error });
                    Known::Anything
                }
            };
            derived.push((&fact.name, known));
        }
        derived.into_iter().for_each(|(name, known)| fields.derive(name, known));
    }
}

/// What is capped, summed, or needs two people is a number of the order.
fn amounts(settings: &Settings, fields: &Fields<'_>, text: &str) -> Vec<Diagnostic> {
    let capped = settings.budget.amount_per_hour.iter().map(|(path, _)| path);
    let doubled = settings.second.iter().map(|second| &second.amount);
    let mut findings: Vec<Diagnostic> = Vec::new();
    for path in settings.amounts.iter().chain(capped).chain(doubled) {
        let Err(missing) = fields.number_at(path) else { continue };
        let line = text.lines().position(|line| line.contains(path.as_str())).map_or(0, |line| line + 1);
        let error = Diagnostic::error(SETTINGS_FILE, missing.code, missing.message).at(text, line, 0);
        let error = Diagnostic { help: missing.help, ..error };
        if !findings.contains(&error) {
            findings.push(error);
        }
    }
    findings
}
