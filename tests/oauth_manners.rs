//! Providers as they are, between two sign-ins: whom they forget, what they want to hear, where they have moved, and what an
//! administrator is told of it.

use std::time::Duration;

use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::registry::grant::GrantId;
use mentor_gateway::sql;
use serde_json::{Value, json};
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, Switches};
use upstream_fixtures::{Behaviour, Upstream};
use url::Url;

use crate::harness::{CALLBACK, Drive, SignIn, Stage, connected_services, parameter};

const FIND: &str = "mcp-servers/oauth-find/";

/// A gateway, an MCP server, and an authorization server that registers clients.
struct World {
    stage: Stage,
    issuer: AuthorizationServer,
    upstream: Upstream,
}

impl World {
    async fn start(switches: Switches) -> Self {
        let stage = Stage::start().await;
        Self::on(stage, AuthorizationServer::start(switches).await.unwrap()).await
    }

    async fn on(stage: Stage, issuer: AuthorizationServer) -> Self {
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        upstream.name_authorization_servers(vec![issuer.issuer()]);
        upstream.require_authorization(Some("Bearer of nobody yet".into()));
        Self {
            stage,
            issuer,
            upstream,
        }
    }

    async fn find(&self) -> Value {
        let body = json!({ "url": self.upstream.url() });
        self.stage.admin.post(FIND, body).await.expect(200)
    }

    async fn begin(&self, service: &Value) -> Url {
        let path = self.path(service);
        let answer = self.stage.learner.get(&path).await.expect(200);
        answer["auth_url"].as_str().unwrap().parse().unwrap()
    }

    fn path(&self, service: &Value) -> String {
        let name = |of: &str| service[of].as_str().unwrap().to_owned();
        let path = format!("{}/{}/", name("oauth_provider"), name("name"));
        connected_services("bob", &path)
    }

    /// Goes to the authorization server; the query that it sends back.
    async fn consent(&self, auth_url: &Url) -> String {
        let back = self.stage.learner.visit(auth_url.as_str()).await;
        let back: Url = back.header("location").unwrap().parse().unwrap();
        back.query().unwrap().to_owned()
    }

    async fn bring(&self, query: &str) -> crate::harness::Answer {
        let path = format!("{CALLBACK}?{query}");
        self.stage.learner.get(&path).await
    }

    async fn connect(&self, service: &Value) -> Value {
        let url = self.begin(service).await;
        self.bring(&self.consent(&url).await).await.expect(200)
    }

    async fn client(&self, service: &Value) -> String {
        parameter(&self.begin(service).await, "client_id")
    }
}

#[tokio::test]
async fn a_client_that_the_provider_forgot_is_registered_anew() {
    // It says so at the token endpoint.
    let world = World::start(Switches::default()).await;
    let service = world.find().await;
    let url = world.begin(&service).await;
    assert_eq!(parameter(&url, "client_id"), "registered-1");
    let query = world.consent(&url).await;
    world.issuer.forget_clients();
    let refused = world.bring(&query).await.expect(400);
    assert_eq!(
        refused,
        json!({ "detail": "Could not exchange auth token" })
    );
    assert_eq!(world.client(&service).await, "registered-2");
    world.connect(&service).await;

    // It says so instead of a code.
    let error = Some("unauthorized_client".to_owned());
    world
        .issuer
        .switch(|switches| switches.answers_error = error);
    let url = world.begin(&service).await;
    assert_eq!(parameter(&url, "client_id"), "registered-2");
    world.bring(&world.consent(&url).await).await.expect(400);
    world
        .issuer
        .switch(|switches| switches.answers_error = None);
    assert_eq!(world.client(&service).await, "registered-3");

    // It says so on a page of its own, to nobody but the person, who begins again.
    world.issuer.forget_clients();
    assert_eq!(world.client(&service).await, "registered-3");
    world.stage.gateway.advance(Duration::from_secs(601));
    assert_eq!(world.client(&service).await, "registered-4");
    world.connect(&service).await;
    world.stage.gateway.advance(Duration::from_secs(601));
    assert_eq!(world.client(&service).await, "registered-4");

    // An administrator asks for the service anew.
    world.find().await;
    assert_eq!(world.client(&service).await, "registered-5");
}

#[tokio::test]
async fn a_client_that_was_forgotten_for_a_refresh_is_registered_anew_and_the_person_asked() {
    let world = World::start(Switches::default()).await;
    let service = world.find().await;
    let row = world.connect(&service).await;
    let grant = row["id"].as_i64().unwrap();
    let gateway = &world.stage.gateway;
    world.issuer.forget_clients();
    gateway.advance(Duration::from_secs(3601));
    let refresher = &gateway.app.gateway.refresher;
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::NeedsReauth
    );
    let stored = gateway.stored_grant(grant).await.unwrap();
    assert_eq!(stored.needs_reauth.as_deref(), Some("client_forgotten"));
    assert_eq!(world.client(&service).await, "registered-2");
    let again = world.connect(&service).await;
    assert_eq!(
        (&again["id"], &again["needs_reauth"]),
        (&row["id"], &json!(null))
    );
    gateway.advance(Duration::from_secs(3601));
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::Fresh
    );
}

#[tokio::test]
async fn what_was_granted_to_an_earlier_client_is_refreshed_as_that_one() {
    let world = World::start(Switches::default()).await;
    let service = world.find().await;
    let grant = world.connect(&service).await["id"].as_i64().unwrap();
    world.find().await;
    assert_eq!(world.client(&service).await, "registered-2");
    let gateway = &world.stage.gateway;
    gateway.advance(Duration::from_secs(3601));
    let refresher = &gateway.app.gateway.refresher;
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::Fresh
    );
}

#[tokio::test]
async fn a_discovered_issuer_that_the_catalog_knows_takes_its_parameters_and_credential() {
    // The operator's catalog knows the issuer, and acme has stored who it is there.
    let SignIn { stage, issuer, .. } = SignIn::start(Switches::default()).await;
    let world = World::on(stage, issuer).await;
    let service = world.find().await;
    assert_ne!(service["oauth_provider"], "fixture");
    assert_eq!(service["notice"], json!(null));
    let url = world.begin(&service).await;
    assert_eq!(parameter(&url, "client_id"), CLIENT_ID);
    assert_eq!(parameter(&url, "access_type"), "offline");
    // What is ours to say is still ours.
    assert!(parameter(&url, "state").starts_with("acme:"));
    let row = world.bring(&world.consent(&url).await).await.expect(200);
    let gateway = &world.stage.gateway;
    gateway.advance(Duration::from_secs(3601));
    let grant = row["id"].as_i64().unwrap();
    let refresher = &gateway.app.gateway.refresher;
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::Fresh
    );
    // Its own credential comes first.
    let name = format!("auth_{}", service["oauth_provider"].as_str().unwrap());
    let value = json!({ "client_id": "its-own", "auth_parameters": { "audience": "x", "access_type": "y" } });
    let credential = json!({ "name": name, "platform": "acme", "value": value });
    let path = "/api/accounts/orgs/acme/integration-credential/";
    world.stage.admin.post(path, credential).await.expect(200);
    let url = world.begin(&service).await;
    for (name, value) in [
        ("client_id", "its-own"),
        ("audience", "x"),
        ("access_type", "y"),
    ] {
        assert_eq!(parameter(&url, name), value);
    }
}

#[tokio::test]
async fn a_parameter_can_be_added_without_a_client() {
    let world = World::start(Switches::default()).await;
    let service = world.find().await;
    let name = format!("auth_{}", service["oauth_provider"].as_str().unwrap());
    let credential = json!({ "name": name, "platform": "acme", "value": { "auth_parameters": { "audience": "x" } } });
    let path = "/api/accounts/orgs/acme/integration-credential/";
    world.stage.admin.post(path, credential).await.expect(200);
    let url = world.begin(&service).await;
    assert_eq!(parameter(&url, "client_id"), "registered-1");
    assert_eq!(parameter(&url, "audience"), "x");
}

#[tokio::test]
async fn consent_is_asked_for_where_no_refresh_token_came_without_it() {
    for wants_consent in [true, false] {
        let world = World::start(Switches {
            scopes: vec!["offline_access"],
            wants_consent,
            ..Switches::default()
        })
        .await;
        let service = world.find().await;
        let url = world.begin(&service).await;
        assert!(!url.as_str().contains("prompt="), "{url}");
        let grant = world.bring(&world.consent(&url).await).await.expect(200)["id"]
            .as_i64()
            .unwrap();
        let stored = world.stage.gateway.stored_grant(grant).await.unwrap();
        assert_eq!(stored.refresh_token.is_empty(), wants_consent);
        let url = world.begin(&service).await;
        assert_eq!(
            url.as_str().contains("prompt=consent"),
            wants_consent,
            "{url}"
        );
        world.bring(&world.consent(&url).await).await.expect(200);
        let stored = world.stage.gateway.stored_grant(grant).await.unwrap();
        assert_eq!(stored.refresh_token, "rt-2-1");
    }
}

#[tokio::test]
async fn an_administrator_hears_that_a_provider_registers_nobody_and_what_to_store() {
    for (switches, why) in [
        (
            Switches {
                registers: false,
                ..Switches::default()
            },
            "This provider does not register clients",
        ),
        (
            Switches {
                registration_status: Some(403),
                ..Switches::default()
            },
            "This provider does not register clients (it answered 403)",
        ),
    ] {
        let world = World::start(switches).await;
        let service = world.find().await;
        let name = format!("auth_{}", service["oauth_provider"].as_str().unwrap());
        let notice = format!(
            "{why}; an administrator must register one there and store it as the integration credential `{name}`."
        );
        let refused = world
            .stage
            .learner
            .get(&world.path(&service))
            .await
            .expect(400);
        assert_eq!(
            refused,
            json!({ "detail": "No credentials found", "reason": notice })
        );
        assert_eq!(world.find().await["notice"], json!(notice));
        for passing in [429, 503] {
            // What passes is no refusal, and does not stand in the place of one.
            world
                .issuer
                .switch(|switches| switches.registration_status = Some(passing));
            assert_eq!(world.find().await["notice"], json!(notice));
        }
        let schema = format!("/api/accounts/orgs/acme/integration-credential/schema/?name={name}");
        let schema = world.stage.admin.get(&schema).await.expect(200);
        assert_eq!(
            schema[0]["schema"],
            json!({ "client_id": "string", "client_secret": "string", "redirect_uri": "string" })
        );
        assert_eq!(schema[0]["service_info"]["name"], service["oauth_provider"]);
        let value =
            json!({ "client_id": CLIENT_ID, "client_secret": "fixture-secret-of-the-client" });
        let credential = json!({ "name": name, "platform": "acme", "value": value });
        let path = "/api/accounts/orgs/acme/integration-credential/";
        world.stage.admin.post(path, credential).await.expect(200);
        assert_eq!(world.find().await["notice"], json!(null));
        world.connect(&service).await;
    }
}

#[tokio::test]
async fn a_provider_that_registers_clients_after_all_is_asked_again_when_an_administrator_looks() {
    let world = World::start(Switches {
        registration_status: Some(403),
        ..Switches::default()
    })
    .await;
    let service = world.find().await;
    world
        .stage
        .learner
        .get(&world.path(&service))
        .await
        .expect(400);
    assert!(world.find().await["notice"].is_string());
    world
        .issuer
        .switch(|switches| switches.registration_status = None);
    assert_eq!(world.find().await["notice"], json!(null));
    assert_eq!(world.client(&service).await, "registered-1");
}

#[tokio::test]
async fn a_credential_that_cannot_work_is_refused_and_one_that_can_is_tidied() {
    let stage = Stage::start().await;
    let path = "/api/accounts/orgs/acme/integration-credential/";
    let id = json!(10_000_000_000_001_i64);
    for (name, value, complaint) in [
        (
            "auth_github",
            json!({ "client_id": "  " }),
            "client_id is required.",
        ),
        (
            "auth_github",
            json!({ "client_id": null }),
            "client_id is required.",
        ),
        (
            "auth_github",
            json!({ "client_id": ["x"] }),
            "client_id must be a text.",
        ),
        (
            "auth_github",
            json!({ "client_id": "a", "client_secret": "s\nt" }),
            "client_secret must be one line.",
        ),
        (
            "auth_canvas",
            json!({ "client_id": "a" }),
            "domain is required.",
        ),
        (
            "auth_canvas",
            json!({ "client_id": "a", "domain": " " }),
            "domain is required.",
        ),
        (
            "auth_canvas",
            json!({ "client_id": "a", "domain": "https://school.example/" }),
            "domain must be a host name or a word, without https:// and slashes.",
        ),
        (
            "auth_github",
            json!({ "client_id": "a", "auth_parameters": { "x": 1 } }),
            "auth_parameters must be an object of texts.",
        ),
        (
            "auth_github",
            json!({ "client_id": "a", "auth_parameters": { "state": "x" } }),
            "auth_parameters must not have state.",
        ),
        (
            "auth_github",
            json!({ "auth_parameters": { "x": "y" } }),
            "client_id is required.",
        ),
    ] {
        let body = json!({ "name": name, "platform": "acme", "value": value });
        let refused = stage.admin.post(path, body).await.expect(400);
        let complaints = refused["value"].as_array().unwrap();
        assert!(complaints.contains(&json!(complaint)), "{value}: {refused}");
    }
    let body = json!({
        "name": "auth_canvas", "platform": "acme",
        "value": { "client_id": id, "client_secret": "sec\n", "domain": " school.example " },
    });
    stage.admin.post(path, body).await.expect(200);
    let url = connected_services("bob", "canvas/canvas/");
    let url = stage.learner.get(&url).await.expect(200);
    let url: Url = url["auth_url"].as_str().unwrap().parse().unwrap();
    assert_eq!(url.host_str(), Some("school.example"));
    assert_eq!(parameter(&url, "client_id"), "10000000000001");
}

#[tokio::test]
async fn a_grant_is_refreshed_where_its_provider_is_now() {
    let world = Drive::start(Switches::default()).await;
    let sign_in = &world.sign_in;
    let gateway = sign_in.gateway();
    let row = sign_in.connect(&sign_in.stage.learner).await;
    let grant = row["id"].as_i64().unwrap();
    let set = async |text: &'static str| {
        let mut tx = gateway.app.db.write().await.unwrap();
        sql!(&mut tx, execute, text, grant).unwrap();
        tx.commit().await.unwrap();
    };
    set("UPDATE connected_services SET token_url = 'http://127.0.0.1:1/token' WHERE id = $1").await;
    gateway.advance(Duration::from_secs(3601));
    let refresher = &gateway.app.gateway.refresher;
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::Fresh
    );
    let mut tx = gateway.app.db.read().await.unwrap();
    let stored = sql!(
        &mut tx,
        scalar as String,
        "SELECT token_url FROM connected_services WHERE id = $1",
        grant
    );
    drop(tx);
    assert_eq!(stored.unwrap(), sign_in.issuer.url("/token"));
    // At another issuer it is another grant.
    set("UPDATE oauth_providers SET issuer = 'https://elsewhere.example' WHERE name = 'fixture' AND $1 > 0").await;
    gateway.advance(Duration::from_secs(3601));
    let asked = sign_in.issuer.asked().len();
    assert_eq!(
        refresher.refresh(GrantId(grant), Ask::Call).await,
        Refreshed::NeedsReauth
    );
    assert_eq!(sign_in.issuer.asked().len(), asked);
    let stored = gateway.stored_grant(grant).await.unwrap();
    assert_eq!(stored.needs_reauth.as_deref(), Some("provider_changed"));
}
