//! Reading `schema/order.toml`.

use std::collections::BTreeMap;

use toml_edit::{Item, TableLike};

use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::limits::Limits;
use crate::schema::{Derived, Schema, Shape, Type};
use crate::schema_limits::{self, flag};
use crate::suggest;

const TYPES: [&str; 8] = ["text", "integer", "decimal", "money", "boolean", "date", "record", "list"];
const KEYS: [&str; 6] = ["type", "optional", "masked", "choices", "scale", "of"];
/// The scale of an amount that names none: cents.
const CENTS: u32 = 2;

/// Parses the file; every error it has.
pub(crate) fn parse(file: &str, text: &str) -> Result<Schema, Vec<Diagnostic>> {
    let document = Document::parse(file, text).map_err(|error| vec![*error])?;
    let top = document.table();
    let mut errors = document.unknown_keys(top, &["optional", "requester", "fields", "derived"]);
    let optional = match top.get("optional").map(|item| item.as_bool()) {
        None => false,
        Some(Some(optional)) => optional,
        Some(None) => {
            errors.push(document.error(top, "optional", "schema", "optional is true or false"));
            false
        }
    };
    let mut root = Shape { optional, ..required(Type::Record(BTreeMap::new())) };
    if let Some(fields) = table(&document, top, "fields", &mut errors) {
        for (path, item) in fields.iter() {
            let placed = shape(&document, path, item).and_then(|shape| insert(&mut root, path, shape));
            if let Err(message) = placed {
                errors.push(document.error(fields, path, "schema", message));
            }
        }
    }
    let Type::Record(fields) = root.kind else { unreachable!("the order itself must be a record") };
    let requester = requester(&document, top, &fields, &mut errors);
    let derived = derived(&document, top, &fields, &mut errors);
    if errors.is_empty() { Ok(Schema { optional, requester, fields, derived }) } else { Err(errors) }
}

/// The field that names the requester: a text, outside of lists.
fn requester(
    document: &Document,
    top: &dyn TableLike,
    fields: &BTreeMap<String, Shape>,
    errors: &mut Vec<Diagnostic>,
) -> Option<String> {
    let item = top.get("requester")?;
    let path = item.as_str().unwrap_or_default();
    let (mut inner, mut found) = (Some(fields), None);
    for name in path.split('.') {
        found = inner.and_then(|fields| fields.get(name));
        inner = match found.map(|shape| &shape.kind) {
            Some(Type::Record(fields)) => Some(fields),
            _ => None,
        };
    }
    if matches!(found.map(|shape| &shape.kind), Some(Type::Text { .. })) {
        return Some(path.to_owned());
    }
    let message = "requester is not the path of a text among the fields, such as \"customer.agent\"";
    errors.push(document.error(top, "requester", "schema", message));
    None
}

/// The derived facts, in the order of the file.
fn derived(
    document: &Document,
    top: &dyn TableLike,
    fields: &BTreeMap<String, Shape>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Derived> {
    let mut derived = Vec::new();
    if let Some(expressions) = table(document, top, "derived", errors) {
        for (name, item) in expressions.iter() {
            let line = document.line_of(expressions, name);
            match item.as_str() {
                Some(_) if fields.contains_key(name) => {
                    let message = format!("order.{name} is a field already");
                    errors.push(document.error(expressions, name, "schema", message));
                }
                // A rule that reads order.a.b reads the field b of order.a, never this fact.
                Some(_) if name.is_empty() || name.contains(['.', '[', ']']) => {
                    let message = format!("the derived fact '{name}' needs a name without dots and brackets");
                    errors.push(document.error(expressions, name, "schema", message));
                }
                Some(expression) => {
                    derived.push(Derived { name: name.to_owned(), expression: expression.to_owned(), line })
                }
                None => {
                    let message = format!("the derived fact '{name}' is not an expression in quotes");
                    errors.push(document.error(expressions, name, "schema", message));
                }
            }
        }
    }
    derived
}

fn table<'a>(
    document: &Document,
    top: &'a dyn TableLike,
    key: &str,
    errors: &mut Vec<Diagnostic>,
) -> Option<&'a dyn TableLike> {
    let item = top.get(key)?;
    let table = item.as_table_like();
    if table.is_none() {
        errors.push(document.error(top, key, "schema", format!("{key} is not a table")));
    }
    table
}

/// One field: its type as text, or a table with its type and more.
fn shape(document: &Document, path: &str, item: &Item) -> Result<Shape, String> {
    if let Some(name) = item.as_str() {
        return Ok(required(scalar(path, name)?));
    }
    let table = item.as_table_like().ok_or_else(|| format!("the type of '{path}' is not text"))?;
    let known: Vec<&str> = KEYS.into_iter().chain(schema_limits::KEYS).collect();
    if let Some((key, _)) = table.iter().find(|(key, _)| !known.contains(key)) {
        return Err(format!("'{path}' has the unknown setting '{key}' (it may have {})", known.join(", ")));
    }
    let name = table.get("type").and_then(Item::as_str).ok_or_else(|| format!("'{path}' has no type"))?;
    let mut kind = scalar(path, name)?;
    match (&mut kind, table.get("choices"), table.get("scale"), table.get("of")) {
        (_, None, None, None) => {}
        (Type::Text { choices }, Some(item), None, None) => *choices = texts(path, item)?,
        (Type::Money { scale }, None, Some(item), None) => {
            let wanted = item.as_integer().and_then(|scale| u32::try_from(scale).ok());
            *scale = wanted
                .filter(|scale| *scale <= 8)
                .ok_or_else(|| format!("scale of '{path}' is not 0 to 8"))?;
        }
        (Type::List(element), None, None, Some(item)) => {
            let name = item.as_str().ok_or_else(|| format!("of of '{path}' is not a type"))?;
            element.kind = scalar(path, name)?;
        }
        _ => return Err(format!("'{path}': choices are for text, scale is for money, of is for list")),
    }
    let (optional, masked) = (flag(path, table, "optional")?, flag(path, table, "masked")?);
    let mut shape = Shape { optional, masked, ..required(kind) };
    schema_limits::read(document, path, table, &mut shape)?;
    Ok(shape)
}

fn texts(path: &str, item: &Item) -> Result<Vec<String>, String> {
    let texts = item.as_array().and_then(|array| {
        array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    });
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| format!("choices of '{path}' is not a list of texts"))
}

fn scalar(path: &str, name: &str) -> Result<Type, String> {
    Ok(match name {
        "text" => Type::Text { choices: Vec::new() },
        "integer" => Type::Integer,
        "decimal" => Type::Decimal,
        "money" => Type::Money { scale: CENTS },
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "record" => Type::Record(BTreeMap::new()),
        "list" => Type::List(Box::new(required(Type::Text { choices: Vec::new() }))),
        other => {
            let hint = suggest::nearest(other, TYPES.into_iter());
            let hint = hint.map_or_else(|| TYPES.join(", "), |name| format!("did you mean '{name}'?"));
            return Err(format!("'{path}' has the unknown type '{other}' ({hint})"));
        }
    })
}

fn required(kind: Type) -> Shape {
    Shape { kind, optional: false, masked: false, limits: Limits::default() }
}

/// Puts a shape at a path such as `customer.tier` or `items[].price`; records and lists on the way need no entry.
fn insert(parent: &mut Shape, path: &str, shape: Shape) -> Result<(), String> {
    let (segment, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
    let Type::Record(fields) = &mut parent.kind else {
        return Err(format!("'{segment}' is inside {}, not a record", parent.kind.name()));
    };
    if name.is_empty() || name.contains(['[', ']']) {
        return Err(format!("'{path}' is not a path such as customer.tier or items[].price"));
    }
    let Some(rest) = rest else {
        if is_list {
            return Err(format!("'{path}': write {name} = {{ type = \"list\", of = … }}"));
        }
        return match fields.get_mut(name) {
            None => {
                fields.insert(name.to_owned(), shape);
                Ok(())
            }
            // An entry for a record or list itself, after those of its fields.
            Some(existing) if same_family(&existing.kind, &shape.kind) => {
                existing.optional = shape.optional;
                existing.masked = shape.masked;
                existing.limits = shape.limits;
                Ok(())
            }
            Some(_) => Err(format!("'{name}' is described twice")),
        };
    };
    let fresh = || Type::Record(BTreeMap::new());
    let kind = if is_list { Type::List(Box::new(required(fresh()))) } else { fresh() };
    let child = fields.entry(name.to_owned()).or_insert_with(|| required(kind));
    if !is_list {
        return insert(child, rest, shape);
    }
    let Type::List(element) = &mut child.kind else { return Err(format!("'{name}' is not a list")) };
    // `list` without `of` is a list of text until a field of its records is described.
    if element.kind == (Type::Text { choices: Vec::new() }) {
        element.kind = fresh();
    }
    insert(element, rest, shape)
}

fn same_family(a: &Type, b: &Type) -> bool {
    matches!((a, b), (Type::Record(_), Type::Record(_)) | (Type::List(_), Type::List(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_a_tree() {
        let text = "[fields]\n\"a.b\" = \"text\"\na = { type = \"record\", optional = true }\n\"l[].x\" = \"integer\"\n\
                    [derived]\nd = 'order.a'\n";
        let schema = parse("s", text).unwrap();
        assert!(schema.fields["a"].optional);
        let Type::Record(fields) = &schema.fields["a"].kind else { panic!("a record") };
        assert_eq!(fields["b"].kind, Type::Text { choices: Vec::new() });
        assert!(matches!(&schema.fields["l"].kind, Type::List(_)));
        assert_eq!(schema.derived[0].line, 6);
    }

    #[test]
    fn the_requester_is_a_text_of_the_order() {
        let of = |requester: &str| {
            let fields = "[fields]\n\"customer.agent\" = \"text\"\nn = \"integer\"\n\"l[].x\" = \"text\"\n";
            parse("s.toml", &format!("requester = {requester}\n{fields}"))
        };
        assert_eq!(of("\"customer.agent\"").unwrap().requester.as_deref(), Some("customer.agent"));
        for wrong in ["\"customer\"", "\"agent\"", "\"n\"", "\"l[].x\"", "\"l.x\"", "\"\"", "5"] {
            let errors = of(wrong).unwrap_err();
            assert_eq!(errors.len(), 1, "{wrong}");
            assert!(errors[0].message.starts_with("requester is not the path of a text"), "{wrong}");
        }
    }

    #[test]
    fn mistakes_have_a_place_and_a_remedy() {
        let text = "[fields]\na = \"txet\"\nb = { type = \"text\", scale = 2 }\n\"c[]\" = \"text\"\n[derived]\nx = 1\n\"y.z\" = \"1\"\n[other]\n";
        let errors: Vec<String> =
            parse("s.toml", text).unwrap_err().iter().map(Diagnostic::one_line).collect();
        let expected = [
            "s.toml:8:2: error[unknown-key]: there is no setting 'other' (the settings here are optional, requester, fields, derived)",
            "s.toml:2:1: error[schema]: 'a' has the unknown type 'txet' (did you mean 'text'?)",
            "s.toml:3:1: error[schema]: 'b': choices are for text, scale is for money, of is for list",
            "s.toml:4:1: error[schema]: 'c[]': write c = { type = \"list\", of = … }",
            "s.toml:6:1: error[schema]: the derived fact 'x' is not an expression in quotes",
            "s.toml:7:1: error[schema]: the derived fact 'y.z' needs a name without dots and brackets",
        ];
        assert_eq!(errors, expected);
    }
}
