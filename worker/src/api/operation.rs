//! What an operation of the API takes and answers: the part of its description that its route does not say.

use axum::http::StatusCode;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use super::problem::ProblemType;

/// A declared operation.
#[derive(Clone)]
pub(super) struct Operation {
    /// Its name for generated clients.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) summary: &'static str,
    /// Those of the query and of the headers; those of the path stand in the path.
    pub(super) parameters: Vec<Parameter>,
    /// The JSON that it takes.
    pub(super) body: Option<Shape>,
    /// What it answers if it succeeds, in the order of their statuses.
    pub(super) answers: Vec<Answer>,
    /// The problems that are its own; those of its door are added to them.
    pub(super) problems: Vec<ProblemType>,
}

/// A successful answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) description: &'static str,
    pub(super) content: Content,
    pub(super) has_etag: bool,
}

/// What an answer contains.
#[derive(Clone)]
pub(super) enum Content {
    /// A line of text.
    Text,
    /// Server-sent events, until the connection ends.
    Events,
    /// Any JSON object.
    Object,
    /// JSON of this shape.
    Json(Shape),
}

/// The shape of some JSON, and those that it refers to.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) all: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    pub(super) fn of<T: ToSchema>() -> Shape {
        let name = T::name().into_owned();
        let mut all = vec![(name.clone(), T::schema())];
        T::schemas(&mut all);
        Shape { name, all }
    }

    pub(super) fn reference(&self) -> Ref {
        Ref::from_schema_name(&self.name)
    }
}

impl Operation {
    pub(super) fn new(id: &'static str, summary: &'static str) -> Operation {
        let (parameters, answers, problems) = (Vec::new(), Vec::new(), Vec::new());
        Operation { id, summary, parameters, body: None, answers, problems }
    }

    /// It takes the parameters of `T`.
    pub(super) fn with<T: IntoParams>(mut self) -> Operation {
        self.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// It takes the `ETag` of the task as reviewed.
    pub(super) fn if_match(mut self) -> Operation {
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["\"3b0c44298fc1c149\""]);
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The `ETag` of the task as reviewed, or `*` for any: a task that has changed since is not decided",
            ))
            .schema(Some(text));
        self.parameters.push(parameter.build());
        self.fails(&[ProblemType::Changed])
    }

    /// It takes a body of JSON.
    pub(super) fn takes<T: ToSchema>(mut self) -> Operation {
        self.body = Some(Shape::of::<T>());
        self.fails(&[ProblemType::NotJson])
    }

    /// It answers with JSON.
    pub(super) fn answers<T: ToSchema>(self, status: StatusCode, description: &'static str) -> Operation {
        self.answer(status, description, Content::Json(Shape::of::<T>()), false)
    }

    /// It answers with a task and its `ETag`.
    pub(super) fn answers_task<T: ToSchema>(
        self,
        status: StatusCode,
        description: &'static str,
    ) -> Operation {
        self.answer(status, description, Content::Json(Shape::of::<T>()), true)
    }

    /// It answers with a line of text.
    pub(super) fn answers_text(self, status: StatusCode, description: &'static str) -> Operation {
        self.answer(status, description, Content::Text, false)
    }

    /// It answers with server-sent events, from the one after `Last-Event-ID`.
    pub(super) fn answers_events(mut self, status: StatusCode, description: &'static str) -> Operation {
        let parameter = ParameterBuilder::new()
            .name("Last-Event-ID")
            .parameter_in(ParameterIn::Header)
            .description(Some("The `id` of the last event received, of this worker or another"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        self.parameters.push(parameter.build());
        self.answer(status, description, Content::Events, false)
    }

    /// It answers with a JSON object that is described elsewhere.
    pub(super) fn answers_object(self, status: StatusCode, description: &'static str) -> Operation {
        self.answer(status, description, Content::Object, false)
    }

    fn answer(
        mut self,
        status: StatusCode,
        description: &'static str,
        content: Content,
        has_etag: bool,
    ) -> Operation {
        self.answers.push(Answer { status, description, content, has_etag });
        self
    }

    /// It may fail with these.
    pub(super) fn fails(mut self, problems: &[ProblemType]) -> Operation {
        self.problems.extend_from_slice(problems);
        self
    }
}
