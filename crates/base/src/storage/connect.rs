//! Opening a database: its pools, their bounds, and what every connection is told.
//! Never waits without a bound, and hands out no connection that is still in somebody's transaction.

use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Database, PgPool, SqlitePool};

use super::{Db, StorageError, fault};

/// Longest wait for a connection to SQLite, behind the writer of this process.
const SQLITE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait of SQLite for a write lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that read from SQLite at once; writes go through one.
pub const SQLITE_READERS_MAX: u32 = 4;
/// Connections to PostgreSQL.
pub const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// Longest wait for a connection to PostgreSQL: a client is told within two seconds that there is none.
const POSTGRES_ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1800);
/// Longest wait for PostgreSQL at the start.
const POSTGRES_START_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two attempts at the start.
const POSTGRES_START_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait of a statement for a lock of PostgreSQL.
const LOCK_TIMEOUT: Duration = Duration::from_millis(1500);
/// Longest time that a statement may take on PostgreSQL.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

impl Db {
    pub(super) async fn connect(url: &str) -> Result<Self, StorageError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(postgres(url).await?));
        }
        if !url.starts_with("sqlite:") {
            return Err(StorageError::BadUrl);
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        keep_private(options.get_filename())?;
        let write = sqlite(1, &options).await?;
        let read = sqlite(SQLITE_READERS_MAX, &options).await?;
        Ok(Self::Sqlite { read, write })
    }
}

async fn sqlite(
    connections_max: u32,
    options: &SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    PoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
        .before_acquire(|connection, _| Box::pin(async move { Ok(is_free(connection)) }))
        .connect_with(options.clone())
        .await
}

/// Whether a connection is out of its last transaction. After a failure that made SQLite roll back by itself (a failed
/// commit, a full disk) the `ROLLBACK` that follows fails, and sqlx believes the transaction to be open for ever: such a
/// connection is closed, and another one opened in its place.
fn is_free<C: Connection>(connection: &C) -> bool
where
    C::Database: Database<Connection = C>,
{
    let is_free = !connection.is_in_transaction();
    if !is_free {
        tracing::warn!("closed a connection whose last transaction did not end");
    }
    is_free
}

async fn postgres(url: &str) -> Result<PgPool, StorageError> {
    let options = PgConnectOptions::from_str(url)?;
    // Outside of the pool, which would say nothing but that no connection came.
    let first = first_connection(&options).await;
    let first = first.map_err(|source| StorageError::CannotConnect {
        server: server_of(&options),
        source,
    })?;
    // It has done its work, whatever it says to a goodbye.
    let _ = first.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .acquire_timeout(POSTGRES_ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(bound_statements(connection)))
        .before_acquire(|connection, _| Box::pin(async move { Ok(is_free(connection)) }));
    Ok(pool.connect_with(options).await?)
}

/// The first connection, waited for a while: a server that starts with us, or is full, may take us soon. Fails with why
/// it did not the last time.
async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut last = sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    let trying = async {
        loop {
            match PgConnection::connect_with(options).await {
                Err(error) if fault::passes(&error) => last = error,
                tried => return tried,
            }
            tokio::time::sleep(POSTGRES_START_PAUSE).await;
        }
    };
    match tokio::time::timeout(POSTGRES_START_TIMEOUT, trying).await {
        Ok(tried) => tried,
        Err(_) => Err(last),
    }
}

/// Bounds what a statement waits and takes, where the operator did not say so in the URL, for the role or the database.
async fn bound_statements(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (name, timeout) in [
        ("lock_timeout", LOCK_TIMEOUT),
        ("statement_timeout", STATEMENT_TIMEOUT),
    ] {
        sqlx::query("SELECT set_config($1, $2, false) WHERE current_setting($1) = '0'")
            .bind(name)
            .bind(timeout.as_millis().to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Where a server is, without who we are there.
fn server_of(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Makes the file of a database, which nobody but us may read; SQLite gives those beside it the same permissions. One
/// that is there already loses what everybody may do.
fn keep_private(file: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    // A database in memory has no file.
    if file.as_os_str().is_empty() || file.starts_with(":memory:") {
        return Ok(());
    }
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // SQLite says better why it cannot be opened.
        Err(_) => return Ok(()),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        let mode = metadata.permissions().mode();
        // Somebody else's file stays as it is.
        if mode & 0o007 != 0 {
            let _ = std::fs::set_permissions(&path, PermissionsExt::from_mode(mode & !0o007));
        }
    }
    Ok(())
}
