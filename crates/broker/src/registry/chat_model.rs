//! The language model that answers for a tenant's mentors: an OpenAI-compatible endpoint, and the key for it.
//! Never hands the key out but to be sent, and never to another address than it was entered for.

use sqlx::FromRow;

use super::sealed::{CREDENTIALS, Change, Record, SealedTable};
use base::clock::UnixMs;
use base::error::{FieldErrors, Result};
use base::secret::{Secret, Vault, VaultError};
use base::sql;
use base::storage::Tx;
use egress::Policy;
use tenancy::tenant::TenantId;

/// Longest base URL, in characters.
pub const BASE_URL_CHARACTERS_MAX: usize = 200;
/// Longest name of a model, in characters.
pub const MODEL_CHARACTERS_MAX: usize = 200;
/// Longest key, in characters.
pub const API_KEY_CHARACTERS_MAX: usize = 1024;
/// What requests go to, below the base URL.
const PATH: &str = "chat/completions";

/// A tenant's language model.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ChatModel {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// What `/chat/completions` is below.
    pub base_url: String,
    /// Scheme, host and port of the URL; the key is bound to it.
    pub origin: String,
    /// The model's name there.
    pub model: String,
    /// The key, sealed; empty if it needs none.
    pub api_key_sealed: String,
    /// When it was first entered.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl ChatModel {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "chat_models",
        kind: "chat_model",
        has_origin: true,
        columns: &[("api_key_sealed", CREDENTIALS)],
    };

    /// The record's name for [`base::secret::Binding`].
    pub fn record_name(id: i64) -> String {
        Self::SEALED.record_name(id)
    }

    /// Where a turn's requests go.
    pub fn url(&self) -> String {
        format!("{}/{PATH}", self.base_url.trim_end_matches('/'))
    }

    /// The key, to be sent; empty if there is none.
    ///
    /// # Errors
    /// If it was not sealed for this record and origin.
    pub fn api_key(&self, vault: &Vault) -> Result<Secret, VaultError> {
        let name = Self::record_name(self.id);
        self.record(&name)
            .open(vault, CREDENTIALS, &self.api_key_sealed)
    }

    /// The key as `abc****xyz`.
    pub fn masked_api_key(&self, vault: &Vault) -> String {
        let name = Self::record_name(self.id);
        self.record(&name).masked(vault, &self.api_key_sealed)
    }

    fn record<'a>(&'a self, name: &'a str) -> Record<'a> {
        Record {
            tenant: self.tenant_id,
            name,
            origin: &self.origin,
        }
    }
}

/// What an admin enters.
#[derive(Debug)]
pub struct Draft {
    /// The base URL.
    pub base_url: String,
    /// The model's name.
    pub model: String,
    /// What to do with the key.
    pub api_key: Change,
}

/// The model of a tenant, if it has one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId) -> Result<Option<ChatModel>> {
    Ok(sql!(
        tx,
        fetch_optional as ChatModel,
        "SELECT * FROM chat_models WHERE tenant_id = $1",
        tenant
    )?)
}

/// Enters a tenant's model, or changes it.
///
/// # Errors
/// `Invalid` for an address that may not be dialled, or a key that was entered for another one.
pub async fn store(
    tx: &mut Tx,
    (vault, policy): (&Vault, &Policy),
    tenant: TenantId,
    (draft, mut errors): (Draft, FieldErrors),
    now: UnixMs,
) -> Result<ChatModel> {
    let origin = match policy.check_url(&draft.base_url) {
        Ok(destination) => destination.origin().to_owned(),
        Err(refused) => {
            let rule = refused.reason().rule();
            errors.add("base_url", format!("URL is not allowed: {rule}."));
            String::new()
        }
    };
    let stored = find(tx, tenant).await?;
    let keeps_foreign_key = |stored: &ChatModel| {
        !stored.api_key_sealed.is_empty()
            && stored.origin != origin
            && draft.api_key == Change::Keep
    };
    if stored.as_ref().is_some_and(keeps_foreign_key) && !errors.has("base_url") {
        errors.add("api_key", "Enter the key again: the address changed.");
    }
    errors.into_result()?;
    let row = sql!(
        tx,
        fetch_one as ChatModel,
        "INSERT INTO chat_models (tenant_id, base_url, origin, model, api_key_sealed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, '', $5, $5)
         ON CONFLICT (tenant_id) DO UPDATE SET base_url = $2, origin = $3, model = $4, updated_at = $5
         RETURNING *",
        tenant,
        &draft.base_url,
        &origin,
        &draft.model,
        now
    )?;
    let name = ChatModel::record_name(row.id);
    let sealed = row
        .record(&name)
        .seal(vault, CREDENTIALS, &draft.api_key, &row.api_key_sealed);
    sql!(
        tx,
        execute,
        "UPDATE chat_models SET api_key_sealed = $2 WHERE id = $1",
        row.id,
        &sealed
    )?;
    let api_key_sealed = sealed;
    Ok(ChatModel {
        api_key_sealed,
        ..row
    })
}

/// Deletes a tenant's model; whether there was one.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, tenant: TenantId) -> Result<bool> {
    let deleted = sql!(
        tx,
        execute,
        "DELETE FROM chat_models WHERE tenant_id = $1",
        tenant
    )?;
    Ok(deleted > 0)
}
