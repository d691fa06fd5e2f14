//! A server as clients read it: the union of the description's and the published models' fields
//! (docs/inside/contract.md#servers).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::endpoint::Call;
use super::super::oauth::ServiceAnswer;
use super::super::path::Words;
use base::error::Result;
use base::secret::Vault;
use broker::oauth::service::Offer;
use broker::registry::sealed::{HeaderView, Record};
use broker::registry::server::{Listed, Server};
use tenancy::tenant::TenantId;

/// An MCP server record.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MCPServer")]
pub(crate) struct ServerAnswer {
    /// Its number.
    id: i64,
    /// The number of the tenant that owns it.
    platform: i64,
    /// The key of that tenant.
    platform_key: String,
    /// The UUID of the mentor that it is bound to.
    mentor: Option<String>,
    /// The username of who registered it.
    owner: Option<String>,
    name: String,
    description: String,
    url: String,
    /// The URL of its image.
    image: Option<String>,
    /// `sse`, `websocket` or `streamable_http`.
    transport: &'static str,
    /// The record's own header value, masked behind its scheme; empty if there is none.
    credentials: String,
    /// Headers for every request.
    extra_headers: Option<Value>,
    /// `none`, `token` or `oauth2`.
    auth_type: &'static str,
    /// `platform`, `mentor` or `user`.
    auth_scope: &'static str,
    oauth_service: Option<i64>,
    /// Blank where there is none.
    oauth_service_data: ServiceAnswer,
    /// JSON text; connections are listed at their own endpoint.
    mcp_server_connections: &'static str,
    connected_service: Option<i64>,
    /// Whether other tenants may use it.
    is_featured: bool,
    /// The hard off switch.
    is_enabled: bool,
    /// Kept for clients of the API; without effect, because the gateway never alters what a tool answers.
    clean_output: bool,
    /// What tool names start with at a mentor's endpoint.
    tool_prefix: String,
    permissions: Permissions,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Permissions {
    object: ObjectPermissions,
}

/// What the caller may do with the record.
#[derive(Debug, Serialize, JsonSchema)]
struct ObjectPermissions {
    write: bool,
    delete: bool,
}

/// Who looks at a server, and what answers need to know of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer<'a> {
    tenant: TenantId,
    is_admin: bool,
    vault: &'a Vault,
    base_url: &'a str,
    words: Words,
    offers: &'a [Offer],
}

impl<'a> Viewer<'a> {
    /// The caller, with the OAuth services of the servers that they look at.
    pub(crate) fn of(call: &'a Call, offers: &'a [Offer]) -> Self {
        Self {
            tenant: call.caller.tenant.id,
            is_admin: call.caller.is_admin(),
            vault: &call.app.vault,
            base_url: &call.base_url,
            words: call.words,
            offers,
        }
    }
}

impl ServerAnswer {
    /// What this viewer sees: of another tenant's server no secret, not even masked, and nobody's name.
    ///
    /// # Errors
    /// `Internal` if the stored headers do not open.
    pub(crate) fn new(listed: Listed, viewer: Viewer<'_>) -> Result<Self> {
        let Listed {
            server,
            platform_key,
            mentor_unique_id,
        } = listed;
        let is_own = server.tenant_id == viewer.tenant;
        let may_write = is_own && viewer.is_admin;
        let (credentials, extra_headers) = secrets(&server, viewer)?;
        let created_at = server.created_at.to_iso();
        let is_its = |offer: &&Offer| Some(offer.service.id.0) == server.oauth_service_id;
        let oauth_service = match viewer.offers.iter().find(is_its) {
            Some(offer) => ServiceAnswer::new(offer),
            // The published model forbids null.
            None => ServiceAnswer::blank(&created_at),
        };
        Ok(Self {
            id: server.id.0,
            platform: server.tenant_id.0,
            platform_key,
            mentor: mentor_unique_id.filter(|_| is_own),
            owner: Some(server.owner).filter(|_| is_own),
            name: server.name,
            description: server.description,
            url: server.url,
            image: server
                .image
                .map(|name| format!("{}/api/images/{name}", viewer.base_url)),
            transport: server.transport.as_str(),
            credentials,
            extra_headers,
            auth_type: server.auth_type.as_str(),
            auth_scope: viewer.words.scope(server.auth_scope),
            oauth_service: server.oauth_service_id,
            oauth_service_data: oauth_service,
            mcp_server_connections: "[]",
            connected_service: None,
            is_featured: server.is_featured,
            is_enabled: server.is_enabled,
            clean_output: server.clean_output,
            tool_prefix: server.tool_prefix,
            permissions: Permissions {
                object: ObjectPermissions {
                    write: may_write,
                    delete: may_write,
                },
            },
            created_at,
            updated_at: server.updated_at.to_iso(),
        })
    }
}

fn secrets(server: &Server, viewer: Viewer<'_>) -> Result<(String, Option<Value>)> {
    if server.tenant_id != viewer.tenant {
        return Ok((String::new(), None));
    }
    let name = Server::record_name(server.id);
    let record = Record {
        tenant: server.tenant_id,
        name: &name,
        origin: &server.origin,
    };
    let view = if viewer.is_admin {
        HeaderView::Clear
    } else {
        HeaderView::Masked
    };
    let headers = record.headers(viewer.vault, &server.extra_headers_sealed, view)?;
    Ok((
        record.masked_header_value(viewer.vault, &server.credentials_sealed),
        headers,
    ))
}
