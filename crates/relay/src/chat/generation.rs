//! Turns under way: which there are, whose they are, and which of them were told to stop, here or by another replica.
//! Never stops a turn of another person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::session::SessionId;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;
use tenancy::auth::Caller;
use tenancy::tenant::user::UserId;

/// Longest life of one turn, a sign-in included.
pub const TURN_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Turns of one person that may be under way at once.
pub const TURNS_PER_USER_MAX: usize = 20;

type Running = Mutex<HashMap<String, (UserId, CancellationToken)>>;

/// The turns of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Generations(Arc<Running>);

/// A turn under way; forgotten when dropped.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) id: String,
    /// Cancelled when somebody stops it.
    pub(super) stop: CancellationToken,
    all: Generations,
}

impl Generations {
    /// Notes a turn that begins.
    ///
    /// # Errors
    /// `RateLimited` if too many of this person are under way.
    pub(super) fn begin(&self, id: String, user: UserId) -> Result<Generation> {
        let mut running = lock(&self.0);
        let of_user = running.values().filter(|(owner, _)| *owner == user).count();
        if of_user >= TURNS_PER_USER_MAX {
            return Err(Error::RateLimited { retry_after_s: 1 });
        }
        let stop = CancellationToken::new();
        running.insert(id.clone(), (user, stop.clone()));
        drop(running);
        let all = self.clone();
        Ok(Generation { id, stop, all })
    }

    /// Stops a turn that runs here.
    pub(super) fn stop(&self, id: &str) {
        if let Some((_, stop)) = lock(&self.0).get(id) {
            stop.cancel();
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        lock(&self.all.0).remove(&self.id);
    }
}

fn lock(running: &Running) -> MutexGuard<'_, HashMap<String, (UserId, CancellationToken)>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a turn down, and forgets those of the session that a killed process has left.
///
/// # Errors
/// If the database fails.
pub(super) async fn add(
    tx: &mut Tx,
    session: SessionId,
    caller: &Caller,
    id: &str,
    now: UnixMs,
) -> Result<()> {
    let deadline_ms = i64::try_from(TURN_DEADLINE.as_millis()).unwrap_or(i64::MAX);
    sql!(
        tx,
        execute,
        "DELETE FROM chat_generations WHERE session_id = $1 AND created_at < $2",
        session,
        now.0.saturating_sub(deadline_ms)
    )?;
    sql!(
        tx,
        execute,
        "INSERT INTO chat_generations (id, session_id, tenant_id, user_id, is_stopped, created_at)
         VALUES ($1, $2, $3, $4, FALSE, $5)",
        id,
        session,
        caller.tenant.id,
        caller.user_id(),
        now
    )?;
    Ok(())
}

/// Takes a turn that has ended off the list.
///
/// # Errors
/// If the database fails.
pub(super) async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM chat_generations WHERE id = $1",
        id
    )?;
    Ok(())
}

/// Marks a turn of the caller, or for an admin of anybody in the tenant, as to be stopped.
///
/// # Errors
/// `NotFound` if there is none.
pub(super) async fn mark_stopped(tx: &mut Tx, caller: &Caller, id: &str) -> Result<()> {
    let marked = sql!(
        tx,
        execute,
        "UPDATE chat_generations SET is_stopped = TRUE WHERE id = $1 AND tenant_id = $2 AND ($3 OR user_id = $4)",
        id,
        caller.tenant.id,
        caller.is_admin(),
        caller.user_id()
    )?;
    match marked {
        0 => Err(Error::NotFound("generation")),
        _ => Ok(()),
    }
}

/// Whether a turn is to go on: nobody stopped it, and nobody deleted its session.
///
/// # Errors
/// If the database fails.
pub(super) async fn goes_on(tx: &mut Tx, id: &str) -> Result<bool> {
    let going = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM chat_generations WHERE id = $1 AND NOT is_stopped",
        id
    )?;
    Ok(going > 0)
}
