//! Whatever an upstream sends: one clean error for the one call, bounded memory, and nobody else notices.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{LEGACY, Mcp, Reply, Stage, eventually, names, register};

fn every_upstream() -> [(&'static str, Behaviour); 7] {
    [
        ("stateless", Behaviour::stateless()),
        ("stateless-streaming", Behaviour::stateless().streaming()),
        ("sessions", Behaviour::sessions()),
        ("sessions-streaming", Behaviour::sessions().streaming()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("websocket-modern", Behaviour::websocket_modern()),
    ]
}

/// A mentor with an upstream that is well so far, and a bystander.
async fn beside_a_bystander(behaviour: Behaviour) -> (Stage, Upstream, Upstream) {
    let (stage, mut upstreams) =
        Stage::with(vec![("Up", behaviour), ("Well", Behaviour::stateless())]).await;
    stage.modern().tool_names().await;
    stage
        .modern()
        .call("up__echo", json!({ "text": "x" }))
        .await
        .result();
    let well = upstreams.pop().unwrap();
    (stage, upstreams.pop().unwrap(), well)
}

/// `ok`, or the kind of the error; it must be clean.
fn outcome(reply: &Reply) -> String {
    let answer = reply.answer();
    if answer.get("result").is_some() {
        return "ok".into();
    }
    let error = &answer["error"];
    assert_eq!(error["code"], -32603, "{answer}");
    assert_eq!(error["data"]["server"], "Up", "{answer}");
    assert!(error["message"].as_str().unwrap().len() < 200, "{answer}");
    error["data"]["kind"].as_str().unwrap().to_owned()
}

/// Calls the ill upstream and the bystander at once; returns the outcome of the ill one.
async fn suffer(label: &str, behaviour: Behaviour, ill: Ill) -> String {
    let (stage, upstream, _well) = beside_a_bystander(behaviour).await;
    upstream.fall_ill(Some(Illness::new(ill)));
    let client = stage.modern();
    let suffering = client.call("up__fail", json!({}));
    let bystander = async {
        for n in 0..5 {
            let reply = client
                .call("well__echo", json!({ "text": n.to_string() }))
                .await;
            assert_eq!(reply.text(), n.to_string(), "{label}");
        }
    };
    let (suffered, ()) = tokio::join!(suffering, bystander);
    upstream.fall_ill(None);
    eventually(label, async || {
        let well = client.call("up__echo", json!({ "text": "well" })).await;
        (well.answer()["result"]["content"][0]["text"] == "well").then_some(())
    })
    .await;
    outcome(&suffered)
}

fn is_channel(label: &str) -> bool {
    label == "sse" || label.starts_with("websocket")
}

/// Gateways that one test runs side by side, on its one thread: more of them would wait for one another too long.
const AT_ONCE: usize = 4;

/// Every upstream with each illness, some at once; `expected` says what each call comes to.
async fn everywhere<const N: usize>(ills: [Ill; N], expected: impl Fn(&str) -> &'static str) {
    let cells = ills
        .iter()
        .flat_map(|ill| every_upstream().map(|cell| (ill, cell)));
    let each = cells.map(|(ill, (label, behaviour))| {
        let expected = expected(label);
        async move {
            let label = format!("{ill:?}, {label}");
            let came = suffer(&label, behaviour, ill.clone()).await;
            assert_eq!(came, expected, "{label}");
        }
    });
    stream::iter(each)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

#[tokio::test]
async fn who_never_answers_times_out() {
    let ills = [Ill::HangOnConnect, Ill::HangOnCall, Ill::HangAfterHeaders];
    everywhere(ills, |_| "timeout").await;
}

#[tokio::test]
async fn who_dies_closed_the_connection() {
    everywhere([Ill::DieBeforeHeaders, Ill::DieMidCall], |_| "closed").await;
}

#[tokio::test]
async fn an_answer_to_another_request_is_nobodys() {
    everywhere([Ill::WrongId], |label| {
        if is_channel(label) {
            "timeout"
        } else {
            "protocol"
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_of_two_answers_counts() {
    let ills = [
        Ill::DuplicateAnswer,
        Ill::StringId,
        Ill::ClosesIdle,
        Ill::SlowHeaders { ms: 100 },
    ];
    everywhere(ills, |_| "ok").await;
}

#[tokio::test]
async fn what_is_no_answer_breaks_the_protocol() {
    let over_http = |otherwise: &'static str| {
        move |label: &str| {
            if is_channel(label) {
                otherwise
            } else {
                "protocol"
            }
        }
    };
    // On a shared connection what is no message belongs to no call.
    everywhere([Ill::NotJson], over_http("timeout")).await;
    // Bytes that are no text are read as the TypeScript clients read them; a binary frame ends its connection.
    everywhere([Ill::NotUtf8], |label| {
        if label.starts_with("websocket") {
            "closed"
        } else {
            "ok"
        }
    })
    .await;
    // Only an HTTP answer has a type.
    everywhere([Ill::WrongContentType], over_http("ok")).await;
}

#[tokio::test]
async fn a_refusal_is_reported_and_a_redirect_is_never_followed() {
    let canary = Upstream::start(Behaviour::dual()).await.unwrap();
    // A WebSocket and its handshake are there already.
    let unless_websocket = |kind: &'static str| {
        move |label: &str| {
            if label.starts_with("websocket") {
                "ok"
            } else {
                kind
            }
        }
    };
    let redirects = [302, 307].map(|status| Ill::Redirect {
        status,
        to: canary.url(),
    });
    everywhere(redirects, unless_websocket("http")).await;
    assert_eq!(canary.seen(), vec![]);
    let refusals = [400, 429, 503].map(|status| Ill::Status {
        status,
        retry_after: Some(1),
    });
    everywhere(refusals, unless_websocket("http")).await;
    everywhere([Ill::Unauthorized], unless_websocket("unauthorized")).await;
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The most that memory grew meanwhile. Other tests run in the same process, and the upstream itself does.
async fn growth_during(work: impl Future<Output = ()>) -> usize {
    let before = resident_bytes();
    let mut most = before;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            () = &mut work => return most - before,
            () = tokio::time::sleep(Duration::from_millis(5)) => most = most.max(resident_bytes()),
        }
    }
}

/// Growth that no single answer may come near.
const GROWTH_MAX: usize = 400 * 1024 * 1024;

#[tokio::test]
async fn a_giant_is_refused_before_it_is_held() {
    let growth = growth_during(async {
        let kind = |label: &str| {
            if is_channel(label) {
                "closed"
            } else {
                "too_large"
            }
        };
        everywhere([Ill::GiantEvent], kind).await;
        for behaviour in [Behaviour::stateless(), Behaviour::sessions()] {
            assert_eq!(suffer("bomb", behaviour, Ill::Bomb).await, "too_large");
        }
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX, "{growth}");
}

#[tokio::test]
async fn a_flood_ends_the_call_that_it_belongs_to() {
    let growth = growth_during(async {
        for (label, behaviour, ill) in [
            ("stateless", Behaviour::stateless(), Ill::EndlessStream),
            ("websocket", Behaviour::websocket(), Ill::Flood),
        ] {
            assert_eq!(suffer(label, behaviour, ill).await, "too_large", "{label}");
        }
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX, "{growth}");
}

#[tokio::test]
async fn a_flood_of_questions_ends_the_call_and_reaches_no_client_that_cannot_answer() {
    let floods = every_upstream().map(async |(label, behaviour)| {
        let is_session = label.starts_with("sessions") || label == "sse" || label == "websocket";
        // A stateless upstream cannot ask but in its answer, and that is for its client to judge.
        let expected = if is_session { "too_large" } else { "ok" };
        let outcome = suffer(label, behaviour.clone(), Ill::ServerRequestsFlood).await;
        assert_eq!(outcome, expected, "{label}");
        if !is_session {
            return;
        }
        let (stage, upstream, _well) = beside_a_bystander(behaviour).await;
        upstream.fall_ill(Some(Illness::new(Ill::ServerRequestsFlood)));
        upstream.forget_seen();
        let reply = stage.legacy().await.call("up__fail", json!({})).await;
        assert_eq!(reply.error()["data"]["kind"], "too_large", "{label}");
        assert_eq!(reply.before(), [] as [Value; 0], "{label}");
        let refusals = upstream
            .seen()
            .into_iter()
            .filter(|seen| seen.message.get("error").is_some());
        assert!(refusals.count() <= 400, "{label}");
    });
    join_all(floods).await;
}

#[tokio::test]
async fn a_client_that_can_answer_is_asked_a_bounded_number_of_times() {
    let (stage, upstream, _well) = beside_a_bystander(Behaviour::sessions()).await;
    upstream.fall_ill(Some(Illness::new(Ill::ServerRequestsFlood)));
    let able = json!({ "sampling": {} });
    let client = Mcp::legacy_as(&stage.learner, stage.mentor_path(), LEGACY, able).await;
    let reply = client.call("up__fail", json!({})).await;
    assert_eq!(reply.error()["data"]["kind"], "too_large");
    assert_eq!(reply.before().len(), 100);
}

/// The mentor's list beside an upstream that lists like this, and the upstream's state once it is known.
async fn list_of(behaviour: Behaviour) -> (Vec<String>, Value) {
    let (stage, _upstreams) = Stage::with(vec![
        ("Up", behaviour),
        ("Well", Behaviour::stateless().with_tools(vec![])),
    ])
    .await;
    let client = stage.modern();
    eventually("the state", async || {
        let list = client
            .request("tools/list", json!({}))
            .await
            .result()
            .clone();
        let state = list["_meta"]["mentor-gateway/servers"][0].clone();
        (state["state"] != "pending").then(|| (names(&list["tools"]), state))
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_too_large_costs_no_other_call_on_a_shared_stream() {
    let stage = Stage::start_with(|settings| settings.upstream_timeout_ms = Some(30_000)).await;
    let upstream = Upstream::start(Behaviour::sse()).await.unwrap();
    let server = stage.register("Up", &upstream, json!({})).await;
    stage.attach(&[server]).await;
    for client in [stage.modern(), stage.legacy().await] {
        client.call("up__counter", json!({})).await.result();
        let large = client.call("up__big", json!({ "bytes": 17 * 1024 * 1024 }));
        let slow = client.call("up__slow", json!({ "ms": 1500 }));
        let (large, slow) = tokio::join!(large, slow);
        assert_eq!(large.error()["data"]["kind"], "too_large");
        assert_eq!(slow.text(), "took 1500 ms");
        let counted = client.call("up__counter", json!({})).await;
        assert_eq!(
            *counted.structured(),
            json!({ "count": 2 }),
            "the same session"
        );
    }
}

#[tokio::test]
async fn a_list_that_does_not_end_is_too_large() {
    let growth = growth_during(async {
        for (label, behaviour) in [
            ("stateless", Behaviour::stateless()),
            ("sessions", Behaviour::sessions()),
            ("websocket", Behaviour::websocket()),
        ] {
            for ill in [Ill::HugeList, Ill::EndlessList] {
                // A shared connection is closed over a giant message.
                let is_closed = ill == Ill::HugeList && is_channel(label);
                let label = format!("{ill:?}, {label}");
                let (listed, state) = list_of(behaviour.clone().ill(ill)).await;
                assert_eq!(listed, Vec::<String>::new(), "{label}");
                let kind = if is_closed { "closed" } else { "too_large" };
                assert_eq!(state["state"], kind, "{label}");
            }
        }
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX, "{growth}");
}

#[tokio::test]
async fn a_list_that_goes_in_circles_is_read_once() {
    for (label, behaviour) in every_upstream() {
        let (listed, state) = list_of(behaviour.ill(Ill::LoopingCursor)).await;
        assert_eq!(listed, ["up__again"], "{label}");
        assert_eq!(state["state"], "ok", "{label}");
        let left_out = json!(["tools \"again\" is repeated", "tools/list repeats a page"]);
        assert_eq!(state["leftOut"], left_out, "{label}");
    }
}

#[tokio::test]
async fn a_bad_tool_is_left_out_with_its_reason_and_hides_no_other() {
    for (label, behaviour) in every_upstream() {
        let (listed, state) = list_of(behaviour.ill(Ill::BadTools)).await;
        let mut expected = vec!["up__good_first", "up__bad_schema"];
        expected.extend([
            "up__white_space_____n_code_",
            "up__twice",
            "up__unknown_members",
            "up__good_last",
        ]);
        let stems: Vec<&str> = listed.iter().map(|name| name.as_str()).collect();
        assert_eq!(stems.len(), expected.len(), "{label}: {stems:?}");
        for (name, stem) in stems.iter().zip(&expected) {
            assert!(name.starts_with(stem), "{label}: {name} {stem}");
        }
        assert_eq!(
            state["leftOut"],
            json!([
                "tools \"no_schema\" has no input schema",
                "tools \"bad_schema\" has no input schema",
                "tools \"bad_schema\" has an input schema of no object",
                "tools \"bad_schema\": inputSchema.properties.n.$ref refers to a schema elsewhere and was dropped",
                "tools list has an item with an unusable name",
                "tools list has an item with an unusable name",
                "tools list has an item with an unusable name",
                "tools \"twice\" is repeated",
                "tools list has an item without a name",
                "tools \"bad_header\" mirrors a parameter into a header with no valid name",
                "tools list has an item without a name",
                "tools list has an item that is not an object",
                "tools \"unknown_members\": execution.taskSupport is none of forbidden, optional, required and was dropped",
                "tools \"unknown_members\": annotations.readOnlyHint is not a boolean and was dropped",
            ]),
            "{label}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_on_another_origin_gets_nothing() {
    let canary = Upstream::start(Behaviour::sse()).await.unwrap();
    let origin = format!("http://{}", canary.addr());
    let (stage, upstreams) = Stage::with(vec![(
        "Up",
        Behaviour::sse().ill(Ill::ForeignEndpoint(origin)),
    )])
    .await;
    let refused = stage.modern().call("up__echo", json!({})).await;
    assert_eq!(outcome(&refused), "refused");
    assert_eq!(canary.seen(), vec![]);
    let posts = upstreams[0]
        .seen()
        .into_iter()
        .filter(|seen| seen.verb == "POST");
    assert_eq!(posts.count(), 0);
}

/// An upstream of the stateless era that answers each method with the result that `answer` writes.
async fn scripted(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let handle = move |body: Bytes| {
        let answer = answer.clone();
        async move { respond(&body, &*answer) }
    };
    let router = axum::Router::new()
        .route("/mcp", axum::routing::post(handle))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn respond(body: &[u8], answer: &dyn Fn(&str) -> Vec<u8>) -> Response {
    // The gateway writes the id and the method first; nothing else is looked at.
    let head = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    let between = |start: &str, end: char| {
        let rest = head.split_once(start)?.1;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let (Some(id), Some(method)) = (between("\"id\":", ','), between("\"method\":\"", '"')) else {
        return http::StatusCode::ACCEPTED.into_response();
    };
    let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":").into_bytes();
    text.extend(answer(&method));
    text.push(b'}');
    let headers = [
        ("content-type", "application/json"),
        ("set-cookie", "session=CANARY; Path=/"),
        ("alt-svc", "h3=\":443\""),
    ];
    (headers, Body::from(text)).into_response()
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;

/// A tools list with this text between its brackets.
fn tools_list(items: &str) -> Vec<u8> {
    format!(r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{items}]}}"#)
        .into_bytes()
}

/// A mentor with a scripted upstream that lists these tools and answers calls with nothing.
async fn listing(items: String) -> Stage {
    let stage = Stage::start().await;
    let url = scripted(move |method| match method {
        "server/discover" => DISCOVERED.into(),
        "tools/list" => tools_list(&items),
        _ => br#"{"resultType":"complete","content":[]}"#.to_vec(),
    })
    .await;
    let server = register(&stage.admin, "Up", &url, json!({})).await;
    stage.attach(&[server]).await;
    stage
}

#[tokio::test]
async fn a_list_of_nonsense_costs_no_more_than_it_weighs() {
    let growth = growth_during(async {
        let stage = listing(["1"; 4_000_000].join(",")).await;
        let list = stage.modern().request("tools/list", json!({})).await;
        assert_eq!(list.result()["tools"], json!([]));
        let state = &list.result()["_meta"]["mentor-gateway/servers"][0];
        assert_eq!(state["state"], "too_large");
        assert!(list.answer().to_string().len() < 4_000);
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX / 2, "{growth}");

    let stage = listing(["1"; 5_000].join(",")).await;
    let list = stage.modern().request("tools/list", json!({})).await;
    let left_out = list.result()["_meta"]["mentor-gateway/servers"][0]["leftOut"].clone();
    assert_eq!(left_out.as_array().unwrap().len(), 21);
    assert_eq!(left_out[20], "and 4980 more");
}

#[tokio::test]
async fn a_tool_is_searched_only_as_far_as_it_is_small() {
    let nodes = [r#"{"a":1}"#; 600_000].join(",");
    let tool = format!(
        r#"{{"name":"t","inputSchema":{{"type":"object","x-mcp-header":"A","enum":[{nodes}]}}}}"#
    );
    let growth = growth_during(async {
        let stage = listing(tool).await;
        let list = stage.modern().request("tools/list", json!({})).await;
        let state = &list.result()["_meta"]["mentor-gateway/servers"][0];
        let left_out = json!(["tools \"t\" is larger than 262144 bytes"]);
        assert_eq!(state["leftOut"], left_out);
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX / 2, "{growth}");
}

#[tokio::test]
async fn arguments_are_opened_only_where_a_header_mirrors_them() {
    let schema =
        r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#;
    let stage = listing(format!(r#"{{"name":"t","inputSchema":{schema}}}"#)).await;
    let client = stage.modern();
    assert_eq!(client.tool_names().await, ["up__t"]);
    let params = json!({ "name": "up__t", "arguments": { "region": "eu" } });
    let message = client
        .message(Some(1.into()), "tools/call", params)
        .to_string();
    let nodes = [r#"{"a":1}"#; 500_000].join(",");
    let text = message.replace(
        r#""region":"eu""#,
        &format!(r#""region":"eu","x":[{nodes}]"#),
    );
    let message = json!({ "method": "tools/call", "params": { "name": "up__t" } });
    let growth = growth_during(async {
        let request = client
            .post(&message)
            .header("mcp-param-region", "eu")
            .body(text);
        Reply::of(request).await.result();
    });
    let growth = growth.await;
    assert!(growth < GROWTH_MAX / 4, "{growth}");
}

#[tokio::test]
async fn instructions_of_a_megabyte_are_cut() {
    let stage = Stage::start().await;
    let url = scripted(|method| match method {
        "server/discover" => {
            let more = format!(r#","instructions":"{}"}}"#, "é".repeat(500_000));
            [DISCOVERED.strip_suffix('}').unwrap(), &more]
                .concat()
                .into_bytes()
        }
        _ => tools_list(""),
    })
    .await;
    let server = register(&stage.admin, "Up", &url, json!({})).await;
    stage.attach(&[server]).await;
    let client = stage.modern();
    client.tool_names().await;
    let discovered = client.request("server/discover", json!({})).await;
    let instructions = discovered.result()["instructions"].as_str().unwrap();
    assert!(
        instructions.len() < 20_000 && instructions.ends_with("é…"),
        "{}",
        instructions.len()
    );
}

#[tokio::test]
async fn a_cookie_is_never_kept_and_no_header_comes_through() {
    let stage = listing(r#"{"name":"t","inputSchema":{"type":"object"}}"#.into()).await;
    let client = stage.modern();
    client.tool_names().await;
    for _ in 0..2 {
        let reply = client.call("up__t", json!({})).await;
        assert_eq!(
            *reply.result(),
            json!({ "resultType": "complete", "content": [] })
        );
        for name in ["set-cookie", "alt-svc"] {
            assert!(!reply.headers.contains_key(name), "{name}");
        }
    }
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    stage
        .modern()
        .call("up__echo", json!({ "text": "x" }))
        .await
        .result();
    assert!(
        upstream
            .seen()
            .iter()
            .all(|seen| seen.header("cookie").is_none())
    );
}
