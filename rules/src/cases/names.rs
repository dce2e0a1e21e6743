//! The names that tests use: fields, rules and codes. A test that misspells one tests something else than it says.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use super::case::{Base, Case, Never};
use super::file::Tests;
use super::paths::paths_of;
use crate::condition::Condition;
use crate::diagnostic::Diagnostic;
use crate::lint::{self, Source};
use crate::rule::Names;
use crate::ruleset::Ruleset;
use crate::suggest;
use crate::typing::Fields;
use crate::verdict::{Cause, Outcome};

/// Every name in the tests that is not there.
pub(super) fn check(ruleset: &Ruleset, tests: &Tests) -> Vec<Diagnostic> {
    let fields = ruleset.fields();
    let names =
        Namer { ruleset, fields: &fields, rules: ruleset.rule_ids().collect(), codes: codes(ruleset) };
    let mut findings = Vec::new();
    for path in &tests.paths {
        let Err(missing) = fields.in_order(&path.path) else { continue };
        let message = format!("{} ('{}' is set or unset here)", missing.message, path.path);
        let error = names.at(Diagnostic::error(&path.file, missing.code, message), path.line);
        findings.push(Diagnostic { help: missing.help, ..error });
    }
    for base in &tests.bases {
        let mut paths = Vec::new();
        paths_of(&base.order, "", &mut paths);
        findings.extend(paths.iter().filter_map(|path| names.base(base, path)));
    }
    tests.cases.iter().for_each(|case| names.case(case, &mut findings));
    tests.nevers.iter().for_each(|never| findings.extend(names.never(never)));
    names.twice(tests, &mut findings);
    findings
}

struct Namer<'a> {
    ruleset: &'a Ruleset,
    fields: &'a Fields<'a>,
    rules: Vec<&'a str>,
    codes: BTreeSet<String>,
}

impl Namer<'_> {
    fn text(&self, file: &str) -> &str {
        let content = self.ruleset.files.get(file);
        content.and_then(|content| std::str::from_utf8(content).ok()).unwrap_or_default()
    }

    fn at(&self, error: Diagnostic, line: usize) -> Diagnostic {
        let text = self.text(&error.file);
        error.at(text, line, 0)
    }

    /// A field of a base may be one that the schema does not name: orders may hold more.
    fn base(&self, base: &Base, path: &str) -> Option<Diagnostic> {
        let missing = self.fields.in_order(path).err()?;
        let message = format!("{} ([base.{}] holds '{path}')", missing.message, base.name);
        let warning = Diagnostic::error(&base.file, missing.code, message).into_warning();
        Some(Diagnostic { help: missing.help, ..warning })
    }

    /// Two tests of one file with one name: a report and the lock cannot tell them apart.
    fn twice(&self, tests: &Tests, findings: &mut Vec<Diagnostic>) {
        let mut seen = BTreeMap::new();
        let cases = tests.cases.iter().filter(|case| case.row.is_none());
        let cases = cases.map(|case| (&case.file, &case.name, case.line));
        let nevers = tests.nevers.iter().map(|never| (&never.file, &never.name, never.line));
        for (file, name, line) in cases.chain(nevers) {
            if let Some(first) = seen.insert((file, name), line) {
                let message = format!("the test in line {first} is also named '{name}'");
                let warning = self.at(Diagnostic::error(file, "same-name", message), line).into_warning();
                findings.push(warning.help("give it a name of its own"));
            }
        }
    }

    fn case(&self, case: &Case, findings: &mut Vec<Diagnostic>) {
        let rules = || self.rules.iter().copied();
        for rule in case.expect.by.iter().chain(&case.expect.not_by) {
            if !self.rules.contains(&rule.as_str()) {
                let message = format!("there is no rule '{rule}'{}", suggest::did_you_mean(rule, rules()));
                findings.push(self.at(Diagnostic::error(&case.file, "unknown-rule", message), case.line));
            }
        }
        for code in &case.expect.codes {
            if !self.codes.contains(code) {
                let known = self.codes.iter().map(String::as_str);
                let message =
                    format!("no rule gives the code '{code}'{}", suggest::did_you_mean(code, known));
                findings.push(self.at(Diagnostic::error(&case.file, "unknown-code", message), case.line));
            }
        }
    }

    fn never(&self, never: &Never) -> Vec<Diagnostic> {
        // A condition that does not compile is reported when it is evaluated.
        let Ok(condition) = Condition::new(self.ruleset, &never.when) else { return Vec::new() };
        let text = self.text(&never.file);
        let origin = Some((never.line, 1));
        let source = Source { file: &never.file, text, ast: condition.script(), origin };
        let names = Names {
            functions: self.ruleset.functions.clone(),
            globals: ["order", "task"]
                .map(str::to_owned)
                .into_iter()
                .chain(self.ruleset.shared.iter().map(|(name, _)| name.clone()))
                .collect(),
            fields: Vec::new(),
        };
        let known = lint::Known { names: &names, fields: self.fields };
        let findings = lint::check_condition(source, &known);
        // The condition's own columns are not the file's, and an optional field is the cases' to show.
        let told = findings.into_iter().filter(|finding| finding.code != "optional");
        told.map(|finding| Diagnostic { column: 0, ..finding }).collect()
    }
}

/// The codes that can come of a task: those that rules write out, and those of causes and the default.
fn codes(ruleset: &Ruleset) -> BTreeSet<String> {
    let causes = Cause::ALL.iter().map(|cause| cause.as_str().to_owned());
    let mut codes: BTreeSet<String> = causes.chain(["default-approve".to_owned()]).collect();
    for rule in &ruleset.rules {
        written_out(&rule.ast, &mut codes);
    }
    codes
}

fn written_out(ast: &AST, codes: &mut BTreeSet<String>) {
    let mut note = |call: &FnCallExpr| {
        if let (Some(_), Some(Expr::StringConstant(code, _))) =
            (Outcome::parse(&call.name), call.args.first())
        {
            codes.insert(code.to_string());
        }
    };
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last()
        {
            note(call);
        }
        true
    });
}
