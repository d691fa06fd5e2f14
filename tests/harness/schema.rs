//! Holds what our own servers answer against the schemas that they promise, with a validator that others wrote.

use mentor_gateway::native;
use serde_json::Value;

/// Fails with everything in which a value does not fit a schema.
#[track_caller]
pub fn assert_fits(what: &str, schema: &Value, value: &Value) {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap_or_else(|error| panic!("{what}: no schema: {error}"));
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("; "));
}

/// Fails unless a tool's answer fits what the tool promises.
#[track_caller]
pub fn assert_output(face: &str, tool: &str, output: &Value) {
    let entry = native::find(face).unwrap().tool(tool).unwrap();
    assert_fits(tool, &(entry.output)(), output);
}

/// Fails unless a resource holds what it promises.
#[track_caller]
pub fn assert_contents(face: &str, uri: &str, contents: &Value) {
    let mut entries = native::find(face).unwrap().resources.iter();
    let entry = entries.find(|entry| entry.id_in(uri).is_some()).unwrap();
    assert_fits(uri, &(entry.output)(), contents);
}
