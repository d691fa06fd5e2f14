//! Manners on the wire: hosts, refusals before the body is read, when to come again, and signals that end nothing.

use mentor_gateway::mcp::method::METHODS;
use mentor_gateway::metrics::Now;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{
    Gateway, Mcp, PUBLIC_SERVER, SOON, Stage, closed_address, eventually, register, send_bytes,
    server_path,
};

/// Paths of every surface, each with what a small POST without a key comes to.
const SURFACES: [(&str, &str); 7] = [
    ("/api/ai-mentor/orgs/acme/users/bob/mcp-servers/", "401"),
    ("/mcp/v1/", "401"),
    ("/mcp/v2/tools/academy_list_courses", "401"),
    ("/mcp/mentors/00000000-0000-0000-0000-000000000000/", "401"),
    ("/mcp/mentors/x/messages", "401"),
    ("/nowhere", "404"),
    ("/sign-out", "403"),
];

/// More attempts to sign in than anybody has in a second.
const ATTEMPTS: usize = 31;

/// One kept connection.
struct Kept(Box<dyn Both>);

trait Both: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Both for T {}

impl Kept {
    #[expect(
        clippy::disallowed_types,
        reason = "no client shows how its connection goes on"
    )]
    async fn open(base: &str) -> Self {
        let address = base.strip_prefix("http://").unwrap();
        Self(Box::new(
            tokio::net::TcpStream::connect(address).await.unwrap(),
        ))
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The head of the next answer, whose body is read too; empty if the connection has ended.
    async fn answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(SOON, self.0.read_u8()).await;
            match byte.expect("no answer came in time") {
                Ok(byte) => head.push(byte),
                Err(_) => return String::new(),
            }
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).await.unwrap();
        head
    }
}

fn post(path: &str, host: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_refusal_before_the_body_does_no_harm_to_the_next_request() {
    let gateway = Gateway::start().await;
    let cases = SURFACES
        .iter()
        .map(|(path, status)| (*path, "localhost", *status))
        .chain([
            ("/mcp/v1/", "evil.example", "421"),
            ("/api/", "evil.example", "421"),
        ]);
    for (path, host, status) in cases {
        let mut kept = Kept::open(&gateway.base).await;
        for round in 0..5 {
            kept.write(&post(path, host, 2)).await;
            // The body comes later than the head, as it does from most clients.
            tokio::task::yield_now().await;
            kept.write(b"{}").await;
            let head = kept.answer().await;
            let case = format!("{path} {host} {round}: {head}");
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{case}");
            assert!(!head.contains("connection: close"), "{case}");
        }
        // What is too much to be read for nothing ends the connection, and is told so before.
        kept.write(&post(path, host, 1 << 20)).await;
        kept.write(&vec![b'x'; 1 << 20]).await;
        let head = kept.answer().await;
        assert!(head.contains("connection: close"), "{path} {host}: {head}");
        assert_eq!(kept.answer().await, "", "{path}");
    }
}

#[tokio::test]
async fn every_surface_is_for_our_hosts_alone_and_says_so_in_its_own_shape() {
    let gateway = Gateway::start().await;
    let cases = SURFACES.iter().map(|(path, _)| *path);
    for path in cases.chain([
        "/health/live",
        "/verify/cert_1",
        "/connections/",
        "/ws/chat/",
    ]) {
        for (hosts, status) in [
            ("Host: evil.example\r\n", "421"),
            ("Host: localhost\r\nHost: localhost\r\n", "400"),
            ("", "400"),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
            let head = send_bytes(&gateway.base, request.as_bytes()).await;
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status}")),
                "{path} {hosts}: {head}"
            );
            assert!(head.contains("x-request-id: "), "{head}");
        }
        let absolute = format!("GET http://evil.example{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = send_bytes(&gateway.base, absolute.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 421"), "{path}: {head}");
    }
    let evil = gateway.anonymous().with_header("host", "evil.example");
    let text = "This is not a host that the gateway answers for. Its operator names them with --public-url and --allow-host.";
    let rest = evil.get("/api/schema/").await;
    assert_eq!((rest.status, rest.body), (421, json!({ "detail": text })));
    let mcp = evil.get("/mcp/v1/").await;
    let error =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": text } });
    assert_eq!((mcp.status, mcp.body), (421, error));
    let page = evil
        .with_header("accept", "text/html,*/*")
        .get("/connections/")
        .await;
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    assert_eq!(page.status, 421);
    assert!(
        html.starts_with("<!doctype html>") && html.contains("--public-url"),
        "{html}"
    );
    assert!(page.header("content-security-policy").is_some());
}

#[tokio::test]
async fn links_lead_to_the_public_url_or_to_the_host_that_was_asked() {
    let public = "https://gateway.example";
    for (public_url, expected) in [(Some(public), public), (None, "http://localhost:1234")] {
        let gateway = Gateway::start_with(|settings| {
            settings.public_url = public_url.map(str::to_owned);
        })
        .await;
        let admin = gateway.admin().await.with_header("host", "localhost:1234");
        for name in ["One", "Two"] {
            let server = json!({ "name": name, "url": PUBLIC_SERVER });
            admin.post("mcp-servers/", server).await.expect(201);
        }
        let page = admin.get("mcp-servers/?page_size=1").await.expect(200);
        let next = page["next"].as_str().unwrap();
        assert!(next.starts_with(&format!("{expected}/api/")), "{next}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_on_any_surface() {
    let gateway = Gateway::start().await;
    let evil = gateway
        .admin()
        .await
        .with_header("origin", "https://evil.example");
    let server = json!({ "name": "Evil", "url": "https://workflow-mcp.example.com" });
    let refused = evil.post("mcp-servers/", server.clone()).await;
    let text =
        "Pages of this origin may not call. The operator names those that may with --allow-origin.";
    assert_eq!(
        (refused.status, refused.body),
        (403, json!({ "detail": text }))
    );
    assert_eq!(
        evil.get("mcp-servers/").await.status,
        200,
        "browsers keep the answer from it"
    );
    let own = gateway.admin().await.with_header("origin", &gateway.base);
    assert_eq!(own.post("mcp-servers/", server).await.status, 201);
}

#[tokio::test]
async fn whoever_is_told_to_come_again_is_told_when() {
    let gateway = Gateway::start().await;
    // Too many attempts to sign in.
    let browser = gateway.anonymous().with_header("origin", &gateway.base);
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        let answer = browser
            .post("/sign-in/", json!({ "key": "nonsense" }))
            .await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("there is a limit");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn what_callers_say_is_no_label_and_no_action() {
    let stage = Stage::start().await;
    let url = format!("http://{}/mcp", closed_address().await);
    let server = register(&stage.admin, "Gone", &url, json!({})).await;
    let mcp = Mcp::modern(&stage.admin, server_path(server));
    for number in 0..5 {
        mcp.request(&format!("evil{number}/x"), json!({})).await;
    }
    mcp.call("echo", json!({})).await;
    let rows = eventually("the audit rows", async || {
        let page = stage.admin.get("audit/?page_size=100").await.expect(200);
        let rows = page["results"].as_array().unwrap().clone();
        rows.iter()
            .any(|row| row["action"] == "tools/call")
            .then_some(rows)
    })
    .await;
    for row in rows {
        let action = row["action"].as_str().unwrap();
        assert!(!action.contains("evil"), "{row}");
        let is_call = row["action"] == "other" || action.contains('/') && !action.contains(' ');
        assert!(!is_call || METHODS.contains(&action), "{row}");
    }
    let text = stage.gateway.app.metrics.text(&Now::default()).unwrap();
    assert!(!text.contains("evil"), "{text}");
    for line in text.lines().filter(|line| line.contains("method=\"")) {
        let method = line
            .split("method=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert!(METHODS.contains(&method), "{line}");
    }
}

#[tokio::test]
async fn a_hang_up_ends_nothing() {
    let gateway = Gateway::start_today().await;
    let (child, address) = gateway.process().await;
    let pid = child.id().unwrap().to_string();
    for _ in 0..2 {
        let mut hang_up = tokio::process::Command::new("kill");
        hang_up.args(["-HUP", &pid]);
        assert!(hang_up.status().await.unwrap().success());
    }
    let there = gateway.admin().await.at(&address);
    eventually("the process", async || {
        let ready = there.get("/health/ready").await;
        (ready.status == 200).then_some(())
    })
    .await;
}

/// Few descriptors, of which the database, upstreams and others who call need some too.
const DESCRIPTORS: usize = 256;

#[tokio::test]
#[expect(
    clippy::disallowed_types,
    reason = "clients that connect and say nothing"
)]
async fn clients_that_wait_take_no_descriptor_that_others_need() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let config = &gateway.app.config;
    let run = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
    let mut process = tokio::process::Command::new("sh")
        .args(["-c", &run, env!("CARGO_BIN_EXE_mentor-gateway")])
        .args(["serve", "--addr", "127.0.0.1:0", "--data-dir"])
        .arg(&config.data_dir)
        .env("GATEWAY_DATABASE_URL", &config.database_url)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let base = line.strip_prefix("listening on ").unwrap().to_owned();
    let address = base.strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    for _ in 0..DESCRIPTORS {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let there = admin.at(&base);
    for _ in 0..3 {
        assert_eq!(there.get("/health/ready").await.status, 200);
        assert_eq!(there.get("mcp-servers/").await.status, 200);
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
}
