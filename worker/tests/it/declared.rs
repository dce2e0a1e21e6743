//! Whether the API's description declares an answer: each one that a test of this folder receives is held against it.

use std::sync::LazyLock;

use axum::http::{Method, header};
use serde_json::Value as Json;
use worker::api::openapi;

use crate::office::Answer;

static DOCUMENT: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(openapi::text()).expect("the document is JSON"));

/// Panics if an answer of the API is not declared: its status, its type of problem, or a field.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(item) = item(path) else { return };
    let operation = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let asked = format!("{method} {path}: {} {}", answer.status, answer.text);
    let Some(operation) = item.get(&operation) else {
        // Where the request was sent and from where is looked at first.
        assert!([400, 403, 405].contains(&answer.status.as_u16()), "{asked}");
        return;
    };
    let response = &operation["responses"][answer.status.as_str()];
    assert!(response.is_object(), "the status is not declared: {asked}");
    let response = resolve(response);
    let media = &response["content"][answer.header(header::CONTENT_TYPE)];
    assert!(media.is_object(), "{} is not declared: {asked}", answer.header(header::CONTENT_TYPE));
    if media["schema"]["type"] == "string" || method == Method::HEAD {
        return;
    }
    if let Err(why) = fits(&answer.json(), &media["schema"]) {
        panic!("{why}: {asked}");
    }
}

/// The description of a path; none if no route has it.
fn item(path: &str) -> Option<&'static Json> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |pattern: &str| {
        pattern.split('/').count() == path.split('/').count()
            && pattern
                .split('/')
                .zip(path.split('/'))
                .all(|(one, other)| one.starts_with('{') || one == other)
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.iter().find(|(pattern, _)| fits(pattern)).map(|(_, item)| item)
}

fn resolve(schema: &Json) -> &Json {
    match schema["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).expect("what it refers to"),
        None => schema,
    }
}

/// Whether a value is of a schema. Stricter than JSON Schema: a field that is not declared does not fit.
fn fits(value: &Json, schema: &Json) -> Result<(), String> {
    let schema = resolve(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        // A part of a whole does not know the fields of the others.
        match resolve(part)["required"].as_array() {
            Some(_) => fits(value, part)?,
            None => fields(value, part, false)?,
        }
    }
    if let Some(choices) = schema["oneOf"].as_array()
        && !choices.iter().any(|choice| fits(value, choice).is_ok())
    {
        return Err(format!("{value} is none of {schema}"));
    }
    let types = match &schema["type"] {
        Json::Array(types) => types.iter().filter_map(Json::as_str).collect(),
        Json::String(one) => vec![one.as_str()],
        _ => vec![],
    };
    let is = |name: &&str| match *name {
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type {other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Err(format!("{value} is not of {schema}"));
    }
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        return Err(format!("{value} is none of {names:?}"));
    }
    for element in value.as_array().into_iter().flatten() {
        fits(element, &schema["items"])?;
    }
    fields(value, schema, true)
}

fn fields(value: &Json, schema: &Json, is_whole: bool) -> Result<(), String> {
    let Some(properties) = schema["properties"].as_object() else {
        for value in value.as_object().into_iter().flat_map(|fields| fields.values()) {
            fits(value, &schema["additionalProperties"])?;
        }
        return Ok(());
    };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        value.get(name).ok_or_else(|| format!("there is no {name}"))?;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => fits(value, schema).map_err(|why| format!("{name}: {why}"))?,
            None if is_whole => return Err(format!("{name} is not declared")),
            None => {}
        }
    }
    Ok(())
}

#[test]
fn what_is_not_declared_does_not_fit() {
    let task = "/paths/~1v1~1tasks~1{id}~1claim/post/requestBody/content/application~1json/schema";
    let schema = DOCUMENT.pointer(task).expect("the body of a claim");
    for (body, fits_it) in [
        (r#"{"by": "ada"}"#, true),
        (r#"{"by": null}"#, true),
        ("{}", true),
        (r#"{"by": 1}"#, false),
        (r#"{"to": "ada"}"#, false),
        ("[]", false),
    ] {
        assert_eq!(fits(&serde_json::from_str(body).unwrap(), schema).is_ok(), fits_it, "{body}");
    }
}

/// The document has every route, and no other.
#[test]
fn every_route_is_described() {
    let mut described = vec![];
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needs_token = operation["security"].is_array();
            described.push((method.to_uppercase(), path.clone(), needs_token));
        }
    }
    let mut routes: Vec<_> = worker::api::routes::matrix()
        .into_iter()
        .map(|(method, path, role)| (method.to_owned(), path.to_owned(), role.is_some()))
        .collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
}
