//! Walking over every stored secret: to see that each opens, and to seal each anew with the key that seals now.
//! Never holds a transaction for longer than one batch, so that a running service waits for milliseconds.

use sqlx::FromRow;

use super::{length, prefix};
use crate::registry::chat_model::ChatModel;
use crate::registry::connected_service::ConnectedService;
use crate::registry::connection::{Connection, ConnectionId};
use crate::registry::sealed::{
    ACCESS_TOKEN, CLIENT_SECRET, CREDENTIALS, EXTRA_HEADERS, REFRESH_TOKEN, Record, VALUE,
    WEBHOOK_SECRET, integration_credential_record, oauth_client_record, webhook_record,
};
use crate::registry::server::{Server, ServerId};
use crate::secret::{Vault, VaultError};
use crate::sql;
use crate::storage::{Db, StorageError, Tx};
use crate::tenant::TenantId;

/// Records in one batch, which is one transaction.
const BATCH_ROWS: i64 = 200;
/// Passes over the tables at most; the second one finds nothing unless somebody writes at the same time.
const PASSES_MAX: usize = 10;
/// Records named at most when they do not open.
const NAMED_MAX: usize = 20;

/// The tables with sealed columns, at most two in each.
#[derive(Debug, Clone, Copy)]
enum Table {
    Servers,
    Connections,
    Grants,
    ChatModels,
    IntegrationCredentials,
    OauthClients,
    Webhooks,
}

const TABLES: [Table; 7] = [
    Table::Servers,
    Table::Connections,
    Table::Grants,
    Table::ChatModels,
    Table::IntegrationCredentials,
    Table::OauthClients,
    Table::Webhooks,
];

/// A record with its sealed columns; the second is empty where there is only one.
#[derive(Debug, FromRow)]
struct Row {
    id: i64,
    tenant_id: TenantId,
    origin: String,
    first: String,
    second: String,
}

/// How far sealing anew has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records done.
    pub records: u64,
}

/// Secrets that do not open with the configured keys.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// These do not; nothing was written.
    #[error("{} stored secrets do not open: {}", .count, .named.join(", "))]
    Records {
        /// How many.
        count: usize,
        /// The first of them: record, column and why.
        named: Vec<String>,
    },
    /// One that opened a moment ago does not any more.
    #[error("{record} does not open")]
    Changed {
        /// Which.
        record: String,
        /// Why.
        #[source]
        source: VaultError,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Opens every stored secret and writes nothing.
///
/// # Errors
/// `Records` with those that do not open.
pub async fn verify(db: &Db, vault: &Vault) -> Result<(), Unopened> {
    let (mut count, mut named) = (0, Vec::new());
    for table in TABLES {
        let mut after = 0;
        loop {
            let mut tx = db.read().await?;
            let rows = table.rows(&mut tx, after, "").await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in &rows {
                for (field, sealed) in table.fields(row) {
                    if let Err(error) = row.open(table, vault, field, sealed) {
                        count += 1;
                        if named.len() < NAMED_MAX {
                            named.push(format!("{} {field} ({error})", table.record_name(row.id)));
                        }
                    }
                }
            }
        }
    }
    if count == 0 {
        Ok(())
    } else {
        Err(Unopened::Records { count, named })
    }
}

/// Seals whatever another key sealed with the one that seals now, batch by batch, until nothing is left. What is
/// changed meanwhile by somebody else stays as they left it. Killed at any moment, it goes on where it was.
///
/// # Errors
/// `Changed` if a secret does not open; the batches before it are done.
pub async fn seal_anew(
    db: &Db,
    vault: &Vault,
    mut report: impl FnMut(Progress),
) -> Result<Progress, Unopened> {
    let mut progress = Progress::default();
    // What was written under the old key while we went over the tables is found by going over them again.
    for _ in 0..PASSES_MAX {
        let mut is_done = true;
        for table in TABLES {
            let mut after = 0;
            while let Some(last) = batch(db, vault, table, after, &mut progress).await? {
                (after, is_done) = (last, false);
                report(progress);
            }
        }
        if is_done {
            break;
        }
    }
    Ok(progress)
}

/// Seals one batch of records beyond `after` anew, and returns the last one's number.
async fn batch(
    db: &Db,
    vault: &Vault,
    table: Table,
    after: i64,
    progress: &mut Progress,
) -> Result<Option<i64>, Unopened> {
    let active = vault.key_ids().swap_remove(0);
    let mut tx = db.write().await?;
    let rows = table.rows(&mut tx, after, &prefix(&active)).await?;
    for row in &rows {
        let [(first, _), (second, _)] = table.fields(row);
        let new = (
            row.reseal(table, vault, first, &row.first)?,
            row.reseal(table, vault, second, &row.second)?,
        );
        progress.records += table.store(&mut tx, row, &new).await?;
    }
    tx.commit().await?;
    Ok(rows.last().map(|row| row.id))
}

impl Row {
    fn open(
        &self,
        table: Table,
        vault: &Vault,
        field: &str,
        sealed: &str,
    ) -> Result<(), VaultError> {
        let name = table.record_name(self.id);
        self.record(&name).open(vault, field, sealed).map(drop)
    }

    fn reseal(
        &self,
        table: Table,
        vault: &Vault,
        field: &str,
        sealed: &str,
    ) -> Result<String, Unopened> {
        let name = table.record_name(self.id);
        let resealed = self.record(&name).reseal(vault, field, sealed);
        resealed.map_err(|source| Unopened::Changed {
            record: format!("{name} {field}"),
            source,
        })
    }

    fn record<'a>(&'a self, name: &'a str) -> Record<'a> {
        Record {
            tenant: self.tenant_id,
            name,
            origin: &self.origin,
        }
    }
}

impl Table {
    fn record_name(self, id: i64) -> String {
        match self {
            Self::Servers => Server::record_name(ServerId(id)),
            Self::Connections => Connection::record_name(ConnectionId(id)),
            Self::Grants => ConnectedService::record_name(id),
            Self::ChatModels => ChatModel::record_name(id),
            Self::IntegrationCredentials => integration_credential_record(id),
            Self::OauthClients => oauth_client_record(id),
            Self::Webhooks => webhook_record(id),
        }
    }

    fn fields(self, row: &Row) -> [(&'static str, &str); 2] {
        let [first, second] = match self {
            // A model has one secret; its second column is always empty.
            Self::Servers | Self::Connections | Self::ChatModels => [CREDENTIALS, EXTRA_HEADERS],
            Self::Grants => [ACCESS_TOKEN, REFRESH_TOKEN],
            Self::IntegrationCredentials => [VALUE, ""],
            Self::OauthClients => [CLIENT_SECRET, ""],
            Self::Webhooks => [WEBHOOK_SECRET, WEBHOOK_SECRET],
        };
        [(first, &row.first), (second, &row.second)]
    }

    /// The next batch with a secret that does not begin with `sealed_by`.
    async fn rows(
        self,
        tx: &mut Tx,
        after: i64,
        sealed_by: &str,
    ) -> Result<Vec<Row>, StorageError> {
        let length = length(sealed_by);
        // An empty prefix would be equal to every beginning of length 0.
        let sealed_by = if sealed_by.is_empty() { "-" } else { sealed_by };
        match self {
            Self::Servers => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, origin, credentials_sealed AS first, extra_headers_sealed AS second
                 FROM servers WHERE id > $1 AND (
                     (credentials_sealed <> '' AND substr(credentials_sealed, 1, $3) <> $2)
                  OR (extra_headers_sealed <> '' AND substr(extra_headers_sealed, 1, $3) <> $2))
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
            Self::Connections => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, origin, credentials_sealed AS first, extra_headers_sealed AS second
                 FROM connections WHERE id > $1 AND (
                     (credentials_sealed <> '' AND substr(credentials_sealed, 1, $3) <> $2)
                  OR (extra_headers_sealed <> '' AND substr(extra_headers_sealed, 1, $3) <> $2))
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
            Self::Grants => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, '' AS origin, access_token_sealed AS first, refresh_token_sealed AS second
                 FROM connected_services WHERE id > $1 AND (
                     (access_token_sealed <> '' AND substr(access_token_sealed, 1, $3) <> $2)
                  OR (refresh_token_sealed <> '' AND substr(refresh_token_sealed, 1, $3) <> $2))
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
            Self::ChatModels => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, origin, api_key_sealed AS first, '' AS second FROM chat_models
                 WHERE id > $1 AND api_key_sealed <> '' AND substr(api_key_sealed, 1, $3) <> $2
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
            Self::Webhooks => webhook_rows(tx, after, (sealed_by, length)).await,
            Self::IntegrationCredentials => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, '' AS origin, value_sealed AS first, '' AS second
                 FROM integration_credentials
                 WHERE id > $1 AND value_sealed <> '' AND substr(value_sealed, 1, $3) <> $2
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
            Self::OauthClients => sql!(
                tx,
                fetch_all as Row,
                "SELECT id, tenant_id, '' AS origin, client_secret_sealed AS first, '' AS second
                 FROM oauth_clients
                 WHERE id > $1 AND client_secret_sealed <> '' AND substr(client_secret_sealed, 1, $3) <> $2
                 ORDER BY id LIMIT $4",
                after, sealed_by, length, BATCH_ROWS
            ),
        }
    }

    /// Writes both columns, unless somebody changed one of them since they were read.
    async fn store(
        self,
        tx: &mut Tx,
        row: &Row,
        new: &(String, String),
    ) -> Result<u64, StorageError> {
        match self {
            Self::Servers => sql!(
                tx,
                execute,
                "UPDATE servers SET credentials_sealed = $4, extra_headers_sealed = $5
                 WHERE id = $1 AND credentials_sealed = $2 AND extra_headers_sealed = $3 AND origin = $6",
                row.id, &row.first, &row.second, &new.0, &new.1, &row.origin
            ),
            Self::Connections => sql!(
                tx,
                execute,
                "UPDATE connections SET credentials_sealed = $4, extra_headers_sealed = $5
                 WHERE id = $1 AND credentials_sealed = $2 AND extra_headers_sealed = $3 AND origin = $6",
                row.id, &row.first, &row.second, &new.0, &new.1, &row.origin
            ),
            Self::Grants => sql!(
                tx,
                execute,
                "UPDATE connected_services SET access_token_sealed = $4, refresh_token_sealed = $5
                 WHERE id = $1 AND access_token_sealed = $2 AND refresh_token_sealed = $3",
                row.id, &row.first, &row.second, &new.0, &new.1
            ),
            Self::ChatModels => sql!(
                tx,
                execute,
                "UPDATE chat_models SET api_key_sealed = $3 WHERE id = $1 AND api_key_sealed = $2 AND origin = $4",
                row.id, &row.first, &new.0, &row.origin
            ),
            Self::IntegrationCredentials => sql!(
                tx,
                execute,
                "UPDATE integration_credentials SET value_sealed = $3 WHERE id = $1 AND value_sealed = $2",
                row.id, &row.first, &new.0
            ),
            Self::OauthClients => sql!(
                tx,
                execute,
                "UPDATE oauth_clients SET client_secret_sealed = $3 WHERE id = $1 AND client_secret_sealed = $2",
                row.id, &row.first, &new.0
            ),
            Self::Webhooks => sql!(
                tx,
                execute,
                "UPDATE webhooks SET secret_sealed = $4, previous_secret_sealed = $5
                 WHERE id = $1 AND secret_sealed = $2 AND previous_secret_sealed = $3",
                row.id, &row.first, &row.second, &new.0, &new.1
            ),
        }
    }
}

async fn webhook_rows(
    tx: &mut Tx,
    after: i64,
    (sealed_by, length): (&str, i32),
) -> Result<Vec<Row>, StorageError> {
    sql!(
        tx,
        fetch_all as Row,
        "SELECT id, tenant_id, '' AS origin, secret_sealed AS first, previous_secret_sealed AS second
         FROM webhooks WHERE id > $1 AND (
             (secret_sealed <> '' AND substr(secret_sealed, 1, $3) <> $2)
          OR (previous_secret_sealed <> '' AND substr(previous_secret_sealed, 1, $3) <> $2))
         ORDER BY id LIMIT $4",
        after,
        sealed_by,
        length,
        BATCH_ROWS
    )
}
