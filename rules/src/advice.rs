//! What works and still deserves a second look: rules that cannot answer, lines that cannot run, loops, leftovers.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::calls;
use crate::compile;
use crate::diagnostic::Diagnostic;
use crate::ending;
use crate::flow::ends_the_rule;
use crate::header::Mode;
use crate::masked;
use crate::rule::{Rule, place};
use crate::ruleset::Ruleset;
use crate::settings::Combine;
use crate::step_limit;

/// A literal that is repeated this often should be a parameter.
const REPEATED: usize = 3;

/// Warnings about a ruleset that compiles. `today`, `2026-11-22`, tells which rules are out of season.
pub(crate) fn advise(ruleset: &Ruleset, today: jiff::civil::Date) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for rule in &ruleset.rules {
        warnings.extend(never_answers(rule));
        if rule.header.until.is_some_and(|until| until < today) {
            let message = format!("the rule ended with {}", rule.header.until.unwrap_or(today));
            warnings
                .push(whole_file(rule, "out-of-season", message).help("remove it, or give it a new until"));
        }
        warnings.extend(closed_texts(ruleset, rule));
        if rule.header.mode != Mode::Off {
            shapes(rule, &mut warnings);
        }
    }
    unreachable_rules(ruleset, &mut warnings);
    repeated_literals(ruleset, &mut warnings);
    unused(ruleset, &mut warnings);
    warnings.into_iter().map(Diagnostic::into_warning).collect()
}

/// The verdicts of a rule that reads masked facts whose texts may tell one.
fn closed_texts(ruleset: &Ruleset, rule: &Rule) -> Vec<Diagnostic> {
    let Some(schema) = &ruleset.schema else { return Vec::new() };
    let masked = masked::names(schema, &ruleset.derived);
    if !masked::reads(&rule.ast, &masked) {
        return Vec::new();
    }
    let shared = ruleset.shared.iter().map(|(name, _)| name.as_str()).collect();
    let closed = masked::texts(&rule.ast, &masked, &shared).closed.into_iter();
    let warning = |position| {
        let message = "this text may reveal a masked fact, so it is never shown";
        at(rule, position, "masked-fact", message)
            .help("write a text that is made of other facts, without functions")
    };
    closed.map(warning).collect()
}

/// An error at the top of a rule's file.
pub(crate) fn whole_file(rule: &Rule, code: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(&rule.file, code, message)
}

fn at(rule: &Rule, position: Position, code: &str, message: impl Into<String>) -> Diagnostic {
    let (line, column) = place(position, None);
    whole_file(rule, code, message).at(&rule.text, line, column)
}

fn never_answers(rule: &Rule) -> Option<Diagnostic> {
    let mut answers = false;
    visit_calls(&rule.ast, &mut |call, _| {
        answers |= ending::NAMES.contains(&call.name.as_str()) && call.name != "pass"
    });
    let message = "the rule never approves, rejects or escalates";
    (!answers).then(|| whole_file(rule, "never-answers", message))
}

fn visit_calls(ast: &AST, visit: &mut dyn FnMut(&FnCallExpr, Position)) {
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))) => {
                visit(call, *position);
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => visit(call, *position),
            _ => {}
        }
        true
    });
}

fn shapes(rule: &Rule, warnings: &mut Vec<Diagnostic>) {
    for position in calls::endless_quotients(&rule.ast) {
        let message = "a quotient without an end, such as 1 / 3, fails the rule";
        let warning = at(rule, position, "endless-quotient", message);
        warnings.push(warning.help("say how many places you want: divide(a, b, places)"));
    }
    rule.ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::If(parts, _))) => {
                if let Expr::BoolConstant(value, position) = &parts.expr {
                    let message = format!("the condition is always {value}");
                    warnings.push(at(rule, *position, "constant-condition", message));
                }
            }
            Some(ASTNode::Stmt(Stmt::For(parts, position))) => {
                looping(rule, &parts.2.expr, parts.2.body.statements(), *position, path, warnings);
            }
            _ => {}
        }
        true
    });
}

fn looping(
    rule: &Rule,
    over: &Expr,
    body: &[Stmt],
    position: Position,
    path: &[ASTNode<'_>],
    warnings: &mut Vec<Diagnostic>,
) {
    if let Some(rounds) = rounds(over) {
        match rounds {
            Some(rounds) if rounds <= i128::from(step_limit::MAX_STEPS) / 10 => {}
            Some(rounds) => {
                let message =
                    format!("{rounds} rounds do not fit into the {} steps of a rule", step_limit::MAX_STEPS);
                warnings.push(at(rule, position, "endless-loop", message));
            }
            None => {
                let message =
                    "the number of rounds comes from a value: a large one runs into the limit of steps";
                let warning = at(rule, position, "unbounded-loop", message);
                warnings.push(warning.help("loop over a list, or use a helper such as sum or where_in"));
            }
        }
    }
    let outer = &path[..path.len() - 1];
    if outer.iter().any(|node| matches!(node, ASTNode::Stmt(Stmt::For(..)))) {
        let message = "a loop inside a loop takes the product of their steps";
        warnings.push(at(rule, position, "nested-loop", message));
    }
    if let [Stmt::Assignment(parts)] = body
        && parts.0.is_op_assignment()
    {
        let message = "this loop only adds up";
        warnings
            .push(at(rule, position, "loop-for-helper", message).help("use sum or sum_product of the list"));
    }
}

/// How many rounds a range makes: none for what is no range, Some(None) for a range of values.
fn rounds(over: &Expr) -> Option<Option<i128>> {
    let Expr::FnCall(call, _) = over else { return None };
    if !matches!(call.name.as_str(), ".." | "..=" | "range") {
        return None;
    }
    match (call.args.first(), call.args.get(1)) {
        (Some(Expr::IntegerConstant(from, _)), Some(Expr::IntegerConstant(to, _))) => {
            Some(Some(i128::from(*to) - i128::from(*from)))
        }
        _ => Some(None),
    }
}

/// With first-match, no rule runs behind one that always answers.
fn unreachable_rules(ruleset: &Ruleset, warnings: &mut Vec<Diagnostic>) {
    if ruleset.settings.combine != Combine::FirstMatch {
        return;
    }
    let always = |rule: &&Rule| {
        let calls_pass = {
            let mut found = false;
            visit_calls(&rule.ast, &mut |call, _| found |= call.name == "pass");
            found
        };
        let unconditional = rule.when.is_none() && rule.header.from.is_none() && rule.header.until.is_none();
        let answers = rule.ast.statements().iter().any(ends_the_rule);
        rule.header.mode == Mode::Active && unconditional && answers && !calls_pass
    };
    let mut active = ruleset.rules.iter().filter(|rule| rule.header.mode == Mode::Active);
    if let Some(last) = active.by_ref().find(always) {
        for rule in active {
            let message = format!("the rule is never reached: {} always answers before it", last.header.id);
            warnings.push(whole_file(rule, "unreachable-rule", message));
        }
    }
}

fn repeated_literals(ruleset: &Ruleset, warnings: &mut Vec<Diagnostic>) {
    let mut literals: BTreeMap<String, Vec<(&Rule, Position)>> = BTreeMap::new();
    for rule in &ruleset.rules {
        rule.ast.walk(&mut |path| {
            let found = match path.last() {
                Some(ASTNode::Expr(Expr::IntegerConstant(number, position)))
                    if number.unsigned_abs() > 10 =>
                {
                    Some((number.to_string(), *position))
                }
                Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) if value.is_decimal() => {
                    Some((value.to_string(), *position))
                }
                _ => None,
            };
            if let Some((number, position)) = found {
                literals.entry(number).or_default().push((rule, position));
            }
            true
        });
    }
    for (number, places) in literals {
        if let [(rule, position), rest @ ..] = places.as_slice()
            && places.len() >= REPEATED
        {
            let files: BTreeSet<&str> = rest.iter().map(|(rule, _)| rule.file.as_str()).collect();
            let files: Vec<&str> = files.into_iter().collect();
            let message = format!("{number} occurs {} times (also in {})", places.len(), files.join(", "));
            let warning = at(rule, *position, "repeated-literal", message);
            warnings.push(warning.help("give it a name in params/"));
        }
    }
}

/// Lists and parameter files that no script names.
fn unused(ruleset: &Ruleset, warnings: &mut Vec<Diagnostic>) {
    let mut named = BTreeSet::new();
    let scripts = ruleset.rules.iter().flat_map(|rule| rule.when.iter().chain([&rule.ast]));
    for ast in scripts.chain(&ruleset.derived) {
        ast.walk(&mut |path| {
            let name = match path.last() {
                Some(ASTNode::Expr(Expr::Property(property, _))) => property.2.to_string(),
                Some(ASTNode::Expr(Expr::Variable(variable, ..))) => variable.1.to_string(),
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => text.to_string(),
                _ => return true,
            };
            named.insert(name);
            true
        });
    }
    for path in ruleset.files.keys() {
        let stem = compile::stem(path);
        if (path.starts_with("lists/") || path.starts_with("params/")) && !named.contains(stem) {
            warnings.push(Diagnostic::error(path, "unused", "no rule uses this file"));
        }
    }
}
