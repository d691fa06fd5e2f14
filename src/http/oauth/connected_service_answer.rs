//! A connected service as clients read it (docs/inside/contract.md#connected-services). Never a token.

use schemars::JsonSchema;
use serde::Serialize;

use crate::oauth::connected_service::ConnectedService;
use crate::oauth::scope;

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
    pub(crate) fn new(row: ConnectedService) -> Self {
        let scopes: Vec<String> = scope::words(&row.scope).map(str::to_owned).collect();
        Self {
            id: row.id,
            service_info: ServiceInfo {
                id: row.service_id.unwrap_or(0),
                name: row.service.clone(),
                display_name: row.display_name.unwrap_or_else(|| row.service.clone()),
                logo: row.image,
            },
            provider: row.provider,
            service: row.service,
            expires_at: row.expires_at.map(|at| at.to_iso()),
            scope: row.scope,
            scope_names: scopes.clone(),
            scopes,
            token_type: row.token_type,
            username: vec![row.username],
            needs_reauth: row.needs_reauth,
            last_used_at: row.last_used_at.map(|at| at.to_iso()),
            created_at: row.created_at.to_iso(),
            updated_at: row.updated_at.to_iso(),
        }
    }
}
