//! The API's OpenAPI document, made of the routes and of what each declares, and served at `/v1/openapi.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ComponentsBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content as Media, Header, HttpMethod, Info, License, OpenApi, Ref, RefOr, Required, Response,
    ResponseBuilder, Schema,
};

use super::operation::{Answer, Content, Operation, Shape};
use super::problem::{CONTENT_TYPE, Problem, ProblemType};
use super::routes::{self, Door};

const ABOUT: &str = "\
People's way to Countersign: list the tasks that wait for a person, see why, and decide them.\n\n\
A request that fails is answered with a problem (RFC 9457) whose `type` is stable; the `detail` says what to do. A request \
line and headers of more than 16 KiB get 431, and a request that is not HTTP gets 400, both without a problem. `HEAD` is \
answered wherever `GET` is.";
/// The name of the security scheme.
const BEARER: &str = "bearer";

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document().to_pretty_json().expect("a document has a JSON form") + "\n");

/// The document as JSON.
pub fn text() -> &'static str {
    &DOCUMENT
}

/// Describes every route of the API.
fn document() -> OpenApi {
    let mut info = Info::new("Countersign", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    let mut paths = Paths::new();
    let (mut schemas, mut responses) = (BTreeMap::new(), BTreeMap::new());
    schemas.extend(Shape::of::<Problem>().all);
    for (route, operation) in routes::declared() {
        for shape in shapes(&operation) {
            schemas.extend(shape.all.clone());
        }
        let problems = by_status(route.door(), &operation);
        let described = describe(&route, operation, &problems);
        let of_problems = problems.into_values().map(|types| (name(&types), response(&types)));
        responses.extend(of_problems);
        paths.add_path_operation(route.path(), vec![method(&route)], described);
    }
    let mut document = OpenApi::new(info, paths);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of `countersign token create`, or an access token of the identity provider. A worker whose auth.mode is \"none\" requires none",
    ));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(responses)
        .security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    document.components = Some(components.build());
    document
}

fn shapes(operation: &Operation) -> impl Iterator<Item = &Shape> {
    let of_answers = operation.answers.iter().filter_map(|answer| match &answer.content {
        Content::Json(shape) => Some(shape),
        Content::Text | Content::Events | Content::Object => None,
    });
    operation.body.iter().chain(of_answers)
}

fn method(route: &routes::Route) -> HttpMethod {
    match route.method() {
        routes::GET => HttpMethod::Get,
        _ => HttpMethod::Post,
    }
}

/// Every problem that an operation may answer with, by its status.
fn by_status(door: Door, operation: &Operation) -> BTreeMap<u16, Vec<ProblemType>> {
    let all = door.problems().into_iter().chain(operation.problems.iter().copied());
    let mut by_status: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
    for problem in all {
        let of_status = by_status.entry(problem.status().as_u16()).or_default();
        if !of_status.contains(&problem) {
            of_status.push(problem);
        }
    }
    by_status
}

fn describe(
    route: &routes::Route,
    operation: Operation,
    problems: &BTreeMap<u16, Vec<ProblemType>>,
) -> utoipa::openapi::path::Operation {
    let Operation { id, summary, parameters, body, answers, .. } = operation;
    let mut described = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
    if let Some(role) = route.needed().2 {
        described = described
            .description(Some(format!("Needs a token with the role `{role}`.")))
            .security(SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []));
    }
    for name in route.path().split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        described = described.parameter(of_path(name));
    }
    for parameter in parameters {
        described = described.parameter(parameter);
    }
    if let Some(body) = body {
        let media = Media::new(Some(body.reference()));
        let body = RequestBodyBuilder::new().content("application/json", media);
        described = described.request_body(Some(body.required(Some(Required::True)).build()));
    }
    for answer in answers {
        described = described.response(answer.status.as_str().to_owned(), succeeded(answer));
    }
    for (status, types) in problems {
        described = described.response(status.to_string(), Ref::from_response_name(name(types)));
    }
    described.build()
}

/// A parameter of a path: what it is follows from its name.
fn of_path(name: &str) -> ParameterBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let (text, about) = match name {
        "id" => (text.pattern(Some("^[0-9a-f]{32}$")), "The task"),
        _ => (text.pattern(Some("^[0-9a-f]{1,64}$")), "The ruleset's SHA-256, or the start of it"),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(text))
}

fn succeeded(answer: Answer) -> Response {
    let Answer { description, content, has_etag, .. } = answer;
    let mut response = ResponseBuilder::new().description(description);
    response = match content {
        Content::Text => response.content(
            "text/plain; charset=utf-8",
            Media::new(Some(ObjectBuilder::new().schema_type(Type::String))),
        ),
        Content::Events => response
            .content("text/event-stream", Media::new(Some(ObjectBuilder::new().schema_type(Type::String)))),
        Content::Object => response.content("application/json", Media::new(Some(ObjectBuilder::new()))),
        Content::Json(shape) => response.content("application/json", Media::new(Some(shape.reference()))),
    };
    if has_etag {
        response =
            response.header("ETag", header_of("What a decision of this task is about, for `If-Match`"));
    }
    response.build()
}

/// The name of the response with these problems.
fn name(types: &[ProblemType]) -> String {
    types.iter().map(|problem| problem.name()).collect::<Vec<_>>().join(".")
}

/// A response with one of these problems, which have one status.
fn response(types: &[ProblemType]) -> Response {
    let titles: Vec<&str> = types.iter().map(|problem| problem.title()).collect();
    let uris = types.iter().map(|problem| problem.uri());
    let kind = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(uris));
    let of_kind = ObjectBuilder::new().property("type", kind);
    let problem = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(of_kind);
    let media = Media::new(Some(RefOr::T(Schema::AllOf(problem.build()))));
    let mut response = ResponseBuilder::new().description(titles.join("; ")).content(CONTENT_TYPE, media);
    let any = |is: fn(&ProblemType) -> bool| types.iter().any(is);
    if any(|problem| problem.status().as_u16() == 429 || problem.status().as_u16() == 503) {
        response = response.header("Retry-After", header_of("After how many seconds to try again"));
    }
    if any(|problem| problem.status().as_u16() == 401) {
        response = response.header("WWW-Authenticate", header_of("`Bearer`"));
    }
    if any(|problem| problem.shows_task()) {
        response = response.header("ETag", header_of("That of the `task`, if there is one"));
    }
    response.build()
}

fn header_of(about: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(about.to_owned());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(text());
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let mut ids: Vec<&str> = routes::declared().iter().map(|(_, operation)| operation.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }
}
