//! The OpenAPI 3.1 document, generated from the route table.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Access, QueryParameter, Route, Shape, query};
use super::schema::named;

const PAGE_QUERY: [QueryParameter; 2] = [
    query("page", "integer", "the number of the page, from 1"),
    query(
        "page_size",
        "integer",
        "rows in a page: 100 unless given, at most 1000",
    ),
];

/// The document of these routes.
pub(super) fn document(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mentor-gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The registry of MCP servers, connections and mentors. Every path is also served \
                with `ai-agent` for `ai-mentor` and `agents` for `mentors`, below `/dm` and `/axd`, and without its closing slash.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token <key>`, `Api-Token <key>` or `Bearer <key>`",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let endpoint = &route.endpoint;
    let pages: &[QueryParameter] = match endpoint.shape {
        Shape::Page(_) => &PAGE_QUERY,
        Shape::Empty | Shape::One(_) | Shape::List(_) | Shape::Media(_) => &[],
    };
    let in_path = names_in(route.path).map(path_parameter);
    let in_query = endpoint.query.iter().chain(pages).map(query_parameter);
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": endpoint.summary,
        "tags": [tag(route.path)],
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses(route, generator),
    });
    if route.access == Access::Public {
        operation["security"] = json!([]);
    }
    if let Some(body) = endpoint.body {
        let schema = named(generator, body.name, body.schema());
        let mut content = json!({ "multipart/form-data": { "schema": schema } });
        if endpoint.form_bytes_max.is_none() {
            content["application/x-www-form-urlencoded"] = json!({ "schema": schema });
            content["application/json"] = json!({ "schema": schema, "example": body.example() });
        }
        operation["requestBody"] = json!({ "content": content });
    }
    operation
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let content = match route.endpoint.shape {
        Shape::Empty => None,
        Shape::One(schema) => Some(json_of(schema(generator).to_value())),
        Shape::List(schema) => Some(json_of(
            json!({ "type": "array", "items": schema(generator) }),
        )),
        Shape::Page(schema) => Some(json_of(page_of(&schema(generator).to_value()))),
        Shape::Media(media_type) => Some(json!({ media_type: {} })),
    };
    let mut success = json!({ "description": "Success" });
    if let Some(content) = content {
        success["content"] = content;
    }
    let mut responses = Map::from_iter([(route.endpoint.status.to_string(), success)]);
    for (status, text) in refusals(route) {
        responses.insert(status.to_owned(), json!({ "description": text }));
    }
    Value::Object(responses)
}

fn refusals(route: &Route) -> Vec<(&'static str, &'static str)> {
    let mut refusals = vec![(
        "404",
        "No such thing, or another tenant's: `{\"detail\": \"Not found.\"}`",
    )];
    if route.access != Access::Public {
        refusals.push(("401", "No key, or not a valid one"));
        refusals.push(("403", "The caller's role in their own tenant is too weak"));
        refusals.push((
            "503",
            "A part of the gateway does not answer; `Retry-After` says when to try again",
        ));
    }
    if route.endpoint.body.is_some() || !route.endpoint.query.is_empty() {
        refusals.push((
            "400",
            "Field errors: `{\"field\": [\"message\"]}`, all together",
        ));
    }
    if route.endpoint.body.is_some() {
        refusals.push(("413", "The body is too large"));
        refusals.push(("415", "The body has another media type"));
    }
    refusals
}

fn page_of(items: &Value) -> Value {
    let url = json!({ "type": ["string", "null"], "format": "uri" });
    json!({
        "type": "object",
        "required": ["count", "next", "previous", "results"],
        "properties": {
            "count": { "type": "integer" },
            "next": url,
            "previous": url,
            "results": { "type": "array", "items": items },
        },
    })
}

fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let kind = if name == "id" { "integer" } else { "string" };
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
}

fn query_parameter(parameter: &QueryParameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "schema": { "type": parameter.kind },
    })
}

/// The method, the literal segments of the path, and the value that it ends in.
fn operation_id(route: &Route) -> String {
    let mut id = route.method.as_str().to_ascii_lowercase();
    let mut segments = route
        .path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .peekable();
    while let Some(segment) = segments.next() {
        let value = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match value {
            None => id.push_str(&format!("_{}", segment.replace('-', "_"))),
            Some(name) if segments.peek().is_none() => id.push_str(&format!("_by_{name}")),
            Some(_) => {}
        }
    }
    id
}

/// The last literal segment that names a noun.
fn tag(path: &str) -> &str {
    let is_noun = |segment: &&str| !segment.is_empty() && !segment.starts_with('{');
    path.split('/').rfind(is_noun).unwrap_or("api")
}
