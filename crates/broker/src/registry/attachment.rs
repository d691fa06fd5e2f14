//! Which servers are attached to which mentor, in which order. The whole list is replaced, never a part of it.

use sqlx::FromRow;

use super::server::{Listed, ServerId};
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;

/// Servers of one mentor.
pub const SERVERS_MAX: usize = 100;

/// A server and a mentor that it is attached to.
#[derive(Debug, Clone, FromRow)]
pub struct Attached {
    /// The mentor.
    pub attached_mentor_id: MentorId,
    /// The server.
    #[sqlx(flatten)]
    pub listed: Listed,
}

/// Attaches exactly these servers.
///
/// # Errors
/// If the database fails.
pub async fn replace(tx: &mut Tx, mentor: MentorId, servers: &[ServerId]) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM mentor_servers WHERE mentor_id = $1",
        mentor
    )?;
    for (position, server) in (0_i64..).zip(servers) {
        sql!(
            tx,
            execute,
            "INSERT INTO mentor_servers (mentor_id, server_id, position) VALUES ($1, $2, $3)
             ON CONFLICT (mentor_id, server_id) DO NOTHING",
            mentor,
            *server,
            position
        )?;
    }
    Ok(())
}

/// The servers of a tenant's mentors in a range of numbers that the tenant may still see, in their order.
///
/// # Errors
/// If the database fails.
pub async fn of_mentors(
    tx: &mut Tx,
    tenant: TenantId,
    (first, last): (MentorId, MentorId),
) -> Result<Vec<Attached>> {
    Ok(sql!(
        tx,
        fetch_all as Attached,
        "SELECT a.mentor_id AS attached_mentor_id, s.*, t.key AS platform_key, b.unique_id AS mentor_unique_id
         FROM mentor_servers a JOIN mentors m ON m.id = a.mentor_id JOIN servers s ON s.id = a.server_id
         JOIN tenants t ON t.id = s.tenant_id LEFT JOIN mentors b ON b.id = s.mentor_id
         WHERE m.tenant_id = $1 AND a.mentor_id BETWEEN $2 AND $3 AND (s.tenant_id = $1 OR s.is_featured)
         ORDER BY a.mentor_id, a.position, s.id",
        tenant,
        first,
        last
    )?)
}

/// How many mentors have a server.
///
/// # Errors
/// If the database fails.
pub async fn mentors_of(tx: &mut Tx, server: ServerId) -> Result<i64> {
    Ok(sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM mentor_servers a JOIN mentors m ON m.id = a.mentor_id
         WHERE a.server_id = $1 AND NOT m.is_deleted",
        server
    )?)
}

/// Takes away what only served a mentor that is being deleted: its servers' attachments, and its connections' use.
///
/// # Errors
/// If the database fails.
pub async fn release(tx: &mut Tx, mentor: MentorId) -> Result<()> {
    replace(tx, mentor, &[]).await?;
    sql!(
        tx,
        execute,
        "UPDATE connections SET is_active = FALSE WHERE mentor_id = $1 AND is_active",
        mentor
    )?;
    Ok(())
}
