//! How long a call may be silent, on a clock that runs ahead whenever everybody waits.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it is the other side, and ends with the test's runtime"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use mentor_gateway::app::way_out;
use mentor_gateway::clock::UnixMs;
use mentor_gateway::config::Settings;
use mentor_gateway::credentials::Outbound;
use mentor_gateway::egress::Egress;
use mentor_gateway::error::UpstreamFailureKind;
use mentor_gateway::mcp::RawObject;
use mentor_gateway::oauth::discover::{DISCOVERY_DEADLINE, DiscoverError, discover};
use mentor_gateway::registry::server::{Server, ServerId};
use mentor_gateway::registry::verdict::Place;
use mentor_gateway::registry::{AuthType, Scope, Transport};
use mentor_gateway::tasks::Tasks;
use mentor_gateway::tenant::TenantId;
use mentor_gateway::upstream::{CallFailure, Client, Lane, Upstreams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What an upstream may take before its first word, and between two bytes.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the upstream says what it says.
const EVERY: Duration = Duration::from_secs(5);

/// What the upstream says the n-th time, to this message.
type Says = fn(u64, &Value) -> String;

async fn read_message(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let verb = head.split(' ').next()?.to_owned();
    Some((verb, serde_json::from_slice(&body).unwrap_or_default()))
}

async fn answer(stream: &mut TcpStream, status: &str, body: &Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
}

/// A server with sessions that answers a call with these events, each at its time, for ever.
async fn serve(mut stream: TcpStream, event: Says) {
    let Some((verb, message)) = read_message(&mut stream).await else {
        return;
    };
    let id = message["id"].clone();
    match (verb.as_str(), message["method"].as_str()) {
        ("get", _) => answer(&mut stream, "405 No", &Value::Null).await,
        (_, Some("server/discover")) => answer(&mut stream, "400 No", &json!({ "x": 1 })).await,
        (_, Some("initialize")) => {
            let result = json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                "serverInfo": { "name": "x", "version": "1" },
            });
            let whole = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            answer(&mut stream, "200 OK", &whole).await;
        }
        (_, Some("tools/list")) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for n in 0.. {
                tokio::time::sleep(EVERY).await;
                let text = event(n, &message);
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
        _ => answer(&mut stream, "202 Accepted", &Value::Null).await,
    }
}

fn record(url: String) -> Server {
    Server {
        id: ServerId(1),
        tenant_id: TenantId(1),
        mentor_id: None,
        owner: String::new(),
        name: "Up".into(),
        description: String::new(),
        url,
        origin: String::new(),
        image: None,
        transport: Transport::StreamableHttp,
        credentials_sealed: String::new(),
        extra_headers_sealed: String::new(),
        auth_type: AuthType::None,
        auth_scope: Scope::Platform,
        oauth_service_id: None,
        is_featured: false,
        is_enabled: true,
        clean_output: false,
        tool_prefix: String::new(),
        native: String::new(),
        created_at: UnixMs(0),
        updated_at: UnixMs(0),
    }
}

/// A way out to the servers of this test.
fn to_loopback() -> Egress {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: Some(dir.path().into()),
        egress_allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    };
    way_out(&settings.resolve().unwrap()).unwrap()
}

/// Asks a server that goes on like this. Says its outcome, and after how long.
async fn ask(event: Says) -> (Result<(), CallFailure>, Duration) {
    let egress = to_loopback();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, event));
        }
    });
    let tasks = Tasks::default();
    let upstreams = Upstreams::new(egress, tasks.clone(), UPSTREAM_TIMEOUT);
    let upstream = upstreams.of(&record(url)).await.unwrap();
    let credential = Outbound {
        place: Place::Server(ServerId(1)),
        headers: HeaderMap::new(),
        fingerprint: [0; 16],
        identity: [0; 16],
        step: None,
        is_personal: false,
        grant: None,
        echoes: Arc::default(),
    };
    let client = Client::gateway();
    let lane = Lane::default();
    let session = upstream.session(&lane, &credential, &client);
    let session = session.await.unwrap();
    let begun = Instant::now();
    let asked = session
        .ask("tools/list", RawObject::default(), &client)
        .await;
    let took = begun.elapsed();
    serving.abort();
    (asked.map(drop), took)
}

fn kind(asked: Result<(), CallFailure>) -> Option<UpstreamFailureKind> {
    asked.err().map(|failure| failure.kind)
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_does_not_keep_a_call_alive() {
    let noises: [(&str, Says); 6] = [
        ("comments", |_, _| ": still here\n\n".into()),
        ("empty events", |_, _| "data:\n\n".into()),
        ("other events", |_, _| {
            "event: heartbeat\ndata: 1\n\n".into()
        }),
        ("no JSON", |_, _| "data: still here\n\n".into()),
        ("ids", |n, _| format!("id: {n}\n\n")),
        ("strangers", |_, _| {
            "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n".into()
        }),
    ];
    for (noise, event) in noises {
        let (asked, took) = ask(event).await;
        assert_eq!(kind(asked), Some(UpstreamFailureKind::Timeout), "{noise}");
        let expected = Duration::from_secs(60)..Duration::from_secs(66);
        assert!(expected.contains(&took), "{noise}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_says_how_far_it_is_may_take_its_time() {
    let (asked, took) = ask(|n, message| match n {
        0..=30 => {
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n\n"
                .into()
        }
        _ => format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}\n\n", message["id"]),
    })
    .await;
    assert_eq!(kind(asked), None);
    assert!(took > Duration::from_secs(150), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_never_answers_is_no_sign_in_after_ten_seconds() {
    let egress = to_loopback();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let taking = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    let begun = Instant::now();
    let found = discover(&egress, &url).await;
    let took = begun.elapsed();
    taking.abort();
    assert!(matches!(found, Err(DiscoverError::Silent)), "{found:?}");
    let expected = DISCOVERY_DEADLINE..DISCOVERY_DEADLINE + Duration::from_millis(100);
    assert!(expected.contains(&took), "{took:?}");
}
