//! The records of our own servers: featured, so that every tenant may attach them, and changed by nobody.

use crate::registry::{AuthType, Scope, Transport};
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant;

/// The tenant that they belong to. Nobody is in it.
const TENANT: &str = "built-in";
const TENANT_NAME: &str = "Built in";

/// A server of our own.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn<'a> {
    /// Its name in paths, and what its tools' names start with at a mentor.
    pub name: &'a str,
    /// Its name for people.
    pub title: &'a str,
    /// What it is for.
    pub description: &'a str,
}

/// Makes the records, or brings them up to date.
///
/// # Errors
/// If the database fails.
pub async fn store(
    tx: &mut Tx,
    servers: &[BuiltIn<'_>],
    base_url: &str,
    now: UnixMs,
) -> Result<()> {
    let owner = tenant::ensure(tx, TENANT, TENANT_NAME, now).await?;
    for server in servers {
        sql!(
            tx,
            execute,
            "INSERT INTO servers (tenant_id, owner, name, description, url, origin, transport, credentials_sealed,
                 extra_headers_sealed, auth_type, auth_scope, is_featured, is_enabled, clean_output, tool_prefix, native,
                 created_at, updated_at)
             VALUES ($1, '', $2, $3, $4, $5, $6, '', '', $7, $8, TRUE, TRUE, FALSE, $9, $9, $10, $10)
             ON CONFLICT (native) WHERE native <> ''
             DO UPDATE SET name = excluded.name, description = excluded.description, url = excluded.url,
                 origin = excluded.origin, version = servers.version + 1",
            owner.id,
            server.title,
            server.description,
            format!("{base_url}/mcp/{}/", server.name),
            base_url,
            Transport::StreamableHttp.as_str(),
            AuthType::None.as_str(),
            Scope::Platform.as_str(),
            server.name,
            now
        )?;
    }
    Ok(())
}
