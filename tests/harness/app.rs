//! Starts a gateway: SQLite in a temporary directory, or a PostgreSQL schema of its own when
//! `TEST_DATABASE_URL` names a server. Two tenants are there from the start.

use std::sync::Arc;
use std::time::Duration;

use mentor_gateway::app::App;
use mentor_gateway::auth::token::{self, Environment, NewToken, TokenKind};
use mentor_gateway::clock::{Clock, UnixMs, random_hex};
use mentor_gateway::config::Settings;
use mentor_gateway::http::connections;
use mentor_gateway::jobs;
use mentor_gateway::oauth::integration;
use mentor_gateway::sql;
use mentor_gateway::storage::{Db, Tx};
use mentor_gateway::tenant::user::{self, NewUser, Role, User};
use mentor_gateway::tenant::{self, Tenant, mentor};
use serde_json::json;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::upstream::eventually;

/// 2026-11-21T00:00:00Z: where every test's clock stands.
pub const START: UnixMs = UnixMs(1_795_219_200_000);

/// Now, by the clock of every process that a test starts.
pub fn today() -> UnixMs {
    Clock::default().now()
}

/// A URL that passes every check and that no test calls.
pub const PUBLIC_SERVER: &str = "https://workflow-mcp.example.com";

/// A running gateway. Tenant `acme`: admin `alice`, learners `bob` and `carol`, mentor `Finance Mentor`;
/// tenant `globex`: admin `gus`, learner `gil`.
pub struct Gateway {
    pub app: Arc<App>,
    pub base: String,
    /// The UUID of acme's mentor.
    pub mentor: String,
    server: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::start_at(START, adjust).await
    }

    /// A gateway on the system's day, for tests that have processes of their own beside it.
    pub async fn start_today() -> Self {
        Self::start_at(today(), |_| {}).await
    }

    /// A gateway whose clock stands at this time.
    pub async fn start_at(now: UnixMs, adjust: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: Some(dir.path().into()),
            database_url: own_schema().await,
            ..Settings::default()
        };
        adjust(&mut settings);
        if settings.database_url.is_none() {
            let file = dir.path().join("gateway.db");
            std::fs::write(&file, new_database().await).unwrap();
        }
        // Links that the gateway makes by itself lead to where it listens.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        settings.addr.get_or_insert(addr);
        let config = settings.resolve().unwrap();
        let app = App::start(config, Clock::manual(now)).await.unwrap();
        jobs_have_run(&app).await;
        let mentor = populate(&app).await;
        let base = format!("http://{addr}");
        let server = serve(app.clone(), listener);
        Self {
            app,
            base,
            mentor,
            server,
            _dir: dir,
        }
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.base, "acme", "alice", None)
    }

    /// A client with a key of that user.
    pub async fn client(&self, tenant: &str, username: &str) -> Client {
        let mut tx = self.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, tenant).await.unwrap();
        let user = user::get(&mut tx, tenant.id, username).await.unwrap();
        let key = key(&self.app, &mut tx, &user, TokenKind::Token, &[]).await;
        tx.commit().await.unwrap();
        Client::new(&self.base, &tenant.key, username, Some(key))
    }

    /// A new learner of `acme`.
    pub async fn newcomer(&self, username: &str) -> Client {
        let mut tx = self.app.db.write().await.unwrap();
        let acme = tenant::get(&mut tx, "acme").await.unwrap();
        let now = self.app.clock.now();
        add_user(&mut tx, &acme, username, Role::Learner, now).await;
        tx.commit().await.unwrap();
        self.client("acme", username).await
    }

    /// Gives a person of `acme` another role.
    pub async fn set_role(&self, username: &str, role: Role) {
        let mut tx = self.app.db.write().await.unwrap();
        let acme = tenant::get(&mut tx, "acme").await.unwrap();
        let person = user::get(&mut tx, acme.id, username).await.unwrap();
        user::set_role(&mut tx, acme.id, person.id, role)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// The admin of `acme`.
    pub async fn admin(&self) -> Client {
        self.client("acme", "alice").await
    }

    /// A learner of `acme`.
    pub async fn learner(&self) -> Client {
        self.client("acme", "bob").await
    }

    /// The admin of another tenant.
    pub async fn stranger(&self) -> Client {
        self.client("globex", "gus").await
    }

    /// A client of acme with a key of this kind and these scopes.
    pub async fn with_key(&self, username: &str, kind: TokenKind, scopes: &[&str]) -> Client {
        let mut tx = self.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, "acme").await.unwrap();
        let user = user::get(&mut tx, tenant.id, username).await.unwrap();
        let key = key(&self.app, &mut tx, &user, kind, scopes).await;
        tx.commit().await.unwrap();
        Client::new(&self.base, "acme", username, Some(key))
    }

    /// A client of acme with a sandbox key, made as an admin makes it.
    pub async fn with_sandbox_key(&self, username: &str, kind: &str, scopes: &[&str]) -> Client {
        let body = json!({
            "name": "sandbox", "user": username, "kind": kind, "environment": "test", "scopes": scopes,
        });
        let admin = self.admin().await;
        let made = admin.post("api-keys/", body).await.expect(201);
        let key = made["key"].as_str().unwrap().to_owned();
        Client::new(&self.base, "acme", username, Some(key))
    }

    /// A platform key of acme's admin with these scopes.
    pub async fn platform_key(&self, scopes: &[&str]) -> Client {
        let mut tx = self.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, "acme").await.unwrap();
        let user = user::get(&mut tx, tenant.id, "alice").await.unwrap();
        let key = key(&self.app, &mut tx, &user, TokenKind::Platform, scopes).await;
        tx.commit().await.unwrap();
        Client::new(&self.base, "acme", "alice", Some(key))
    }

    /// The number of a new OAuth grant of a user at Google Drive, where the tenant is known.
    pub async fn grant(&self, tenant: &str, username: &str) -> i64 {
        let mut tx = self.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, tenant).await.unwrap();
        let user = user::get(&mut tx, tenant.id, username).await.unwrap();
        let id = sql!(
            &mut tx,
            scalar as i64,
            "INSERT INTO connected_services (tenant_id, user_id, provider, service, token_type, access_token_sealed,
                 refresh_token_sealed, scope, version, created_at, updated_at)
             VALUES ($1, $2, 'google', 'drive', 'bearer', '', '', '', 1, $3, $3) RETURNING id",
            tenant.id,
            user.id,
            self.app.clock.now()
        );
        let known = json!({"client_id": "harness", "client_secret": "harness-secret"});
        let (vault, now) = (&self.app.vault, self.app.clock.now());
        let missing = !integration::is_set_up(&mut tx, tenant.id, "google")
            .await
            .unwrap();
        if missing {
            integration::create(&mut tx, vault, tenant.id, ("auth_google", &known), now)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        id.unwrap()
    }

    /// Revokes every key of a user.
    pub async fn revoke_keys_of(&self, tenant: &str, username: &str) {
        let mut tx = self.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, tenant).await.unwrap();
        let user = user::get(&mut tx, tenant.id, username).await.unwrap();
        sql!(
            &mut tx,
            execute,
            "UPDATE tokens SET revoked_at = $2 WHERE user_id = $1",
            user.id,
            self.app.clock.now()
        )
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// Another gateway on the same database and clock, as a load balancer would have it: links lead to this one.
    pub async fn replica(&self) -> Replica {
        let app = App::start(self.app.config.clone(), self.app.clock.clone());
        let (app, listener) = (
            app.await.unwrap(),
            tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        Replica {
            base: format!("http://{}", listener.local_addr().unwrap()),
            server: serve(app.clone(), listener),
            app,
        }
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.app.clock.advance(by);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
        assert_unharmed(&self.app);
        // A test that starts one gateway after another must not hold the database's connections of them all.
        let app = self.app.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { app.stop().await });
        }
    }
}

/// Another gateway on the same database.
pub struct Replica {
    pub app: Arc<App>,
    pub base: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.server.abort();
        assert_unharmed(&self.app);
    }
}

/// Fails the test of a gateway in which a task or a request panicked, unless it has failed already.
fn assert_unharmed(app: &App) {
    let panics = app.tasks.panics();
    assert!(
        std::thread::panicking() || panics.is_empty(),
        "something panicked in the gateway: {panics:?}"
    );
}

fn serve(app: Arc<App>, listener: tokio::net::TcpListener) -> tokio::task::JoinHandle<()> {
    let trusted = app.config.trust_proxy.clone();
    let router = mentor_gateway::http::router(app);
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the gateway, in drop"
    )]
    tokio::task::spawn(connections::serve(
        listener,
        router,
        trusted,
        CancellationToken::new(),
    ))
}

async fn key(app: &App, tx: &mut Tx, user: &User, kind: TokenKind, scopes: &[&str]) -> String {
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let new = NewToken {
        user,
        kind,
        environment: Environment::Live,
        scopes: &scopes,
        allow_ips: &[],
        expires_at: None,
    };
    let (_, secret) = token::create(tx, &app.vault, &new, app.clock.now())
        .await
        .unwrap();
    secret.expose().to_owned()
}

async fn populate(app: &App) -> String {
    let now = app.clock.now();
    let mut tx = app.db.write().await.unwrap();
    let acme = tenant::create(&mut tx, "acme", "Acme", now).await.unwrap();
    let globex = tenant::create(&mut tx, "globex", "Globex", now)
        .await
        .unwrap();
    for (tenant, username, role) in [
        (&acme, "alice", Role::Admin),
        (&acme, "bob", Role::Learner),
        (&acme, "carol", Role::Learner),
        (&globex, "gus", Role::Admin),
        (&globex, "gil", Role::Learner),
    ] {
        add_user(&mut tx, tenant, username, role, now).await;
    }
    let mentor = mentor::create(&mut tx, acme.id, "Finance Mentor", "alice", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    mentor.unique_id
}

async fn add_user(tx: &mut Tx, tenant: &Tenant, username: &str, role: Role, now: UnixMs) {
    let new = NewUser {
        username,
        email: "",
        role,
    };
    user::create(tx, tenant.id, &new, now).await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness has no other way to be told"
)]
fn database_server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

/// Waits until each job has run for the first time: late, it would meet what the test arranges.
async fn jobs_have_run(app: &App) {
    eventually("every job runs at the start", async || {
        let runs = app.tasks.runs();
        let has_run = |name| {
            runs.iter()
                .any(|(job, runs)| *job == name && runs.ended > 0)
        };
        jobs::names().all(has_run).then_some(())
    })
    .await;
}

/// A SQLite database with the newest schema and nothing in it, made once for all gateways of this process.
async fn new_database() -> &'static [u8] {
    static FILE: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();
    FILE.get_or_init(async || {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&Db::default_url(dir.path())).await.unwrap();
        db.close().await;
        std::fs::read(dir.path().join("gateway.db")).unwrap()
    })
    .await
}

/// The URL of a new schema on the server that the environment names, if it names one.
async fn own_schema() -> Option<String> {
    let url = database_server()?;
    let schema = format!("t{}", random_hex::<8>());
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::query(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    Some(format!(
        "{url}{separator}options=-c%20search_path%3D{schema}"
    ))
}
