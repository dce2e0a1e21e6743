//! The rule of a proposal: a new one, or the one that asks for a person today with an answer before it asks.

use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::wanted::Wanted;
use crate::rule::{Rule, place};
use crate::verdict::Outcome;

/// A new rule's priority: after all others.
const PRIORITY: i64 = 900;

/// A rule of its own, for what no rule has an answer to.
pub(super) fn new_rule(wanted: &Wanted<'_>) -> (String, String) {
    let (name, may) = (wanted.name(), wanted.outcome.as_str());
    let text = format!(
        "//! id: {name}\n//! title: People always {may} such orders\n//! priority: {PRIORITY}\n//! may: {may}\n//! why: {}\n\n{}",
        wanted.why,
        wanted.lines("")
    );
    (format!("rules/{name}.rhai"), text)
}

/// The rule that asks for a person, with an answer before each place where it does.
pub(super) fn changed_rule(rule: &Rule, wanted: &Wanted<'_>) -> Result<(String, String), String> {
    let mut places = places(rule, wanted.code)?;
    let mut lines: Vec<String> = rule.text.split_inclusive('\n').map(str::to_owned).collect();
    // From the end, so that earlier places stay where they are.
    places.sort_unstable();
    for (line, column) in places.into_iter().rev() {
        let Some(text) = line.checked_sub(1).and_then(|index| lines.get_mut(index)) else {
            return Err("the place in its rule is not known".to_owned());
        };
        let start = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(start, _)| start);
        let before = &text[..start];
        let indent: String = before.chars().take_while(|c| c.is_whitespace()).collect();
        let line_break = if before.trim().is_empty() { String::new() } else { format!("\n{indent}") };
        let lines = wanted.lines(&indent);
        *text =
            format!("{}{line_break}{}\n{indent}{}", before, lines[indent.len()..].trim_end(), &text[start..]);
    }
    let text = lines.concat();
    Ok((
        rule.file.clone(),
        if rule.header.may.contains(&wanted.outcome) { text } else { allow(&text, wanted.outcome)? },
    ))
}

/// The line and column of each statement by which a rule asks for a person with this code.
fn places(rule: &Rule, code: &str) -> Result<Vec<(usize, usize)>, String> {
    let (mut places, mut other) = (Vec::new(), false);
    let mut visit = |call: &FnCallExpr, position: Position, is_statement: bool| {
        if call.name != "escalate" {
            return;
        }
        match call.args.first() {
            Some(Expr::StringConstant(text, _)) if text.as_str() != code => {}
            Some(Expr::StringConstant(..)) if is_statement => places.push(place(position, None)),
            _ => other = true,
        }
    };
    rule.ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => visit(call, *position, true),
            Some(ASTNode::Expr(Expr::FnCall(call, position))) => {
                let parent = path.len().checked_sub(2).map(|parent| &path[parent]);
                visit(call, *position, matches!(parent, Some(ASTNode::Stmt(Stmt::Expr(_)))));
            }
            _ => {}
        }
        true
    });
    if other || places.is_empty() {
        return Err(format!(
            "{} computes the code, or escalates inside an expression: change it by hand",
            rule.file
        ));
    }
    Ok(places)
}

/// Adds an outcome to the header's `may`.
fn allow(text: &str, outcome: Outcome) -> Result<String, String> {
    let mut found = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let entry = line.trim_start().strip_prefix("//!").map(str::trim_start);
        if !found && entry.and_then(|entry| entry.split_once(':')).is_some_and(|(key, _)| key.trim() == "may")
        {
            found = true;
            let end = line.trim_end().len();
            return format!("{}, {}{}", &line[..end], outcome.as_str(), &line[end..]);
        }
        line.to_owned()
    });
    let text: String = lines.collect();
    if found { Ok(text) } else { Err("the header's 'may' was not found: change it by hand".to_owned()) }
}
