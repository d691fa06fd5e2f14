//! A mentor's settings as clients read them: every key of the published models, each in the type they insist on.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::registry::ServerAnswer;
use super::super::schema::named;
use super::tools::tool;
use broker::credentials::Closed;
use broker::registry::server::Server;
use tenancy::tenant::Tenant;
use tenancy::tenant::mentor::Mentor;
use tenancy::tenant::mentor::settings::{SETTINGS, value_of};

/// What anybody may read of a mentor.
pub(crate) fn public(tenant: &Tenant, mentor: &Mentor) -> Map<String, Value> {
    let mut answer = identity(tenant, mentor);
    let stored = mentor.stored_settings();
    for setting in SETTINGS.iter().filter(|setting| setting.is_public) {
        answer.insert(setting.name.to_owned(), value_of(&stored, setting));
    }
    answer
}

/// What the tenant's admins read.
pub(crate) fn full(
    tenant: &Tenant,
    mentor: &Mentor,
    (servers, unavailable): (&[ServerAnswer], &[Server]),
) -> Map<String, Value> {
    let mut answer = public(tenant, mentor);
    let stored = mentor.stored_settings();
    for setting in SETTINGS.iter().filter(|setting| !setting.is_public) {
        answer.insert(setting.name.to_owned(), value_of(&stored, setting));
    }
    let department = answer.get("department_id").cloned().unwrap_or_default();
    answer.insert("department".into(), department);
    answer.insert("mcp_servers".into(), json!(servers));
    // Still attached, and of use again when its owner features it again.
    let unavailable = unavailable.iter().map(|server| {
        let message = Closed::Unavailable.sentence(&server.name);
        json!({ "id": server.id.0, "name": server.name, "message": message })
    });
    let unavailable: Vec<Value> = unavailable.collect();
    if !unavailable.is_empty() {
        answer.insert("unavailable_mcp_servers".into(), json!(unavailable));
    }
    answer.insert("is_deleted".into(), json!(mentor.is_deleted));
    let call = json!({ "id": mentor.id.0, "mentor": mentor.unique_id, "platform_key": tenant.key });
    answer.insert("call_configuration".into(), call);
    answer
}

fn identity(tenant: &Tenant, mentor: &Mentor) -> Map<String, Value> {
    let slugs = mentor.tool_slugs();
    let tools: Vec<_> = slugs.iter().map(|slug| tool(slug)).collect();
    let identity = json!({
        "id": mentor.id.0,
        "mentor_id": mentor.id.0,
        "mentor": mentor.name,
        "mentor_name": mentor.name,
        "mentor_slug": mentor.slug,
        "mentor_unique_id": mentor.unique_id,
        "mentor_description": mentor.description,
        "platform_key": tenant.key,
        "created_by": mentor.created_by,
        "can_use_tools": mentor.can_use_tools,
        "tools": slugs,
        "tool_slugs": slugs,
        "mentor_tools": tools,
        "categories": [],
        "types": [],
        "subjects": [],
        "recently_accessed_at": mentor.updated_at.to_iso(),
        "created_at": mentor.created_at.to_iso(),
        "updated_at": mentor.updated_at.to_iso(),
    });
    match identity {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The schema of both answers: the settings are many and each has its type from the table.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let server = generator.subschema_for::<ServerAnswer>();
    let schema = json!({
        "type": "object",
        "description": "The mentor's settings, one member each, with the mentor's identity and its attached servers.",
        "required": ["id", "mentor_unique_id", "mentor_name", "tools", "can_use_tools"],
        "properties": {
            "id": { "type": "integer" },
            "mentor_unique_id": { "type": "string", "format": "uuid" },
            "mentor_name": { "type": "string" },
            "tools": { "type": "array", "items": { "type": "string" } },
            "can_use_tools": { "type": "boolean" },
            "mcp_servers": { "type": "array", "items": server },
        },
        "additionalProperties": true,
    });
    named(generator, "MentorSettings", schema)
}
