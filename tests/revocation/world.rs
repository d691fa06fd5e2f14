//! What can be open, and how its end is seen.

use std::pin::Pin;

use futures_util::{SinkExt, StreamExt};
use mentor_gateway::storage::Tx;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, Switches};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{
    Chat, Client, Live, Mcp, Replica, Reply, SOON, Stage, eventually, send, server_path,
};

/// How something ended: the reason of an error, the code and reason of a close frame, or just the end of a stream.
pub type End = Pin<Box<dyn Future<Output = Value> + Send>>;

/// Something that is open.
pub struct Thing {
    pub name: &'static str,
    pub end: End,
}

pub fn thing(name: &'static str, end: impl Future<Output = Value> + Send + 'static) -> Thing {
    let end = Box::pin(end);
    Thing { name, end }
}

/// Longer than any test.
pub const LONG_MS: u64 = 600_000;

/// What is called: it goes on for long, and at one of these it says something all the time.
pub fn long(tool: &str) -> Value {
    match tool {
        "slow" => json!({ "name": "up__slow", "arguments": { "ms": LONG_MS } }),
        _ => json!({
            "name": "up__progress", "arguments": { "steps": 1_000_000, "pause_ms": 50 },
            "_meta": { "progressToken": "p" },
        }),
    }
}

/// `Up` is the mentor's, and called with bob's own grant; `Plain` is called by the admin at its own endpoint.
pub struct World {
    pub stage: Stage,
    /// Who opens everything at the mentor.
    pub caller: Client,
    pub up: Upstream,
    pub plain: Upstream,
    pub _issuer: AuthorizationServer,
    pub up_id: i64,
    pub plain_id: i64,
    pub connection: i64,
    pub grant: i64,
    pub other: Replica,
}

impl World {
    pub async fn start() -> Self {
        let stage = Stage::start_with(|settings| {
            settings.upstream_timeout_ms = Some(LONG_MS);
        })
        .await;
        let issuer = AuthorizationServer::start(Switches::default())
            .await
            .unwrap();
        let up = Upstream::start(Behaviour::sessions()).await.unwrap();
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
        let up_id = stage.register("Up", &up, fields).await;
        let plain = Upstream::start(Behaviour::sessions()).await.unwrap();
        let plain_id = stage.register("Plain", &plain, json!({})).await;
        stage.attach(&[up_id]).await;
        let pair = issuer.grant(CLIENT_ID);
        let ends = stage.gateway.seconds_from_now(1_000_000);
        let grant = stage.gateway.signed_in(&issuer, "bob", &pair, ends).await;
        let fields = json!({ "scope": "user", "auth_type": "oauth2", "connected_service": grant });
        let connection = stage.connect(up_id, fields).await;
        eventually("the tools", async || {
            let names = stage.modern().tool_names().await;
            names.contains(&"up__slow".to_owned()).then_some(())
        })
        .await;
        Self {
            caller: stage.learner.clone(),
            other: stage.gateway.replica().await,
            stage,
            up,
            plain,
            _issuer: issuer,
            up_id,
            plain_id,
            connection,
            grant,
        }
    }

    pub fn modern(&self) -> Mcp {
        // All share one session at the upstream, which must know from its first moment that it may ask.
        let client = Mcp::modern(&self.caller, self.stage.mentor_path());
        client.able(json!({ "elicitation": {} }))
    }

    pub async fn legacy(&self) -> Mcp {
        Mcp::legacy(&self.caller, self.stage.mentor_path()).await
    }

    /// The admin at the other gateway.
    pub fn admin(&self) -> Client {
        self.stage.admin.at(&self.other.base)
    }

    /// Something that the other gateway's process does with the database.
    pub async fn write(&self, deed: impl AsyncFnOnce(&mut Tx)) {
        let mut tx = self.other.app.db.write().await.unwrap();
        deed(&mut tx).await;
        tx.commit().await.unwrap();
    }

    /// Calls under way, one on each way to the server.
    pub async fn calls(&self) -> Vec<Thing> {
        let path = self.stage.mentor_path();
        let whole = spawned(self.modern(), long("slow"));
        let events = self.modern().open("tools/call", long("progress")).await;
        let session = spawned(self.legacy().await, long("slow"));
        let mut socket = Socket::open(&self.caller, &format!("{path}ws")).await;
        socket.call(&self.modern(), long("slow")).await;
        let mut session_socket = Socket::open(&self.caller, &format!("{path}ws")).await;
        session_socket.shake_hands().await;
        session_socket.ask("tools/call", long("progress")).await;
        let (mut pair, post) = pair(&self.caller, &path).await;
        let call = self
            .modern()
            .message(Some(7.into()), "tools/call", long("slow"));
        assert_eq!(send(post.json(&call)).await.status, 202);
        let things = vec![
            thing("a call for a whole answer", async move {
                reason(whole.await.unwrap().answer())
            }),
            thing("a call with events", last(events)),
            thing("a call of a session", async move {
                reason(session.await.unwrap().answer())
            }),
            thing("a call on a WebSocket", async move {
                reason(&socket.answer().await)
            }),
            thing("a session's call on a WebSocket", async move {
                reason(&session_socket.answer().await)
            }),
            thing("a call over HTTP+SSE", async move {
                reason(&pair.until(|message| message["id"] == 7).await)
            }),
        ];
        eventually("the calls at the upstream", async || {
            (self.up.calls_of("tools/call") >= things.len()).then_some(())
        })
        .await;
        things
    }

    /// What stays open at the mentor's endpoint without a call.
    pub async fn streams(&self) -> Vec<Thing> {
        let path = self.stage.mentor_path();
        let own = self.legacy().await.listen().await;
        let filter = json!({ "notifications": { "toolsListChanged": true } });
        let mut subscription = self.modern().open("subscriptions/listen", filter).await;
        let first = subscription.message().await;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        let socket = Socket::open(&self.caller, &format!("{path}ws")).await;
        let mut session_socket = Socket::open(&self.caller, &format!("{path}ws")).await;
        session_socket.shake_hands().await;
        let (pair, _) = pair(&self.caller, &path).await;
        vec![
            thing("a session's own stream", async move {
                let mut own = own;
                json!({ "rest": own.rest().await })
            }),
            thing("a subscription", last(subscription)),
            thing("a WebSocket", socket.close()),
            thing("a session's WebSocket", session_socket.close()),
            thing("an HTTP+SSE stream", async move {
                let mut pair = pair;
                json!({ "rest": pair.rest().await })
            }),
        ]
    }

    /// What the admin has open at a server's own endpoint.
    pub async fn at_server(&self) -> Vec<Thing> {
        let (admin, path) = (&self.stage.admin, server_path(self.plain_id));
        let mut own = Mcp::legacy(admin, &path).await.listen().await;
        let socket = Socket::open(admin, &format!("{path}ws")).await;
        let mut call = long("slow");
        call["name"] = "slow".into();
        let call = spawned(Mcp::modern(admin, &path), call);
        eventually("the call at the server", async || {
            (self.plain.calls_of("tools/call") >= 1).then_some(())
        })
        .await;
        vec![
            thing("a stream of one server", async move {
                json!({ "rest": own.rest().await })
            }),
            thing("a WebSocket of one server", socket.close()),
            thing("a call at one server", async move {
                reason(call.await.unwrap().answer())
            }),
        ]
    }

    /// A chat, and a turn in another.
    pub async fn chats(&self) -> (Thing, Thing) {
        let mentor = &self.stage.gateway.mentor;
        let mut idle = Chat::open(&self.stage.learner, mentor).await;
        idle.send(&idle.frame.clone()).await;
        assert_eq!(idle.frame().await["detail"], "Connected.");
        let mut turn = Chat::open(&self.stage.learner, mentor).await;
        let before = self.up.calls_of("tools/call");
        turn.say(&format!("/tool up__slow {{\"ms\": {LONG_MS}}}"))
            .await;
        eventually("the call of the turn", async || {
            (self.up.calls_of("tools/call") > before).then_some(())
        })
        .await;
        let idle = thing("a chat", async move { idle.end().await });
        let turn = thing("a turn of a chat", async move {
            turn.turn().await.pop().unwrap_or_default()
        });
        (idle, turn)
    }

    /// A call whose upstream has asked something, and the way to take it up again.
    pub async fn parked(&self) -> (Mcp, Value) {
        let client = self.modern();
        let call = json!({ "name": "up__ask", "arguments": {} });
        let reply = client.request("tools/call", call.clone()).await;
        let mut retry = call;
        retry["requestState"] = reply.result()["requestState"].clone();
        retry["inputResponses"] =
            json!({ "upstream": { "action": "accept", "content": { "name": "Ada" } } });
        (client, retry)
    }

    /// Whether the upstream was told to forget more calls than so many, or all of its sessions.
    pub fn is_told(&self, calls: usize) -> bool {
        self.up.calls_of("cancelled") > calls || self.up.session_count() == 0
    }
}

pub fn spawned(client: Mcp, call: Value) -> tokio::task::JoinHandle<Reply> {
    #[expect(clippy::disallowed_methods, reason = "it is awaited by the test")]
    tokio::spawn(async move {
        let message = client.message(Some(1.into()), "tools/call", call);
        Reply::of(client.post(&message)).await
    })
}

/// The reason in an error.
pub fn reason(answer: &Value) -> Value {
    assert_eq!(answer["error"]["data"]["kind"], "ended", "{answer}");
    assert_eq!(answer["error"]["data"]["mayHaveExecuted"], true, "{answer}");
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.ends_with("; the call may have executed"), "{text}");
    answer["error"]["data"]["reason"].clone()
}

/// The last message of a stream is an error that says why.
pub async fn last(mut live: Live) -> Value {
    let messages = live.rest().await;
    reason(messages.last().expect("a last word"))
}

/// An HTTP+SSE pair: its stream, and a POST to it.
pub async fn pair(person: &Client, path: &str) -> (Live, reqwest::RequestBuilder) {
    let path = format!("{path}sse");
    let request = person.request(Method::GET, &path);
    let mut response = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let endpoint = text.strip_prefix("event: endpoint\ndata: ").unwrap().trim();
    let stream: url::Url = person.url(&path).parse().unwrap();
    let endpoint = stream.join(endpoint).unwrap();
    let below = format!("{}?{}", endpoint.path(), endpoint.query().unwrap());
    let post = person.request(Method::POST, &below);
    (Live::reading(response), post)
}

/// An MCP client's WebSocket.
pub struct Socket {
    #[expect(clippy::disallowed_types, reason = "a client's connection")]
    socket: tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
}

impl Socket {
    pub async fn open(person: &Client, path: &str) -> Self {
        let url = person.url(path).replacen("http", "ws", 1);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "mcp".parse().unwrap());
        let key = person.key.as_deref().unwrap();
        headers.insert("authorization", format!("Token {key}").parse().unwrap());
        for (name, value) in person.headers() {
            headers.insert(*name, value.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { socket }
    }

    pub async fn send(&mut self, message: &Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    pub async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(SOON, self.socket.next()).await;
        next.expect("nothing came in time").unwrap().unwrap()
    }

    pub async fn shake_hands(&mut self) {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
        });
        self.ask("initialize", params).await;
        assert!(self.answer().await["result"].is_object());
    }

    pub async fn ask(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        self.send(&message).await;
    }

    pub async fn call(&mut self, client: &Mcp, call: Value) {
        self.send(&client.message(Some(7.into()), "tools/call", call))
            .await;
    }

    /// The response to what was asked.
    pub async fn answer(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next().await {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["id"] == 7 {
                    return message;
                }
            }
        }
    }

    /// The close frame, when it comes.
    pub async fn close(mut self) -> Value {
        loop {
            if let Message::Close(frame) = self.next().await {
                let frame = frame.unwrap();
                return json!([u16::from(frame.code), frame.reason.as_str()]);
            }
        }
    }
}

/// The close frame of a reason.
pub fn policy(why: &str) -> Value {
    json!([1008, why])
}

/// Waits until each has ended and compares how.
pub async fn all_end(row: &str, things: Vec<Thing>, expected: impl Fn(&str) -> Value) {
    for Thing { name, end } in things {
        let ended = tokio::time::timeout(SOON, end).await;
        let ended = ended.unwrap_or_else(|_| panic!("{row}: {name} goes on"));
        assert_eq!(ended, expected(name), "{row}: {name}");
    }
}

/// Whether each goes on. What had to end has ended before.
pub fn all_go_on(row: &str, things: &mut [Thing]) {
    for Thing { name, end } in things {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(
            end.as_mut().poll(&mut context).is_pending(),
            "{row}: {name} ended"
        );
    }
}

/// How a thing of the caller ends for this reason.
pub fn expected<'a>(word: &'a str, sentence: &'a str) -> impl Fn(&str) -> Value + 'a {
    move |name| match name {
        name if name.contains("call") => word.into(),
        "a subscription" => word.into(),
        name if name.contains("WebSocket") => policy(sentence),
        _ => json!({ "rest": [] }),
    }
}
