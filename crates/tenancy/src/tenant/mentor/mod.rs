//! Mentors: who they are, whether they may use tools, and what else is set on them.

pub mod settings;

use serde_json::{Map, Value};
use sqlx::FromRow;
use uuid::Uuid;

use super::TenantId;
use base::clock::{UnixMs, random_uuid};
use base::error::{Error, Result};
use base::sql;
use base::storage::{Page, PageRequest, Tx};

/// The number of a mentor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct MentorId(pub i64);

/// The slugs under which clients know the one MCP tool (docs/inside/contract.md#mentor-settings).
pub const MCP_TOOL_SLUGS: [&str; 2] = ["mcp-tool", "mcp"];

/// An AI mentor of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Mentor {
    /// Its number.
    pub id: MentorId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// Its UUID, as text.
    pub unique_id: String,
    /// Its name in paths, unique in the tenant.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The username of who made it.
    pub created_by: String,
    /// Enabled tools' slugs, a JSON array.
    pub tools: String,
    /// The master switch of its tools.
    pub can_use_tools: bool,
    /// Every other setting that was written, a JSON object.
    pub settings: String,
    /// Whether it was deleted; a deleted mentor is found nowhere.
    pub is_deleted: bool,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Mentor {
    /// The slugs of its enabled tools in the spelling that was set.
    pub fn tool_slugs(&self) -> Vec<String> {
        serde_json::from_str(&self.tools).unwrap_or_default()
    }

    /// The settings that were written, by name.
    pub fn stored_settings(&self) -> Map<String, Value> {
        serde_json::from_str(&self.settings).unwrap_or_default()
    }

    /// Whether it may call MCP tools at all: the master switch is on and the MCP tool is enabled.
    pub fn may_use_mcp(&self) -> bool {
        may_use_mcp(self.can_use_tools, &self.tools)
    }
}

/// Whether a mentor with this master switch and these enabled tools may call MCP tools.
pub fn may_use_mcp(can_use_tools: bool, tools: &str) -> bool {
    let slugs: Vec<String> = serde_json::from_str(tools).unwrap_or_default();
    let is_mcp = |slug: &String| MCP_TOOL_SLUGS.contains(&slug.as_str());
    can_use_tools && slugs.iter().any(is_mcp)
}

/// Longest name of a mentor, in characters.
pub const NAME_CHARACTERS_MAX: usize = 255;

/// Creates a mentor with no tools and no servers; its slug derives from the name.
///
/// # Errors
/// `Invalid` if the name is empty or too long.
pub async fn create(
    tx: &mut Tx,
    tenant: TenantId,
    name: &str,
    created_by: &str,
    now: UnixMs,
) -> Result<Mentor> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::field("name", "This field may not be blank."));
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(Error::field(
            "name",
            "Ensure this field has no more than 255 characters.",
        ));
    }
    let unique_id = random_uuid();
    let slug = free_slug(tx, tenant, name, unique_id).await?;
    Ok(sql!(
        tx,
        fetch_one as Mentor,
        "INSERT INTO mentors (tenant_id, unique_id, slug, name, description, created_by, tools, can_use_tools,
                              settings, is_deleted, created_at, updated_at)
         VALUES ($1, $2, $3, $4, '', $5, '[]', TRUE, '{}', FALSE, $6, $6) RETURNING *",
        tenant,
        unique_id.to_string(),
        slug,
        name,
        created_by,
        now
    )?)
}

async fn free_slug(tx: &mut Tx, tenant: TenantId, name: &str, unique_id: Uuid) -> Result<String> {
    let slug = slugify(name);
    let taken = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM mentors WHERE tenant_id = $1 AND slug = $2",
        tenant,
        &slug
    )?;
    let suffix = &unique_id.simple().to_string()[..8];
    Ok(match (slug.is_empty(), taken) {
        (false, 0) => slug,
        (false, _) => format!("{slug}-{suffix}"),
        (true, _) => format!("mentor-{suffix}"),
    })
}

/// Lower-case letters, digits and single hyphens: `Finance Mentor!` becomes `finance-mentor`.
pub fn slugify(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Stores everything that may change of a mentor.
///
/// # Errors
/// If the database fails.
pub async fn store(tx: &mut Tx, mentor: &Mentor) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE mentors SET name = $2, description = $3, tools = $4, can_use_tools = $5, settings = $6,
             updated_at = $7 WHERE id = $1",
        mentor.id,
        &mentor.name,
        &mentor.description,
        &mentor.tools,
        mentor.can_use_tools,
        &mentor.settings,
        mentor.updated_at
    )?;
    Ok(())
}

/// Deletes a mentor softly: it is found nowhere, and its slug is free again.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, id: MentorId, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE mentors SET is_deleted = TRUE, slug = slug || '--' || CAST(id AS TEXT), updated_at = $2
         WHERE id = $1",
        id,
        now
    )?;
    Ok(())
}

/// The order of a list of mentors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Date,
    /// By name.
    Name,
}

#[derive(FromRow)]
struct Counted {
    #[sqlx(flatten)]
    mentor: Mentor,
    total: i64,
}

/// A page of a tenant's mentors.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    order: Order,
    page: PageRequest,
) -> Result<Page<Mentor>> {
    let rows = sql!(
        tx,
        fetch_all as Counted,
        "SELECT m.*, COUNT(*) OVER () AS total FROM mentors m WHERE tenant_id = $1 AND NOT is_deleted
         ORDER BY CASE WHEN $2 THEN lower(name) ELSE '' END, created_at DESC, id DESC LIMIT $3 OFFSET $4",
        tenant,
        order == Order::Name,
        page.size,
        page.offset()
    )?;
    Ok(Page {
        total: rows.first().map_or(0, |row| row.total),
        rows: rows.into_iter().map(|row| row.mentor).collect(),
    })
}

/// The mentor that a path segment names: by UUID, then name, then slug (docs/inside/contract.md#paths).
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId, ident: &str) -> Result<Option<Mentor>> {
    Ok(sql!(
        tx,
        fetch_optional as Mentor,
        "SELECT * FROM mentors
         WHERE tenant_id = $1 AND NOT is_deleted AND (unique_id = $2 OR name = $3 OR slug = $3)
         ORDER BY CASE WHEN unique_id = $2 THEN 0 WHEN name = $3 THEN 1 ELSE 2 END, id LIMIT 1",
        tenant,
        ident.to_lowercase(),
        ident
    )?)
}

/// The mentor of that UUID in a tenant, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find_by_uuid(tx: &mut Tx, tenant: TenantId, uuid: Uuid) -> Result<Option<Mentor>> {
    Ok(sql!(
        tx,
        fetch_optional as Mentor,
        "SELECT * FROM mentors WHERE tenant_id = $1 AND NOT is_deleted AND unique_id = $2",
        tenant,
        uuid.to_string()
    )?)
}

/// The mentor of that number in a tenant.
///
/// # Errors
/// `NotFound` if there is none, or if it was deleted.
pub async fn get_by_id(tx: &mut Tx, tenant: TenantId, id: MentorId) -> Result<Mentor> {
    sql!(
        tx,
        fetch_optional as Mentor,
        "SELECT * FROM mentors WHERE tenant_id = $1 AND id = $2 AND NOT is_deleted",
        tenant,
        id
    )?
    .ok_or(Error::NotFound("mentor"))
}

/// The mentor that a path segment names.
///
/// # Errors
/// `NotFound` if there is none in this tenant.
pub async fn get(tx: &mut Tx, tenant: TenantId, ident: &str) -> Result<Mentor> {
    find(tx, tenant, ident)
        .await?
        .ok_or(Error::NotFound("mentor"))
}
