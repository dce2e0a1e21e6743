//! What is wrong with a script that rhai itself would only find out while it runs, or never.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::aliases;
use crate::compiled::Compiled;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::FORBIDDEN;
use crate::rule::{Names, Rule, place};
use crate::suggest;
use crate::typing::{self, Fields, Misreading};
use crate::verdict::{self, Outcome};
use crate::{always, calls, compiled, ending, literals};

/// The names read with a dot anywhere in a script.
pub(crate) fn properties(ast: &AST, found: &mut BTreeSet<String>) {
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Property(property, _))) = path.last() {
            found.insert(property.2.to_string());
        }
        true
    });
}

/// A script, and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) ast: &'a AST,
    /// The line and column of an expression in its file.
    pub(crate) origin: Option<(usize, usize)>,
}

/// What the scripts of a ruleset are checked against.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) names: &'a Names,
    pub(crate) fields: &'a Fields<'a>,
}

/// The findings in one rule's script and in its `when`.
pub(crate) fn check(rule: &Rule, known: &Known<'_>) -> Vec<Diagnostic> {
    let source = Source { file: &rule.file, text: &rule.text, ast: &rule.ast, origin: None };
    let mut lint = Lint::new(source, known.names, &rule.header.may);
    lint.redefinitions();
    lint.walk();
    lint.reads(calls::check(source.ast));
    lint.reads(always::check(source.ast));
    lint.reads(literals::check(source.ast));
    lint.reads(typing::check_rule(known.fields, &rule.ast, rule.when.as_deref()));
    lint.changed_captures(&rule.ast);
    if let (Some(ast), Some(when)) = (&rule.when, &rule.header.when) {
        let origin = Some((when.line, when.column));
        lint.findings.extend(check_condition(Source { ast, origin, ..source }, known));
    }
    lint.findings
}

/// The findings in a condition: a rule's `when`, or what must never happen.
pub(crate) fn check_condition(source: Source<'_>, known: &Known<'_>) -> Vec<Diagnostic> {
    let mut lint = Lint::new(source, known.names, &[]);
    lint.walk();
    lint.reads(calls::check(source.ast));
    lint.reads(always::check(source.ast));
    lint.reads(literals::check(source.ast));
    lint.reads(typing::check_condition(known.fields, source.ast));
    lint.findings
}

/// The findings in an expression, and what is known of its value.
pub(crate) fn check_expression<'a>(
    source: Source<'_>,
    names: &Names,
    fields: &Fields<'a>,
) -> (typing::Known<'a>, Vec<Diagnostic>) {
    let mut lint = Lint::new(source, names, &[]);
    lint.walk();
    lint.reads(calls::check(source.ast));
    lint.reads(always::check(source.ast));
    lint.reads(literals::check(source.ast));
    let (known, findings) = typing::check_expression(fields, source.ast);
    lint.reads(findings);
    (known, lint.findings)
}

/// The functions a script defines itself, with their numbers of parameters.
fn own_functions(ast: &AST) -> Vec<(String, usize)> {
    ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len())).collect()
}

struct Lint<'a> {
    source: Source<'a>,
    names: &'a Names,
    own: Vec<(String, usize)>,
    /// The verdicts it may give.
    may: &'a [Outcome],
    findings: Vec<Diagnostic>,
}

impl<'a> Lint<'a> {
    fn new(source: Source<'a>, names: &'a Names, may: &'a [Outcome]) -> Lint<'a> {
        Lint { source, names, own: own_functions(source.ast), may, findings: Vec::new() }
    }

    fn find(&mut self, position: Position, code: &str, message: String) -> &mut Diagnostic {
        let (line, column) = place(position, self.source.origin);
        let diagnostic = Diagnostic::error(self.source.file, code, message);
        self.findings.push(diagnostic.at(self.source.text, line, column));
        self.findings.last_mut().expect("one was just pushed")
    }

    fn redefinitions(&mut self) {
        for (name, _) in self.own.clone() {
            if self.names.functions.contains_key(&name) {
                let line = self.source.text.lines().position(|line| line.contains(&format!("fn {name}")));
                let position = line
                    .and_then(|line| u16::try_from(line + 1).ok())
                    .map_or(Position::NONE, |line| Position::new(line, 0));
                self.find(
                    position,
                    "redefinition",
                    format!("'{name}' exists already and cannot be redefined"),
                );
            }
        }
    }

    fn reads(&mut self, misreadings: Vec<Misreading>) {
        for misreading in misreadings {
            let finding = self.find(misreading.position, misreading.code, misreading.message);
            finding.help = misreading.help;
            if misreading.is_warning {
                finding.severity = Severity::Warning;
            }
        }
    }

    /// A function without a name works on the values that its variables have where it is made.
    fn changed_captures(&mut self, script: &Compiled) {
        for (name, position) in script.changed_captures() {
            let message = format!("'{name}' is used by a function without a name and cannot be changed");
            self.find(position, "changed-capture", message).help =
                Some("use sum, reduce or a for loop, or give the changed value another name".to_owned());
        }
    }

    fn walk(&mut self) {
        self.source.ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => self.call(call, 0, *position),
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => self.call(call, 0, *position),
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => self.call(call, 1, *position),
                Some(ASTNode::Stmt(Stmt::Var(var, _, position))) => self.declaration(&var.0.name, *position),
                Some(ASTNode::Stmt(Stmt::For(parts, position))) => {
                    self.declaration(&parts.0.name, *position);
                    if let Some(counter) = &parts.1 {
                        self.declaration(&counter.name, *position);
                    }
                }
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => self.assignment(&parts.1.lhs),
                _ => {}
            }
            true
        });
    }

    fn declaration(&mut self, name: &str, position: Position) {
        if self.names.globals.iter().any(|global| global == name) {
            self.find(
                position,
                "shadowing",
                format!("'{name}' is predefined in every rule and cannot be declared"),
            )
            .help = Some("choose another name".to_owned());
        }
    }

    fn assignment(&mut self, target: &Expr) {
        let mut root = target;
        while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = root {
            root = &parts.lhs;
        }
        if let Expr::Variable(variable, ..) = root
            && let name = &variable.1
            && self.names.globals.iter().any(|global| global == name)
        {
            self.find(target.start_position(), "read-only", format!("'{name}' cannot be changed by a rule"));
        }
    }

    fn call(&mut self, call: &FnCallExpr, receivers: usize, position: Position) {
        if call.is_operator_call() || call.name == compiled::CAPTURE {
            return;
        }
        let name = call.name.as_str();
        let arity = call.args.len() + receivers;
        let defined = |(own, params): &(String, usize)| own == name && *params == call.args.len();
        if self.own.iter().any(defined) {
            return;
        }
        match self.names.functions.get(name) {
            Some(arities) if arities.contains(&arity) => self.verdict(call, position),
            Some(arities) => {
                let expected: Vec<String> =
                    arities.iter().map(|arity| arity.saturating_sub(receivers).to_string()).collect();
                let message =
                    format!("{name} takes {} arguments, not {}", expected.join(" or "), call.args.len());
                let needs_text = name == "reject" || name == "escalate";
                let finding = self.find(position, "arity", message);
                finding.help = needs_text.then(|| format!("{name}(\"a-code\", \"a text that says why\")"));
            }
            None if FORBIDDEN.iter().any(|(forbidden, _)| *forbidden == name) => {
                let remedy = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == name);
                self.find(position, "forbidden", format!("'{name}' is not allowed in rules")).help =
                    remedy.map(|(_, remedy)| (*remedy).to_owned());
            }
            None => {
                let own = self.own.iter().map(|(own, _)| own.as_str());
                let known = self.names.functions.keys().map(String::as_str).chain(own);
                let hint = suggest::nearest(name, known).map(|known| format!("did you mean '{known}'?"));
                let hint = aliases::of_function(name).map(|ours| format!("write {ours}")).or(hint);
                self.find(position, "unknown-function", format!("there is no function '{name}'")).help = hint;
            }
        }
    }

    /// A verdict must be one the rule may give, with a code that is written out.
    fn verdict(&mut self, call: &FnCallExpr, position: Position) {
        if !ending::NAMES.contains(&call.name.as_str()) {
            return;
        }
        if self.may.is_empty() {
            let message =
                format!("'{}' gives a verdict, and only a rule can: this is an expression", call.name);
            self.find(position, "may-not", message);
            return;
        }
        if let Some(outcome) = Outcome::parse(&call.name)
            && !self.may.contains(&outcome)
        {
            let may: Vec<&str> = self.may.iter().map(|outcome| outcome.as_str()).collect();
            let message = format!("this rule may not {}: it may {}", call.name, may.join(", "));
            self.find(position, "may-not", message);
        }
        match call.args.first() {
            Some(Expr::StringConstant(code, position)) if !ending::is_code(code) => {
                self.find(*position, "bad-code", format!("'{code}' is not lower-case words joined by '-'"));
            }
            Some(Expr::StringConstant(code, position)) if verdict::is_reserved(code) => {
                let message = format!("'{code}' is a code of Countersign itself, and not of a rule");
                self.find(*position, "reserved-code", message).help =
                    Some("choose a code that says why this rule decides".to_owned());
            }
            Some(Expr::StringConstant(..)) | None => {}
            Some(other) => {
                let message = "a verdict's code must be written out: tests and metrics know it by name";
                self.find(other.start_position(), "bad-code", message.to_owned()).help =
                    Some("put what varies into the text".to_owned());
            }
        }
        if let Some(Expr::StringConstant(text, position)) = call.args.get(1)
            && text.trim().is_empty()
        {
            self.find(*position, "no-text", format!("{} needs a text that says why", call.name));
        }
    }
}
