//! A connected service as clients read it (docs/inside/contract.md#connected-services). Never a token.

use schemars::JsonSchema;
use serde::Serialize;

use broker::oauth::scope;
use broker::registry::grant::Listed;

/// A person's grant at a provider.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConnectedService")]
pub(crate) struct ConnectedServiceAnswer {
    id: i64,
    /// The provider's name.
    provider: String,
    /// The service's name.
    service: String,
    /// When the access token ends; it is refreshed before.
    expires_at: Option<String>,
    /// The scopes granted, separated by spaces.
    scope: String,
    scope_names: Vec<String>,
    scopes: Vec<String>,
    token_type: String,
    service_info: ServiceInfo,
    /// Whose it is; the published model has a list.
    username: Vec<String>,
    /// Why the person must sign in again; null if they need not.
    needs_reauth: Option<String>,
    /// When a call last travelled with it.
    last_used_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// A service by its names.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExternalServiceInfo")]
pub(super) struct ServiceInfo {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) display_name: String,
    /// The URL of its image.
    pub(super) logo: Option<String>,
}

impl ConnectedServiceAnswer {
    /// What the person and their admin see.
    pub(crate) fn new(row: Listed) -> Self {
        let grant = row.grant;
        let scopes: Vec<String> = scope::words(&grant.scope).map(str::to_owned).collect();
        Self {
            id: grant.id.0,
            service_info: ServiceInfo {
                id: grant.service_id.unwrap_or(0),
                name: grant.service.clone(),
                display_name: row.display_name.unwrap_or_else(|| grant.service.clone()),
                logo: row.image,
            },
            provider: grant.provider,
            service: grant.service,
            expires_at: grant.expires_at.map(|at| at.to_iso()),
            scope: grant.scope,
            scope_names: scopes.clone(),
            scopes,
            token_type: grant.token_type,
            username: vec![row.username],
            needs_reauth: grant.needs_reauth,
            last_used_at: grant.last_used_at.map(|at| at.to_iso()),
            created_at: grant.created_at.to_iso(),
            updated_at: grant.updated_at.to_iso(),
        }
    }
}
