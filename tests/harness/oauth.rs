//! Grants at the fake authorization server, as a sign-in would leave them, and processes of the gateway's own.

use std::process::Stdio;
use std::time::Duration;

use mentor_gateway::clock::UnixMs;
use mentor_gateway::oauth::client::{self, NewRegistered};
use mentor_gateway::oauth::{Client as OauthClient, TokenAuthMethod};
use mentor_gateway::registry::grant::{Grant, GrantId};
use mentor_gateway::registry::sealed::{ACCESS_TOKEN, Change, REFRESH_TOKEN, Record};
use mentor_gateway::secret::Secret;
use mentor_gateway::sql;
use mentor_gateway::tenant::{self, user};
use sqlx::FromRow;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, CLIENT_SECRET, Pair};

use super::app::{Gateway, today};

/// A grant as it lies in the database, its tokens opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    pub access_token: String,
    pub refresh_token: String,
    pub version: i64,
    pub needs_reauth: Option<String>,
    pub refresh_failure: String,
}

#[derive(FromRow)]
struct Row {
    tenant_id: tenant::TenantId,
    access_token_sealed: String,
    refresh_token_sealed: String,
    version: i64,
    needs_reauth: Option<String>,
    refresh_failure: String,
}

impl Gateway {
    /// A grant of a user of acme at an authorization server, whose access token ends then. Returns its number.
    pub async fn signed_in(
        &self,
        server: &AuthorizationServer,
        username: &str,
        pair: &Pair,
        expires_at: UnixMs,
    ) -> i64 {
        let (app, now) = (&self.app, self.app.clock.now());
        let mut tx = app.db.write().await.unwrap();
        let acme = tenant::get(&mut tx, "acme").await.unwrap();
        let user = user::get(&mut tx, acme.id, username).await.unwrap();
        let issuer = server.issuer();
        let client = OauthClient {
            id: CLIENT_ID.into(),
            secret: Secret::new(CLIENT_SECRET),
            auth_method: TokenAuthMethod::ClientSecretBasic,
        };
        let new = NewRegistered {
            issuer: &issuer,
            redirect_uri: "https://gateway.example.com/callback/",
            client: &client,
            expires_at: None,
        };
        let remembered = client::remember(&mut tx, &app.vault, acme.id, &new, now);
        remembered.await.unwrap();
        let id = sql!(
            &mut tx,
            scalar as i64,
            "INSERT INTO connected_services (tenant_id, user_id, provider, service, token_type, access_token_sealed,
                 refresh_token_sealed, scope, version, created_at, updated_at, issuer, token_url, client_id, expires_at)
             VALUES ($1, $2, 'fixture', $3, 'bearer', '', '', '', 1, $4, $4, $5, $6, $7, $8) RETURNING id",
            acme.id,
            user.id,
            &pair.refresh_token,
            UnixMs(expires_at.0 - 3_600_000),
            &issuer,
            server.url("/token"),
            CLIENT_ID,
            expires_at
        )
        .unwrap();
        let name = Grant::record_name(GrantId(id));
        let record = Record {
            tenant: acme.id,
            name: &name,
            origin: "",
        };
        let seal =
            |field, text: &str| record.seal(&app.vault, field, &Change::Set(Secret::new(text)), "");
        sql!(
            &mut tx,
            execute,
            "UPDATE connected_services SET access_token_sealed = $2, refresh_token_sealed = $3 WHERE id = $1",
            id,
            seal(ACCESS_TOKEN, &pair.access_token),
            seal(REFRESH_TOKEN, &pair.refresh_token)
        )
        .unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// What is stored of a grant; `None` if it is gone.
    pub async fn stored_grant(&self, id: i64) -> Option<Stored> {
        let mut tx = self.app.db.read().await.unwrap();
        let row = sql!(
            &mut tx,
            fetch_optional as Row,
            "SELECT tenant_id, access_token_sealed, refresh_token_sealed, version, needs_reauth, refresh_failure
             FROM connected_services WHERE id = $1",
            id
        );
        let row = row.unwrap()?;
        let name = Grant::record_name(GrantId(id));
        let record = Record {
            tenant: row.tenant_id,
            name: &name,
            origin: "",
        };
        let open = |field, sealed: &str| {
            let secret = record.open(&self.app.vault, field, sealed).unwrap();
            secret.expose().to_owned()
        };
        Some(Stored {
            access_token: open(ACCESS_TOKEN, &row.access_token_sealed),
            refresh_token: open(REFRESH_TOKEN, &row.refresh_token_sealed),
            version: row.version,
            needs_reauth: row.needs_reauth,
            refresh_failure: row.refresh_failure,
        })
    }

    /// Now, and so many seconds later or, if negative, earlier.
    pub fn seconds_from_now(&self, seconds: i64) -> UnixMs {
        UnixMs(self.app.clock.now().0 + seconds * 1000)
    }

    /// A process of its own on this database, and its address. It has the clock of the system.
    pub async fn process(&self) -> (Child, String) {
        self.process_with(|_| {}).await
    }

    /// The same, started in another way.
    pub async fn process_with(&self, adjust: impl FnOnce(&mut Command)) -> (Child, String) {
        let config = &self.app.config;
        // A process has the system's day. A world of another day would look abandoned or unborn to it.
        let apart_ms = today().0.abs_diff(self.app.clock.now().0);
        assert!(
            apart_ms < AGREEMENT_MS,
            "start the gateway on the system's day"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
        command
            .args(["serve", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(&config.data_dir)
            .env("GATEWAY_DATABASE_URL", &config.database_url)
            .env("GATEWAY_EGRESS_ALLOW", "127.0.0.0/8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        adjust(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let address = line.strip_prefix("listening on ").unwrap().to_owned();
        (child, address)
    }
}

/// How far the clock of a test may be from that of its processes.
const AGREEMENT_MS: u64 = 3_600_000;

/// A pause that a test tells its fixture to make, long enough for what must happen meanwhile.
pub const THINKING: Duration = Duration::from_millis(300);
