//! A mentor as clients read it (docs/inside/contract.md#mentors).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::registry::ServerAnswer;
use tenancy::tenant::Tenant;
use tenancy::tenant::mentor::Mentor;
use tenancy::tenant::mentor::settings::{SETTINGS, value_of};

/// An AI mentor.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Mentor")]
pub(crate) struct MentorAnswer {
    /// Its number.
    id: i64,
    name: String,
    /// What paths and connections name it by.
    unique_id: String,
    slug: String,
    description: String,
    /// The key of its tenant.
    platform: String,
    display_name: Value,
    profile_image: Value,
    mentor_visibility: Value,
    metadata: Value,
    allow_anonymous: Value,
    is_featured: Value,
    categories: Vec<Value>,
    types: Vec<Value>,
    subjects: Vec<Value>,
    /// The attached servers.
    mcp_servers: Vec<ServerAnswer>,
    created_by: String,
    recently_accessed_at: String,
    created_at: String,
    updated_at: String,
}

impl MentorAnswer {
    /// What a member of the tenant sees.
    pub(crate) fn new(tenant: &Tenant, mentor: &Mentor, mcp_servers: Vec<ServerAnswer>) -> Self {
        let stored = mentor.stored_settings();
        let setting = |name: &str| {
            let found = SETTINGS.iter().find(|setting| setting.name == name);
            found
                .map(|setting| value_of(&stored, setting))
                .unwrap_or_default()
        };
        Self {
            id: mentor.id.0,
            name: mentor.name.clone(),
            unique_id: mentor.unique_id.clone(),
            slug: mentor.slug.clone(),
            description: mentor.description.clone(),
            platform: tenant.key.clone(),
            display_name: setting("display_name"),
            profile_image: setting("profile_image"),
            mentor_visibility: setting("mentor_visibility"),
            metadata: setting("metadata"),
            allow_anonymous: setting("allow_anonymous"),
            is_featured: setting("is_featured"),
            categories: Vec::new(),
            types: Vec::new(),
            subjects: Vec::new(),
            mcp_servers,
            created_by: mentor.created_by.clone(),
            recently_accessed_at: mentor.updated_at.to_iso(),
            created_at: mentor.created_at.to_iso(),
            updated_at: mentor.updated_at.to_iso(),
        }
    }
}
