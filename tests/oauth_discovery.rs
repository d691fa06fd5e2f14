//! From the URL of an MCP server to a call with a person's own token: what is discovered, how we become a client, and
//! what is refused (docs/inside/contract.md#oauth-find; docs/inside/threats.md#signing-in).

use axum::Router;
use axum::routing::any;
use mentor_gateway::oauth::flow;
use mentor_gateway::registry::server::{self, ServerId};
use mentor_gateway::tenant;
use serde_json::{Value, json};
use upstream_fixtures::issuer::{AuthorizationServer, Iss, Pkce, Switches};
use upstream_fixtures::{Behaviour, Upstream};
use url::Url;

use crate::harness::{CALLBACK, Client, Stage, connected_services};

const FIND: &str = "mcp-servers/oauth-find/";

/// A gateway, an MCP server that wants a token, and the authorization server that it names.
struct World {
    stage: Stage,
    upstream: Upstream,
    issuer: AuthorizationServer,
}

impl World {
    async fn start(behaviour: Behaviour, switches: Switches) -> Self {
        let upstream = Upstream::start(behaviour).await.unwrap();
        let issuer = AuthorizationServer::start(switches).await.unwrap();
        upstream.name_authorization_servers(vec![issuer.issuer()]);
        upstream.require_authorization(Some("Bearer of nobody yet".into()));
        Self {
            stage: Stage::start().await,
            upstream,
            issuer,
        }
    }

    async fn find(&self) -> Value {
        let body = json!({"url": self.upstream.url(), "name": "Tools", "callback_url": "https://evil.example/"});
        self.stage.admin.post(FIND, body).await.expect(200)
    }

    /// The reason that nothing is found.
    async fn refusal(&self) -> String {
        let body = json!({"url": self.upstream.url()});
        let answer = self.stage.admin.post(FIND, body).await.expect(400);
        assert_eq!(answer["error"], answer["detail"]);
        answer["error"].as_str().unwrap().to_owned()
    }

    async fn begin(&self, service: &Value, query: &str) -> Url {
        let path = format!(
            "{}/{}/{query}",
            service["oauth_provider"].as_str().unwrap(),
            service["name"].as_str().unwrap()
        );
        let path = connected_services("bob", &path);
        let answer = self.stage.learner.get(&path).await.expect(200);
        answer["auth_url"].as_str().unwrap().parse().unwrap()
    }

    async fn finish(&self, auth_url: &Url) -> Value {
        let learner = &self.stage.learner;
        let back = learner.visit(auth_url.as_str()).await;
        let back: Url = back.header("location").unwrap().parse().unwrap();
        let path = format!("{CALLBACK}?{}", back.query().unwrap());
        learner.get(&path).await.expect(200)
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_server_leads_to_its_sign_in_and_a_call_travels_with_the_persons_token() {
    for behaviour in [
        Behaviour::stateless(),
        Behaviour::sessions(),
        Behaviour::sse(),
        Behaviour::websocket(),
    ] {
        let world = World::start(behaviour, Switches::default()).await;
        let service = world.find().await;
        assert_eq!(service["display_name"], "Tools");
        // Found again, not made again.
        assert_eq!(world.find().await["id"], service["id"]);
        let url = world.upstream.url();
        let fields =
            json!({"auth_type": "oauth2", "auth_scope": "user", "oauth_service": service["id"]});
        let server = crate::harness::register(&world.stage.admin, "Up", &url, fields).await;
        world.stage.attach(&[server]).await;

        let auth_url = world.begin(&service, &format!("?server={server}")).await;
        let resource = parameter(&auth_url, "resource").unwrap();
        assert_eq!(
            resource,
            url.replacen("ws", "http", usize::from(url.starts_with("ws")))
        );
        assert_eq!(
            parameter(&auth_url, "client_id").as_deref(),
            Some("registered-1")
        );
        world.finish(&auth_url).await;
        let asked = world.issuer.asked();
        assert_eq!(asked[0].get("resource"), Some(resource.as_str()));
        // The tokens of the fixture are numbered.
        world
            .upstream
            .require_authorization(Some("Bearer at-1-1".into()));
        let reply = world
            .stage
            .modern()
            .call("up__echo", json!({"text": "x"}))
            .await;
        assert_eq!(reply.structured(), &json!({"text": "x"}), "{url}");

        // Registered once, for this issuer and this place.
        let again = world.begin(&service, "").await;
        assert_eq!(
            parameter(&again, "client_id").as_deref(),
            Some("registered-1")
        );
        let (learner, admin) = (&world.stage.learner, &world.stage.admin);
        learner.post(FIND, json!({"url": url})).await.expect(403);
        let audit = admin
            .get("audit/?action=oauth_service.find")
            .await
            .expect(200);
        assert_eq!(audit["count"], 2);
    }
}

#[tokio::test]
async fn a_server_that_moved_to_another_issuer_is_signed_in_to_there_as_a_new_client() {
    let mut world = World::start(Behaviour::stateless(), Switches::default()).await;
    let before = world.find().await;
    world.finish(&world.begin(&before, "").await).await;

    let next = AuthorizationServer::start(Switches::default())
        .await
        .unwrap();
    world
        .upstream
        .name_authorization_servers(vec![next.issuer()]);
    let old = std::mem::replace(&mut world.issuer, next);
    let asked_of_old = old.asked().len();
    let after = world.find().await;
    assert_ne!(after["id"], before["id"]);
    let auth_url = world.begin(&after, "").await;
    assert!(auth_url.as_str().starts_with(&world.issuer.issuer()));
    world.finish(&auth_url).await;
    assert_eq!(old.asked().len(), asked_of_old);
    // The old service leads nowhere any more, and the new one is found again.
    let path = format!(
        "{}/{}/",
        before["oauth_provider"].as_str().unwrap(),
        before["name"].as_str().unwrap()
    );
    let path = connected_services("bob", &path);
    world.stage.learner.get(&path).await.expect(404);
    assert_eq!(world.find().await["id"], after["id"]);
}

#[tokio::test]
async fn what_an_admin_stored_comes_before_a_registration() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let service = world.find().await;
    let name = format!("auth_{}", service["oauth_provider"].as_str().unwrap());
    let value =
        json!({"client_id": "fixture-client", "client_secret": "fixture-secret-of-the-client"});
    let credential = json!({"name": name, "platform": "acme", "value": value});
    let path = "/api/accounts/orgs/acme/integration-credential/";
    world.stage.admin.post(path, credential).await.expect(200);
    let auth_url = world.begin(&service, "").await;
    assert_eq!(
        parameter(&auth_url, "client_id").as_deref(),
        Some("fixture-client")
    );
    world.finish(&auth_url).await;
}

#[tokio::test]
async fn a_server_that_does_not_register_us_needs_an_admin() {
    let world = World::start(
        Behaviour::stateless(),
        Switches {
            registers: false,
            ..Switches::default()
        },
    )
    .await;
    let service = world.find().await;
    let path = format!(
        "{}/{}/",
        service["oauth_provider"].as_str().unwrap(),
        service["name"].as_str().unwrap()
    );
    let refused = world
        .stage
        .learner
        .get(&connected_services("bob", &path))
        .await;
    assert_eq!(
        refused.expect(400),
        json!({
            "detail": "No credentials found",
            "reason": format!(
                "This provider does not register clients; an administrator must register one there and store it as \
                 the integration credential `auth_{}`.",
                service["oauth_provider"].as_str().unwrap()
            ),
        })
    );
}

#[tokio::test]
async fn our_document_is_our_client_id_where_documents_are_taken() {
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let issuer = AuthorizationServer::start(Switches {
        takes_client_id_documents: true,
        ..Switches::default()
    })
    .await
    .unwrap();
    upstream.name_authorization_servers(vec![issuer.issuer()]);
    upstream.require_authorization(Some("Bearer x".into()));
    let stage = Stage::start_with(|settings| {
        settings.public_url = Some("https://gateway.example".into());
    })
    .await;
    let world = World {
        stage,
        upstream,
        issuer,
    };
    let service = world.find().await;
    let auth_url = world.begin(&service, "").await;
    let id = "https://gateway.example/api/accounts/oauth-client/";
    assert_eq!(parameter(&auth_url, "client_id").as_deref(), Some(id));
    let document = world
        .stage
        .gateway
        .anonymous()
        .get("/api/accounts/oauth-client/")
        .await;
    assert_eq!(
        document.expect(200),
        json!({
            "client_id": id, "client_name": "mentor-gateway", "client_uri": "https://gateway.example",
            "redirect_uris": ["https://gateway.example/api/accounts/connected-services/callback/"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none", "application_type": "web",
        })
    );
    world.finish(&auth_url).await;
    let asked = world.issuer.asked();
    assert_eq!(asked[0].get("client_id"), Some(id));
}

#[tokio::test]
async fn without_a_public_url_there_is_no_document() {
    let stage = Stage::start().await;
    let document = stage
        .gateway
        .anonymous()
        .get("/api/accounts/oauth-client/")
        .await;
    assert_eq!(document.expect(404), json!({"detail": "Not found."}));
}

#[tokio::test]
async fn an_authorization_server_that_cannot_be_trusted_is_refused_with_the_reason() {
    for (change, reason) in [
        (
            (|switches: &mut Switches| switches.pkce = Pkce::Absent) as fn(&mut Switches),
            "The authorization server does not support PKCE with S256.",
        ),
        (
            |switches| switches.pkce = Pkce::Plain,
            "The authorization server does not support PKCE with S256.",
        ),
        (
            |switches| switches.claims_issuer = Some("https://elsewhere.example".into()),
            "The authorization server's metadata has another issuer.",
        ),
        (
            |switches| switches.has_metadata = false,
            "The server does not say where to sign in.",
        ),
    ] {
        let world = World::start(Behaviour::stateless(), Switches::default()).await;
        world.issuer.switch(change);
        assert_eq!(world.refusal().await, reason);
    }
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let issuers = vec![
        "http://10.1.1.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    world.upstream.name_authorization_servers(issuers);
    assert_eq!(
        world.refusal().await,
        "The server does not say where to sign in."
    );
    for url in ["http://10.1.1.1/mcp", "file:///etc/passwd"] {
        let refused = world
            .stage
            .admin
            .post(FIND, json!({"url": url}))
            .await
            .expect(400);
        assert_eq!(refused["error"], "The URL is not allowed.", "{url}");
    }
    let required = world.stage.admin.post(FIND, json!({})).await.expect(400);
    assert_eq!(required, json!({"url": ["This field is required."]}));
}

#[tokio::test]
async fn an_issuer_with_a_path_and_openid_metadata_is_found() {
    for is_openid_only in [false, true] {
        let world = World::start(
            Behaviour::stateless(),
            Switches {
                path: "/tenant/one".into(),
                is_openid_only,
                scopes: vec!["tools", "offline_access"],
                ..Switches::default()
            },
        )
        .await;
        let service = world.find().await;
        assert_eq!(service["scope"], "offline_access");
        let auth_url = world.begin(&service, "").await;
        world.finish(&auth_url).await;
    }
}

#[tokio::test]
async fn a_server_that_announces_iss_and_sends_none_is_not_believed() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let service = world.find().await;
    world.issuer.switch(|switches| switches.iss = Iss::Missing);
    let auth_url = world.begin(&service, "").await;
    let learner = &world.stage.learner;
    let back = learner.visit(auth_url.as_str()).await;
    let back: Url = back.header("location").unwrap().parse().unwrap();
    let refused = learner
        .get(&format!("{CALLBACK}?{}", back.query().unwrap()))
        .await;
    assert_eq!(
        refused.expect(400),
        json!({"detail": "The answer is not from the provider that was asked"})
    );
    assert_eq!(world.issuer.asked(), []);
}

#[tokio::test]
async fn a_server_of_the_first_revision_is_its_own_authorization_server() {
    let stage = Stage::start().await;
    let challenge = any(async || {
        (
            http::StatusCode::UNAUTHORIZED,
            [("www-authenticate", "Bearer")],
        )
    });
    let own = serve(Router::new().route("/mcp", challenge)).await;
    let found = stage
        .admin
        .post(FIND, json!({"url": format!("{own}/mcp")}))
        .await
        .expect(200);
    let services = "/api/accounts/orgs/acme/oauth-services/";
    let rows = stage
        .admin
        .get(&format!(
            "{services}?name={}",
            found["name"].as_str().unwrap()
        ))
        .await;
    let row = &rows.expect(200)[0];
    assert_eq!(row["auth_url"], format!("{own}/authorize"));
    assert_eq!(row["token_url"], format!("{own}/token"));
    // Another tenant knows nothing of it.
    let stranger = stage.gateway.stranger().await;
    let theirs = stranger
        .get(&services.replace("acme", "globex"))
        .await
        .expect(200);
    assert!(
        !theirs
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["name"] == found["name"])
    );
    // A server that wants nothing is nobody's authorization server.
    let open = serve(Router::new().route("/mcp", any(async || "{}"))).await;
    let refused = stage
        .admin
        .post(FIND, json!({"url": format!("{open}/mcp")}))
        .await
        .expect(400);
    assert_eq!(
        refused["error"],
        "The server does not say where to sign in."
    );
}

#[tokio::test]
async fn the_service_of_a_server_goes_with_no_other_address() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let service = world.find().await;
    let admin: &Client = &world.stage.admin;
    let body = json!({
        "name": "Elsewhere", "url": "https://elsewhere.example/mcp", "auth_type": "oauth2",
        "oauth_service": service["id"],
    });
    let refused = admin.post("mcp-servers/", body).await.expect(400);
    assert_eq!(
        refused,
        json!({"oauth_service": ["Selected service was discovered at another server's address."]})
    );
}

#[tokio::test]
async fn a_server_that_is_deleted_takes_what_was_granted_for_it_along() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let service = world.find().await;
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": service["id"],
    });
    let (admin, url) = (&world.stage.admin, world.upstream.url());
    let register =
        async |name: &str| crate::harness::register(admin, name, &url, fields.clone()).await;
    let (first, second) = (register("First").await, register("Second").await);
    world.stage.attach(&[first, second]).await;
    let begun = world.begin(&service, &format!("?server={first}")).await;
    world.finish(&begun).await;
    let granted = async || {
        let path = connected_services("bob", "");
        let rows = world.stage.learner.get(&path).await.expect(200);
        rows.as_array().unwrap().len()
    };
    // The other server has the same address: the grant is of use for it.
    admin
        .delete(&format!("mcp-servers/{first}/"))
        .await
        .expect(204);
    assert_eq!(granted().await, 1);
    let log = admin.get("audit/?action=server.delete").await.expect(200);
    assert_eq!(log["results"][0]["detail"], "taken from 1 mentors");
    admin
        .delete(&format!("mcp-servers/{second}/"))
        .await
        .expect(204);
    assert_eq!(granted().await, 0);
    let log = admin
        .get("audit/?action=connected_service.delete")
        .await
        .expect(200);
    assert_eq!(log["results"][0]["detail"], "its server was deleted");
}

#[tokio::test]
async fn a_server_that_moves_on_its_own_host_is_discovered_anew() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let service = world.find().await;
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": service["id"],
    });
    let (admin, url) = (&world.stage.admin, world.upstream.url());
    let server = crate::harness::register(admin, "Up", &url, fields).await;
    let path = format!("mcp-servers/{server}/");
    let below = json!({ "url": format!("{url}/below") });
    let kept = admin.patch(&path, below).await.expect(200);
    assert_eq!(kept["oauth_service"], service["id"]);
    let beside = format!("{url}2");
    let named = json!({ "url": beside, "oauth_service": service["id"] });
    assert_eq!(
        admin.patch(&path, named).await.expect(400),
        json!({"oauth_service": ["Selected service was discovered at another server's address."]})
    );
    let moved = admin
        .patch(&path, json!({ "url": beside }))
        .await
        .expect(200);
    assert_eq!(moved["oauth_service"], Value::Null);
}

#[tokio::test]
async fn a_server_that_names_no_service_leads_to_one_by_itself() {
    let world = World::start(Behaviour::stateless(), Switches::default()).await;
    let open = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = json!({"auth_type": "oauth2", "auth_scope": "user"});
    let app = &world.stage.gateway.app;
    let mut found = Vec::new();
    for url in [world.upstream.url(), open.url()] {
        let id = crate::harness::register(&world.stage.admin, "Up", &url, fields.clone()).await;
        let mut tx = app.db.read().await.unwrap();
        let acme = tenant::get(&mut tx, "acme").await.unwrap();
        let server = server::get_visible(&mut tx, acme.id, ServerId(id))
            .await
            .unwrap();
        drop(tx);
        let offer = flow::service_of(&app.flow, acme.id, &server).await;
        found.push(
            offer
                .map(|offer| offer.provider.issuer)
                .map_err(|error| error.to_string()),
        );
    }
    assert_eq!(
        found,
        [
            Ok(world.issuer.issuer()),
            Err("The provider cannot be asked".to_owned())
        ]
    );
}

/// Serves a router on a free port of loopback, until the test ends.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
    origin
}
