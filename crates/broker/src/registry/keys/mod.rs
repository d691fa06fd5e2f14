//! Master keys and what they sealed: whether they are this database's, how much each sealed, and sealing anew.
//! Never decides which keys there are; that is the key file's.

mod rotate;

use sqlx::FromRow;

pub use rotate::{Progress, Unopened, seal_anew, verify};

use crate::registry::sealed::SealedTable;
use base::secret::{Binding, Secret, Vault};
use base::sql;
use base::storage::query::{self, Value};
use base::storage::{StorageError, Tx};

/// What the proofs of keys and pepper hold.
const KNOWN_TEXT: &str = "mentor-gateway";
/// The row of the pepper; no key has an empty id.
const PEPPER: &str = "";

/// Why the configured keys are not to be used with this database.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The pepper is another one: no API key would be known.
    #[error("the pepper is not the one that the API keys in this database were stored with")]
    Pepper,
    /// A key has a known id and other bytes.
    #[error(
        "the master key {0:?} is not the one that sealed secrets in this database under that name"
    )]
    Wrong(String),
    /// A key is not configured and secrets need it.
    #[error("the master key {id:?} is not configured, and {secrets} stored secrets need it")]
    Missing {
        /// Its id.
        id: String,
        /// How many secrets it sealed.
        secrets: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

#[derive(Debug, FromRow)]
struct Proof {
    key_id: String,
    proof: String,
}

/// Whether any keys were ever used with this database.
///
/// # Errors
/// If the database fails.
pub async fn are_known(tx: &mut Tx) -> Result<bool, StorageError> {
    Ok(sql!(tx, scalar as i64, "SELECT COUNT(*) FROM master_keys")? > 0)
}

/// Refuses keys that are not this database's. Keys that it has not seen become known, once all others are right.
///
/// # Errors
/// `Pepper`, `Wrong`, or `Missing`; then nothing was written.
pub async fn check(tx: &mut Tx, vault: &Vault, tables: &[SealedTable]) -> Result<(), KeysError> {
    let configured = vault.key_ids();
    let proofs = proofs(tx).await?;
    for Proof { key_id, proof } in &proofs {
        if key_id == PEPPER {
            if *proof != vault.digest(&Secret::new(KNOWN_TEXT)) {
                return Err(KeysError::Pepper);
            }
        } else if configured.contains(key_id) {
            let opened = vault.open(&binding(&record(key_id)), proof);
            if !opened.is_ok_and(|text| text.expose() == KNOWN_TEXT) {
                return Err(KeysError::Wrong(key_id.clone()));
            }
        } else {
            let secrets = count(tx, tables, key_id).await?;
            if secrets > 0 {
                let id = key_id.clone();
                return Err(KeysError::Missing { id, secrets });
            }
        }
    }
    let is_new = |id: &str| !proofs.iter().any(|proof| proof.key_id == id);
    if is_new(PEPPER) {
        add(tx, PEPPER, &vault.digest(&Secret::new(KNOWN_TEXT))).await?;
    }
    for id in configured.iter().filter(|id| is_new(id)) {
        let sealed = vault.seal_under(id, &binding(&record(id)), &Secret::new(KNOWN_TEXT));
        add(tx, id, &sealed.unwrap_or_default()).await?;
    }
    Ok(())
}

/// The secrets of each key: those configured, in the order of the file, then others that were used once.
///
/// # Errors
/// If the database fails.
pub async fn counts(
    tx: &mut Tx,
    vault: &Vault,
    tables: &[SealedTable],
) -> Result<Vec<(String, i64)>, StorageError> {
    let mut ids = vault.key_ids();
    for proof in proofs(tx).await? {
        if proof.key_id != PEPPER && !ids.contains(&proof.key_id) {
            ids.push(proof.key_id);
        }
    }
    let mut counts = Vec::new();
    for id in ids {
        let secrets = count(tx, tables, &id).await?;
        counts.push((id, secrets));
    }
    Ok(counts)
}

/// How many secrets a key sealed.
async fn count(tx: &mut Tx, tables: &[SealedTable], id: &str) -> Result<i64, StorageError> {
    let prefix = prefix(id);
    let mut secrets = 0;
    for SealedTable { table, columns, .. } in tables {
        for (column, _) in *columns {
            let text = format!(
                "SELECT COUNT(*) FROM {table} WHERE substr({column}, 1, CAST($2 AS INTEGER)) = $1"
            );
            let values = [Value::from(prefix.as_str()), length(&prefix)];
            let counted: Vec<(i64,)> = query::fetch_all(tx, text, &values).await?;
            secrets += counted.iter().map(|(count,)| count).sum::<i64>();
        }
    }
    Ok(secrets)
}

/// What every text begins with that a key sealed.
fn prefix(id: &str) -> String {
    format!("v1.{id}.")
}

/// The length as the databases count it in `substr`; a prefix is ASCII.
fn length(prefix: &str) -> Value {
    Value::Number(i64::try_from(prefix.len()).unwrap_or(i64::MAX))
}

async fn proofs(tx: &mut Tx) -> Result<Vec<Proof>, StorageError> {
    sql!(
        tx,
        fetch_all as Proof,
        "SELECT key_id, proof FROM master_keys ORDER BY key_id"
    )
}

async fn add(tx: &mut Tx, id: &str, proof: &str) -> Result<(), StorageError> {
    sql!(
        tx,
        execute,
        "INSERT INTO master_keys (key_id, proof) VALUES ($1, $2) ON CONFLICT (key_id) DO NOTHING",
        id,
        proof
    )?;
    Ok(())
}

fn record(id: &str) -> String {
    format!("master_key:{id}")
}

fn binding(record: &str) -> Binding<'_> {
    Binding {
        tenant: 0,
        record,
        field: "proof",
        origin: "",
    }
}
