//! Schemas that stand in the description of the interface under a name.

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

/// A schema under a name of its own, so that it stands in the document once.
pub(super) fn named(generator: &mut SchemaGenerator, name: &str, schema: Value) -> Schema {
    generator.definitions_mut().insert(name.to_owned(), schema);
    Schema::new_ref(format!("#/components/schemas/{name}"))
}
