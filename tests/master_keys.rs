//! Master keys: rotation under a running service, kills in the middle of it, and keys that are not the database's.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use mentor_gateway::app::{App, StartError};
use mentor_gateway::clock::Clock;
use mentor_gateway::oauth::client::{CLIENT_SECRET, Registered};
use mentor_gateway::registry::connection::{Connection, ConnectionId};
use mentor_gateway::registry::sealed::{CREDENTIALS, Change, Record};
use mentor_gateway::secret::{Secret, Vault};
use mentor_gateway::sql;
use serde_json::json;
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::cli::{command, complained, said};
use crate::harness::{Gateway, PUBLIC_SERVER, SignIn, Stage, connect, register};

fn key_file(gateway: &Gateway) -> std::path::PathBuf {
    gateway.app.config.data_dir.join("master.keys")
}

/// Everything that is sealed, and the proofs of the keys.
async fn sealed(gateway: &Gateway) -> Vec<(String,)> {
    let mut tx = gateway.app.db.read().await.unwrap();
    let rows = sql!(
        &mut tx,
        fetch_all as (String,),
        "SELECT credentials_sealed || ' ' || extra_headers_sealed FROM servers
         UNION ALL SELECT credentials_sealed || ' ' || extra_headers_sealed FROM connections
         UNION ALL SELECT key_id || ' ' || proof FROM master_keys ORDER BY 1"
    );
    rows.unwrap()
}

/// A server with secrets of its own and a platform connection.
async fn store_secrets(gateway: &Gateway) -> i64 {
    let admin = gateway.admin().await;
    let secrets = json!({ "credentials": "Bearer of-the-record", "extra_headers": { "x-key": "a" }, "auth_type": "token" });
    let server = register(&admin, "Sealed", PUBLIC_SERVER, secrets).await;
    let fields =
        json!({ "scope": "platform", "auth_type": "token", "credentials": "of-the-connection" });
    connect(&admin, server, fields).await;
    server
}

#[tokio::test]
async fn keys_rotate_while_calls_go_on() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    upstream.require_authorization(Some("Bearer the-one-true-secret".into()));
    let server = stage
        .register("Up", &upstream, json!({ "auth_type": "token" }))
        .await;
    let secret = json!({ "scope": "platform", "auth_type": "token", "credentials": "the-one-true-secret", "authorization_scheme": "Bearer" });
    stage.connect(server, secret.clone()).await;
    stage.attach(&[server]).await;
    let client = stage.modern();
    client.tool_names().await;

    let mut rotating = std::pin::pin!(said(&stage.gateway, &["keys", "rotate"]));
    let mut rotated = None;
    let mut calls_after = 0;
    // A view of the mentor is believed for a second: the calls go on until a new one was made from the new rows.
    let mut end = tokio::time::Instant::now();
    while rotated.is_none() || tokio::time::Instant::now() < end {
        tokio::select! {
            biased;
            output = &mut rotating, if rotated.is_none() => {
                rotated = Some(output);
                end = tokio::time::Instant::now() + std::time::Duration::from_millis(1300);
            }
            reply = client.call("up__echo", json!({ "text": "x" })) => {
                assert_eq!(reply.result()["structuredContent"], json!({ "text": "x" }), "{reply:?}");
                calls_after += u32::from(rotated.is_some());
            }
        }
    }
    let rotated = rotated.unwrap();
    assert!(rotated.contains("added k2 to"), "{rotated}");
    assert!(
        rotated.ends_with("sealed the secrets of 1 records anew with k2\n"),
        "{rotated}"
    );
    assert!(calls_after > 0);

    let other = stage
        .register("Other", &upstream, json!({ "auth_type": "token" }))
        .await;
    stage.connect(other, secret).await;
    assert_eq!(
        said(&stage.gateway, &["keys", "status"]).await,
        "k2\t2 secrets\tseals and opens\nk1\t0 secrets\topens; nothing needs it, its line may be removed\n"
    );
    let path = key_file(&stage.gateway);
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("key k1 "))
        .collect();
    std::fs::write(&path, kept.join("\n")).unwrap();
    assert_eq!(
        said(&stage.gateway, &["keys", "status"]).await,
        "k2\t2 secrets\tseals and opens\nk1\t0 secrets\tremoved\n"
    );
}

/// Connections enough for many batches.
const MANY: i64 = 2_000;

async fn store_many_secrets(gateway: &Gateway) {
    let server = store_secrets(gateway).await;
    let app = &gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let tenant = mentor_gateway::tenant::get(&mut tx, "acme")
        .await
        .unwrap()
        .id;
    for id in 1_000..1_000 + MANY {
        let name = Connection::record_name(ConnectionId(id));
        let record = Record {
            tenant,
            name: &name,
            origin: PUBLIC_SERVER,
        };
        let secret = Change::Set(Secret::new(format!("secret {id}")));
        let sealed = record.seal(&app.vault, CREDENTIALS, &secret, "");
        sql!(
            &mut tx,
            execute,
            "INSERT INTO connections (id, tenant_id, server_id, scope, auth_type, origin, credentials_sealed,
                 authorization_scheme, extra_headers_sealed, is_active, is_shared, created_at, updated_at)
             VALUES ($1, $2, $3, 'platform', 'token', $4, $5, '', '', FALSE, FALSE, 0, 0)",
            id,
            tenant,
            server,
            PUBLIC_SERVER,
            sealed
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// Kills a rotation as soon as the first batch is written.
fn kill_after_the_first_batch(mut command: Command) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines
        .map(Result::unwrap)
        .find(|line| line.contains("sealed anew"));
    child.kill().unwrap();
    assert!(first.is_some());
    child.wait().unwrap();
}

#[tokio::test]
async fn a_killed_rotation_goes_on_where_it_was() {
    let gateway = Gateway::start().await;
    store_many_secrets(&gateway).await;
    let first = command(&gateway, &["keys", "rotate"]);
    tokio::task::spawn_blocking(move || kill_after_the_first_batch(first))
        .await
        .unwrap();

    let status = said(&gateway, &["keys", "status"]).await;
    let of = |key: &str| -> i64 {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split(['\t', ' ']).nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(of("k1") + of("k2"), MANY + 3);
    assert!(of("k1") > 0 && of("k2") > 0, "{status}");

    let rotated = said(&gateway, &["keys", "rotate"]).await;
    assert!(
        rotated.starts_with(&format!(
            "going on with k2: {} secrets are left\n",
            of("k1")
        )),
        "{rotated}"
    );
    let status = said(&gateway, &["keys", "status"]).await;
    assert_eq!(
        status.lines().next(),
        Some(format!("k2\t{} secrets\tseals and opens", MANY + 3).as_str())
    );

    let mut tx = gateway.app.db.read().await.unwrap();
    let tenant = mentor_gateway::tenant::get(&mut tx, "acme")
        .await
        .unwrap()
        .id;
    let rows = sql!(
        &mut tx,
        fetch_all as (i64, String),
        "SELECT id, credentials_sealed FROM connections WHERE id >= 1000"
    );
    for (id, sealed) in rows.unwrap() {
        let name = Connection::record_name(ConnectionId(id));
        let record = Record {
            tenant,
            name: &name,
            origin: PUBLIC_SERVER,
        };
        let opened = record
            .open(&gateway.app.vault, CREDENTIALS, &sealed)
            .unwrap();
        assert_eq!(opened.expose(), format!("secret {id}"));
    }
}

async fn start_error(gateway: &Gateway) -> StartError {
    App::start(gateway.app.config.clone(), Clock::default())
        .await
        .err()
        .unwrap()
}

#[tokio::test]
async fn foreign_keys_are_refused_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    store_secrets(&gateway).await;
    let before = sealed(&gateway).await;
    let own = std::fs::read_to_string(key_file(&gateway)).unwrap();
    let foreign = Vault::generate_text();
    let line = |text: &str, start: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .unwrap()
            .to_owned()
    };
    let (pepper, key) = (line(&own, "pepper"), line(&own, "key"));
    let other_key = line(&foreign, "key");
    for (text, complaint) in [
        (foreign.to_string(), "the pepper is not the one"),
        (
            format!("{pepper}\n{other_key}\n"),
            "the master key \"k1\" is not the one",
        ),
        (
            format!("{pepper}\n{}\n", other_key.replace("k1", "k7")),
            "the master key \"k1\" is not configured, and 3 stored",
        ),
        (
            format!("{pepper}\n{other_key}\n{}\n", key.replace("k1", "k0")),
            "the master key \"k1\" is not the one",
        ),
        (String::new(), "there is no `key` line"),
    ] {
        std::fs::write(key_file(&gateway), &text).unwrap();
        let error = start_error(&gateway).await;
        let chain = with_causes(&error);
        assert!(chain.contains(complaint), "{chain}");
        for arguments in [&["keys", "rotate"][..], &["serve", "--addr", "127.0.0.1:0"]] {
            let complaints = complained(&gateway, arguments, 1).await;
            assert!(complaints.contains(complaint), "{complaints}");
            assert!(
                complaints.contains("hint: put the right master keys back"),
                "{complaints}"
            );
        }
        assert_eq!(std::fs::read_to_string(key_file(&gateway)).unwrap(), text);
        assert_eq!(sealed(&gateway).await, before);
    }
    std::fs::write(key_file(&gateway), own).unwrap();
    said(&gateway, &["keys", "rotate"]).await;
}

/// An error with its causes, as the command line prints it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_lost_key_file_is_not_replaced() {
    let gateway = Gateway::start().await;
    std::fs::remove_file(key_file(&gateway)).unwrap();
    assert!(matches!(start_error(&gateway).await, StartError::NoKeys(_)));
    let complaints = complained(&gateway, &["keys", "rotate"], 1).await;
    assert!(
        complaints.contains("master.keys is missing"),
        "{complaints}"
    );
    assert!(!key_file(&gateway).exists());
}

#[tokio::test]
async fn a_secret_that_was_altered_stops_a_rotation_before_it_begins() {
    let gateway = Gateway::start().await;
    store_secrets(&gateway).await;
    let mut tx = gateway.app.db.write().await.unwrap();
    let altered = "UPDATE connections SET origin = 'https://elsewhere.example'";
    sql!(&mut tx, execute, altered).unwrap();
    tx.commit().await.unwrap();
    let (before, file) = (
        sealed(&gateway).await,
        std::fs::read(key_file(&gateway)).unwrap(),
    );
    let complaints = complained(&gateway, &["keys", "rotate"], 1).await;
    assert!(
        complaints.contains("1 stored secrets do not open: connection:1 credentials"),
        "{complaints}"
    );
    assert_eq!(
        (
            sealed(&gateway).await,
            std::fs::read(key_file(&gateway)).unwrap()
        ),
        (before, file)
    );
}

#[tokio::test]
async fn two_rotations_at_once_are_one() {
    let gateway = Gateway::start().await;
    let file = gateway.app.config.key_file().unwrap();
    let _held = file.lock().unwrap().unwrap();
    let complaints = complained(&gateway, &["keys", "rotate"], 1).await;
    assert!(
        complaints.contains("another `keys rotate` is running"),
        "{complaints}"
    );
}

#[tokio::test]
async fn keys_in_the_environment_are_used_and_not_added_to() {
    let gateway = Gateway::start().await;
    store_secrets(&gateway).await;
    let file = std::fs::read_to_string(key_file(&gateway)).unwrap();
    std::fs::remove_file(key_file(&gateway)).unwrap();
    let run_with = async |keys: String| {
        let mut command = command(&gateway, &["keys", "rotate"]);
        command.env("GATEWAY_MASTER_KEYS", keys);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        output.await.unwrap()
    };
    let refused = run_with(file.clone()).await;
    let complaints = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        complaints.contains("hint: put `key ID BASE64` with 32 random bytes before the others"),
        "{complaints}"
    );

    let foreign = Vault::generate_text();
    let (_, new_key) = foreign.split_once("key k1 ").unwrap();
    let with_new_key = file.replace("key k1 ", &format!("key next {new_key}key k1 "));
    let rotated = run_with(with_new_key).await;
    let said = String::from_utf8(rotated.stdout).unwrap();
    assert_eq!(
        said,
        "going on with next: 3 secrets are left\nsealed the secrets of 2 records anew with next\n"
    );
    assert!(!key_file(&gateway).exists());
}

#[tokio::test]
async fn what_signs_people_in_rotates_too() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    sign_in.connect(&learner).await;
    let gateway = sign_in.gateway();
    let mut tx = gateway.app.db.write().await.unwrap();
    let record = Record {
        tenant: mentor_gateway::tenant::TenantId(1),
        name: &Registered::record_name(1),
        origin: "",
    };
    let secret = Change::Set(Secret::new("of-the-client"));
    let secret = record.seal(&gateway.app.vault, CLIENT_SECRET, &secret, "");
    sql!(
        &mut tx,
        execute,
        "INSERT INTO oauth_clients (id, tenant_id, issuer, redirect_uri, client_id, client_secret_sealed,
             token_auth_method, created_at)
         VALUES (1, 1, 'https://issuer.example', 'https://gateway.example/', 'x', $1, 'client_secret_post', 1)",
        secret
    )
    .unwrap();
    tx.commit().await.unwrap();
    // The grant, the credential of its provider, and the client that registered itself.
    let rotated = said(gateway, &["keys", "rotate"]).await;
    assert!(
        rotated.ends_with("sealed the secrets of 3 records anew with k2\n"),
        "{rotated}"
    );
    let status = said(gateway, &["keys", "status"]).await;
    assert!(status.contains("k1\t0"), "{status}");
    sign_in.connect(&learner).await;
    let mut tx = gateway.app.db.read().await.unwrap();
    let sealed = sql!(
        &mut tx,
        scalar as String,
        "SELECT client_secret_sealed FROM oauth_clients"
    );
    let opened = record.open(&gateway.app.vault, CLIENT_SECRET, &sealed.unwrap());
    assert_eq!(opened.unwrap().expose(), "of-the-client");
}
