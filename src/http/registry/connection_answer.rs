//! A connection as clients read it; the agent spelling has `agent` where the other has `mentor`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::endpoint::Call;
use super::super::path::Words;
use base::error::Result;
use broker::oauth::ReauthReason;
use broker::registry::connection::{Connection, ConnectionId, Listed};
use broker::registry::sealed::{HeaderView, Record};

/// A credential of one scope for one server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MCPServerConnection")]
pub(crate) struct ConnectionAnswer {
    /// Its number.
    id: i64,
    server: i64,
    server_name: String,
    /// `user`, `mentor` or `platform`.
    scope: &'static str,
    /// `none`, `token` or `oauth2`.
    auth_type: &'static str,
    /// The number of the tenant that owns the connection.
    platform: i64,
    /// The key of that tenant.
    platform_key: String,
    /// The username of a user scope.
    user: Option<String>,
    /// The UUID of a mentor scope's mentor; `agent` in the agent spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    mentor: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    agent: Option<Named>,
    connected_service: Option<i64>,
    connected_service_summary: Option<Summary>,
    /// The token, masked; empty if there is none.
    credentials: String,
    authorization_scheme: String,
    extra_headers: Option<Value>,
    is_active: bool,
    /// Whether other tenants may fall back to it when the server is featured.
    is_shared: bool,
    /// In the answer to its creation: the connections that it stands before, because the newest of a scope is used first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shadows: Vec<i64>,
    created_at: String,
    updated_at: String,
}

/// A UUID or null, under a key that is there or not.
type Named = Option<String>;

/// The grant that a connection points at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConnectedServiceSummary")]
struct Summary {
    id: i64,
    provider: String,
    service: String,
    user: String,
    platform_key: String,
    /// Why the person must sign in again: `revoked`, `interrupted`, `refused`, `client_forgotten`, `client_changed`,
    /// `provider_changed`, `unreadable`; or why an administrator must act first: `client_refused`; null if neither.
    needs_reauth: Option<String>,
    /// The same as a sentence.
    needs_reauth_reason: Option<&'static str>,
}

impl ConnectionAnswer {
    /// The same, with the connections that it stands before.
    pub(crate) fn shadowing(mut self, others: Vec<ConnectionId>) -> Self {
        self.shadows = others.into_iter().map(|id| id.0).collect();
        self
    }

    /// What an admin of the tenant, or the person themself, sees.
    ///
    /// # Errors
    /// `Internal` if the stored headers do not open.
    pub(crate) fn new(listed: Listed, call: &Call) -> Result<Self> {
        let row = listed.connection;
        let platform_key = call.caller.tenant.key.clone();
        let name = Connection::record_name(row.id);
        let record = Record {
            tenant: row.tenant_id,
            name: &name,
            origin: &row.origin,
        };
        let vault = &call.app.vault;
        let (mentor, agent) = match call.words {
            Words::Mentor => (Some(listed.mentor_unique_id), None),
            Words::Agent => (None, Some(listed.mentor_unique_id)),
        };
        let view = match call.caller.is_admin() {
            true => HeaderView::Clear,
            false => HeaderView::Masked,
        };
        let grant = (
            listed.grant_provider,
            listed.grant_service,
            listed.grant_username,
        );
        let summary = match (row.connected_service_id, grant) {
            (Some(id), (Some(provider), Some(service), Some(user))) => Some(Summary {
                id: id.0,
                provider,
                service,
                user,
                platform_key: platform_key.clone(),
                needs_reauth_reason: listed
                    .grant_needs_reauth
                    .as_deref()
                    .and_then(ReauthReason::sentence_of),
                needs_reauth: listed.grant_needs_reauth,
            }),
            _ => None,
        };
        Ok(Self {
            id: row.id.0,
            server: row.server_id.0,
            server_name: listed.server_name,
            scope: call.words.scope(row.scope),
            auth_type: row.auth_type.as_str(),
            platform: row.tenant_id.0,
            platform_key,
            user: listed.username,
            mentor,
            agent,
            connected_service: row.connected_service_id.map(|id| id.0),
            connected_service_summary: summary,
            credentials: record.masked(vault, &row.credentials_sealed),
            authorization_scheme: row.authorization_scheme,
            extra_headers: record.headers(vault, &row.extra_headers_sealed, view)?,
            is_active: row.is_active,
            is_shared: row.is_shared,
            shadows: Vec::new(),
            created_at: row.created_at.to_iso(),
            updated_at: row.updated_at.to_iso(),
        })
    }
}
