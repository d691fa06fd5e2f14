//! The bridge from standard input and output to a gateway: nothing that was asked goes without an answer.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use mentor_gateway::native;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use upstream_fixtures::Behaviour;

use crate::harness::{Client, SOON, Stage};

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#;

fn initialize() -> String {
    request(
        1,
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } }),
    )
}

fn request(id: u64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

fn call(id: u64, tool: &str, arguments: Value) -> String {
    request(
        id,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    )
}

fn start(base: &str, key: &str, server: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mentor-gateway"))
        .args(["stdio", "--server", server])
        .env("ACADEMY_BASE_URL", base)
        .env("ACADEMY_API_KEY", key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What the bridge says to a whole input, after which it ends.
async fn answers(mut bridge: Child, input: Vec<u8>) -> Vec<Value> {
    let mut stdin = bridge.stdin.take().unwrap();
    let writing = async {
        stdin.write_all(&input).await.unwrap();
        drop(stdin);
    };
    let ending = async { tokio::join!(writing, bridge.wait_with_output()).1.unwrap() };
    let output = tokio::time::timeout(SOON, ending)
        .await
        .expect("it ends by itself");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The answer to each id, which there must be once.
fn by_id(answers: &[Value]) -> Vec<(String, &Value)> {
    let mut by_id: Vec<(String, &Value)> = answers
        .iter()
        .filter(|answer| answer.get("method").is_none())
        .map(|answer| (answer["id"].to_string(), answer))
        .collect();
    by_id.sort_by(|(one, _), (other, _)| one.cmp(other));
    by_id
}

#[tokio::test]
async fn what_was_asked_before_the_end_of_input_is_answered_on_every_server() {
    let stage = Stage::start().await;
    let upstream = upstream_fixtures::Upstream::start(Behaviour::sessions().streaming())
        .await
        .unwrap();
    let server = stage.register("Up", &upstream, json!({})).await;
    stage.attach(&[server]).await;
    let mut served = vec![
        (
            format!("mentor:{}", stage.gateway.mentor),
            stage.learner.clone(),
        ),
        (format!("server:{server}"), stage.admin.clone()),
    ];
    for (name, scopes) in [("v1", &["learner"][..]), ("v2", &[]), ("user", &[])] {
        let kind = native::find(name).unwrap().key;
        let person = stage.gateway.with_key("alice", kind, scopes).await;
        served.push((name.to_owned(), person));
    }
    for (server, person) in served {
        let key = person.key.as_deref().unwrap();
        let bridge = start(&stage.gateway.base, key, &server);
        // All at once, and without a line feed at the end.
        let mut lines = vec![initialize(), INITIALIZED.to_owned(), LIST.to_owned()];
        lines.extend((3..8).map(|id| request(id, "ping", json!({}))));
        let tool = if server.starts_with("mentor") {
            "up__slow"
        } else {
            "slow"
        };
        let is_relayed = server.contains(':');
        if is_relayed {
            lines.push(call(9, tool, json!({ "ms": 300 })));
        }
        let answers = answers(bridge, lines.join("\n").into_bytes()).await;
        let found = by_id(&answers);
        let ids: Vec<&str> = found.iter().map(|(id, _)| &**id).collect();
        let mut expected = vec!["1", "2", "3", "4", "5", "6", "7"];
        expected.extend(is_relayed.then_some("9"));
        assert_eq!(ids, expected, "{server}: {answers:?}");
        for (id, answer) in found {
            assert!(answer.get("error").is_none(), "{server} {id}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_bad_line_is_answered_for_itself_and_nothing_else_suffers() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let key = stage.learner.key.as_deref().unwrap();
    let server = format!("mentor:{}", stage.gateway.mentor);
    let large = call(3, "up__echo", json!({ "text": "x".repeat(5 << 20) }));
    let mut input = Vec::new();
    for line in [
        format!("\u{feff}{}", initialize()).as_bytes(),
        INITIALIZED.as_bytes(),
        large.as_bytes(),
        b"",
        b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"\xff\xfe\"}",
        b"no JSON",
        b"[]",
        LIST.as_bytes(),
        b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}\r",
    ] {
        input.extend_from_slice(line);
        input.push(b'\n');
    }
    let answers = answers(start(&stage.gateway.base, key, &server), input).await;
    let brief: Vec<(String, i64)> = by_id(&answers)
        .into_iter()
        .map(|(id, answer)| (id, answer["error"]["code"].as_i64().unwrap_or(0)))
        .collect();
    let expected = [
        ("1", 0),
        ("2", 0),
        ("3", -32600),
        ("4", -32700),
        ("5", 0),
        ("null", -32700),
        ("null", -32600),
    ];
    assert_eq!(brief, expected.map(|(id, code)| (id.to_owned(), code)));
}

/// A way to a gateway that can be cut, and led to another one.
struct Way {
    base: String,
    to: Arc<Mutex<Option<String>>>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it stands in for the network"
)]
impl Way {
    async fn to(base: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let to = Arc::new(Mutex::new(Some(base.to_owned())));
        let open: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let (target, carried) = (to.clone(), open.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                let Some(base) = target.lock().unwrap().clone() else {
                    continue;
                };
                let task = tokio::spawn(async move {
                    let address = base.strip_prefix("http://").unwrap();
                    let mut there = tokio::net::TcpStream::connect(address).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut there).await;
                });
                carried.lock().unwrap().push(task);
            }
        });
        Self {
            base: own,
            to,
            open,
            accepting,
        }
    }

    /// Nothing gets through any more.
    fn cut(&self) {
        *self.to.lock().unwrap() = None;
        for task in self.open.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    fn lead_to(&self, base: &str) {
        *self.to.lock().unwrap() = Some(base.to_owned());
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A bridge that is spoken to line by line.
struct Talk {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Talk {
    fn begin(base: &str, person: &Client, server: &str) -> Self {
        let mut child = start(base, person.key.as_deref().unwrap(), server);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        let line = format!("{line}\n");
        stdin.write_all(line.as_bytes()).await.unwrap();
    }

    /// The next answer.
    async fn hear(&mut self) -> Value {
        loop {
            let line = tokio::time::timeout(SOON, self.lines.next_line()).await;
            let line = line.expect("nothing came in time").unwrap().unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.say(line).await;
        self.hear().await
    }
}

#[tokio::test]
async fn a_bridge_outlives_the_gateway_and_says_what_was_lost() {
    let (stage, upstream) = Stage::of(Behaviour::sessions().streaming()).await;
    let other = stage.gateway.replica().await;
    let way = Way::to(&stage.gateway.base).await;
    let server = format!("mentor:{}", stage.gateway.mentor);
    let mut talk = Talk::begin(&way.base, &stage.learner, &server);
    assert_eq!(talk.ask(&initialize()).await["id"], 1);
    talk.say(INITIALIZED).await;
    let tools = talk.ask(LIST).await;
    assert_eq!(tools["id"], 2);

    talk.say(&call(3, "up__slow", json!({ "ms": 60_000 })))
        .await;
    crate::harness::eventually("the call", async || {
        (upstream.calls_of("tools/call") > 0).then_some(())
    })
    .await;
    way.cut();
    let lost = talk.hear().await;
    assert_eq!(
        lost,
        json!({ "jsonrpc": "2.0", "id": 3, "error": {
            "code": -32603,
            "message": "the connection to the gateway was lost before the answer; the call may have executed",
            "data": { "kind": "closed", "mayHaveExecuted": true },
        }})
    );
    // What is asked meanwhile waits.
    talk.say(&LIST.replace("\"id\":2", "\"id\":4")).await;
    way.lead_to(&other.base);
    let again = talk.hear().await;
    assert_eq!(
        (&again["id"], &again["result"]),
        (&json!(4), &tools["result"])
    );
    let answer = talk
        .ask(&call(5, "up__echo", json!({ "text": "hello" })))
        .await;
    assert_eq!(answer["id"], 5);
    assert!(answer.get("error").is_none(), "{answer}");
    drop(talk.child.stdin.take());
    let ended = tokio::time::timeout(SOON, talk.child.wait()).await.unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_bridge_whose_key_is_revoked_ends_and_says_so() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let way = Way::to(&stage.gateway.base).await;
    let server = format!("mentor:{}", stage.gateway.mentor);
    let mut talk = Talk::begin(&way.base, &stage.learner, &server);
    assert_eq!(talk.ask(&initialize()).await["id"], 1);
    stage.gateway.revoke_keys_of("acme", "bob").await;
    let other = stage.gateway.replica().await;
    way.cut();
    way.lead_to(&other.base);
    // Waiting for a child ends its input, which would be an end of its own.
    let _stdin = talk.child.stdin.take();
    let ended = tokio::time::timeout(SOON, talk.child.wait()).await.unwrap();
    assert_eq!(ended.unwrap().code(), Some(1));
}
