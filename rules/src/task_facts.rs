//! What one task's rules see: `order` and `task`, with derived facts, in a scope.

use rhai::{Dynamic, Scope};
use rust_decimal::Decimal;

use crate::dates::Moment;
use crate::evaluation::FactRead;
use crate::facts::{self, Fact, Field, Record, Watch};
use crate::ruleset::{Ruleset, TaskFacts};
use crate::{json, number, script};

/// What scripts say of an order that was not passed.
const NO_ORDER: &str = "the workflow passed no order (ask task.hasOrder first)";

/// What one task's rules see.
pub(crate) struct Facts {
    order: Fact,
    task: Record,
    /// The day the task was received, in UTC.
    pub(crate) today: jiff::civil::Date,
}

impl Facts {
    pub(crate) fn new(ruleset: &Ruleset, task: &TaskFacts<'_>, order: Fact) -> Result<Facts, String> {
        let now = Moment::parse(task.received_at).map_err(|error| format!("task.now: {error}"))?;
        let mut facts = Facts { order, today: now.utc_day(), task: task_record(task, now) };
        if let Fact::Record(record) = &facts.order
            && task.order.is_some()
            && !ruleset.derived.is_empty()
        {
            let derived = facts.derive(ruleset)?;
            facts.order = Fact::Record(record.clone().with(derived));
        }
        Ok(facts)
    }

    /// The order, with derived facts.
    pub(crate) fn order(&self) -> &Fact {
        &self.order
    }

    /// The names every script is given.
    pub(crate) fn scope(&self, ruleset: &Ruleset) -> Scope<'static> {
        let mut scope = Scope::new();
        scope.push_constant_dynamic("order", self.order.to_dynamic());
        scope.push_constant_dynamic("task", Dynamic::from(self.task.clone()));
        for (name, value) in &ruleset.shared {
            scope.push_constant_dynamic(name.clone(), value.clone());
        }
        scope
    }

    fn derive(&self, ruleset: &Ruleset) -> Result<Vec<Field>, String> {
        let mut scope = self.scope(ruleset);
        let names = ruleset.schema.iter().flat_map(|schema| &schema.derived);
        let mut fields = Vec::new();
        for (derived, ast) in names.zip(&ruleset.derived) {
            let name = &derived.name;
            let value = script::run(ruleset, ast, &mut scope)
                .map_err(|stop| format!("order.{name} cannot be derived: {}", stop.message()))?;
            let fact = Fact::from_dynamic(value)
                .ok_or_else(|| format!("order.{name} cannot be derived: its value is no fact"))?;
            fields.push(Field::watched(name.clone(), fact).masked(facts::has_read_masked()));
        }
        // What deriving looked at, no rule has.
        self.take_reads();
        Ok(fields)
    }

    /// The facts that were read since they were last taken.
    pub(crate) fn take_reads(&self) -> Vec<FactRead> {
        let mut reads = self.task.take_reads();
        if let Fact::Record(record) = &self.order {
            reads.extend(record.take_reads());
        }
        facts::union(&reads)
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
            Fact::Moment(_) => None,
            Fact::Nothing | Fact::Bool(_) | Fact::Record(_) | Fact::List(_) | Fact::Names(_) => None,
        }
    }
}

/// Reads an order and holds it against the schema; derived facts come later. Err says why the task is invalid.
pub(crate) fn order(ruleset: &Ruleset, text: Option<&str>) -> Result<Fact, String> {
    let Some(text) = text else {
        return match &ruleset.schema {
            Some(schema) if !schema.optional => Err(format!(
                "the workflow passed no order, so these are missing: {}",
                schema.required().join(", ")
            )),
            _ => Ok(Fact::Record(Record::absent("order", NO_ORDER))),
        };
    };
    let order = json::parse(text).map_err(|problem| problem.describe("order", text))?;
    match &ruleset.schema {
        Some(schema) => schema.facts(order).map(Fact::Record).map_err(|problems| problems.join("; ")),
        None => Ok(facts::from_json(&"order".into(), order, Watch::Reads)),
    }
}

fn task_record(task: &TaskFacts<'_>, now: Moment) -> Record {
    // arn:aws:states:region:account:execution:workflow:name
    let workflow = task.transaction_id.split(':').nth(6).unwrap_or_default();
    let text = |name: &str, value: &str| Field::watched(name.to_owned(), Fact::Text(value.into()));
    let fields = vec![
        text("orderId", task.order_id),
        text("startTime", task.start_time),
        text("transactionId", task.transaction_id),
        text("workflow", workflow),
        Field::watched("now".to_owned(), Fact::Moment(now)),
        Field::watched("hasOrder".to_owned(), Fact::Bool(task.order.is_some())),
    ];
    Record::new("task".into(), fields)
}
