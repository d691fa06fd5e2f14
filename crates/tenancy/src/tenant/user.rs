//! The people of a tenant and what role each has there.

use std::fmt;
use std::str::FromStr;

use sqlx::FromRow;

use super::TenantId;
use base::clock::UnixMs;
use base::error::{Error, FieldErrors, Result};
use base::sql;
use base::storage::Tx;

/// The number of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct UserId(pub i64);

/// What a user may do within their own tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Manages the tenant's registry, connections, mentors and people.
    Admin,
    /// Teaches cohorts.
    Instructor,
    /// Leads a team.
    Manager,
    /// Learns, and has connections of their own.
    Learner,
}

/// Every role with its word, as stored and as given on the command line.
const ROLES: [(Role, &str); 4] = [
    (Role::Admin, "admin"),
    (Role::Instructor, "instructor"),
    (Role::Manager, "manager"),
    (Role::Learner, "learner"),
];

impl Role {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        ROLES
            .iter()
            .find(|(role, _)| *role == self)
            .map_or("learner", |(_, word)| word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = ROLES.iter().find(|(_, known)| *known == word);
        found
            .map(|(role, _)| *role)
            .ok_or_else(|| "a role is admin, instructor, manager or learner".to_owned())
    }
}

impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

/// A person (or a service account) in one tenant.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The name in paths, unique in the tenant.
    pub username: String,
    /// Where mail goes; empty if unknown.
    pub email: String,
    /// What it may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// Whether its tokens work.
    pub is_active: bool,
}

/// Longest username, in characters.
pub const USERNAME_CHARACTERS_MAX: usize = 150;

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// The name in paths.
    pub username: &'a str,
    /// Where mail goes; empty if unknown.
    pub email: &'a str,
    /// What it may do.
    pub role: Role,
}

/// Creates a user in a tenant.
///
/// # Errors
/// `Invalid` for an empty, too long or unprintable name; `Conflict` if the name is taken.
pub async fn create(tx: &mut Tx, tenant: TenantId, new: &NewUser<'_>, now: UnixMs) -> Result<User> {
    let mut errors = FieldErrors::default();
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if new.username.is_empty() || new.username.contains(bad) {
        errors.add(
            "username",
            "A username has at least one character and no spaces, slashes or control characters.",
        );
    }
    if new.username.chars().count() > USERNAME_CHARACTERS_MAX {
        errors.add(
            "username",
            "Ensure this field has no more than 150 characters.",
        );
    }
    errors.into_result()?;
    let created = sql!(
        tx,
        fetch_one as User,
        "INSERT INTO users (tenant_id, username, email, role, is_active, created_at)
         VALUES ($1, $2, $3, $4, TRUE, $5)
         RETURNING id, tenant_id, username, email, role, is_active",
        tenant,
        new.username,
        new.email,
        new.role.as_str(),
        now
    );
    match created {
        Err(e) if e.is_unique_violation() => Err(Error::Conflict(format!(
            "user {:?} exists already in this tenant",
            new.username
        ))),
        other => Ok(other?),
    }
}

/// The active user of that name in a tenant, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId, username: &str) -> Result<Option<User>> {
    Ok(sql!(
        tx,
        fetch_optional as User,
        "SELECT id, tenant_id, username, email, role, is_active FROM users
         WHERE tenant_id = $1 AND username = $2 AND is_active",
        tenant,
        username
    )?)
}

/// The active user of that number in a tenant.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_by_id(tx: &mut Tx, tenant: TenantId, id: UserId) -> Result<User> {
    sql!(
        tx,
        fetch_optional as User,
        "SELECT id, tenant_id, username, email, role, is_active FROM users
         WHERE tenant_id = $1 AND id = $2 AND is_active",
        tenant,
        id
    )?
    .ok_or(Error::NotFound("user"))
}

/// The active user of that name in a tenant.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, tenant: TenantId, username: &str) -> Result<User> {
    find(tx, tenant, username)
        .await?
        .ok_or(Error::NotFound("user"))
}

/// A person's name, whether they are active or not.
///
/// # Errors
/// If there is no such person.
pub async fn name_of(tx: &mut Tx, id: UserId) -> Result<String> {
    Ok(sql!(
        tx,
        scalar as String,
        "SELECT username FROM users WHERE id = $1",
        id
    )?)
}

/// Switches a person of a tenant on or off, and with them every key and session token of theirs. What they have open
/// ends. `false` if they were so already, and there is nothing to write down.
///
/// # Errors
/// `NotFound` if the tenant has no such person.
pub async fn set_active(
    tx: &mut Tx,
    tenant: TenantId,
    id: UserId,
    is_active: bool,
) -> Result<bool> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE users SET is_active = $3 WHERE tenant_id = $1 AND id = $2 AND is_active <> $3",
        tenant,
        id,
        is_active
    )?;
    was_there(tx, tenant, id, changed).await
}

/// Gives a person of a tenant another role. Their keys grant no more than it allows from then on, and what they have
/// open ends. `false` if they had it already, and there is nothing to write down.
///
/// # Errors
/// `NotFound` if the tenant has no such person.
pub async fn set_role(tx: &mut Tx, tenant: TenantId, id: UserId, role: Role) -> Result<bool> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE users SET role = $3 WHERE tenant_id = $1 AND id = $2 AND role <> $3",
        tenant,
        id,
        role.as_str()
    )?;
    was_there(tx, tenant, id, changed).await
}

/// Whether rows were changed; where none was, the person must be there all the same.
async fn was_there(tx: &mut Tx, tenant: TenantId, id: UserId, changed: u64) -> Result<bool> {
    let known = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND id = $2",
        tenant,
        id
    )?;
    match known {
        0 => Err(Error::NotFound("user")),
        _ => Ok(changed > 0),
    }
}

/// Whether an active administrator of the tenant has this address, which is given in lower case.
///
/// # Errors
/// If the database fails.
pub async fn is_admins_address(tx: &mut Tx, tenant: TenantId, email: &str) -> Result<bool> {
    let admins = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM users
         WHERE tenant_id = $1 AND LOWER(TRIM(email)) = $2 AND role = 'admin' AND is_active",
        tenant,
        email
    )?;
    Ok(admins > 0)
}

/// The active user of that name, if it is the viewer themselves or the viewer administers the tenant.
///
/// # Errors
/// `NotFound` for everybody else, whether they exist or not.
pub async fn seen_by(tx: &mut Tx, viewer: &User, username: &str) -> Result<User> {
    if username == viewer.username {
        return Ok(viewer.clone());
    }
    if viewer.role != Role::Admin || username.contains(char::is_control) {
        return Err(Error::NotFound("user"));
    }
    get(tx, viewer.tenant_id, username).await
}
