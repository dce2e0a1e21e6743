//! What one task's rules see: `order` and `task`, with derived facts, in a scope.

use std::sync::{Arc, LazyLock};

use rhai::{Dynamic, Scope};
use rust_decimal::Decimal;

use crate::compiled::Compiled;
use crate::dates::Moment;
use crate::evaluation::FactRead;
use crate::facts::{self, Fact, Layout, Part, Record, Slot, Watch};
use crate::json::parser;
use crate::ruleset::{Ruleset, TaskFacts};
use crate::schema::Derived;
use crate::{number, script};

/// What scripts say of an order that was not passed.
const NO_ORDER: &str = "the workflow passed no order (check task.hasOrder first)";

static TASK: LazyLock<Arc<Layout>> = LazyLock::new(|| {
    let names = ["hasOrder", "now", "orderId", "startTime", "transactionId", "workflow"];
    Arc::new(Layout::watched("task".into(), names.into_iter(), std::iter::empty()))
});

/// What one task's rules see.
pub(crate) struct Facts {
    order: Fact,
    task: Record,
    now: Moment,
}

impl Facts {
    /// Reads a task; derived facts come later. Err says why it is invalid.
    pub(crate) fn read(ruleset: &Ruleset, task: &TaskFacts<'_>) -> Result<Facts, String> {
        let order = order(ruleset, task.order)?;
        let now = Moment::parse(task.received_at).map_err(|error| format!("task.now: {error}"))?;
        Ok(Facts { order, task: task_record(task, now.clone()), now })
    }

    /// Computes the derived facts, unless there is no order. Err says which cannot be.
    pub(crate) fn derive(&self, ruleset: &Ruleset, scope: &mut Scope<'static>) -> Result<(), String> {
        let Fact::Record(order) = &self.order else { return Ok(()) };
        if order.is_absent() || ruleset.derived.is_empty() {
            return Ok(());
        }
        let derived = ruleset.schema.iter().flat_map(|schema| &schema.derived);
        let derive = |(Derived { name, .. }, ast): (&Derived, &Compiled)| {
            let value = script::run(ruleset, ast, scope)
                .map_err(|stop| format!("order.{name} cannot be derived: {}", stop.message()))?;
            let fact = Fact::from_dynamic(value)
                .ok_or_else(|| format!("order.{name} cannot be derived: its value is no fact"))?;
            Ok(Slot::new(fact, facts::has_read_masked()))
        };
        order.derive(derived.zip(&ruleset.derived).map(derive).collect::<Result<_, String>>()?);
        // What deriving looked at, no rule has.
        self.task.forget_reads();
        order.forget_reads();
        Ok(())
    }

    /// The day the task was received, in UTC.
    pub(crate) fn today(&self) -> jiff::civil::Date {
        self.now.utc_day()
    }

    /// The order, with derived facts.
    pub(crate) fn order(&self) -> &Fact {
        &self.order
    }

    /// Runs `run` with the names every script is given.
    pub(crate) fn with_scope<T>(&self, ruleset: &Ruleset, run: impl FnOnce(&mut Scope<'static>) -> T) -> T {
        let mut scope = ruleset.scopes.take(&ruleset.shared);
        let given = scope.len();
        scope.push_constant_dynamic("order", self.order.to_dynamic());
        scope.push_constant_dynamic("task", Dynamic::from(self.task.clone()));
        let result = run(&mut scope);
        scope.rewind(given);
        ruleset.scopes.give_back(scope);
        result
    }

    /// The facts that were read since they were last taken.
    pub(crate) fn take_reads(&self) -> Vec<FactRead> {
        let mut reads = Vec::with_capacity(16);
        self.task.take_reads(&mut reads);
        if let Fact::Record(order) = &self.order {
            order.take_reads(&mut reads);
        }
        facts::union(reads)
    }

    /// Whether the fact at a path such as `order.customer.limit` is masked.
    pub(crate) fn is_masked(&self, path: &str) -> bool {
        let Some((parents, name)) = path.rsplit_once('.') else { return false };
        matches!(self.at(parents), Some(Fact::Record(record)) if record.is_masked(name))
    }

    fn at(&self, path: &str) -> Option<&Fact> {
        let mut fact = &self.order;
        for name in path.split('.').skip(1) {
            let Fact::Record(record) = fact else { return None };
            fact = record.find(name)?;
        }
        Some(fact)
    }

    /// The number at a path such as `order.customer.limit`.
    pub(crate) fn number(&self, path: &str) -> Option<Decimal> {
        let fact = self.at(path)?;
        match fact {
            Fact::Integer(number) => Some(Decimal::from(*number)),
            Fact::Decimal(number) => Some(*number),
            Fact::Text(text) => number::parse(text),
            Fact::Part(text) => number::parse(text),
            Fact::Moment(_) => None,
            Fact::Nothing | Fact::Bool(_) | Fact::Record(_) | Fact::List(_) | Fact::Names(_) => None,
        }
    }
}

/// Reads an order and holds it against the schema. Err says why the task is invalid.
fn order(ruleset: &Ruleset, text: Option<&str>) -> Result<Fact, String> {
    let Some(text) = text else {
        return match &ruleset.schema {
            Some(schema) if !schema.optional => Err(format!(
                "the workflow passed no order, so these are missing: {}",
                schema.required().join(", ")
            )),
            _ => Ok(Fact::Record(Record::absent("order", NO_ORDER))),
        };
    };
    if let Some(order) = ruleset.plan.as_ref().and_then(|plan| plan.read(text)) {
        return Ok(Fact::Record(order));
    }
    let shown = |path: &str| ruleset.schema.as_ref().map_or(path.len(), |schema| schema.shown(path));
    let order = parser::parse(text).map_err(|problem| problem.describe("order", text, shown))?;
    match &ruleset.schema {
        Some(schema) => Err(schema.problems(order).join("; ")),
        None => Ok(facts::from_json(&"order".into(), order, Watch::Reads)),
    }
}

fn task_record(task: &TaskFacts<'_>, now: Moment) -> Record {
    // arn:aws:states:region:account:execution:workflow:name
    let workflow = task.transaction_id.split(':').nth(6).unwrap_or_default();
    let texts = [task.order_id, task.start_time, task.transaction_id, workflow];
    let whole: Arc<str> = texts.concat().into();
    let mut start = 0;
    let [order_id, start_time, transaction_id, workflow] = texts.map(|text| {
        let end = start + text.len();
        let part = Part::of(&whole, start..end);
        start = end;
        Fact::Part(part)
    });
    let facts =
        [Fact::Bool(task.order.is_some()), Fact::Moment(now), order_id, start_time, transaction_id, workflow];
    Record::of(TASK.clone(), facts.into_iter().map(|fact| Slot::new(fact, false)).collect())
}
