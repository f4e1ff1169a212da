//! The description of the API (OpenAPI 3.1), made of the table of routes and the types that are sent.

use hyper::StatusCode;
use mailscan_core::export::Format;
use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation as Described, OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use crate::auth::is_open;
use crate::events;
use crate::problem::{self, Fault};
use crate::routes::{Answer, Event, ID, Kind, Operation, Parameter, RESOURCES, Resource, Verb};
use crate::wire;

/// Everything that is sent in JSON.
#[derive(OpenApi)]
#[openapi(components(schemas(
    Fault,
    problem::Body,
    wire::Addresses,
    wire::AllErrors,
    wire::CreatedJob,
    wire::Deleted,
    wire::ErrorList,
    wire::Errors,
    wire::Eta,
    wire::Gone,
    wire::Health,
    wire::Job,
    wire::Jobs,
    wire::NewJob,
    wire::Nodes,
    wire::Plan,
    wire::Progress,
    wire::Rates,
    wire::Reason,
    wire::Resolve,
    wire::Resolved,
    wire::SearchEndpoint,
    wire::Snapshot,
    wire::System,
    wire::WorkerStatus,
    wire::Workers
)))]
struct Sent;

/// What the description calls a token.
const TOKEN: &str = "token";

/// What nobody may add fields to.
const STRICT: [&str; 4] = ["NewJob", "Reason", "Resolve", "SearchEndpoint"];

/// The description, as JSON.
pub(crate) fn document() -> Vec<u8> {
    let mut components = Sent::openapi().components.unwrap_or_default();
    for name in STRICT {
        if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) {
            schema.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    let founding =
        ["Eta", "WorkerStatus", "System"].into_iter().fold(AnyOfBuilder::new(), |any, name| any.item(by(name)));
    components.schemas.insert("Founding".to_owned(), RefOr::T(founding.build().into()));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "Needed where the server has tokens (`serve --token-file`), in the scope that is named; else nobody asks for one.",
        ));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token.build()));
    let info = InfoBuilder::new()
        .title("mailscan")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Run and watch jobs that collect e-mail addresses."))
        .build();
    let paths = RESOURCES.iter().fold(PathsBuilder::new(), |paths, resource| {
        let item = resource.operations.iter().fold(PathItemBuilder::new(), |item, operation| {
            item.operation(method(operation.verb), describe(resource, operation))
        });
        paths.path(resource.path, item.build())
    });
    let document = OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components)).build();
    // Numbers and strings always serialize.
    serde_json::to_vec(&document).unwrap_or_default()
}

fn by(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Delete => HttpMethod::Delete,
    }
}

fn describe(resource: &Resource, operation: &Operation) -> Described {
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .response(operation.status.as_str(), answer(operation))
        .response("default", problem());
    let reads = operation.verb == Verb::Get;
    if !reads || !is_open(resource.path) {
        described = described.security(SecurityRequirement::new(TOKEN, [if reads { "read" } else { "write" }]));
    }
    if reads && !matches!(operation.answer, Answer::Text(_) | Answer::Events(_) | Answer::Export) {
        let same = ResponseBuilder::new().description("What `If-None-Match` names is still so");
        described = described.response("304", same.build());
    }
    if resource.path.contains(ID) {
        described = described.parameter(
            ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("the job"))
                .schema(Some(whole(0, u64::MAX))),
        );
    }
    for parameter in operation.parameters {
        described = described.parameter(query(parameter));
    }
    // The events of one job begin with how it stands, whoever comes back.
    if matches!(operation.answer, Answer::Events(_)) && !resource.path.contains(ID) {
        let heard = ParameterBuilder::new()
            .name(events::LAST_EVENT_ID)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("the `id` of the last event that was heard, from one who comes back"))
            .schema(Some(text(None, None)));
        described = described.parameter(heard);
    }
    if operation.status == StatusCode::ACCEPTED {
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("makes a repetition safe: the same key and body begin one job"))
            .schema(Some(text(Some((1, 255)), Some("^[!-~]+$"))));
        described = described.parameter(key);
    }
    if let Some(body) = &operation.body {
        let content = ContentBuilder::new().schema(Some(by(body.schema))).build();
        let required = if body.required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(required));
        described = described.request_body(Some(body.build()));
    }
    described.build()
}

fn query(parameter: &Parameter) -> ParameterBuilder {
    let name = |names: &[&str]| {
        ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(names.iter().copied()))
    };
    let schema: RefOr<Schema> = match parameter.is {
        Kind::Number(from, to) => whole(from, to),
        Kind::Seconds => {
            let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Number));
            RefOr::T(number.minimum(Some(0)).maximum(Some(mailscan_core::job::MOST_SECONDS)).build().into())
        }
        Kind::Text => text(None, None),
        Kind::UpTo(most) => text(Some((0, most)), None),
        Kind::Like(pattern) => text(None, Some(pattern)),
        Kind::Flag => RefOr::T(ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean)).build().into()),
        Kind::One(names) => RefOr::T(name(names).build().into()),
        Kind::Some(names) => RefOr::T(ArrayBuilder::new().items(name(names).build()).min_items(Some(1)).build().into()),
    };
    let listed = matches!(parameter.is, Kind::Some(_));
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(ParameterIn::Query)
        .required(if parameter.required { Required::True } else { Required::False })
        .description(Some(parameter.about))
        .explode(listed.then_some(false))
        .schema(Some(schema))
}

fn whole(from: u64, to: u64) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    RefOr::T(number.minimum(Some(from)).maximum(Some(to)).build().into())
}

fn text(length: Option<(usize, usize)>, pattern: Option<&str>) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let (least, most) = length.unzip();
    RefOr::T(text.min_length(least).max_length(most).pattern(pattern).build().into())
}

fn answer(operation: &Operation) -> Response {
    let response = ResponseBuilder::new().description(operation.summary);
    let of = |schema: RefOr<Schema>| ContentBuilder::new().schema(Some(schema)).build();
    let response = match operation.answer {
        Answer::Nothing => response,
        Answer::Json(name) => response.content("application/json", of(by(name).into())),
        Answer::Text(media) => response.content(media, of(text(None, None))),
        Answer::Events(events) => response.content(events::MEDIA, of(any_event(events))),
        Answer::OpenApi => {
            let any = ObjectBuilder::new().schema_type(SchemaType::new(Type::Object));
            response.content("application/json", of(RefOr::T(any.build().into())))
        }
        Answer::Export => Format::ALL.into_iter().fold(response, |response, format| {
            // Bytes that are no text have no schema.
            let schema = format.is_text().then(|| text(None, None));
            response.content(format.media_type(), ContentBuilder::new().schema(schema).build())
        }),
    };
    if operation.status == StatusCode::ACCEPTED {
        let location = HeaderBuilder::new().schema(text(None, None)).description(Some("where the job is")).build();
        return response.header("Location", location).build();
    }
    response.build()
}

/// What each of the events is that a stream is made of, as the version of OpenAPI has no word for the stream itself. What
/// the text of `data` holds is told by `x-data`, for which there is no word either.
fn any_event(events: &[Event]) -> RefOr<Schema> {
    RefOr::T(events.iter().fold(OneOfBuilder::new(), |any, described| any.item(event(described))).build().into())
}

fn event(Event { name, data, about }: &Event) -> Schema {
    let text_of = |name: &str| format!("#/components/schemas/{name}");
    let schemas: Vec<_> = data.iter().map(|name| json!({ "$ref": text_of(name) })).collect();
    let held = ExtensionsBuilder::new().add("x-data", json!({ "anyOf": schemas })).build();
    let name = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some([*name]));
    let data = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).content_media_type("application/json");
    ObjectBuilder::new()
        .description(Some(*about))
        .property("event", name)
        .property("id", text(None, None))
        .property("data", data)
        .required("event")
        .required("data")
        .extensions(Some(held))
        .build()
        .into()
}

fn problem() -> Response {
    let content = ContentBuilder::new().schema(Some(by("Problem"))).build();
    ResponseBuilder::new().description("What is wrong").content("application/problem+json", content).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// The names that a document refers to.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_operation_that_needs_a_token_says_so() {
        let document: Value = serde_json::from_slice(&document()).unwrap();
        let scheme = &document["components"]["securitySchemes"][TOKEN];
        assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
        let needed = |path: &str, verb: &str| document["paths"][path][verb]["security"].clone();
        assert_eq!(needed("/api/v1/jobs", "get"), json!([{ "token": ["read"] }]));
        assert_eq!(needed("/api/v1/jobs", "post"), json!([{ "token": ["write"] }]));
        for open in ["/healthz", "/readyz", "/openapi.json"] {
            assert!(document["paths"][open].is_object() && needed(open, "get").is_null(), "{open}");
        }
    }

    #[test]
    fn only_a_stream_that_goes_on_where_it_was_left_asks_for_the_last_event() {
        let document: Value = serde_json::from_slice(&document()).unwrap();
        let asked = |path: &str| {
            let parameters = document["paths"][path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
            parameters.iter().any(|parameter| parameter["name"] == events::LAST_EVENT_ID)
        };
        assert!(asked("/api/v1/events") && !asked("/api/v1/jobs/{id}/events"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_slice(&document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
