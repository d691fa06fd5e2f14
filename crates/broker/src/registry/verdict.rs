//! What a server said last to what is sent to it: taken, or refused. Written when that changes and seldom besides, for the
//! explain endpoint; no call looks at it.

use sqlx::FromRow;

use super::connection::ConnectionId;
use super::server::ServerId;
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::Tx;

/// Whose credential it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A connection's.
    Connection(ConnectionId),
    /// The server record's own, or none.
    Server(ServerId),
}

/// When a server said what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Verdict {
    /// When it took the credential.
    pub last_ok_at: Option<UnixMs>,
    /// When it refused it.
    pub last_refused_at: Option<UnixMs>,
}

impl Verdict {
    /// Whether the last word was a refusal, and of what is sent now: nothing was entered or renewed since.
    pub fn is_refusal(&self, entered_at: UnixMs) -> bool {
        self.last_refused_at
            .is_some_and(|at| at >= entered_at && self.last_ok_at.is_none_or(|ok| ok < at))
    }
}

/// What is known.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, place: Place) -> Result<Verdict> {
    let found = match place {
        Place::Connection(id) => sql!(
            tx,
            fetch_optional as Verdict,
            "SELECT last_ok_at, last_refused_at FROM connections WHERE id = $1",
            id
        )?,
        Place::Server(id) => sql!(
            tx,
            fetch_optional as Verdict,
            "SELECT last_ok_at, last_refused_at FROM servers WHERE id = $1",
            id
        )?,
    };
    Ok(found.unwrap_or_default())
}

/// Notes what a server said.
///
/// # Errors
/// If the database fails.
pub async fn note(tx: &mut Tx, place: Place, is_ok: bool, now: UnixMs) -> Result<()> {
    let (ok_at, refused_at) = if is_ok {
        (Some(now), None)
    } else {
        (None, Some(now))
    };
    match place {
        Place::Connection(id) => sql!(
            tx,
            execute,
            "UPDATE connections SET last_ok_at = COALESCE($2, last_ok_at),
                 last_refused_at = COALESCE($3, last_refused_at) WHERE id = $1",
            id,
            ok_at,
            refused_at
        )?,
        Place::Server(id) => sql!(
            tx,
            execute,
            "UPDATE servers SET last_ok_at = COALESCE($2, last_ok_at),
                 last_refused_at = COALESCE($3, last_refused_at) WHERE id = $1",
            id,
            ok_at,
            refused_at
        )?,
    };
    Ok(())
}
