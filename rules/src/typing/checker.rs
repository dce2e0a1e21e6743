//! One pass over a script that knows what each value is, as far as schema, parameters and the script itself say.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rhai::{AST, Expr, Position};

use super::chain::Chain;
use super::fields::{Fields, Missing};
use super::functions::{self, Function};
use super::known::{self, Doubt, Kind, Known, Sure};
use super::misreading::Misreading;
use super::signatures::{SIGNATURES, Signatures};
use super::variable::{self, Variable};

/// The most findings of one script. Nobody reads more, and each repeats its line.
const MAX_FINDINGS: usize = 100;

/// What a function gave for its values.
pub(super) type Results<'a> = BTreeMap<(String, String), Known<'a>>;

pub(super) struct Checker<'f, 'a> {
    pub(super) fields: &'f Fields<'a>,
    pub(super) signatures: &'static Signatures,
    pub(super) functions: Vec<Rc<Function>>,
    /// Names that are assigned: what they hold is not followed.
    pub(super) changing: BTreeSet<String>,
    pub(super) variables: Vec<Variable<'a>>,
    /// Where the variables of the function that is looked into begin.
    pub(super) first_visible: usize,
    pub(super) sure: Sure,
    /// The functions that are looked into.
    pub(super) active: Vec<String>,
    pub(super) results: Results<'a>,
    /// How many functions were looked into.
    pub(super) calls: usize,
    /// What the `return`s of the function that is looked into give.
    pub(super) returned: Known<'a>,
    findings: Vec<Misreading>,
    pub(super) is_quiet: bool,
    /// What the function that is looked into was called on.
    pub(super) this: Known<'a>,
}

impl<'f, 'a> Checker<'f, 'a> {
    pub(super) fn new(fields: &'f Fields<'a>, ast: &AST) -> Checker<'f, 'a> {
        Checker {
            fields,
            signatures: &SIGNATURES,
            functions: functions::of(ast),
            changing: variable::assigned(ast),
            variables: Vec::new(),
            first_visible: 0,
            sure: Sure::new(),
            active: Vec::new(),
            results: Results::new(),
            calls: 0,
            returned: Known::Never,
            findings: Vec::new(),
            is_quiet: false,
            this: Known::Anything,
        }
    }

    /// Each finding once, even if several ways lead to it; if there are very many, the first of them.
    pub(super) fn findings(self) -> Vec<Misreading> {
        let mut seen = BTreeSet::new();
        let place = |position: Position| (position.line(), position.position());
        let mut findings = self.findings;
        findings.retain(|found| seen.insert((place(found.position), found.code, found.message.clone())));
        findings.sort_by_key(|found| found.is_warning);
        findings.truncate(MAX_FINDINGS);
        findings
    }

    pub(super) fn find(
        &mut self,
        position: Position,
        code: &'static str,
        message: String,
    ) -> &mut Misreading {
        let finding = Misreading { position, code, message, help: None, is_warning: false };
        self.findings.push(finding);
        self.findings.last_mut().expect("one was just pushed")
    }

    pub(super) fn warn(
        &mut self,
        position: Position,
        code: &'static str,
        message: String,
    ) -> &mut Misreading {
        let finding = self.find(position, code, message);
        finding.is_warning = true;
        finding
    }

    /// Evaluates something that is checked elsewhere: nothing is reported or kept.
    pub(super) fn quietly<T>(&mut self, ask: impl FnOnce(&mut Self) -> T) -> T {
        let (told, sure) = (self.findings.len(), self.sure.clone());
        let was_quiet = std::mem::replace(&mut self.is_quiet, true);
        let answer = ask(self);
        self.is_quiet = was_quiet;
        self.sure = sure;
        self.findings.truncate(told);
        answer
    }

    pub(super) fn missing(&mut self, position: Position, missing: Missing) -> Known<'a> {
        self.find(position, missing.code, missing.message).help = missing.help;
        Known::Anything
    }

    /// The value itself, where it is used. One that may be nothing is reported.
    pub(super) fn sure(&mut self, known: Known<'a>, position: Position) -> Known<'a> {
        let Known::Maybe(inner, doubt) = known else { return known };
        if !self.sure.contains(&doubt) {
            let (message, help) = match &doubt {
                Doubt::Optional(path) => (
                    format!("{path} is optional and may be missing here"),
                    "check with has(\"…\") first, or give a default with ??",
                ),
                Doubt::Empty(path) => (
                    format!("{path} may be empty, and this is then nothing"),
                    "check is_empty() first, or give a default with ??",
                ),
                Doubt::NotFound => (
                    "this may find nothing".to_owned(),
                    "give a default with ??, or check with some(…) first",
                ),
                Doubt::NoValue => (
                    "this may be nothing, because one branch has no value".to_owned(),
                    "give each branch a value, or a default with ??",
                ),
            };
            let code = match &doubt {
                Doubt::Optional(_) => "optional",
                Doubt::Empty(_) | Doubt::NotFound => "maybe-empty",
                Doubt::NoValue => "no-value",
            };
            self.warn(position, code, message).help = Some(help.to_owned());
            // Once is enough.
            self.sure.insert(doubt);
        }
        self.sure(*inner, position)
    }

    /// What is known of an expression, everything inside it checked.
    pub(super) fn value(&mut self, expr: &Expr) -> Known<'a> {
        match expr {
            Expr::IntegerConstant(..) => Known::Number,
            Expr::DynamicConstant(value, _) => known::of_constant(value),
            Expr::StringConstant(text, position) => {
                if text.contains("${") {
                    let message = "in double quotes ${…} is plain text".to_owned();
                    self.warn(*position, "quotes", message).help =
                        Some("write the text in backticks: `… ${…}`".to_owned());
                }
                Known::text(text)
            }
            Expr::CharConstant(c, position) => {
                let help = format!("write \"{c}\"");
                self.warn(*position, "quotes", format!("texts are written in double quotes, not in '{c}'"))
                    .help = Some(help);
                Known::text(&c.to_string())
            }
            Expr::BoolConstant(..) => Known::Boolean,
            Expr::Unit(_) => Known::Nothing,
            Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|part| self.shown(part));
                Known::Text(None)
            }
            Expr::Array(values, _) => self.array(values),
            Expr::Map(parts, _) => {
                let fields = parts.0.iter();
                Known::Record(
                    fields.map(|(name, value)| (name.name.to_string(), self.value(value))).collect(),
                )
            }
            Expr::Variable(variable, ..) => self.variable(&variable.1),
            Expr::ThisPtr(_) => self.this.clone(),
            Expr::Stmt(block) => self.block(block.statements(), true),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::Dot(..) | Expr::Index(..) => match Chain::of(expr) {
                Some(chain) => self.chain(&chain),
                None => Known::Anything,
            },
            Expr::And(parts, _) => self.conditions(parts, true),
            Expr::Or(parts, _) => self.conditions(parts, false),
            Expr::Coalesce(parts, _) => {
                let known = parts.iter().map(|part| self.value(part)).collect::<Vec<_>>();
                let last = known.len().saturating_sub(1);
                let known = known.into_iter().enumerate();
                let known = known.map(|(n, known)| if n < last { known.without_doubt() } else { known });
                known.reduce(Known::or).unwrap_or(Known::Anything)
            }
            _ => Known::Anything,
        }
    }

    /// A value inside a text.
    fn shown(&mut self, part: &Expr) {
        let known = self.value(part);
        let known = self.sure(known, part.start_position());
        if let Some(kind @ (Kind::List | Kind::Record | Kind::Function)) = known.kind() {
            let message = format!("{} cannot be put into a text: {}", kind.name(), known.claim());
            let finding = self.find(part.start_position(), "type-mismatch", message);
            finding.help = Some("write list.join(\"field\"), or one field of the record".to_owned());
        }
    }

    fn array(&mut self, values: &[Expr]) -> Known<'a> {
        let known: Vec<Known<'a>> = values.iter().map(|value| self.value(value)).collect();
        let element = known.into_iter().reduce(Known::or).unwrap_or(Known::Anything);
        Known::List(Box::new(element))
    }

    /// The operands of `&&` and `||`: each is reached if those before it were true, or false.
    fn conditions(&mut self, parts: &[Expr], is_and: bool) -> Known<'a> {
        let before = self.sure.clone();
        for part in parts {
            self.condition(part);
            let implied = self.implied(part);
            self.sure.extend(if is_and { implied.yes } else { implied.no });
        }
        self.sure = before;
        Known::Boolean
    }

    /// A value that must be true or false.
    pub(super) fn condition(&mut self, expr: &Expr) {
        let known = self.value(expr);
        let known = self.sure(known, expr.start_position());
        if let Some(kind) = known.kind()
            && kind != Kind::Boolean
        {
            let message = format!("a condition is true or false, and {}", known.claim());
            self.find(expr.start_position(), "type-mismatch", message);
        }
    }
}
