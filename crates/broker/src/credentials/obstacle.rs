//! Why nobody can sign in to a server, as far as our own tables say: what an administrator must do before anybody is
//! asked (docs/inside/contract.md#resolution). Asks no provider and no server.

use super::resolve::Subject;
use crate::oauth::service::{self, Offer, ServiceId};
use crate::oauth::{found, integration};
use crate::registry::server::{Server, ServerId};
use base::clock::UnixMs;
use base::error::{Result, SignInFailure};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// How long a sign-in that could not begin counts as one that cannot, in ms; then it is tried again.
const REMEMBERED_MS: i64 = 5 * 60 * 1000;

/// Why a sign-in cannot begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Nobody has said who the tenant is at the provider: this integration credential is missing.
    NoCredential(String),
    /// The service that the server names is switched off.
    ServiceOff,
    /// The last try to begin failed so.
    Failed(SignInFailure),
}

impl Obstacle {
    /// What an administrator must do, in a sentence that a mentor can say.
    pub fn sentence(&self, server: &str) -> String {
        let what = match self {
            Self::NoCredential(name) => {
                format!("an administrator must first store the credential `{name}`")
            }
            Self::ServiceOff => "the service that it names is switched off; an administrator must \
                choose another `oauth_service` for it"
                .to_owned(),
            Self::Failed(SignInFailure::NoCredentials) => {
                "its provider does not know your organisation; an administrator must store who it \
                 is there"
                    .to_owned()
            }
            Self::Failed(SignInFailure::Nowhere) => {
                "its address does not say where to sign in; an administrator must choose an \
                 `oauth_service` for it"
                    .to_owned()
            }
            Self::Failed(SignInFailure::Unsafe) => {
                "its provider does not promise PKCE with S256, without which nobody is sent there"
                    .to_owned()
            }
            Self::Failed(SignInFailure::NoRequest) => {
                "its provider has an address that nobody may be sent to; an administrator must look \
                 into it"
                    .to_owned()
            }
            Self::Failed(failure) => format!("{failure}; an administrator must look into it"),
        };
        format!("{server} needs your own account, which cannot be connected yet: {what}.")
    }
}

/// What stands in the way of a person who would sign in to a server, if anything does.
///
/// # Errors
/// If the database fails.
pub async fn find(
    tx: &mut Tx,
    server: &Server,
    subject: Subject,
    now: UnixMs,
) -> Result<Option<Obstacle>> {
    let tenant = subject.tenant;
    let named = match server.oauth_service_id {
        Some(id) => service::find(tx, ServiceId(id)).await?,
        None => None,
    };
    let is_theirs = |offer: &Offer| offer.provider.tenant_id.is_none_or(|owner| owner == tenant);
    let offer = match named {
        Some(offer) if !offer.is_enabled() && !offer.is_discovered() => {
            return Ok(Some(Obstacle::ServiceOff));
        }
        Some(offer) if is_theirs(&offer) => Some(offer),
        // What was discovered for another tenant is discovered again for this one.
        Some(_) | None => found::find(tx, tenant, &server.url).await?,
    };
    if let Some(offer) = offer
        && let Some(name) = integration::lacking(tx, tenant, &offer.provider, now).await?
    {
        return Ok(Some(Obstacle::NoCredential(name)));
    }
    let failed = last_failure(tx, tenant, server, now).await?;
    Ok(failed.map(Obstacle::Failed))
}

async fn last_failure(
    tx: &mut Tx,
    tenant: TenantId,
    server: &Server,
    now: UnixMs,
) -> Result<Option<SignInFailure>> {
    let word = sql!(
        tx,
        scalar_optional as String,
        "SELECT failure FROM sign_in_obstacles
         WHERE tenant_id = $1 AND server_id = $2 AND url = $3 AND noted_at > $4",
        tenant,
        server.id,
        &server.url,
        UnixMs(now.0.saturating_sub(REMEMBERED_MS))
    )?;
    Ok(word.as_deref().and_then(SignInFailure::of_word))
}

/// Remembers that nobody can begin to sign in to a server, so that nobody is asked to; not a failure that may pass.
///
/// # Errors
/// If the database fails.
pub async fn note(
    tx: &mut Tx,
    tenant: TenantId,
    server: &Server,
    failure: SignInFailure,
    now: UnixMs,
) -> Result<()> {
    use SignInFailure::{NoCredentials, NoRequest, Nowhere, Unsafe};
    if !matches!(failure, NoCredentials | NoRequest | Nowhere | Unsafe) {
        return Ok(());
    }
    sql!(
        tx,
        execute,
        "INSERT INTO sign_in_obstacles (tenant_id, server_id, url, failure, noted_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, server_id) DO UPDATE SET url = excluded.url, failure = excluded.failure,
             noted_at = excluded.noted_at",
        tenant,
        server.id,
        &server.url,
        failure.as_str(),
        now
    )?;
    Ok(())
}

/// Forgets what stood in the way of a server: an administrator changed it.
///
/// # Errors
/// If the database fails.
pub async fn forget_server(tx: &mut Tx, server: ServerId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM sign_in_obstacles WHERE server_id = $1",
        server
    )?;
    Ok(())
}

/// Forgets what stood in the way of a tenant: an administrator changed who it is somewhere.
///
/// # Errors
/// If the database fails.
pub async fn forget_tenant(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM sign_in_obstacles WHERE tenant_id = $1",
        tenant
    )?;
    Ok(())
}
