//! What holds for the REST surface as a whole: pages, ids, origins, proxies, health and documentation.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Gateway, PUBLIC_SERVER, send};

async fn three_servers(admin: &Client) {
    for name in ["Alpha one", "Alpha two", "Beta"] {
        admin
            .post("mcp-servers/", json!({"name": name, "url": PUBLIC_SERVER}))
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn pages_link_to_their_neighbours_and_keep_the_query() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    three_servers(&admin).await;
    let base = format!(
        "{}/api/ai-mentor/orgs/acme/users/alice/mcp-servers/",
        gateway.base
    );
    let links = |page: &Value| {
        (
            page["count"].clone(),
            page["next"].clone(),
            page["previous"].clone(),
        )
    };

    let first = admin
        .get("mcp-servers/?search=alpha&page_size=1&x=a%26b")
        .await
        .expect(200);
    assert_eq!(
        links(&first),
        (
            json!(2),
            json!(format!("{base}?page=2&search=alpha&page_size=1&x=a%26b")),
            json!(null)
        )
    );
    let second = admin
        .get("mcp-servers/?search=alpha&page_size=1&page=2")
        .await
        .expect(200);
    assert_eq!(
        links(&second),
        (
            json!(2),
            json!(null),
            json!(format!("{base}?search=alpha&page_size=1"))
        )
    );
    let twin = admin
        .get("/dm/api/ai-agent/orgs/acme/users/alice/mcp-servers?page_size=2")
        .await
        .expect(200);
    let spelled = format!(
        "{}/dm/api/ai-agent/orgs/acme/users/alice/mcp-servers?page=2&page_size=2",
        gateway.base
    );
    assert_eq!(twin["next"], spelled);
    assert_eq!(
        admin
            .get("mcp-servers/?page_size=100000&page=1")
            .await
            .expect(200)["count"],
        3
    );
    assert_eq!(
        admin.get("mcp-servers/?page_size=0").await.expect(200)["count"],
        3
    );
    for page in [
        "2",
        "0",
        "-1",
        "x",
        "1.0",
        "%201",
        "+1",
        "99999999999999999999",
        "9223372036854775807",
    ] {
        let refused = admin.get(&format!("mcp-servers/?page={page}")).await;
        assert_eq!(
            refused.expect(404),
            json!({"detail": "Invalid page."}),
            "{page}"
        );
    }
    let empty = gateway
        .stranger()
        .await
        .get("mcp-servers/")
        .await
        .expect(200);
    assert_eq!(
        empty,
        json!({"count": 0, "next": null, "previous": null, "results": []})
    );
}

#[tokio::test]
async fn links_use_the_public_url_if_there_is_one() {
    let gateway =
        Gateway::start_with(|settings| settings.public_url = Some("https://gw.example/".into()))
            .await;
    let admin = gateway.admin().await;
    three_servers(&admin).await;
    let page = admin.get("mcp-servers/?page_size=1").await.expect(200);
    assert!(
        page["next"]
            .as_str()
            .unwrap()
            .starts_with("https://gw.example/api/ai-mentor/"),
        "{page}"
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_fit_one_is_kept() {
    let gateway = Gateway::start().await;
    let anonymous = gateway.anonymous();
    for path in ["/health/live", "/nowhere", "mcp-servers/", "/"] {
        assert_eq!(
            anonymous
                .get(path)
                .await
                .header("x-request-id")
                .unwrap()
                .len(),
            36,
            "{path}"
        );
    }
    for (sent, is_kept) in [
        ("req-1.a_B", true),
        ("a b", false),
        (&"x".repeat(65), false),
        ("", false),
    ] {
        let answer = anonymous
            .with_header("x-request-id", sent)
            .get("/health/live")
            .await;
        assert_eq!(
            answer.header("x-request-id") == Some(sent),
            is_kept,
            "{sent}"
        );
    }
}

#[tokio::test]
async fn only_named_origins_are_let_in() {
    let named = "https://app.example";
    let gateway = Gateway::start_with(|settings| settings.allow_origin = vec![named.into()]).await;
    let preflight = |origin: &str| {
        let request = gateway
            .anonymous()
            .request(Method::OPTIONS, "mcp-servers/9/");
        send(
            request
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "PATCH"),
        )
    };
    let allowed = preflight(named).await;
    assert_eq!(
        (
            allowed.status,
            allowed.header("access-control-allow-origin")
        ),
        (204, Some(named))
    );
    assert!(
        allowed
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    assert!(
        allowed
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization, content-type")
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    let request = gateway
        .anonymous()
        .request(Method::OPTIONS, "/mcp/mentors/x/");
    let request = request
        .header("Origin", named)
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "mcp-param-region, Mcp-Param-Id,x-evil, ()",
        );
    let allowed = send(request).await;
    let allowed = allowed.header("access-control-allow-headers").unwrap();
    for header in [
        "mcp-method",
        "x-act-as-user",
        "x-chat-session-id",
        "mcp-param-region",
        "mcp-param-id",
    ] {
        assert!(
            allowed.split(", ").any(|name| name == header),
            "{header}: {allowed}"
        );
    }
    assert!(
        !allowed.contains("x-evil") && !allowed.contains('('),
        "{allowed}"
    );
    for foreign in [
        "https://evil.example",
        "null",
        "http://app.example",
        "https://app.example.evil.example",
        "*",
    ] {
        let refused = preflight(foreign).await;
        assert_eq!(
            refused.header("access-control-allow-origin"),
            None,
            "{foreign}"
        );
        let answer = gateway
            .anonymous()
            .with_header("origin", foreign)
            .get("/health/live")
            .await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (200, None),
            "{foreign}"
        );
    }
    let answer = gateway
        .anonymous()
        .with_header("origin", named)
        .get("mcp-servers/")
        .await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (401, Some(named))
    );
    assert_eq!(answer.header("vary"), Some("origin"));
    let plain = send(gateway.anonymous().request(Method::OPTIONS, "mcp-servers/")).await;
    assert_eq!(
        (plain.status, plain.header("allow")),
        (204, Some("GET, POST, HEAD, OPTIONS"))
    );
}

#[tokio::test]
async fn a_platform_key_with_the_right_acts_for_a_learner_and_without_it_is_refused() {
    let gateway = Gateway::start().await;
    let (runtime, plain) = (
        gateway.platform_key(&["act-as"]).await,
        gateway.platform_key(&[]).await,
    );
    let as_bob = runtime.with_header("x-act-as-user", "bob");
    as_bob
        .on_path_of("acme", "bob")
        .get("mcp-servers/")
        .await
        .expect(200);
    as_bob
        .on_path_of("acme", "alice")
        .get("mcp-servers/")
        .await
        .expect(404);
    as_bob
        .on_path_of("acme", "bob")
        .post("mcp-servers/", json!({}))
        .await
        .expect(403);
    for stranger in ["gil", "nobody"] {
        runtime
            .with_header("x-act-as-user", stranger)
            .get("mcp-servers/")
            .await
            .expect(404);
    }
    plain
        .with_header("x-act-as-user", "bob")
        .get("mcp-servers/")
        .await
        .expect(403);
    let twice = as_bob
        .with_header("x-act-as-user", "alice")
        .get("mcp-servers/")
        .await;
    assert_eq!(
        twice.expect(400),
        json!({"detail": "Two X-Act-As-User headers."})
    );
}

#[tokio::test]
async fn a_credential_comes_in_one_header_of_a_known_form() {
    let gateway = Gateway::start().await;
    let key = gateway.admin().await.key.unwrap();
    let anonymous = gateway.anonymous();
    for scheme in ["Token", "Api-Token", "Bearer", "token"] {
        let value = format!("{scheme} {key}");
        anonymous
            .with_header("authorization", &value)
            .get("mcp-servers/")
            .await
            .expect(200);
    }
    for value in [&*key, "Basic YTpi", "Token ", &format!("Token {key} x")] {
        let refused = anonymous
            .with_header("authorization", value)
            .get("mcp-servers/")
            .await;
        assert_eq!(
            refused.expect(401),
            json!({"detail": "Invalid token."}),
            "{value}"
        );
    }
    let two = anonymous.with_header("authorization", &format!("Token {key}"));
    let two = two
        .with_header("authorization", "Token x")
        .get("mcp-servers/")
        .await;
    assert_eq!(
        two.expect(400),
        json!({"detail": "Two Authorization headers."})
    );
}

#[tokio::test]
async fn health_says_whether_the_database_answers() {
    let gateway = Gateway::start().await;
    let anonymous = gateway.anonymous();
    for path in ["/health/live", "/health/ready", "/health/ready/"] {
        assert_eq!(
            anonymous.get(path).await.expect(200),
            json!({"status": "ok"})
        );
    }
    gateway.app.db.close().await;
    anonymous.get("/health/live").await.expect(200);
    let unready = anonymous.get("/health/ready").await;
    assert_eq!(unready.header("retry-after"), Some("5"));
    assert_eq!(
        unready.expect(503),
        json!({"detail": "Temporarily unavailable."})
    );
    let mut unknown = anonymous.clone();
    unknown.key = Some("x".repeat(64));
    unknown.get("mcp-servers/").await.expect(503);
}

#[tokio::test]
async fn the_documentation_describes_every_route() {
    let gateway = Gateway::start().await;
    let anonymous = gateway.anonymous();
    let document = anonymous.get("/api/schema/").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for route in mentor_gateway::http::routes::ROUTES {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(
            operation["summary"], route.endpoint.summary,
            "{}",
            route.path
        );
        ids.push(operation["operationId"].as_str().unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), mentor_gateway::http::routes::ROUTES.len());
    let page = anonymous.get("/api/docs/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html"))
    );
    for file in [
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "swagger-initializer.js",
    ] {
        assert!(
            String::from_utf8_lossy(&page.bytes).contains(file),
            "{file}"
        );
        assert_eq!(
            anonymous.get(&format!("/api/docs/{file}")).await.status,
            200,
            "{file}"
        );
    }
    let bare = anonymous.get("/api/docs").await;
    assert_eq!(
        (bare.status, bare.header("location")),
        (303, Some("/api/docs/"))
    );
    let start = anonymous.get("/api/docs/swagger-initializer.js").await;
    assert!(String::from_utf8_lossy(&start.bytes).contains("../schema/"));
    anonymous
        .get("/api/docs/..%2f..%2fCargo.toml")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_revoked_key_stops_at_the_next_look() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    admin.get("mcp-servers/").await.expect(200);
    let mut tx = gateway.app.db.write().await.unwrap();
    mentor_gateway::sql!(&mut tx, execute, "UPDATE tokens SET revoked_at = 1").unwrap();
    tx.commit().await.unwrap();
    gateway.app.auth.forget_all();
    gateway.advance(Duration::from_secs(1));
    admin.get("mcp-servers/").await.expect(401);
}
