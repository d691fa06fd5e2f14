//! The log of a real process: one line for each request, lines that can be searched, and traces that go through.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Child;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Client, Gateway, Mcp, Reply, Stage, cli, eventually, today};
use crate::upstream_transports::every_upstream;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// A process whose log is read.
struct Logged {
    stage: Stage,
    upstream: Upstream,
    server: i64,
    learner: Client,
    _process: Child,
    log: tempfile::NamedTempFile,
}

impl Logged {
    async fn start(format: &str) -> Self {
        let stage = Stage::start_at(today(), |_| {}).await;
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        let server = stage.register("Up", &upstream, json!({})).await;
        stage.attach(&[server]).await;
        let log = tempfile::NamedTempFile::new().unwrap();
        let logging: Stdio = log.reopen().unwrap().into();
        let process = stage.gateway.process_with(|command| {
            command.env("GATEWAY_LOG_FORMAT", format).stderr(logging);
        });
        let (process, base) = process.await;
        Self {
            learner: stage.learner.at(&base),
            stage,
            upstream,
            server,
            _process: process,
            log,
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Every line so far; each must be an object.
    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().map(serde_json::from_str);
        lines.map(|line| line.unwrap()).collect()
    }

    /// The lines of the request with this id, once there is one. What differs each time is looked at and taken out.
    async fn lines_of(&self, id: &str) -> Vec<Value> {
        let mut lines = eventually("the line of the request", async || {
            let mut lines = self.lines();
            lines.retain(|line| line["request.id"] == id);
            let is_last = |line: &Value| line["target"] == "mentor_gateway::request";
            lines.iter().any(is_last).then_some(lines)
        })
        .await;
        for line in &mut lines {
            let line = line.as_object_mut().unwrap();
            let at = line.remove("timestamp").unwrap();
            assert_eq!(
                at.as_str().unwrap().len(),
                "2026-12-01T00:21:14.120Z".len(),
                "{at}"
            );
            if let Some(ms) = line.remove("ms") {
                assert!(ms.as_f64().unwrap() > 0.0);
            }
        }
        lines
    }
}

#[tokio::test]
async fn every_request_is_one_line_that_can_be_searched() {
    let logged = Logged::start("json").await;
    let start = &logged.lines()[0];
    assert_eq!(
        (&start["message"], &start["version"]),
        (
            &json!("mentor-gateway starts"),
            &json!(env!("CARGO_PKG_VERSION"))
        )
    );
    let listed = logged.learner.with_header("x-request-id", "rest-1");
    listed.get("mcp-servers/?search=private").await.expect(200);
    let expected = json!({
        "level": "INFO", "target": "mentor_gateway::request", "message": "request", "request.id": "rest-1",
        "tenant": "acme", "method": "GET", "status": 200, "outcome": "ok",
        "route": "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/",
    });
    assert_eq!(logged.lines_of("rest-1").await, [expected]);

    let refused = logged.learner.with_header("x-request-id", "rest-2");
    refused
        .post("mcp-servers/", json!({"name": "a\nb"}))
        .await
        .expect(403);
    let line = &logged.lines_of("rest-2").await[0];
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(403), &json!("refused"))
    );

    let mcp = Mcp::modern(&logged.learner, logged.stage.mentor_path());
    let message = mcp.message(
        Some(1.into()),
        "tools/call",
        json!({"name": "up__echo", "arguments": {"text": "private"}}),
    );
    let request = mcp.post(&message).header("x-request-id", "call-1");
    let reply = Reply::of(request.header("traceparent", PARENT)).await;
    assert_eq!(reply.text(), "private");
    let expected = json!({
        "level": "INFO", "target": "mentor_gateway::request", "message": "request", "request.id": "call-1",
        "trace.id": "4bf92f3577b34da6a3ce929d0e0e4736", "tenant": "acme",
        "mentor": logged.stage.gateway.mentor, "server": logged.server.to_string(), "method": "POST",
        "route": "/mcp/mentors/{mentor}/", "status": 200, "call": "tools/call", "outcome": "ok",
    });
    assert_eq!(logged.lines_of("call-1").await, [expected]);
    let text = logged.text();
    assert!(!text.contains("private"), "{text}");
    let key = logged.learner.key.as_deref().unwrap();
    assert!(!text.contains(key), "{text}");
}

#[tokio::test]
async fn a_line_about_a_call_names_its_tenant_mentor_and_server() {
    let logged = Logged::start("json").await;
    let mcp = Mcp::modern(&logged.learner, logged.stage.mentor_path());
    mcp.call("up__echo", json!({"text": "here"})).await;
    logged.upstream.fall_ill(Some(Illness::new(Ill::Status {
        status: 500,
        retry_after: None,
    })));
    let message = mcp.message(
        Some(1.into()),
        "tools/call",
        json!({"name": "up__echo", "arguments": {"text": "gone"}}),
    );
    let request = mcp.post(&message).header("x-request-id", "call-2");
    Reply::of(request).await;
    let lines = logged.lines_of("call-2").await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines.last().unwrap()["outcome"], "http");
    for line in lines {
        let of = (&line["tenant"], &line["mentor"], &line["server"]);
        let (mentor, server) = (&logged.stage.gateway.mentor, logged.server.to_string());
        assert_eq!(
            of,
            (&json!("acme"), &json!(mentor), &json!(server)),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_log_for_people_has_the_same_fields() {
    let logged = Logged::start("text").await;
    let listed = logged.learner.with_header("x-request-id", "rest-1");
    listed.get("mcp-servers/").await.expect(200);
    let line = eventually("the line", async || {
        let text = logged.text();
        let line = text.lines().find(|line| line.contains("rest-1"));
        line.map(str::to_owned)
    })
    .await;
    let (_, said) = line.split_once(" INFO ").unwrap();
    let (said, _) = said.rsplit_once(" ms=").unwrap();
    assert_eq!(
        said,
        "mentor_gateway::request: request request.id=rest-1 tenant=acme method=GET \
         route=/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/ status=200 outcome=ok"
    );
}

#[tokio::test]
async fn the_output_of_the_demo_is_not_mixed_with_lines_about_requests() {
    let gateway = Gateway::start().await;
    for (filter, has_requests) in [(None, false), (Some("info"), true)] {
        let mut demo = cli::command(&gateway, &["demo", "--once"]);
        demo.env_remove("GATEWAY_LOG");
        demo.envs(filter.map(|filter| ("GATEWAY_LOG", filter)));
        let running = tokio::task::spawn_blocking(move || demo.output().unwrap());
        let output = running.await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{log}");
        let found = log.contains(" INFO mentor_gateway::request");
        assert_eq!(found, has_requests, "{filter:?}: {log}");
    }
}

/// What an upstream heard of traces: in the header, and in `_meta`.
fn heard(reply: &Reply) -> (Value, Value) {
    let who = reply.structured();
    // Over HTTP+SSE a call is a POST beside the stream.
    let of_post = who.get("postHeaders").unwrap_or(&who["headers"]);
    (
        of_post["traceparent"].clone(),
        who["meta"]["traceparent"].clone(),
    )
}

#[tokio::test]
async fn a_trace_goes_on_at_every_upstream_in_both_eras() {
    let behaviours = every_upstream();
    let slugs: Vec<_> = behaviours.iter().map(|(slug, _)| *slug).collect();
    let (stage, _upstreams) = Stage::with(behaviours).await;
    let (modern, legacy) = (stage.modern(), stage.legacy().await);
    modern.tool_names().await;
    for slug in slugs {
        for client in [&modern, &legacy] {
            let call = async |header: Option<&str>, meta: Option<&str>| {
                let meta = meta.map_or(json!({}), |meta| json!({"traceparent": meta}));
                let params = json!({
                    "name": format!("{slug}__whoami"), "arguments": {}, "_meta": meta,
                });
                let message = client.message(Some(1.into()), "tools/call", params);
                let mut request = client.post(&message);
                if let Some(header) = header {
                    request = request.header("traceparent", header);
                }
                heard(&Reply::of(request).await)
            };
            let has_headers = !slug.starts_with("websocket");
            let header = |parent: &str| match has_headers {
                true => json!(parent),
                false => Value::Null,
            };
            let nothing = (Value::Null, Value::Null);
            assert_eq!(call(None, None).await, nothing, "{slug}");
            assert_eq!(call(Some("00-malformed"), None).await, nothing, "{slug}");
            let passed = (header(PARENT), json!(PARENT));
            assert_eq!(call(Some(PARENT), None).await, passed, "{slug}");
            assert_eq!(call(None, Some(PARENT)).await, passed, "{slug}");
            // What stands beside the call is nearer to it.
            assert_eq!(
                call(Some(OTHER_PARENT), Some(PARENT)).await,
                passed,
                "{slug}"
            );
            // A relay changes nothing of what it does not understand, and does not believe it.
            let odd = (header(PARENT), json!("odd"));
            assert_eq!(call(Some(PARENT), Some("odd")).await, odd, "{slug}");
        }
    }
}
