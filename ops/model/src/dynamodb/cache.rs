//! Caches parsed expressions: production code has few expression texts and uses them for every task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expression::{self, Condition, Parsed, Path, Refused, Update};
use super::scope::Scope;
use super::value::Value;

type Trees<T> = BTreeMap<String, Arc<Parsed<T>>>;

#[derive(Debug, Default)]
pub(super) struct Expressions {
    conditions: Trees<Condition>,
    updates: Trees<Update>,
    projections: Trees<Vec<Path>>,
}

/// The expressions of one request; each is named by its parameter in errors.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) condition: Option<Arc<Parsed<Condition>>>,
    pub(super) key: Option<Arc<Parsed<Condition>>>,
    pub(super) filter: Option<Arc<Parsed<Condition>>>,
    pub(super) update: Option<Arc<Parsed<Update>>>,
    pub(super) projection: Option<Arc<Parsed<Vec<Path>>>>,
}

/// The expressions of one request, as texts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Texts<'a> {
    pub(super) condition: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) filter: Option<&'a str>,
    pub(super) update: Option<&'a str>,
    pub(super) projection: Option<&'a str>,
}

impl Expressions {
    /// Parses the expressions of a request, and checks its names and values against them.
    pub(super) fn read(
        &mut self,
        texts: Texts<'_>,
        names: Option<&BTreeMap<String, String>>,
        values: Option<&BTreeMap<String, Value>>,
    ) -> Result<Used, String> {
        check_given(texts, names, values)?;
        let used = Used {
            condition: parse(&mut self.conditions, "Condition", texts.condition, expression::condition)?,
            key: parse(&mut self.conditions, "KeyCondition", texts.key, expression::condition)?,
            filter: parse(&mut self.conditions, "Filter", texts.filter, expression::condition)?,
            update: parse(&mut self.updates, "Update", texts.update, expression::update)?,
            projection: parse(&mut self.projections, "Projection", texts.projection, expression::projection)?,
        };
        used.check(Scope::new(names, values))?;
        Ok(used)
    }
}

fn check_given(
    texts: Texts<'_>,
    names: Option<&BTreeMap<String, String>>,
    values: Option<&BTreeMap<String, Value>>,
) -> Result<(), String> {
    let Texts { condition, key, filter, update, projection } = texts;
    let has_any = condition.or(key).or(filter).or(update).is_some();
    if names.is_some() && !has_any && projection.is_none() {
        return Err("ExpressionAttributeNames can only be specified when using expressions".to_owned());
    }
    if values.is_some() && !has_any {
        return Err("ExpressionAttributeValues can only be specified when using expressions".to_owned());
    }
    if names.is_some_and(BTreeMap::is_empty) {
        return Err("ExpressionAttributeNames must not be empty".to_owned());
    }
    if values.is_some_and(BTreeMap::is_empty) {
        return Err("ExpressionAttributeValues must not be empty".to_owned());
    }
    Ok(())
}

fn parse<T>(
    cache: &mut Trees<T>,
    parameter: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<Parsed<T>, Refused>,
) -> Result<Option<Arc<Parsed<T>>>, String> {
    let Some(text) = text else { return Ok(None) };
    if let Some(parsed) = cache.get(text) {
        return Ok(Some(parsed.clone()));
    }
    let parsed = Arc::new(read(text).map_err(|words| format!("Invalid {parameter}Expression: {words}"))?);
    cache.insert(text.to_owned(), parsed.clone());
    Ok(Some(parsed))
}

impl Used {
    fn check(&self, scope: Scope<'_>) -> Result<(), String> {
        let mut names = BTreeSet::new();
        let mut values = BTreeSet::new();
        for (parameter, parsed) in
            [("Condition", &self.condition), ("KeyCondition", &self.key), ("Filter", &self.filter)]
        {
            check_one(parameter, parsed, scope, &mut names, &mut values)?;
        }
        check_one("Update", &self.update, scope, &mut names, &mut values)?;
        check_one("Projection", &self.projection, scope, &mut names, &mut values)?;
        scope.check_unused(&names, &values)
    }
}

fn check_one<'a, T>(
    parameter: &str,
    parsed: &'a Option<Arc<Parsed<T>>>,
    scope: Scope<'_>,
    names: &mut BTreeSet<&'a str>,
    values: &mut BTreeSet<&'a str>,
) -> Result<(), String> {
    let Some(parsed) = parsed else { return Ok(()) };
    scope.check(parsed).map_err(|words| format!("Invalid {parameter}Expression: {words}"))?;
    names.extend(parsed.names.iter().map(String::as_str));
    values.extend(parsed.values.iter().map(String::as_str));
    Ok(())
}
