//! What is published of a request against what is accepted, in both directions, for every table of fields and for the
//! arguments of every tool. The values are made from the schema; a validator that others wrote has the other opinion.

use mentor_gateway::fields::{Body, Fields, Need, Row, check};
use mentor_gateway::http::endpoint::{Access, Route};
use mentor_gateway::http::routes::ROUTES;
use mentor_gateway::native::FACES;
use serde_json::{Map, Value, json};

use crate::every_route::world;
use crate::harness::send;

/// Longest list that is made to be too long.
const ITEMS_MAX: u64 = 1000;

fn bodies() -> impl Iterator<Item = (&'static Route, Body)> {
    let routes = ROUTES.iter();
    routes.filter_map(|route| Some((route, route.endpoint.body?)))
}

fn is_valid(schema: &Value, value: &Value) -> bool {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema);
    validator.unwrap().is_valid(value)
}

/// The one type of a value, null aside.
fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(kinds) if kinds.len() == 2 && kinds[1] == "null" => kinds[0].as_str(),
        kind => kind.as_str(),
    }
}

/// Values that a schema allows and that only just fit.
fn edges(schema: &Value) -> Vec<Value> {
    let text = |length: &Value| {
        Value::from("x".repeat(usize::try_from(length.as_u64().unwrap()).unwrap()))
    };
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        return words.clone();
    }
    if schema["format"].is_null() {
        found.extend(["minLength", "maxLength"].iter().filter_map(|bound| {
            let bound = &schema[*bound];
            bound.is_u64().then(|| text(bound))
        }));
    }
    found.extend(["minimum", "maximum"].iter().filter_map(|bound| {
        let bound = &schema[*bound];
        bound.is_number().then(|| bound.clone())
    }));
    match kind(schema) {
        Some("boolean") => found.extend([true.into(), false.into()]),
        Some("integer" | "number") if found.is_empty() => found.push(json!(5.0)),
        Some("array") if schema["minItems"].is_null() => found.push(json!([])),
        _ => {}
    }
    found
}

/// Values of which each breaks one thing that a schema says.
fn breaches(schema: &Value) -> Vec<Value> {
    let mut found = match kind(schema) {
        Some("string") => vec![json!({})],
        Some("boolean") => vec!["perhaps".into()],
        Some("integer" | "number") => vec!["x".into()],
        Some("array") => vec![json!({ "x": 1 })],
        Some("object") => vec![5.into()],
        _ => Vec::new(),
    };
    let over = |bound: &str, by: i64| schema[bound].as_i64().map(|bound| bound + by);
    if schema["enum"].is_array() {
        found.push("no-such-word".into());
    } else if let Some(length) = over("maxLength", 1) {
        found.push("x".repeat(usize::try_from(length).unwrap()).into());
    }
    if over("minLength", 0) == Some(1) {
        found.push("".into());
    }
    found.extend(over("minimum", -1).map(Value::from));
    found.extend(over("maximum", 1).map(Value::from));
    if over("minItems", 0) == Some(1) {
        found.push(json!([]));
    }
    if let Some(count) = schema["maxItems"]
        .as_u64()
        .filter(|count| *count <= ITEMS_MAX)
    {
        found.push(vec![Value::from("x"); usize::try_from(count).unwrap() + 1].into());
    }
    if schema["items"]["enum"].is_array() {
        found.push(json!(["no-such-word"]));
    }
    if !schema["format"].is_null() && schema["format"] != "binary" {
        found.push("soon".into());
    }
    found
}

fn complaints(body: &Body, members: Map<String, Value>) -> mentor_gateway::error::FieldErrors {
    body.complaints(&Fields::from_json(members))
}

/// The example with another value in one of its fields.
fn with(body: &Body, row: &Row, value: Value) -> Map<String, Value> {
    let mut members = body.example().as_object().unwrap().clone();
    members.insert(row.name.to_owned(), value);
    members
}

/// The rows that the JSON of a body can have; files come in forms.
fn rows(body: &Body) -> impl Iterator<Item = (&'static Row, Value)> {
    let rows = body.rows().map(|row| (row, row.schema()));
    rows.filter(|(_, schema)| schema["format"] != "binary")
}

#[test]
fn the_example_of_every_request_is_accepted_and_fits_its_schema() {
    for (route, body) in bodies() {
        let (name, example) = (body.name, body.example());
        assert!(
            !example.as_object().unwrap().is_empty() || route.endpoint.form_bytes_max.is_some(),
            "{name}"
        );
        assert!(is_valid(&body.schema(), &example), "{name}: {example}");
        let members = example.as_object().unwrap().clone();
        assert_eq!(complaints(&body, members).to_string(), "", "{name}");
        for row in body.rows() {
            let schema = row.schema();
            for example in schema["examples"].as_array().into_iter().flatten() {
                assert!(is_valid(&schema, example), "{name}: {}", row.name);
            }
        }
    }
}

#[test]
fn what_every_request_publishes_is_accepted() {
    for (route, body) in bodies().filter(|(route, _)| route.endpoint.form_bytes_max.is_none()) {
        for (row, schema) in rows(&body) {
            let mut values = edges(&schema);
            values.extend(row.example.map(|example| example()));
            if row.takes_null {
                values.push(Value::Null);
            }
            for value in values {
                let what = format!("{} {}: {}: {value}", route.method, route.path, row.name);
                assert!(is_valid(&schema, &value), "{what}");
                let said = complaints(&body, with(&body, row, value));
                assert!(!said.has(row.name), "{what}: {said}");
            }
        }
    }
}

#[test]
fn what_every_request_rules_out_is_refused_under_the_name_of_its_field() {
    for (route, body) in bodies().filter(|(route, _)| route.endpoint.form_bytes_max.is_none()) {
        for (row, schema) in rows(&body) {
            let mut values = breaches(&schema);
            // Null stands for a default, where there is one.
            let has_default = body.is_whole && matches!(row.field.need(), Need::Default(_));
            if !row.takes_null && !has_default {
                values.push(Value::Null);
            }
            for value in values {
                let what = format!("{} {}: {}: {value}", route.method, route.path, row.name);
                assert!(!is_valid(&schema, &value), "{what}");
                let said = complaints(&body, with(&body, row, value));
                assert!(said.has(row.name), "{what}: {said}");
            }
        }
    }
}

#[test]
fn what_every_request_requires_is_missed_and_nothing_else() {
    for (_, body) in bodies() {
        let missed = complaints(&body, Map::new());
        let missed: Vec<(String, Vec<String>)> = missed
            .iter()
            .map(|(name, messages)| (name.to_owned(), messages.to_vec()))
            .collect();
        let mut required: Vec<(String, Vec<String>)> = body
            .required()
            .map(|name| (name.to_owned(), vec!["This field is required.".to_owned()]))
            .collect();
        required.sort();
        assert_eq!(missed, required, "{}", body.name);
        let example = body.example().as_object().unwrap().clone();
        let unknown = [("no_such_field".to_owned(), json!(1))];
        let said = complaints(&body, example.into_iter().chain(unknown).collect());
        assert_eq!(
            said.to_string(),
            "",
            "{}: what is unknown is passed over",
            body.name
        );
    }
}

/// The tables are what the handlers read: everything that is wrong is named by the route itself.
#[tokio::test]
async fn every_wrong_field_is_named_by_the_route_that_publishes_it() {
    let world = world().await;
    for (route, body) in bodies().filter(|(route, _)| route.endpoint.form_bytes_max.is_none()) {
        let mut members = Map::new();
        for (row, schema) in rows(&body) {
            if let Some(value) = breaches(&schema).into_iter().next() {
                members.insert(row.name.to_owned(), value);
            }
        }
        let user = if route.access == Access::Public {
            "undefined"
        } else {
            "alice"
        };
        let path = world.filled(route, user);
        let request = world.admin.request(route.method.clone(), &path);
        let answer = send(request.json(&members)).await;
        let what = format!("{} {path}: {members:?}: {}", route.method, answer.body);
        assert_eq!(answer.status, 400, "{what}");
        for name in members.keys() {
            assert!(answer.body[name].is_array(), "{name}: {what}");
        }
    }
}

/// Every schema in a schema, with where it stands.
fn inner<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
    found.push((path.to_owned(), schema));
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        inner(schema, &format!("{path}.{name}"), found);
    }
    if schema["items"].is_object() {
        inner(&schema["items"], &format!("{path}[]"), found);
    }
}

/// Keywords that say something and rule nothing out, and `format`, which the rules of each tool hold to
/// (`every_format_that_a_tool_publishes_is_held_to`).
const SAYS: [&str; 3] = ["description", "default", "format"];

#[test]
fn every_tool_publishes_only_keywords_that_are_checked() {
    for tool in FACES.iter().flat_map(|face| face.tools) {
        let (schema, mut schemas) = ((tool.input)(), Vec::new());
        inner(&schema, tool.name, &mut schemas);
        for (path, schema) in schemas {
            assert!(
                schema["type"].is_string() || schema["type"].is_null(),
                "{path}"
            );
            for keyword in schema.as_object().unwrap().keys() {
                let is_known =
                    check::KEYWORDS.contains(&keyword.as_str()) || SAYS.contains(&keyword.as_str());
                assert!(is_known, "{path}: {keyword}");
            }
        }
    }
}

#[test]
fn what_every_tool_publishes_of_an_argument_is_what_is_checked() {
    for tool in FACES.iter().flat_map(|face| face.tools) {
        let schema = (tool.input)();
        for (name, inside) in schema["properties"].as_object().unwrap() {
            let asked = |value: &Value| {
                let mut arguments = json!({ name: value });
                check::settle(&mut arguments);
                check::is_about(&check::complaints(&schema, &arguments), name)
            };
            for value in edges(inside) {
                assert!(is_valid(inside, &value), "{}: {name}: {value}", tool.name);
                assert!(!asked(&value), "{}: {name}: {value}", tool.name);
            }
            let mut values = breaches(inside);
            values.retain(|value| inside["format"].is_null() || *value != "soon");
            values.push(Value::Null);
            for value in values.iter().filter(|_| !inside["type"].is_null()) {
                assert!(!is_valid(inside, value), "{}: {name}: {value}", tool.name);
                assert!(asked(value), "{}: {name}: {value}", tool.name);
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let said = check::complaints(&schema, &json!({}));
            assert!(said.has(name.as_str().unwrap()), "{}: {name}", tool.name);
        }
        let said = check::complaints(&schema, &json!({ "no_such_field": 1 }));
        assert!(said.has("no_such_field"), "{}", tool.name);
    }
}
