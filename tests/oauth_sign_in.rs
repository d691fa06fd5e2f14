//! The flow of a sign-in: what the provider is asked, and what becomes of its consent
//! (docs/inside/contract.md#connected-services; docs/inside/threats.md#signing-in).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::registry::grant::GrantId;
use mentor_gateway::{sql, tenant};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use upstream_fixtures::issuer::{CLIENT_ID, CLIENT_SECRET, Switches};
use url::Url;

use crate::harness::{CALLBACK, SignIn, connected_services, eventually, parameter};

fn pairs(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn the_authorization_url_says_what_we_say_and_nothing_of_ours_twice() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let url = sign_in.begin(&learner).await;
    let state = parameter(&url, "state");
    let parts: Vec<&str> = state.split(':').collect();
    assert_eq!(parts[..4], ["acme", "fixture", "files", "bob"]);
    uuid::Uuid::parse_str(parts[4]).unwrap();
    let own = |path: &str| format!("{}{path}", sign_in.gateway().base);
    for (name, value) in [
        ("client_id", CLIENT_ID),
        ("redirect_uri", &own(CALLBACK)),
        ("response_type", "code"),
        ("scope", "files.read openid"),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
        ("hint", "x"),
    ] {
        assert_eq!(parameter(&url, name), value, "{name}");
    }
    assert_eq!(pairs(&url).len(), 9, "{url}");
    assert_eq!(parameter(&url, "code_challenge").len(), 43);
}

#[tokio::test]
async fn a_consent_becomes_a_connected_service_without_a_token_in_sight() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let url = sign_in.begin(&learner).await;
    let query = sign_in.consent(&url).await;
    let answer = sign_in
        .bring(&learner, &format!("{query}&authuser=0&prompt=consent"))
        .await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let row = answer.expect(200);
    let at = "2026-11-21T00:00:00Z";
    assert_eq!(
        row,
        json!({
            "id": row["id"], "provider": "fixture", "service": "files", "expires_at": "2026-11-21T01:00:00Z",
            "scope": "files.read openid", "scope_names": ["files.read", "openid"], "scopes": ["files.read", "openid"],
            "token_type": "bearer", "username": ["bob"], "needs_reauth": null, "last_used_at": null,
            "service_info": {
                "id": row["service_info"]["id"], "name": "files", "display_name": "Fixture Files", "logo": null,
            },
            "created_at": at, "updated_at": at,
        })
    );
    let path = connected_services("bob", &format!("{}/", row["id"]));
    assert_eq!(learner.get(&path).await.expect(200), row);
    assert_eq!(sign_in.connected(&learner).await, json!([row]));
    assert_eq!(sign_in.stage.admin.get(&path).await.expect(200), row);

    let asked = sign_in.issuer.asked();
    assert_eq!(asked.len(), 1);
    let verifier = asked[0].get("code_verifier").unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert_eq!(challenge, parameter(&url, "code_challenge"));
    assert_eq!(asked[0].get("client_secret"), Some(CLIENT_SECRET));
    assert_eq!(
        asked[0].get("redirect_uri").unwrap(),
        parameter(&url, "redirect_uri")
    );
}

#[tokio::test]
async fn a_sign_in_for_a_server_ends_with_a_connection_of_ones_own() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let server = sign_in.server().await;
    for _ in 0..2 {
        let url = sign_in
            .begin_with(&learner, &format!("?server={}", server["id"]))
            .await;
        let query = sign_in.consent(&url).await;
        let row = sign_in.bring(&learner, &query).await.expect(200);
        let connections = learner.get("mcp-server-connections/").await.expect(200);
        assert_eq!(connections["count"], 1);
        let connection = &connections["results"][0];
        assert_eq!(
            json!([
                connection["server"],
                connection["scope"],
                connection["user"],
                connection["connected_service"],
                connection["auth_type"],
                connection["is_active"]
            ]),
            json!([server["id"], "user", "bob", row["id"], "oauth2", true])
        );
        let resolved = learner
            .get(&format!("mcp-servers/{}/resolve/", server["id"]))
            .await
            .expect(200);
        assert_eq!(resolved["outcome"], "ok");
    }
    let audit = sign_in
        .stage
        .admin
        .get("audit/?action=connected_service.connect")
        .await
        .expect(200);
    let row = &audit["results"][0];
    assert_eq!(
        json!([audit["count"], row["user"], row["server"], row["outcome"]]),
        json!([2, "bob", server["id"], "ok"])
    );
}

#[tokio::test]
async fn reconnecting_renews_the_row_in_place() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let first = sign_in.connect(&learner).await;
    sign_in.gateway().advance(Duration::from_secs(60));
    let second = sign_in.connect(&learner).await;
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["expires_at"], "2026-11-21T01:01:00Z");
    assert_eq!(sign_in.connected(&learner).await, json!([second]));
}

#[tokio::test]
async fn only_configured_redirect_uris_are_used() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let own = format!("{}{CALLBACK}", sign_in.gateway().base);
    let front_end = "https://app.example/google-oauth-callback/";
    for (asked, used) in [
        (front_end, front_end),
        ("https://evil.example/google-oauth-callback/", own.as_str()),
        ("https://app.example/google-oauth-callback/?x", &own),
        ("https://app.example.evil/google-oauth-callback/", &own),
        ("//evil.example", &own),
        ("javascript:alert(1)", &own),
        ("https://app.example/google-oauth-callback/%0d%0ax", &own),
    ] {
        let query = serde_urlencoded::to_string([("redirect_uri", asked)]).unwrap();
        let url = sign_in.begin_with(&learner, &format!("?{query}")).await;
        assert_eq!(parameter(&url, "redirect_uri"), used, "{asked}");
    }
    // A front end that changed the URL itself says so at the callback; anything else that is said there is ignored.
    let url = sign_in.begin(&learner).await;
    let changed = url.as_str().replace(&encoded(&own), &encoded(front_end));
    let query = sign_in.consent(&changed.parse().unwrap()).await;
    let query = format!("{query}&redirect_uri={}", encoded(front_end));
    sign_in.bring(&learner, &query).await.expect(200);
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let query = format!("{query}&redirect_uri={}", encoded("https://evil.example/"));
    sign_in.bring(&learner, &query).await.expect(200);
    let used: Vec<_> = sign_in
        .issuer
        .asked()
        .iter()
        .map(|asked| asked.get("redirect_uri").unwrap().to_owned())
        .collect();
    assert_eq!(used, [front_end, &own]);
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_says_why() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    for (service, answer) in [
        (
            "google/drive/",
            (400, r#"{"detail":"No credentials found"}"#),
        ),
        ("google/nothing/", (404, r#"{"detail":"Not found."}"#)),
        ("nothing/drive/", (404, r#"{"detail":"Not found."}"#)),
        (
            "fixture/files/?server=999999",
            (404, r#"{"detail":"Not found."}"#),
        ),
    ] {
        let path = connected_services("bob", service);
        let refused = learner.get(&path).await.brief();
        assert_eq!(refused, (answer.0, answer.1.to_owned()), "{service}");
    }
    // Canvas is reached at the school's own address, which must be a host and nothing else.
    let path = connected_services("bob", "canvas/canvas/");
    for (domain, stored, begun) in [
        ("", 400, 400),
        ("evil.example/x?", 400, 400),
        ("10.0.0.1", 200, 400),
        ("canvas.school.example", 200, 200),
    ] {
        let admin = &sign_in.stage.admin;
        let credential = "/api/accounts/orgs/acme/integration-credential/";
        let body = json!({"name": "auth_canvas", "platform": "acme", "value": {
            "client_id": "x", "client_secret": "y", "domain": domain,
        }});
        let mut answer = admin.patch(credential, body.clone()).await;
        if answer.status == 404 {
            answer = admin.post(credential, body).await;
        }
        answer.expect(stored);
        learner.get(&path).await.expect(begun);
    }
}

#[tokio::test]
async fn the_credentials_of_the_main_tenant_serve_who_has_none() {
    let sign_in = SignIn::start(Switches::default()).await;
    let gateway = sign_in.gateway();
    let app = &gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let main = tenant::create(&mut tx, "main", "Main", app.clock.now())
        .await
        .unwrap();
    for (name, id) in [("auth_google", "of-main"), ("auth_fixture", "also-of-main")] {
        let value = json!({"client_id": id, "client_secret": "x"});
        mentor_gateway::oauth::integration::create(
            &mut tx,
            &app.vault,
            main.id,
            (name, &value),
            app.clock.now(),
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let learner = &sign_in.stage.learner;
    for (service, client_id) in [("google/drive/", "of-main"), ("fixture/files/", CLIENT_ID)] {
        let answer = learner
            .get(&connected_services("bob", service))
            .await
            .expect(200);
        let url: Url = answer["auth_url"].as_str().unwrap().parse().unwrap();
        assert_eq!(parameter(&url, "client_id"), client_id);
    }
    let services = learner
        .get("/api/accounts/orgs/acme/oauth-services/?name=drive")
        .await
        .expect(200);
    assert_eq!(services[0]["credentials"]["is_global"], true);
}

#[tokio::test]
async fn disconnecting_takes_the_connections_along_and_gives_the_grant_back() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let server = sign_in.server().await;
    let url = sign_in
        .begin_with(&learner, &format!("?server={}", server["id"]))
        .await;
    let query = sign_in.consent(&url).await;
    let row = sign_in.bring(&learner, &query).await.expect(200);
    let path = connected_services("bob", &format!("{}/", row["id"]));
    let carol = sign_in.gateway().client("acme", "carol").await;
    carol.delete(&path).await.expect(404);
    carol
        .delete(&path.replace("bob", "carol"))
        .await
        .expect(404);
    assert_eq!(learner.delete(&path).await.brief(), (204, String::new()));
    learner.delete(&path).await.expect(404);
    assert_eq!(sign_in.connected(&learner).await, json!([]));
    let connections = learner.get("mcp-server-connections/").await.expect(200);
    assert_eq!(connections["count"], 0);
    let resolved = learner
        .get(&format!("mcp-servers/{}/resolve/", server["id"]))
        .await
        .expect(200);
    assert_eq!(resolved["outcome"], "sign_in_needed");
    let (token, hint) = eventually("the grant", async || {
        let asked = sign_in.issuer.asked();
        let revoked = asked.iter().find(|asked| asked.path == "/revoke")?;
        let field = |name| revoked.get(name).map(str::to_owned);
        Some((field("token")?, field("token_type_hint")?))
    })
    .await;
    assert_eq!(hint, "refresh_token");
    assert!(!sign_in.issuer.would_refresh(&token));
}

#[tokio::test]
async fn a_list_is_narrowed_and_ordered() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let files = sign_in.connect(&learner).await;
    sign_in.gateway().advance(Duration::from_secs(60));
    let url = learner
        .get(&connected_services("bob", "fixture/notes/"))
        .await
        .expect(200);
    let url = url["auth_url"].as_str().unwrap().parse().unwrap();
    let notes = sign_in
        .bring(&learner, &sign_in.consent(&url).await)
        .await
        .expect(200);
    assert_eq!(notes["scope"], "");
    for (query, expected) in [
        ("?service=notes", json!([notes])),
        ("?provider=google", json!([])),
        ("?search=fixture%20f", json!([files])),
        ("?ordering=-expires_at", json!([notes, files])),
        ("?ordering=service", json!([files, notes])),
        ("?ordering=nonsense", json!([files, notes])),
    ] {
        let rows: Value = learner
            .get(&connected_services("bob", query))
            .await
            .expect(200);
        assert_eq!(rows, expected, "{query}");
    }
}

#[tokio::test]
async fn tokens_that_come_when_their_grant_is_gone_are_given_back() {
    let sign_in = SignIn::start(Switches::default()).await;
    let row = sign_in.connect(&sign_in.stage.learner).await;
    let grant = row["id"].as_i64().unwrap();
    let app = &sign_in.gateway().app;
    sign_in.gateway().advance(Duration::from_secs(3600));
    sign_in.issuer.switch(|switches| switches.holds = true);
    let deleting = async {
        eventually("the refresh", async || {
            (sign_in.issuer.asked_for("refresh_token") == 1).then_some(())
        })
        .await;
        let mut tx = app.db.write().await.unwrap();
        sql!(&mut tx, execute, "DELETE FROM connected_services").unwrap();
        tx.commit().await.unwrap();
        sign_in.issuer.switch(|switches| switches.holds = false);
    };
    let refreshing = app.gateway.refresher.refresh(GrantId(grant), Ask::Call);
    let (refreshed, ()) = tokio::join!(refreshing, deleting);
    assert_eq!(refreshed, Refreshed::Impossible);
    let asked = sign_in.issuer.asked();
    let revoked = asked.iter().filter(|asked| asked.path == "/revoke");
    let revoked: Vec<_> = revoked.map(|asked| asked.get("token").unwrap()).collect();
    assert_eq!(revoked, ["rt-1-2"]);
    assert!(!sign_in.issuer.would_refresh("rt-1-2"));
}
