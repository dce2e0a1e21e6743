//! What a script reads, against what there is: fields of the schema, parameters, lists, and the types they have.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTFlags, ASTNode, Dynamic, Expr, FnCallExpr, Position, Stmt};

use crate::compiled;
use crate::facts::{Fact, Record};
use crate::schema::{Schema, Type};
use crate::suggest;

/// The fields of `task`, and those that are not text.
const TASK: [&str; 6] = ["orderId", "startTime", "transactionId", "workflow", "now", "hasOrder"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// One finding in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misreading {
    pub(crate) position: Position,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What is known of an expression's value.
#[derive(Debug, Clone)]
enum Known<'a> {
    Anything,
    Nothing,
    Number,
    Text,
    Boolean,
    Task,
    /// A fact of the schema.
    Fact(String, &'a Type),
    /// The order itself.
    Order,
    /// A value of a parameter file, or `lists`.
    Given(String, Fact),
}

/// What scripts of a ruleset can read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    schema: Option<&'a Schema>,
    shared: BTreeMap<&'a str, Record>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(schema: Option<&'a Schema>, shared: &'a [(String, Dynamic)]) -> Fields<'a> {
        let record = |value: &Dynamic| value.clone().try_cast::<Record>();
        let shared = shared.iter().filter_map(|(name, value)| Some((name.as_str(), record(value)?)));
        Fields { schema, shared: shared.collect() }
    }

    /// Everything a script reads that is not there, or compares with what it can never be.
    pub(crate) fn check(&self, ast: &AST) -> Vec<Misreading> {
        let mut reader = Reader {
            fields: self,
            unsure: changing_names(ast),
            variables: BTreeMap::new(),
            findings: Vec::new(),
        };
        ast.walk(&mut |path| {
            reader.visit(path);
            true
        });
        let mut findings: Vec<Misreading> = Vec::new();
        for finding in reader.findings {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }
}

/// Names whose value is not known from their declaration: parameters, and variables that are assigned.
fn changing_names(ast: &AST) -> BTreeSet<String> {
    let parameters = ast.iter_functions().flat_map(|function| function.params);
    let mut names: BTreeSet<String> = parameters.map(str::to_owned).collect();
    // What a function without a name uses is a parameter to the engine, and nobody changes it.
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = path.last()
            && call.name == compiled::CAPTURE
        {
            names.retain(|name| !compiled::captured(call).any(|captured| captured == *name));
        }
        true
    });
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(parts))) = path.last()
            && let Expr::Variable(variable, ..) = &parts.1.lhs
        {
            names.insert(variable.1.to_string());
        }
        true
    });
    names
}

struct Reader<'a> {
    fields: &'a Fields<'a>,
    unsure: BTreeSet<String>,
    variables: BTreeMap<String, Known<'a>>,
    findings: Vec<Misreading>,
}

impl<'a> Reader<'a> {
    fn visit(&mut self, path: &[ASTNode<'_>]) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                let known = self.infer(&var.1);
                self.declare(&var.0.name, known);
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                let element = match self.infer(&parts.2.expr) {
                    Known::Fact(path, Type::List(shape)) => Known::Fact(format!("{path}[]"), &shape.kind),
                    _ => Known::Anything,
                };
                self.declare(&parts.0.name, element);
            }
            Some(ASTNode::Expr(expr @ (Expr::Dot(..) | Expr::Index(..)))) if !continues(path) => {
                self.infer(expr);
            }
            Some(ASTNode::Expr(Expr::FnCall(call, position))) => self.comparison(call, *position),
            _ => {}
        }
    }

    fn declare(&mut self, name: &str, known: Known<'a>) {
        let known = if self.variables.contains_key(name) { Known::Anything } else { known };
        self.variables.insert(name.to_owned(), known);
    }

    fn infer(&mut self, expr: &Expr) -> Known<'a> {
        match expr {
            Expr::IntegerConstant(..) => Known::Number,
            Expr::DynamicConstant(value, _) if value.is_decimal() => Known::Number,
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => Known::Text,
            Expr::BoolConstant(..) => Known::Boolean,
            Expr::Unit(_) => Known::Nothing,
            Expr::Variable(variable, ..) => self.variable(&variable.1),
            Expr::Dot(parts, flags, _) => {
                let base = self.infer(&parts.lhs);
                self.after_dot(base, &parts.rhs, *flags)
            }
            Expr::Index(parts, flags, _) => {
                let base = self.infer(&parts.lhs);
                self.after_bracket(base, &parts.rhs, *flags)
            }
            _ => Known::Anything,
        }
    }

    fn variable(&self, name: &str) -> Known<'a> {
        if self.unsure.contains(name) {
            return Known::Anything;
        }
        if let Some(known) = self.variables.get(name) {
            return known.clone();
        }
        match name {
            "order" => Known::Order,
            "task" => Known::Task,
            _ => match self.fields.shared.get(name) {
                Some(record) => Known::Given(name.to_owned(), Fact::Record(record.clone())),
                None => Known::Anything,
            },
        }
    }

    fn after_dot(&mut self, base: Known<'a>, rest: &Expr, flags: ASTFlags) -> Known<'a> {
        match rest {
            Expr::Dot(parts, next, _) if !flags.contains(ASTFlags::BREAK) => {
                let base = self.after_dot(base, &parts.lhs, ASTFlags::BREAK);
                self.after_dot(base, &parts.rhs, *next)
            }
            Expr::Index(parts, next, _) if !flags.contains(ASTFlags::BREAK) => {
                let base = self.after_dot(base, &parts.lhs, ASTFlags::BREAK);
                self.after_bracket(base, &parts.rhs, *next)
            }
            Expr::Property(property, position) => self.property(base, &property.2, *position),
            Expr::MethodCall(call, _) => match (call.name.as_str(), base) {
                ("where_in", list @ Known::Fact(..)) => list,
                ("len" | "sum" | "sum_product" | "round", _) => Known::Number,
                ("join" | "to_string", _) => Known::Text,
                ("is_empty" | "any_in" | "has" | "contains", _) => Known::Boolean,
                _ => Known::Anything,
            },
            _ => Known::Anything,
        }
    }

    fn after_bracket(&mut self, base: Known<'a>, rest: &Expr, flags: ASTFlags) -> Known<'a> {
        if !flags.contains(ASTFlags::BREAK) {
            match rest {
                Expr::Dot(parts, next, _) => {
                    let base = self.indexed(base, &parts.lhs);
                    return self.after_dot(base, &parts.rhs, *next);
                }
                Expr::Index(parts, next, _) => {
                    let base = self.indexed(base, &parts.lhs);
                    return self.after_bracket(base, &parts.rhs, *next);
                }
                _ => {}
            }
        }
        self.indexed(base, rest)
    }

    fn indexed(&mut self, base: Known<'a>, index: &Expr) -> Known<'a> {
        match (base, index) {
            (Known::Fact(path, Type::List(shape)), _) => Known::Fact(format!("{path}[]"), &shape.kind),
            (base @ (Known::Order | Known::Fact(..) | Known::Given(..)), Expr::StringConstant(name, at)) => {
                self.property(base, name, *at)
            }
            _ => Known::Anything,
        }
    }

    fn property(&mut self, base: Known<'a>, name: &str, position: Position) -> Known<'a> {
        match base {
            Known::Order => match self.fields.schema {
                None => Known::Anything,
                Some(schema) if schema.derived.iter().any(|derived| derived.name == name) => Known::Anything,
                Some(schema) => match schema.fields.get(name) {
                    Some(shape) => Known::Fact(format!("order.{name}"), &shape.kind),
                    None => {
                        let derived = schema.derived.iter().map(|derived| derived.name.as_str());
                        let names = schema.fields.keys().map(String::as_str).chain(derived);
                        self.unknown("unknown-field", "order", name, names, position)
                    }
                },
            },
            Known::Task if name == "hasOrder" => Known::Boolean,
            Known::Task if TASK.contains(&name) => Known::Text,
            Known::Task => self.unknown("unknown-field", "task", name, TASK.into_iter(), position),
            Known::Fact(path, Type::Record(fields)) => match fields.get(name) {
                Some(shape) => Known::Fact(format!("{path}.{name}"), &shape.kind),
                None => {
                    let names = fields.keys().map(String::as_str);
                    self.unknown("unknown-field", &path, name, names, position)
                }
            },
            Known::Given(path, Fact::Record(record)) => match record.find(name) {
                Some(Fact::Integer(_) | Fact::Decimal(_)) => Known::Number,
                Some(Fact::Text(_)) => Known::Text,
                Some(Fact::Bool(_)) => Known::Boolean,
                Some(fact) => Known::Given(format!("{path}.{name}"), fact.clone()),
                None => {
                    let code = if path == "lists" { "unknown-list" } else { "unknown-parameter" };
                    let names: Vec<&str> = record.names().collect();
                    self.unknown(code, &path, name, names.into_iter(), position)
                }
            },
            Known::Fact(path, kind) if !matches!(kind, Type::List(_)) => {
                let message = format!("{path} is {}: it has no field '{name}'", kind.name());
                self.findings.push(Misreading { position, code: "unknown-field", message, help: None });
                Known::Anything
            }
            _ => Known::Anything,
        }
    }

    fn unknown<'b>(
        &mut self,
        code: &'static str,
        path: &str,
        name: &str,
        names: impl Iterator<Item = &'b str>,
        position: Position,
    ) -> Known<'a> {
        let names: Vec<&str> = names.collect();
        let nearest = suggest::nearest(name, names.iter().copied());
        let help = match nearest {
            Some(nearest) => Some(format!("did you mean '{nearest}'?")),
            None if names.is_empty() => None,
            None => Some(format!("it has {}", names.join(", "))),
        };
        let message = match code {
            "unknown-list" => format!("there is no lists/{name}.txt"),
            "unknown-parameter" => format!("{path} has no parameter '{name}'"),
            _ => format!("{path} has no field '{name}'"),
        };
        self.findings.push(Misreading { position, code, message, help });
        Known::Anything
    }

    fn comparison(&mut self, call: &FnCallExpr, position: Position) {
        let [left, right] = call.args.as_slice() else { return };
        if call.name == "contains" {
            // `value in [..]` is contains([..], value).
            if self.infer(left).kind() == Some("text") {
                let message = "in asks lists, not texts".to_owned();
                let help = "write lists.NAME or [\"a\", \"b\"]; for a part of a text, text.contains(\"…\")";
                self.findings.push(Misreading {
                    position,
                    code: "in-text",
                    message,
                    help: Some(help.to_owned()),
                });
            }
            if let Expr::Array(values, _) = left {
                let value = self.infer(right);
                for literal in values {
                    let literal_kind = self.infer(literal);
                    self.compare(&value, &literal_kind, literal, "in", literal.start_position());
                }
            }
        } else if COMPARISONS.contains(&call.name.as_str()) {
            let (a, b) = (self.infer(left), self.infer(right));
            self.compare(&a, &b, right, &call.name, position);
            if matches!(left, Expr::StringConstant(..)) {
                self.compare(&b, &a, left, &call.name, position);
            }
        }
    }

    fn compare(&mut self, a: &Known<'_>, b: &Known<'_>, right: &Expr, operator: &str, position: Position) {
        if matches!(a, Known::Nothing) || matches!(b, Known::Nothing) {
            let message = "nothing cannot be compared".to_owned();
            let help = Some("ask record.has(\"field\"), or give a default with ??".to_owned());
            self.findings.push(Misreading { position, code: "type-mismatch", message, help });
        } else if let (Some(left_kind), Some(right_kind)) = (a.kind(), b.kind())
            && left_kind != right_kind
        {
            let message = format!("cannot compare {} with {} using {operator}", a.describe(), b.describe());
            self.findings.push(Misreading { position, code: "type-mismatch", message, help: None });
        } else if let (Known::Fact(path, Type::Text { choices }), Expr::StringConstant(text, at)) = (a, right)
            && !choices.is_empty()
            && !choices.iter().any(|choice| choice.as_str() == text.as_str())
        {
            let nearest = suggest::nearest(text, choices.iter().map(String::as_str));
            let help = nearest.map_or_else(
                || format!("it is one of {}", choices.join(", ")),
                |nearest| format!("did you mean '{nearest}'?"),
            );
            let message = format!("{path} is never '{text}'");
            self.findings.push(Misreading { position: *at, code: "never-equal", message, help: Some(help) });
        }
    }
}

impl Known<'_> {
    /// The type, where it is sure and comparable; what is optional may also be nothing.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Known::Number => Some("a number"),
            Known::Text => Some("text"),
            Known::Boolean => Some("a boolean"),
            Known::Fact(_, kind) => match kind {
                Type::Integer | Type::Decimal | Type::Money { .. } => Some("a number"),
                Type::Text { .. } | Type::Date => Some("text"),
                Type::Boolean => Some("a boolean"),
                Type::Record(_) => Some("a record"),
                Type::List(_) => Some("a list"),
            },
            Known::Anything | Known::Nothing | Known::Task | Known::Order | Known::Given(..) => None,
        }
    }

    fn describe(&self) -> String {
        let kind = self.kind().unwrap_or("a value");
        match self {
            Known::Fact(path, _) => format!("{path}, which is {kind},"),
            _ => kind.to_owned(),
        }
    }
}

/// The last node is the rest of a chain that its parent began.
fn continues(path: &[ASTNode<'_>]) -> bool {
    let [.., ASTNode::Expr(Expr::Dot(parent, ..) | Expr::Index(parent, ..)), ASTNode::Expr(last)] = path
    else {
        return false;
    };
    std::ptr::eq(&parent.rhs, *last)
}
