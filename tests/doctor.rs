//! `doctor URL`: each step of the way to a server, and what to do where it ends.

use std::process::{Command, Stdio};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::{any, get};
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::closed_address;

/// The exit code and what was said.
async fn doctor(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
    command
        .arg("doctor")
        .args(arguments)
        .env("GATEWAY_LOG", "error")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

const OPEN: [&str; 2] = ["--egress-allow", "127.0.0.0/8"];

/// The same with loopback open.
async fn doctor_at(url: &str, more: &[&str]) -> (i32, String) {
    doctor(&[&[url], &OPEN[..], more].concat()).await
}

#[tokio::test]
async fn a_good_server_is_followed_to_its_tools_over_every_transport() {
    for (behaviour, more, protocol) in [
        (
            Behaviour::stateless(),
            &[][..],
            "revision 2026-07-28, stateless; it calls itself \"fixture-",
        ),
        (
            Behaviour::sessions(),
            &[],
            "revision 2025-11-25, with sessions; it calls itself \"fixture-",
        ),
        (
            Behaviour::sse(),
            &["--transport", "sse"],
            "revision 2025-11-25, with sessions; it calls itself \"fixture-",
        ),
        (
            Behaviour::websocket_modern().paged(5),
            &[],
            "revision 2026-07-28, stateless; it calls itself \"fixture-",
        ),
    ] {
        let upstream = Upstream::start(behaviour).await.unwrap();
        let url = upstream.url();
        let (origin, _) = url.rsplit_once('/').unwrap();
        let transport = match (url.starts_with("ws"), more) {
            (true, _) => "websocket",
            (_, [_, word]) => word,
            _ => "streamable_http",
        };
        let (code, said) = doctor_at(&url, more).await;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(code, 0, "{said}");
        assert_eq!(
            lines[0],
            format!("ok      URL          {origin} may be dialled, over {transport}")
        );
        assert_eq!(lines[1], "ok      address      127.0.0.1 may be dialled");
        assert_eq!(lines[2], "ok      connection   TCP, in the clear");
        assert!(
            lines[3].starts_with(&format!("ok      protocol     {protocol}")),
            "{said}"
        );
        let count = lines[4].strip_prefix("ok      tools        ").unwrap();
        assert!(count.parse::<u32>().unwrap() > 10, "{said}");
    }
}

#[tokio::test]
async fn a_closed_address_is_said_to_be_closed_and_how_to_open_it() {
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let advice = "if it is a server of yours, open its range: --egress-allow CIDR; metadata addresses stay closed";
    assert_eq!(
        doctor(&[&upstream.url()]).await,
        (
            1,
            format!(
                "failed  URL          address 127.0.0.1 is closed\n                     → {advice}\n"
            )
        )
    );
    assert_eq!(
        doctor(&[
            "https://169.254.169.254/mcp",
            "--egress-allow",
            "169.254.0.0/16"
        ])
        .await,
        (
            1,
            format!(
                "failed  URL          address 169.254.169.254 is closed\n                     → {advice}\n"
            )
        )
    );
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_otherwise_ends_the_way() {
    let (code, said) = doctor_at(&format!("http://{}/mcp", closed_address().await), &[]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("failed  connection   the connection failed: "),
        "{said}"
    );

    let old = Upstream::start(Behaviour::sse()).await.unwrap();
    let (code, said) = doctor_at(&old.url(), &[]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("failed  protocol     this path does not accept POST (HTTP 405)"),
        "{said}"
    );
    assert!(
        said.contains(
            "→ check the path (often /mcp); if it is an older server, try --transport sse"
        ),
        "{said}"
    );

    let (code, said) = doctor_at(&old.url(), &["--transport", "websocket"]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("failed  URL          websocket does not go with this scheme"),
        "{said}"
    );
}

/// A server that wants an OAuth token, and its authorization server; `{own}` stands for their origin.
async fn protected(resource: Value, issuer: Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let fill = |document: Value| -> Value {
        serde_json::from_str(&document.to_string().replace("{own}", &own)).unwrap()
    };
    let (resource, issuer) = (fill(resource), fill(issuer));
    let challenge =
        format!("Bearer resource_metadata=\"{own}/.well-known/oauth-protected-resource/mcp\"");
    let router = Router::new()
        .route(
            "/mcp",
            any(async move || {
                (
                    StatusCode::UNAUTHORIZED,
                    [(header::WWW_AUTHENTICATE, challenge)],
                )
                    .into_response()
            }),
        )
        .route("/bare", any(async || StatusCode::UNAUTHORIZED))
        .route(
            "/.well-known/oauth-protected-resource/mcp",
            get(async move || Json(resource)),
        )
        .route(
            "/.well-known/openid-configuration/login",
            get(async move || Json(issuer)),
        );
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    own
}

fn good_resource() -> Value {
    json!({ "resource": "{own}/mcp", "authorization_servers": ["{own}/login"] })
}

fn good_issuer() -> Value {
    json!({
        "issuer": "{own}/login", "authorization_endpoint": "{own}/a", "token_endpoint": "{own}/t",
        "registration_endpoint": "{own}/r", "code_challenge_methods_supported": ["S256"],
    })
}

#[tokio::test]
async fn a_server_that_wants_a_token_is_followed_to_its_authorization_server() {
    let own = protected(good_resource(), good_issuer()).await;
    let (code, said) = doctor_at(&format!("{own}/mcp"), &[]).await;
    let tail = said.split_once("in the clear\n").unwrap().1;
    assert_eq!(
        (code, tail),
        (
            0,
            format!(
                "note    credential   the server wants one (401 or 403)\n\
             ok      resource     metadata at {own}/.well-known/oauth-protected-resource/mcp\n\
             ok      issuer       {own}/login, PKCE, clients register themselves\n"
            )
            .as_str()
        )
    );
    let (code, said) = doctor_at(&format!("{own}/bare"), &[]).await;
    assert_eq!(code, 0);
    assert!(
        said.contains("note    resource     no protected-resource metadata: no OAuth sign-in"),
        "{said}"
    );
}

#[tokio::test]
async fn metadata_that_a_client_may_not_believe_is_called_out() {
    let mut foreign = good_resource();
    foreign["resource"] = "https://elsewhere.example/mcp".into();
    let mut renamed = good_issuer();
    renamed["issuer"] = "https://elsewhere.example".into();
    let mut without_pkce = good_issuer();
    without_pkce
        .as_object_mut()
        .unwrap()
        .remove("code_challenge_methods_supported");
    let mut nobody = good_resource();
    nobody["authorization_servers"] = json!([]);
    let mut lost = good_resource();
    lost["authorization_servers"] = json!(["{own}/nowhere"]);
    for (resource, issuer, complaint) in [
        (
            foreign,
            good_issuer(),
            "failed  resource     its metadata is about https://elsewhere.example/mcp",
        ),
        (
            good_resource(),
            renamed,
            "/login calls itself \"https://elsewhere.example\"",
        ),
        (
            good_resource(),
            without_pkce,
            "does not say that it supports PKCE",
        ),
        (
            nobody,
            good_issuer(),
            "failed  resource     it names no authorization server",
        ),
        (
            lost,
            good_issuer(),
            "/nowhere has no metadata that can be read",
        ),
    ] {
        let own = protected(resource, issuer).await;
        let (code, said) = doctor_at(&format!("{own}/mcp"), &[]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(complaint), "{said}");
    }
}
