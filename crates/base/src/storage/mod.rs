//! The database: SQLite by default, PostgreSQL by URL, one SQL text for both.
//! The only module that knows there are two; it holds no rule of any noun.

mod connect;
mod fault;
mod migrate;
mod page;
mod probe;
pub mod query;
mod words;

use std::path::Path;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use crate::words;
pub use connect::{POSTGRES_CONNECTIONS_MAX, SQLITE_READERS_MAX};
pub use page::{Page, PageRequest, like};
pub use probe::Probe;
pub use query::Conditions;
pub use words::Word;

/// A database failure, with nothing said about which database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database answered with an error, or not at all.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// PostgreSQL does not take us at the start.
    #[error("the database at {server} cannot be reached")]
    CannotConnect {
        /// Host and port, or the socket.
        server: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
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

    /// Whether the same may work later: the database is away, full, locked or slow.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Database(error) if fault::passes(error))
    }

    /// Whether a value was refused, so that the same is refused again however often it is tried.
    pub fn is_of_values(&self) -> bool {
        matches!(self, Self::Database(error) if fault::is_of_values(error))
    }
}

impl From<StorageError> for crate::error::Error {
    fn from(error: StorageError) -> Self {
        if error.passes() {
            tracing::error!(error = %Self::internal(error).chain(), "the database cannot be used for now");
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

    /// Which database it is, for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The default database inside a data directory.
    pub fn default_url(data_dir: &Path) -> String {
        format!("sqlite:{}", data_dir.join("gateway.db").display())
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

/// Most numbers in one [`sql_among!`].
pub const AMONG_MAX: usize = 512;

/// Reads the rows of many numbers with one statement: `sql_among!(tx, Row, "SELECT … WHERE id IN ", &ids)`, with at least
/// one and at most [`AMONG_MAX`] of them. Call it with few different counts, so that the statement stays prepared.
#[macro_export]
macro_rules! sql_among {
    ($tx:expr, $row:ty, $text:expr, $ids:expr) => {
        match &mut *$tx {
            $crate::storage::Tx::Sqlite(tx) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Sqlite>::new($text);
                builder.push_tuples($ids, |mut to, id: &i64| {
                    to.push_bind(*id);
                });
                builder.build_query_as::<$row>().fetch_all(&mut **tx).await
            }
            $crate::storage::Tx::Postgres(tx) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Postgres>::new($text);
                builder.push_tuples($ids, |mut to, id: &i64| {
                    to.push_bind(*id);
                });
                builder.build_query_as::<$row>().fetch_all(&mut **tx).await
            }
        }
        .map_err($crate::storage::StorageError::from)
    };
}
pub use crate::sql_among;

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
