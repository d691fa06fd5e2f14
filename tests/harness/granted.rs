//! A grant at the fake authorization server, in use for a server of the mentor.

use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::registry::grant::GrantId;
use serde_json::{Value, json};
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, Pair, Switches};
use upstream_fixtures::{Behaviour, Upstream};

use super::app::today;
use super::mcp::Reply;
use super::oauth::Stored;
use super::upstream::{Stage, eventually};

/// `bob` signed in to a server of the mentor, with a token that ends in so many seconds.
pub struct Granted {
    pub stage: Stage,
    pub issuer: AuthorizationServer,
    pub upstream: Upstream,
    pub server: i64,
    pub grant: i64,
    pub pair: Pair,
}

impl Granted {
    pub async fn start(switches: Switches, ends_in_s: i64) -> Self {
        Self::on(Stage::start().await, switches, ends_in_s).await
    }

    /// The same on the system's day, for processes that share the grant. What runs beside the requests in this process
    /// has ended: its clock stands still, and a lease is for replicas whose clocks agree.
    pub async fn for_processes(switches: Switches, ends_in_s: i64) -> Self {
        let stage = Stage::start_at(today(), |_| {}).await;
        stage.gateway.app.tasks.stop.cancel();
        Self::on(stage, switches, ends_in_s).await
    }

    async fn on(stage: Stage, switches: Switches, ends_in_s: i64) -> Self {
        let issuer = AuthorizationServer::start(switches).await.unwrap();
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
        let server = stage.register("Up", &upstream, fields).await;
        stage.attach(&[server]).await;
        let pair = issuer.grant(CLIENT_ID);
        let ends = stage.gateway.seconds_from_now(ends_in_s);
        let grant = stage.gateway.signed_in(&issuer, "bob", &pair, ends).await;
        let connection =
            json!({ "scope": "user", "auth_type": "oauth2", "connected_service": grant });
        stage.connect(server, connection).await;
        Self {
            stage,
            issuer,
            upstream,
            server,
            grant,
            pair,
        }
    }

    pub async fn call(&self) -> Reply {
        self.stage.modern().call("up__whoami", json!({})).await
    }

    pub async fn refresh(&self, ask: Ask) -> Refreshed {
        let refresher = &self.stage.gateway.app.gateway.refresher;
        refresher.refresh(GrantId(self.grant), ask).await
    }

    pub async fn stored(&self) -> Stored {
        self.stage.gateway.stored_grant(self.grant).await.unwrap()
    }

    pub async fn set(&self, change: impl AsyncFnOnce(&mut mentor_gateway::storage::Tx, i64)) {
        let mut tx = self.stage.gateway.app.db.write().await.unwrap();
        change(&mut tx, self.grant).await;
        tx.commit().await.unwrap();
    }

    pub fn refreshes(&self) -> usize {
        self.issuer.asked_for("refresh_token")
    }

    pub async fn asked(&self, times: usize) {
        eventually("a refresh", async || {
            (self.refreshes() == times).then_some(())
        })
        .await;
    }

    /// A refresh whose answer the issuer holds back.
    pub async fn held(&self) -> tokio::task::JoinHandle<Refreshed> {
        self.issuer.switch(|switches| switches.holds = true);
        let refresher = self.stage.gateway.app.gateway.refresher.clone();
        let grant = self.grant;
        #[expect(clippy::disallowed_methods, reason = "it is awaited by the test")]
        let refreshing =
            tokio::spawn(async move { refresher.refresh(GrantId(grant), Ask::Call).await });
        self.asked(1).await;
        refreshing
    }

    pub async fn let_go(&self, refreshing: tokio::task::JoinHandle<Refreshed>) -> Refreshed {
        self.issuer.switch(|switches| switches.holds = false);
        refreshing.await.unwrap()
    }

    /// What the explain endpoint says of the person's own step.
    pub async fn explained(&self) -> Value {
        let path = format!("mcp-servers/{}/resolve/?user=bob", self.server);
        let explained = self.stage.admin.get(&path).await.expect(200);
        explained["steps"][0]["outcome"].clone()
    }
}

/// What is stored of a grant that was refreshed well.
pub fn fresh(access_token: &str, refresh_token: &str, version: i64) -> Stored {
    Stored {
        access_token: access_token.into(),
        refresh_token: refresh_token.into(),
        version,
        needs_reauth: None,
        refresh_failure: String::new(),
    }
}

/// The `Authorization` that the upstream saw.
pub fn token_of(reply: &Reply) -> Value {
    reply.result()["structuredContent"]["headers"]["authorization"].clone()
}
