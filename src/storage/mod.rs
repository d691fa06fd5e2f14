//! The database: SQLite by default, PostgreSQL by URL, one SQL text for both.
//! The only module that knows there are two; it holds no rule of any noun.

mod migrate;
mod page;
mod words;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use page::{Page, PageRequest, like};
pub(crate) use words::words;

/// Longest wait for a free connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait of SQLite for its write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read from SQLite at once; writes go through one.
const SQLITE_READERS_MAX: u32 = 4;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;

/// A database failure, with nothing said about which database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database answered with an error, or not at all.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The URL is neither `sqlite:` nor `postgres://`.
    #[error("the database URL must start with `sqlite:` or `postgres://`")]
    BadUrl,
    /// A migration that this binary does not know was applied by a newer one.
    #[error(
        "the database has migration {0}, which this binary does not know; run the newer version"
    )]
    Newer(i64),
}

impl StorageError {
    /// Whether an insert hit a unique constraint. Ask at the one insert that can.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(e)) if e.is_unique_violation())
    }

    fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Database(
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)
            )
        )
    }
}

impl From<StorageError> for crate::error::Error {
    fn from(error: StorageError) -> Self {
        if error.is_unreachable() {
            tracing::error!(error = %Self::internal(error).chain(), "database unreachable");
            return Self::Unavailable("database");
        }
        Self::internal(error)
    }
}

/// The database of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Db {
    /// An embedded file, in WAL mode.
    Sqlite {
        /// Connections that only read.
        read: SqlitePool,
        /// The one connection that writes, so writers queue instead of failing.
        write: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// An open transaction, rolled back unless [`Tx::commit`] is called.
#[derive(Debug)]
pub enum Tx {
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// Connects and brings the schema up to date. `sqlite:` URLs create their file.
    ///
    /// # Errors
    /// If the URL has another scheme, the database cannot be reached, or it is newer than this binary.
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let db = Self::connect(url).await?;
        migrate::run(&db).await?;
        Ok(db)
    }

    /// The default database inside a data directory.
    pub fn default_url(data_dir: &Path) -> String {
        format!("sqlite:{}", data_dir.join("gateway.db").display())
    }

    async fn connect(url: &str) -> Result<Self, StorageError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = sqlx::postgres::PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS_MAX)
                .acquire_timeout(ACQUIRE_TIMEOUT);
            return Ok(Self::Postgres(options.connect(url).await?));
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
        let pool = |max| {
            SqlitePoolOptions::new()
                .max_connections(max)
                .acquire_timeout(ACQUIRE_TIMEOUT)
        };
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(SQLITE_READERS_MAX)
            .connect_with(options.read_only(false))
            .await?;
        Ok(Self::Sqlite { read, write })
    }

    /// Starts a transaction that only reads.
    ///
    /// # Errors
    /// If no connection is free in time.
    pub async fn read(&self) -> Result<Tx, StorageError> {
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Starts a transaction that writes. SQLite takes its write lock now, so two writers queue
    /// instead of one failing half-way.
    ///
    /// # Errors
    /// If no connection or lock is free in time.
    pub async fn write(&self) -> Result<Tx, StorageError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Closes every connection after the running statements.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Makes everything written in this transaction durable.
    ///
    /// # Errors
    /// If the database refuses; then nothing was written.
    pub async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Runs one SQL text on whichever database a [`Tx`] is open on.
///
/// `sql!(tx, fetch_optional as Row, "SELECT … WHERE id = $1", id)`; the forms are `execute` (rows
/// affected), `fetch_one`, `fetch_optional`, `fetch_all` with `as Row` (a `FromRow`), and `scalar as T`
/// / `scalar_optional as T` for one column. The text is a literal; each arm is checked against its driver.
#[macro_export]
macro_rules! sql {
    ($tx:expr, execute, $text:expr $(, $bind:expr)* $(,)?) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => sqlx::query($text)$(.bind($bind))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
            $crate::storage::Tx::Postgres(tx) => sqlx::query($text)$(.bind($bind))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
        }.map_err($crate::storage::StorageError::from)
    };
    ($tx:expr, scalar as $type:ty, $text:expr $(, $bind:expr)* $(,)?) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => sqlx::query_scalar::<_, $type>($text)$(.bind($bind))*.fetch_one(&mut **tx).await,
            $crate::storage::Tx::Postgres(tx) => sqlx::query_scalar::<_, $type>($text)$(.bind($bind))*.fetch_one(&mut **tx).await,
        }.map_err($crate::storage::StorageError::from)
    };
    ($tx:expr, scalar_optional as $type:ty, $text:expr $(, $bind:expr)* $(,)?) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => sqlx::query_scalar::<_, $type>($text)$(.bind($bind))*.fetch_optional(&mut **tx).await,
            $crate::storage::Tx::Postgres(tx) => sqlx::query_scalar::<_, $type>($text)$(.bind($bind))*.fetch_optional(&mut **tx).await,
        }.map_err($crate::storage::StorageError::from)
    };
    ($tx:expr, $fetch:ident as $row:ty, $text:expr $(, $bind:expr)* $(,)?) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => sqlx::query_as::<_, $row>($text)$(.bind($bind))*.$fetch(&mut **tx).await,
            $crate::storage::Tx::Postgres(tx) => sqlx::query_as::<_, $row>($text)$(.bind($bind))*.$fetch(&mut **tx).await,
        }.map_err($crate::storage::StorageError::from)
    };
}
pub use crate::sql;

/// Inserts many rows with one statement: `sql_many!(tx, "INSERT INTO t (a, b) ", rows, |to, row| to.push_bind(row.a).push_bind(row.b))`.
///
/// Call it with the same number of rows again and again, so that the statement stays prepared. Rows times
/// columns must stay below 32 766, SQLite's limit.
#[macro_export]
macro_rules! sql_many {
    ($tx:expr, $text:literal, $rows:expr, |$to:ident, $row:ident| $bind:expr) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Sqlite>::new($text);
                builder.push_values($rows, |mut $to, $row| {
                    $bind;
                });
                builder
                    .build()
                    .execute(&mut **tx)
                    .await
                    .map(|done| done.rows_affected())
            }
            $crate::storage::Tx::Postgres(tx) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Postgres>::new($text);
                builder.push_values($rows, |mut $to, $row| {
                    $bind;
                });
                builder
                    .build()
                    .execute(&mut **tx)
                    .await
                    .map(|done| done.rows_affected())
            }
        }
        .map_err($crate::storage::StorageError::from)
    };
}
pub use crate::sql_many;
