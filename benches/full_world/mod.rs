//! The rows of a full database, written past the gateway in large transactions while it stands still.
//! Makes nothing that a call would use but the rows that stand in its way.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::Path;

use mentor_gateway::clock::{Stopwatch, random_hex};
use mentor_gateway::storage::{Db, Tx};
use mentor_gateway::{sql, sql_many};
use sqlx::Connection as _;

/// Rows of one statement, and of one transaction.
const STATEMENT_ROWS: usize = 200;
const TRANSACTION_ROWS: usize = 20_000;

/// The database, and what is in it that the measured gateway knows.
pub struct World {
    db: Db,
    tenant: i64,
    /// The server that is called.
    pub server: i64,
    /// What was filled in, in words.
    pub rows: String,
}

/// A new schema on a PostgreSQL server. Returns its URL.
pub async fn new_schema(server: &str) -> io::Result<String> {
    let schema = format!("bench{}", random_hex::<8>());
    let mut connection = sqlx::PgConnection::connect(server).await.map_err(other)?;
    let statement = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::query(statement)
        .execute(&mut connection)
        .await
        .map_err(other)?;
    let separator = if server.contains('?') { '&' } else { '?' };
    Ok(format!(
        "{server}{separator}options=-c%20search_path%3D{schema}"
    ))
}

fn other(error: impl Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

impl World {
    /// The database of a gateway that was set up in this directory.
    pub async fn of(dir: &Path) -> io::Result<Self> {
        let url = crate::database_url().map_or_else(|| Db::default_url(dir), str::to_owned);
        let db = Db::open(&url).await.map_err(other)?;
        let mut tx = db.read().await.map_err(other)?;
        let tenant = sql!(
            &mut tx,
            scalar as i64,
            "SELECT id FROM tenants WHERE key = 'acme'"
        );
        let server = sql!(
            &mut tx,
            scalar as i64,
            "SELECT id FROM servers WHERE name = 'Server 1'"
        );
        drop(tx);
        Ok(Self {
            db,
            tenant: tenant.map_err(other)?,
            server: server.map_err(other)?,
            rows: String::new(),
        })
    }

    /// Fills it: this share of everything.
    pub async fn fill(&mut self, scale: f64) -> io::Result<()> {
        let of = |rows: f64| (rows * scale) as i64;
        let watch = Stopwatch::start();
        let tell = |what: &str| eprintln!("{what} after {:.0} s", watch.elapsed().as_secs_f64());
        let tenants = of(1000.0);
        self.each(0..tenants, Self::tenants).await?;
        let people = of(10_000.0);
        self.each(0..people, Self::people).await?;
        tell("tenants and people");
        let servers = of(5000.0);
        self.each(0..servers, Self::servers).await?;
        let connections = of(10_000.0);
        self.each(0..connections, Self::own_connections).await?;
        let others = of(90_000.0);
        self.each(0..others, Self::other_connections).await?;
        tell("servers and connections");
        let rows = of(1_000_000.0);
        for from in (0..rows).step_by(100_000) {
            self.each(from..rows.min(from + 100_000), Self::audit)
                .await?;
            tell(&format!("{} audit rows", rows.min(from + 100_000)));
        }
        let mut tx = self.db.write().await.map_err(other)?;
        // PostgreSQL does this by itself, some minutes later.
        if let Tx::Postgres(_) = tx {
            let tables = "ANALYZE tenants, users, servers, connections, audit";
            sql!(&mut tx, execute, tables).map_err(other)?;
        }
        tx.commit().await.map_err(other)?;
        self.rows = format!(
            "{tenants} tenants, {} people, {} servers, {} connections ({connections} people's own at the called server) and \
             {rows} audit rows more",
            people * 2,
            servers * 2,
            connections + others,
        );
        Ok(())
    }

    async fn each(
        &self,
        rows: Range<i64>,
        write: impl AsyncFn(&Self, &mut Tx, &[i64]) -> io::Result<()>,
    ) -> io::Result<()> {
        let rows: Vec<i64> = rows.collect();
        for part in rows.chunks(TRANSACTION_ROWS) {
            let mut tx = self.db.write().await.map_err(other)?;
            for part in part.chunks(STATEMENT_ROWS) {
                write(self, &mut tx, part).await?;
            }
            tx.commit().await.map_err(other)?;
        }
        Ok(())
    }

    async fn tenants(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        sql_many!(
            tx,
            "INSERT INTO tenants (id, key, name, created_at) ",
            rows,
            |to, row| to
                .push_bind(1_000_000 + *row)
                .push_bind(format!("tenant-{row}"))
                .push_bind("A tenant")
                .push_bind(0_i64)
        )
        .map_err(other)?;
        Ok(())
    }

    /// One of the tenant's and one of another's for each number.
    async fn people(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        for (base, own) in [(1_000_000, true), (2_000_000, false)] {
            sql_many!(
                tx,
                "INSERT INTO users (id, tenant_id, username, email, role, is_active, created_at) ",
                rows,
                |to, row| to
                    .push_bind(base + *row)
                    .push_bind(if own { self.tenant } else { 1_000_000 })
                    .push_bind(format!("person-{row}"))
                    .push_bind(format!("person-{row}@example.com"))
                    .push_bind("learner")
                    .push_bind(true)
                    .push_bind(0_i64)
            )
            .map_err(other)?;
        }
        Ok(())
    }

    /// One of the tenant's and one of another's for each number.
    async fn servers(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        for (base, own) in [(1_000_000, true), (2_000_000, false)] {
            sql_many!(
                tx,
                "INSERT INTO servers (id, tenant_id, owner, name, description, url, origin, transport,
                     credentials_sealed, extra_headers_sealed, auth_type, auth_scope, is_featured, is_enabled,
                     clean_output, tool_prefix, created_at, updated_at) ",
                rows,
                |to, row| to
                    .push_bind(base + *row)
                    .push_bind(if own { self.tenant } else { 1_000_000 })
                    .push_bind("alice")
                    .push_bind(format!("Filled Server {row}"))
                    .push_bind("One of very many servers, with as many words about it as others have.")
                    .push_bind(format!("https://server-{row}.example.com/mcp"))
                    .push_bind(format!("https://server-{row}.example.com"))
                    .push_bind("streamable_http")
                    .push_bind("")
                    .push_bind("")
                    .push_bind("token")
                    .push_bind("user")
                    .push_bind(false)
                    .push_bind(true)
                    .push_bind(true)
                    .push_bind(format!("filled-{base}-{row}"))
                    .push_bind(*row)
                    .push_bind(*row)
            )
            .map_err(other)?;
        }
        Ok(())
    }

    /// People's own at the server that is called.
    async fn own_connections(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        self.connections(tx, rows, |row| (self.server, 1_000_000 + row))
            .await
    }

    /// People's own at other servers of the tenant.
    async fn other_connections(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        let last = rows.last().copied().unwrap_or(0);
        let bound = (last / 18).max(1);
        self.connections(tx, rows, |row| {
            (1_000_000 + row % bound, 1_000_000 + row % bound)
        })
        .await
    }

    async fn connections(
        &self,
        tx: &mut Tx,
        rows: &[i64],
        whose: impl Fn(i64) -> (i64, i64),
    ) -> io::Result<()> {
        sql_many!(
            tx,
            "INSERT INTO connections (tenant_id, server_id, scope, auth_type, user_id, origin, credentials_sealed,
                 authorization_scheme, extra_headers_sealed, is_active, is_shared, created_at, updated_at) ",
            rows,
            |to, row| {
                let (server, person) = whose(*row);
                to.push_bind(self.tenant)
                    .push_bind(server)
                    .push_bind("user")
                    .push_bind("token")
                    .push_bind(person)
                    .push_bind("https://server.example.com")
                    .push_bind("a sealed credential of about as many bytes as one has that was really sealed")
                    .push_bind("Bearer")
                    .push_bind("")
                    .push_bind(row % 100 != 0)
                    .push_bind(false)
                    .push_bind(*row)
                    .push_bind(*row)
            }
        )
        .map_err(other)?;
        Ok(())
    }

    /// Calls, with a change among twenty and a failure among fifty.
    async fn audit(&self, tx: &mut Tx, rows: &[i64]) -> io::Result<()> {
        sql_many!(
            tx,
            "INSERT INTO audit (at, tenant_id, username, actor, token_id, action, object, mentor, server_id, tool,
                                step, outcome, duration_us, request_id, detail, peer) ",
            rows,
            |to, row| {
                let is_call = row % 20 != 0;
                to.push_bind(1_700_000_000_000 + row * 50)
                    .push_bind(self.tenant)
                    .push_bind(format!("person-{}", row % 10_000))
                    .push_bind(if row % 1000 == 0 { "alice" } else { "" })
                    .push_bind(1_i64)
                    .push_bind(if is_call { "tools/call" } else { "connection.create" })
                    .push_bind(if is_call { String::new() } else { format!("connection:{row}") })
                    .push_bind("00000000-0000-4000-8000-000000000001")
                    .push_bind(self.server)
                    .push_bind("search")
                    .push_bind("platform")
                    .push_bind(if row % 50 == 0 { "timeout" } else { "ok" })
                    .push_bind(900_i64)
                    .push_bind(format!("request-{row}"))
                    .push_bind("query")
                    .push_bind("127.0.0.1")
            }
        )
        .map_err(other)?;
        Ok(())
    }
}
