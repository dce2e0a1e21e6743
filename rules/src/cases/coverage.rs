//! What of the rules the cases reached: outcomes and lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::debugger::DebuggerCommand;
use rhai::{ASTNode, Expr, Stmt};
use serde::Serialize;

use super::edges::Edge;
use crate::diagnostic::Refused;
use crate::ruleset::Ruleset;
use crate::verdict::Outcome;

/// File and line.
type Lines = BTreeSet<(String, usize)>;

/// What the cases reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Each rule's verdicts, and whether some case led to them.
    pub verdicts: Vec<CoveredVerdict>,
    /// Each file's lines.
    pub files: Vec<CoveredFile>,
    /// The bases with one number moved to where some rule compares it, and what came of that.
    pub edges: Vec<Edge>,
}

/// One verdict that a rule's script can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredVerdict {
    /// The rule's id.
    pub rule: String,
    /// What it says.
    pub outcome: Outcome,
    /// Its code.
    pub code: String,
    /// Some case led to it.
    pub reached: bool,
}

/// One rule file's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredFile {
    /// The path.
    pub file: String,
    /// How many lines hold a statement.
    pub lines: usize,
    /// Those that no case reached, with their text.
    pub missed: Vec<(usize, String)>,
}

/// A ruleset that notes which lines run. Slower, and never used to decide.
pub(crate) struct Watched {
    pub(crate) ruleset: Ruleset,
    lines: Arc<Mutex<Lines>>,
}

/// A second copy of a ruleset, watched.
#[expect(deprecated, reason = "rhai marks its volatile API so; the version is pinned")]
pub(crate) fn watched(ruleset: &Ruleset) -> Result<Watched, Refused> {
    let mut ruleset = Ruleset::from_files(ruleset.files.clone())?;
    let lines = Arc::new(Mutex::new(Lines::new()));
    let noted = lines.clone();
    ruleset.engine.register_debugger(
        |_, debugger| debugger,
        move |_, _, _, source, position| {
            if let (Some(source), Some(line)) = (source, position.line()) {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.insert((source.to_owned(), line));
            }
            Ok(DebuggerCommand::StepInto)
        },
    );
    Ok(Watched { ruleset, lines })
}

impl Watched {
    /// The lines that ran so far.
    pub(crate) fn lines(&self) -> Lines {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Coverage {
    /// All there is to reach, none of it reached.
    pub(crate) fn new(ruleset: &Ruleset) -> Coverage {
        let mut coverage = Coverage { verdicts: Vec::new(), files: Vec::new(), edges: Vec::new() };
        for rule in &ruleset.rules {
            let mut lines = BTreeSet::new();
            let mut verdicts = BTreeMap::new();
            rule.ast.walk(&mut |path| {
                if let Some(ASTNode::Stmt(statement)) = path.last()
                    && let Some(line) = statement.position().line()
                    && !matches!(statement, Stmt::Noop(_))
                {
                    lines.insert(line);
                }
                let call = match path.last() {
                    Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => Some(call),
                    Some(ASTNode::Expr(Expr::FnCall(call, _))) => Some(call),
                    _ => None,
                };
                if let Some(call) = call
                    && let Some(outcome) = Outcome::parse(&call.name)
                    && let Some(Expr::StringConstant(code, _)) = call.args.first()
                {
                    verdicts.insert(code.to_string(), outcome);
                }
                true
            });
            let text: Vec<&str> = rule.text.lines().collect();
            let line =
                |number: &usize| (*number, text.get(number - 1).map_or("", |text| text.trim()).to_owned());
            coverage.files.push(CoveredFile {
                file: rule.file.clone(),
                lines: lines.len(),
                missed: lines.iter().map(line).collect(),
            });
            coverage.verdicts.extend(verdicts.into_iter().map(|(code, outcome)| CoveredVerdict {
                rule: rule.header.id.clone(),
                outcome,
                code,
                reached: false,
            }));
        }
        coverage
    }

    pub(crate) fn gave(&mut self, rule: &str, outcome: Outcome, code: &str) {
        for verdict in &mut self.verdicts {
            verdict.reached |= verdict.rule == rule && verdict.outcome == outcome && verdict.code == code;
        }
    }

    pub(crate) fn reached(&mut self, lines: Lines) {
        for file in &mut self.files {
            file.missed.retain(|(line, _)| !lines.contains(&(file.file.clone(), *line)));
        }
    }

    /// The share of lines that some case reached, in percent, rounded down; 100 of nothing.
    pub fn percent(&self) -> u8 {
        let lines: usize = self.files.iter().map(|file| file.lines).sum();
        let missed: usize = self.files.iter().map(|file| file.missed.len()).sum();
        let percent = ((lines - missed) * 100).checked_div(lines).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let reached = self.verdicts.iter().filter(|verdict| verdict.reached).count();
        let (percent, verdicts, edges) = (self.percent(), self.verdicts.len(), self.edges.len());
        format!("{percent}% of lines and {reached} of {verdicts} verdicts reached, {edges} edges tried")
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{:>4}/{:<4} {}", file.lines - file.missed.len(), file.lines, file.file)?;
            for (line, text) in &file.missed {
                writeln!(f, "          no case reaches line {line}: {text}")?;
            }
        }
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.reached) {
            let CoveredVerdict { rule, outcome, code, .. } = verdict;
            writeln!(f, "          no case lets {rule} {} [{code}]", outcome.as_str())?;
        }
        for edge in self.edges.iter().filter(|edge| !edge.covered) {
            writeln!(f, "          no case has this answer: {edge}")?;
        }
        writeln!(f, "{}", self.summary())
    }
}
