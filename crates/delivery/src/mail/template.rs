//! Templates of a tenant, by the numbers that callers name them by (8.2.9).
//! Never finds another tenant's. The ones of the sandbox come with its sample data.

use serde::Deserialize;
use sqlx::FromRow;

use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::{Page, PageRequest, Tx};
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

/// Templates of one tenant.
const TEMPLATES_MAX: i64 = 200;

/// A stored template.
#[derive(Debug, Clone, FromRow)]
pub struct Template {
    /// What callers name it by.
    pub number: i64,
    /// What people name it by.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same in HTML; empty for a mail of text alone.
    pub html: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// A template to be stored.
#[derive(Debug, Clone, Deserialize)]
pub struct Draft {
    /// What people name it by.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same in HTML; empty for a mail of text alone.
    #[serde(default)]
    pub html: String,
}

/// Makes a template with this number.
///
/// # Errors
/// `Conflict` if the number is taken, or the tenant has as many as it may.
pub async fn create(
    tx: &mut Tx,
    tenant: TenantId,
    number: i64,
    draft: &Draft,
    now: UnixMs,
) -> Result<()> {
    let count = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM mail_templates WHERE tenant_id = $1 AND environment = 'live'",
        tenant
    )?;
    if count >= TEMPLATES_MAX {
        let message = format!("The limit of {TEMPLATES_MAX} templates is reached.");
        return Err(Error::Conflict(message));
    }
    if !insert(tx, (tenant, Environment::Live), number, draft, now).await? {
        return Err(Error::Conflict(format!(
            "There is a template {number} already."
        )));
    }
    Ok(())
}

/// Stores a template, and says whether its number was free.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    tx: &mut Tx,
    (tenant, environment): (TenantId, Environment),
    number: i64,
    draft: &Draft,
    now: UnixMs,
) -> Result<bool> {
    let made = sql!(
        tx,
        execute,
        "INSERT INTO mail_templates (tenant_id, environment, number, name, subject, text, html, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (tenant_id, environment, number) DO NOTHING",
        tenant,
        environment.as_str(),
        number,
        &draft.name,
        &draft.subject,
        &draft.text,
        &draft.html,
        now
    )?;
    Ok(made == 1)
}

/// Changes the whole of a template. Mails that wait were filled in before and stay as they are.
///
/// # Errors
/// `NotFound` if there is none with this number.
pub async fn replace(
    tx: &mut Tx,
    tenant: TenantId,
    number: i64,
    draft: &Draft,
    now: UnixMs,
) -> Result<()> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE mail_templates SET name = $3, subject = $4, text = $5, html = $6, updated_at = $7
         WHERE tenant_id = $1 AND environment = 'live' AND number = $2",
        tenant,
        number,
        &draft.name,
        &draft.subject,
        &draft.text,
        &draft.html,
        now
    )?;
    found(changed)
}

/// Deletes a template.
///
/// # Errors
/// `NotFound` if there is none with this number.
pub async fn delete(tx: &mut Tx, tenant: TenantId, number: i64) -> Result<()> {
    let deleted = sql!(
        tx,
        execute,
        "DELETE FROM mail_templates WHERE tenant_id = $1 AND environment = 'live' AND number = $2",
        tenant,
        number
    )?;
    found(deleted)
}

fn found(rows: u64) -> Result<()> {
    if rows == 0 {
        Err(Error::NotFound("template"))
    } else {
        Ok(())
    }
}

/// The template with this number, of the tenant or of its sandbox.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(
    tx: &mut Tx,
    (tenant, environment): (TenantId, Environment),
    number: i64,
) -> Result<Template> {
    sql!(
        tx,
        fetch_optional as Template,
        "SELECT number, name, subject, text, html, created_at, updated_at FROM mail_templates
         WHERE tenant_id = $1 AND environment = $2 AND number = $3",
        tenant,
        environment.as_str(),
        number
    )?
    .ok_or(Error::NotFound("template"))
}

/// A page of the tenant's templates, by number.
///
/// # Errors
/// If the database fails.
pub async fn templates(tx: &mut Tx, tenant: TenantId, page: PageRequest) -> Result<Page<Template>> {
    let total = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM mail_templates WHERE tenant_id = $1 AND environment = 'live'",
        tenant
    )?;
    let rows = sql!(
        tx,
        fetch_all as Template,
        "SELECT number, name, subject, text, html, created_at, updated_at FROM mail_templates
         WHERE tenant_id = $1 AND environment = 'live' ORDER BY number LIMIT $2 OFFSET $3",
        tenant,
        page.size,
        page.offset()
    )?;
    Ok(Page { total, rows })
}
