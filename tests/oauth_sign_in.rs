//! The flow of a sign-in: what the provider is asked, what becomes of its answer, and who may bring it
//! (contract.md section 9; threats.md E01 to E10 and E16).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mentor_gateway::oauth::flow::{self, Person, Start};
use mentor_gateway::oauth::service;
use mentor_gateway::tenant::{self, user};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use upstream_fixtures::issuer::{CLIENT_ID, CLIENT_SECRET, Fault, Iss, Switches};
use url::Url;

use crate::harness::{CALLBACK, Gateway, SignIn, connected_services, eventually};

const INVALID_STATE: &str = r#"{"detail":"Invalid state"}"#;
const NOT_EXCHANGED: &str = r#"{"detail":"Could not exchange auth token"}"#;
const OTHER_PERSON: &str = r#"{"detail":"This sign-in was started by another user"}"#;
const OTHER_ISSUER: &str = r#"{"detail":"The answer is not from the provider that was asked"}"#;

fn pairs(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

fn parameter(url: &Url, name: &str) -> String {
    let values: Vec<String> = pairs(url)
        .into_iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(values.len(), 1, "{name} in {url}");
    values.into_iter().next().unwrap()
}

fn other(text: &str) -> (u16, String) {
    (400, text.to_owned())
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
async fn a_state_that_is_none_or_over_is_refused_before_anything_is_asked() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let long = format!("code=x&state={}", "s".repeat(4000));
    for bad in [
        "",
        "code=x",
        "code=x&state=",
        "code=x&state=acme:fixture:files:bob:8f0c1f2e-0000-4000-8000-000000000000",
        &query.replace("bob", "carol"),
        &query.replace("acme", "globex"),
        &format!("{query}&state=again"),
        &long,
    ] {
        let answer = sign_in.bring(&learner, bad).await;
        assert_eq!(answer.brief(), other(INVALID_STATE), "{bad}");
    }
    let stranger = sign_in.gateway().stranger().await;
    assert_eq!(
        sign_in.bring(&stranger, &query).await.brief(),
        other(INVALID_STATE)
    );
    sign_in.gateway().advance(flow_life());
    assert_eq!(
        sign_in.bring(&learner, &query).await.brief(),
        other(INVALID_STATE)
    );
    assert_eq!(sign_in.issuer.asked(), []);
}

fn flow_life() -> Duration {
    mentor_gateway::oauth::state::STATE_LIFE
}

#[tokio::test]
async fn of_many_answers_at_once_one_is_taken() {
    let sign_in = SignIn::start(Switches {
        delay: Duration::from_millis(50),
        ..Switches::default()
    })
    .await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let tries = (0..50).map(|_| sign_in.bring(&learner, &query));
    let answers = futures_util::future::join_all(tries).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.brief(), other(INVALID_STATE));
    }
    assert_eq!(sign_in.issuer.asked().len(), 1);
    assert_eq!(
        sign_in.bring(&learner, &query).await.brief(),
        other(INVALID_STATE)
    );
}

#[tokio::test]
async fn nobody_ends_what_somebody_else_began() {
    let sign_in = SignIn::start(Switches::default()).await;
    let (learner, admin) = (&sign_in.stage.learner, &sign_in.stage.admin);
    let carol = sign_in.gateway().client("acme", "carol").await;
    let query = sign_in.consent(&sign_in.begin(learner).await).await;
    for person in [&carol, admin, &sign_in.gateway().anonymous()] {
        let answer = sign_in.bring(person, &query).await;
        assert_eq!(answer.brief(), (403, OTHER_PERSON.to_owned()));
    }
    assert_eq!(sign_in.issuer.asked(), []);
    assert_eq!(sign_in.connected(learner).await, json!([]));
    // The rightful owner's answer is still good.
    sign_in.bring(learner, &query).await.expect(200);

    // An admin may begin for somebody, and then either of the two ends it.
    let path = connected_services("bob", "fixture/notes/");
    let url = admin.get(&path).await.expect(200)["auth_url"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let query = sign_in.consent(&url).await;
    let row = sign_in.bring(admin, &query).await.expect(200);
    assert_eq!(row["username"], json!(["bob"]));
    let audit = admin
        .get("audit/?action=connected_service.connect")
        .await
        .expect(200);
    assert_eq!(audit["results"][0]["actor"], "alice");
}

#[tokio::test]
async fn a_sign_in_that_a_browser_began_ends_in_that_browser() {
    let sign_in = SignIn::start(Switches::default()).await;
    let gateway = sign_in.gateway();
    let mut person = bob(gateway).await;
    "browser one".clone_into(&mut person.browser_digest);
    let url = begin_in(gateway, &person).await;
    let query = sign_in.consent(&url).await;
    // The same person with a key, and in another browser.
    let answer = sign_in.bring(&sign_in.stage.learner, &query).await;
    assert_eq!(answer.brief(), (403, OTHER_PERSON.to_owned()));
    let mut elsewhere = person.clone();
    "browser two".clone_into(&mut elsewhere.browser_digest);
    let brought = brought(&query);
    assert!(
        flow::finish(&gateway.app.flow, &brought, Some(&elsewhere))
            .await
            .is_err()
    );
    let finished = flow::finish(&gateway.app.flow, &brought, Some(&person))
        .await
        .unwrap();
    assert_eq!(finished.user, person.user);
}

async fn bob(gateway: &Gateway) -> Person {
    let mut tx = gateway.app.db.read().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    Person {
        tenant: acme.id,
        user: bob.id,
        username: bob.username,
        token: mentor_gateway::auth::token::TokenId(1),
        browser_digest: String::new(),
    }
}

async fn begin_in(gateway: &Gateway, person: &Person) -> Url {
    let mut tx = gateway.app.db.read().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    let files = service::find_by_names(&mut tx, acme.id, ("fixture", "files")).await;
    let files = files.unwrap().unwrap();
    drop(tx);
    let start = Start {
        tenant: &acme,
        user: &bob,
        by: person,
        service: files.service.id,
        server: None,
        prompt_id: None,
        further_scope: "files.write openid",
        redirect_uri: None,
        base_url: &gateway.base,
    };
    let started = flow::start(&gateway.app.flow, &start).await.unwrap();
    let url: Url = started.auth_url.parse().unwrap();
    assert_eq!(parameter(&url, "scope"), "files.read openid files.write");
    url
}

fn brought(query: &str) -> flow::Answer {
    let url: Url = format!("http://x/?{query}").parse().unwrap();
    let secret = |name| mentor_gateway::secret::Secret::new(parameter(&url, name));
    flow::Answer {
        state: secret("state"),
        code: Some(secret("code")),
        is_refused: false,
        issuers: vec![parameter(&url, "iss")],
        redirect_uri: None,
    }
}

#[tokio::test]
async fn an_answer_from_another_issuer_is_refused_before_its_code_is_sent() {
    let sign_in = SignIn::start_with(Switches::default(), "sends_iss = true").await;
    let learner = sign_in.stage.learner.clone();
    let issuer = sign_in.issuer.issuer();
    for (iss, more) in [
        (Iss::Missing, ""),
        (Iss::Wrong(format!("{issuer}/")), ""),
        (Iss::Wrong(issuer.to_uppercase()), ""),
        (Iss::Wrong(issuer.replace("127", "%3127")), ""),
        (Iss::Right, "&iss=https%3A%2F%2Fevil.example"),
        (Iss::Missing, "&error=access_denied&error_description=evil"),
    ] {
        sign_in.issuer.switch(|switches| switches.iss = iss.clone());
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        let query = format!("{query}{more}");
        // Three retries of the browser hear the same.
        for _ in 0..4 {
            let answer = sign_in.bring(&learner, &query).await;
            assert_eq!(answer.brief(), other(OTHER_ISSUER), "{iss:?}{more}");
        }
    }
    assert_eq!(sign_in.issuer.asked(), []);
    assert_eq!(sign_in.connected(&learner).await, json!([]));
}

#[tokio::test]
async fn a_refusal_is_told_without_the_providers_words() {
    let sign_in = SignIn::start(Switches {
        denies: true,
        ..Switches::default()
    })
    .await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let query = format!("{query}&error_description=%3Cscript%3E");
    for _ in 0..4 {
        let answer = sign_in.bring(&learner, &query).await;
        assert_eq!(
            answer.brief(),
            other(r#"{"detail":"Access was not granted"}"#)
        );
    }
    assert_eq!(sign_in.issuer.asked(), []);
}

#[tokio::test]
async fn a_failed_exchange_is_told_again_and_not_tried_again() {
    for fault in [
        Fault::Status500,
        Fault::Html,
        Fault::NoAccessToken,
        Fault::NegativeExpiresIn,
        Fault::Error("invalid_grant".into()),
        Fault::ErrorWith200("invalid_request".into()),
        Fault::Redirect("https://evil.example/".into()),
        Fault::LoseAnswer,
    ] {
        let sign_in = SignIn::start(Switches {
            fault: Some(fault.clone()),
            fault_times: Some(1),
            ..Switches::default()
        })
        .await;
        let learner = sign_in.stage.learner.clone();
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        for _ in 0..4 {
            let answer = sign_in.bring(&learner, &query).await;
            assert_eq!(answer.brief(), other(NOT_EXCHANGED), "{fault:?}");
        }
        assert_eq!(sign_in.issuer.asked().len(), 1, "{fault:?}");
        assert_eq!(sign_in.connected(&learner).await, json!([]), "{fault:?}");
    }
}

#[tokio::test]
async fn the_code_of_another_flow_is_worth_nothing() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let first = sign_in.consent(&sign_in.begin(&learner).await).await;
    let second = sign_in.consent(&sign_in.begin(&learner).await).await;
    let code = |query: &str| {
        let url: Url = format!("http://x/?{query}").parse().unwrap();
        parameter(&url, "code")
    };
    let mixed = first.replace(&code(&first), &code(&second));
    let answer = sign_in.bring(&learner, &mixed).await;
    assert_eq!(answer.brief(), other(NOT_EXCHANGED));
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
    for (domain, status) in [
        ("", 400),
        ("evil.example/x?", 400),
        ("10.0.0.1", 400),
        ("canvas.school.example", 200),
    ] {
        let admin = &sign_in.stage.admin;
        let credential = "/api/accounts/orgs/acme/integration-credential/";
        let body = json!({"name": "auth_canvas", "platform": "acme", "value": {
            "client_id": "x", "client_secret": "y", "domain": domain,
        }});
        if admin.patch(credential, body.clone()).await.status == 404 {
            admin.post(credential, body).await.expect(200);
        }
        learner.get(&path).await.expect(status);
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
async fn a_person_has_only_so_many_sign_ins_under_way() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let first = sign_in.consent(&sign_in.begin(&learner).await).await;
    for _ in 0..mentor_gateway::oauth::state::STATES_PER_USER_MAX {
        sign_in.gateway().advance(Duration::from_millis(1));
        sign_in.begin(&learner).await;
    }
    assert_eq!(
        sign_in.bring(&learner, &first).await.brief(),
        other(INVALID_STATE)
    );
}
