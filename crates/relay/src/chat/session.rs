//! Chat sessions: which mentor, for whom, with which tools (docs/inside/contract.md#chat-sessions).
//! Never hands a session to anybody but the person it is for.

use sqlx::FromRow;

use base::clock::{UnixMs, random_uuid};
use base::error::{Error, FieldErrors, Result};
use base::sql;
use base::storage::Tx;
use tenancy::auth::Caller;
use tenancy::tenant::mentor::{MCP_TOOL_SLUGS, Mentor, MentorId};
use tenancy::tenant::user::{USERNAME_CHARACTERS_MAX, UserId};
use tenancy::tenant::{Tenant, TenantId};

/// Longest title, in characters.
pub const TITLE_CHARACTERS_MAX: usize = 255;
/// Sessions of a tenant to which nobody has connected yet. They are made without a key, so the oldest make room.
pub(crate) const UNCLAIMED_MAX: i64 = 10_000;
/// How long such a session waits for its person, in ms.
const UNCLAIMED_FOR_MS: i64 = 24 * 3600 * 1000;

/// The number of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct SessionId(pub i64);

/// A conversation of one person with one mentor.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// What clients call it, a UUID.
    pub unique_id: String,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// With which mentor.
    pub mentor_id: MentorId,
    /// For whom it was made; empty if for the first to connect.
    pub username: String,
    /// Who has connected to it.
    pub user_id: Option<UserId>,
    /// Its title; empty until it has one.
    pub title: String,
    /// The tools to use, a JSON array of slugs; `None` for all that the mentor has.
    pub tools: Option<String>,
    /// What the client asked for; the gateway makes no artifacts.
    pub enable_artifacts: bool,
    /// Whether others of the tenant may read it.
    pub is_shared: bool,
    /// What the client told of the page around the chat, a JSON object.
    pub metadata: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last used or changed.
    pub updated_at: UnixMs,
}

impl Session {
    /// The slugs of the tools to use, if not all.
    pub fn tool_slugs(&self) -> Option<Vec<String>> {
        let tools = self.tools.as_deref()?;
        Some(serde_json::from_str(tools).unwrap_or_default())
    }

    /// Whether it may use the mentor's MCP tools, if the mentor itself may.
    pub fn may_use_mcp(&self) -> bool {
        self.tool_slugs()
            .is_none_or(|slugs| slugs.iter().any(|slug| is_mcp(slug)))
    }

    /// Whether it is this person's.
    pub fn belongs_to(&self, caller: &Caller) -> bool {
        match self.user_id {
            Some(owner) => owner == caller.user_id(),
            None => self.username == caller.user.username,
        }
    }
}

fn is_mcp(slug: &str) -> bool {
    MCP_TOOL_SLUGS.contains(&slug)
}

/// A session to be made.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// In which tenant.
    pub tenant: &'a Tenant,
    /// With which mentor.
    pub mentor: &'a Mentor,
    /// For whom; empty for the first to connect.
    pub username: &'a str,
    /// The tools to use; `None` for all.
    pub tools: Option<Vec<String>>,
    /// What the client asked for.
    pub enable_artifacts: bool,
}

/// Makes a session that waits for its person. Whether there is such a person is not said here: nobody has shown a key.
///
/// # Errors
/// `Invalid` for a name that nobody can have, or a tool that the mentor does not have.
pub async fn create(tx: &mut Tx, new: NewSession<'_>, now: UnixMs) -> Result<Session> {
    let mut errors = FieldErrors::default();
    let is_long = new.username.chars().count() > USERNAME_CHARACTERS_MAX;
    if is_long || new.username.contains(char::is_whitespace) {
        errors.add("username", "Enter a valid username.");
    }
    check_tools(new.mentor, new.tools.as_deref(), &mut errors);
    errors.into_result()?;
    make_room(tx, new.tenant.id, now).await?;
    Ok(sql!(
        tx,
        fetch_one as Session,
        "INSERT INTO chat_sessions (unique_id, tenant_id, mentor_id, username, user_id, title, tools, enable_artifacts,
                                    is_shared, metadata, created_at, updated_at)
         VALUES ($1, $2, $3, $4, NULL, '', $5, $6, FALSE, '{}', $7, $7) RETURNING *",
        random_uuid().to_string(),
        new.tenant.id,
        new.mentor.id,
        new.username,
        new.tools.map(|slugs| serde_json::json!(slugs).to_string()),
        new.enable_artifacts,
        now
    )?)
}

/// Complains about tools that the mentor does not have.
pub fn check_tools(mentor: &Mentor, slugs: Option<&[String]>, errors: &mut FieldErrors) {
    let known = mentor.tool_slugs();
    for slug in slugs.unwrap_or_default() {
        if !is_mcp(slug) && !known.contains(slug) {
            errors.add("tools", format!("Invalid tool slug \"{slug}\"."));
        }
    }
}

async fn make_room(tx: &mut Tx, tenant: TenantId, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM chat_sessions WHERE tenant_id = $1 AND user_id IS NULL AND (created_at < $2 OR id <= (
             SELECT COALESCE(MAX(old.id), 0) FROM (
                 SELECT id FROM chat_sessions WHERE tenant_id = $1 AND user_id IS NULL
                 ORDER BY id DESC LIMIT 1 OFFSET $3) old))",
        tenant,
        now.0.saturating_sub(UNCLAIMED_FOR_MS),
        UNCLAIMED_MAX - 1
    )?;
    Ok(())
}

/// Connects a person to their session with this mentor. From the first time on it is theirs.
///
/// # Errors
/// `NotFound` if there is none, or if it is with another mentor or for somebody else.
pub async fn claim(
    tx: &mut Tx,
    caller: &Caller,
    unique_id: &str,
    mentor: MentorId,
    now: UnixMs,
) -> Result<Session> {
    sql!(
        tx,
        fetch_optional as Session,
        "UPDATE chat_sessions SET user_id = $4, updated_at = $6
         WHERE unique_id = $1 AND tenant_id = $2 AND mentor_id = $3
           AND (user_id = $4 OR (user_id IS NULL AND username IN ('', $5))) RETURNING *",
        unique_id,
        caller.tenant.id,
        mentor,
        caller.user_id(),
        &caller.user.username,
        now
    )?
    .ok_or(Error::NotFound("chat session"))
}

/// The session of that id in a tenant.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, tenant: TenantId, unique_id: &str) -> Result<Session> {
    sql!(
        tx,
        fetch_optional as Session,
        "SELECT * FROM chat_sessions WHERE tenant_id = $1 AND unique_id = $2",
        tenant,
        unique_id
    )?
    .ok_or(Error::NotFound("chat session"))
}

/// Stores everything that may change of a session.
///
/// # Errors
/// If the database fails.
pub async fn store(tx: &mut Tx, session: &Session) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE chat_sessions SET title = $2, tools = $3, enable_artifacts = $4, is_shared = $5, metadata = $6,
             updated_at = $7 WHERE id = $1",
        session.id,
        &session.title,
        &session.tools,
        session.enable_artifacts,
        session.is_shared,
        &session.metadata,
        session.updated_at
    )?;
    Ok(())
}

/// Deletes a session with everything that was said in it.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, id: SessionId) -> Result<()> {
    sql!(tx, execute, "DELETE FROM chat_sessions WHERE id = $1", id)?;
    Ok(())
}
