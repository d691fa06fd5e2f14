//! Every change of what a mentor offers is heard by everybody who listens, in every process, once.

use serde_json::{Value, json};
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::client_transports::{Wire, sse, websocket};
use crate::harness::{Client, Live, Mcp, SignIn, Stage, connect, eventually, register};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

/// One who listens.
enum Ear {
    Stream(Live),
    Wire(Wire),
}

impl Ear {
    async fn next(&mut self) -> Value {
        match self {
            Self::Stream(live) => live.message().await,
            Self::Wire(wire) => wire.next().await,
        }
    }

    /// The method of the next announcement of a list.
    async fn announced(&mut self) -> String {
        loop {
            let method = self.next().await["method"].as_str().unwrap().to_owned();
            if method.ends_with("/list_changed") {
                return method;
            }
        }
    }
}

/// Everybody who can listen at a gateway: each with a name, and with the clients that keep their sessions.
async fn ears(process: &str, learner: &Client, path: &str) -> Vec<(String, Ear)> {
    let legacy = Mcp::legacy(learner, path).await;
    legacy.tool_names().await;
    let stream = legacy.listen().await;
    let wanted = json!({ "notifications": {
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
    } });
    let modern = Mcp::modern(learner, path);
    let mut subscription = modern.open("subscriptions/listen", wanted).await;
    subscription.message().await;
    let mut socket = websocket(learner, &format!("{path}ws")).await;
    socket.shake_hands().await;
    socket.ask(1, "tools/list", json!({})).await;
    let mut pair = sse(learner, &format!("{path}sse")).await;
    pair.shake_hands().await;
    pair.ask(1, "tools/list", json!({})).await;
    let named = |how: &str| format!("{how} at {process}");
    vec![
        (named("the stream of a session"), Ear::Stream(stream)),
        (named("a subscription"), Ear::Stream(subscription)),
        (named("a WebSocket"), Ear::Wire(socket)),
        (named("an HTTP+SSE pair"), Ear::Wire(pair)),
    ]
}

fn offering(tools: &[&str]) -> Behaviour {
    let tools = tools.iter().map(|name| plain_tool(name, "A tool."));
    Behaviour::sessions().with_tools(tools.collect())
}

/// What the changes are made to.
struct World {
    stage: Stage,
    one: i64,
    two: i64,
    keyed: i64,
    featured: i64,
    owner: Client,
    upstreams: Vec<Upstream>,
}

impl World {
    async fn start() -> Self {
        let stage = Stage::start().await;
        let owner = stage.gateway.stranger().await;
        let mut upstreams = Vec::new();
        for tool in ["a", "b", "c", "d"] {
            upstreams.push(Upstream::start(offering(&[tool])).await.unwrap());
        }
        let token = json!({ "auth_type": "token" });
        let shown = json!({ "is_featured": true });
        Self {
            one: stage.register("One", &upstreams[0], json!({})).await,
            two: stage.register("Two", &upstreams[1], json!({})).await,
            keyed: stage.register("Keyed", &upstreams[2], token).await,
            featured: register(&owner, "Shown", &upstreams[3].url(), shown).await,
            stage,
            owner,
            upstreams,
        }
    }

    async fn set(&self, fields: Value) {
        let path = format!("mentors/{}/settings/", self.stage.gateway.mentor);
        self.stage.admin.patch(&path, fields).await.expect(200);
    }

    async fn server(&self, server: i64, fields: Value) {
        self.stage.change_server(server, fields).await;
    }

    async fn connection(&self, id: i64, fields: Value) {
        let path = format!("mcp-server-connections/{id}/");
        self.stage.admin.patch(&path, fields).await.expect(200);
    }

    /// Makes one change of a list; returns what the learner's list is then.
    async fn change(&self, number: usize) -> Option<&'static [&'static str]> {
        let (one, two, keyed, featured) = (self.one, self.two, self.keyed, self.featured);
        let everything = [one, two, keyed, featured];
        Some(match number {
            0 => {
                self.set(json!({ "mcp_servers": [one, two] })).await;
                &["one__a", "two__b"]
            }
            // Of a server that was attached after the streams were opened.
            1 => {
                self.upstreams[1].add_tool(plain_tool("new", "Was not there."));
                &["one__a", "two__b", "two__new"]
            }
            2 => {
                self.set(json!({ "tools": [] })).await;
                &[]
            }
            3 => {
                self.set(json!({ "tools": ["mcp-tool"] })).await;
                &["one__a", "two__b", "two__new"]
            }
            4 => {
                self.server(two, json!({ "is_enabled": false })).await;
                &["one__a"]
            }
            5 => {
                self.server(two, json!({ "is_enabled": true })).await;
                &["one__a", "two__b", "two__new"]
            }
            6 => {
                self.server(one, json!({ "tool_prefix": "renamed" })).await;
                &["renamed__a", "two__b", "two__new"]
            }
            7 => {
                self.set(json!({ "mcp_servers": [one] })).await;
                &["renamed__a"]
            }
            8 => {
                self.set(json!({ "mcp_servers": everything })).await;
                &["renamed__a", "two__b", "two__new", "shown__d"]
            }
            9 => {
                let fields = json!({
                    "scope": "platform", "auth_type": "token", "credentials": "Bearer x",
                });
                connect(&self.stage.admin, keyed, fields).await;
                &["renamed__a", "two__b", "two__new", "keyed__c", "shown__d"]
            }
            10 => {
                self.connection(1, json!({ "is_active": false })).await;
                &["renamed__a", "two__b", "two__new", "shown__d"]
            }
            11 => {
                self.connection(1, json!({ "is_active": true })).await;
                &["renamed__a", "two__b", "two__new", "keyed__c", "shown__d"]
            }
            12 => {
                let gone = self.stage.admin.delete("mcp-server-connections/1/").await;
                assert_eq!(gone.status, 204);
                &["renamed__a", "two__b", "two__new", "shown__d"]
            }
            13 => {
                let path = format!("mcp-servers/{featured}/");
                let hidden = json!({ "is_featured": false });
                self.owner.patch(&path, hidden).await.expect(200);
                &["renamed__a", "two__b", "two__new"]
            }
            14 => {
                let other = json!({ "name": "Other" });
                let other = self.stage.admin.post("", other).await.expect(201);
                self.server(one, json!({ "mentor": other["unique_id"] }))
                    .await;
                &["two__b", "two__new"]
            }
            15 => {
                let gone = self
                    .stage
                    .admin
                    .delete(&format!("mcp-servers/{two}/"))
                    .await;
                assert_eq!(gone.status, 204);
                &[]
            }
            _ => return None,
        })
    }
}

#[tokio::test]
async fn every_change_is_announced_to_everybody_who_listens_once() {
    let world = World::start().await;
    let stage = &world.stage;
    stage.attach(&[world.one]).await;
    let replica = stage.gateway.replica().await;
    let (here, there) = (&stage.learner, stage.learner.at(&replica.base));
    let mut all = ears("this process", here, &stage.mentor_path()).await;
    all.extend(ears("another process", &there, &stage.mentor_path()).await);
    let client = stage.modern();
    let mut number = 0;
    while let Some(expected) = world.change(number).await {
        for (name, ear) in &mut all {
            assert_eq!(ear.announced().await, TOOLS, "{name}, change {number}");
        }
        assert_eq!(client.tool_names().await, expected, "change {number}");
        let there = Mcp::modern(&there, stage.mentor_path());
        eventually("the same list at the other process", async || {
            (there.tool_names().await == expected).then_some(())
        })
        .await;
        number += 1;
    }
    assert_eq!(number, 16);
    // What comes next is of another list: nothing was told twice.
    let prompting = Behaviour::sessions();
    let prompting = Behaviour {
        tools: Vec::new(),
        ..prompting
    };
    let prompting = Upstream::start(prompting).await.unwrap();
    let server = stage.register("Prompting", &prompting, json!({})).await;
    stage.attach(&[server]).await;
    for (name, ear) in &mut all {
        let mut heard = [ear.announced().await, ear.announced().await];
        heard.sort();
        let both = [PROMPTS, "notifications/resources/list_changed"];
        assert_eq!(heard, both, "{name}");
    }
}

#[tokio::test]
async fn a_sign_in_is_announced_to_the_person_who_signed_in() {
    let sign_in = SignIn::start(Switches::default()).await;
    let stage = &sign_in.stage;
    let upstream = Upstream::start(offering(&["a"])).await.unwrap();
    let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
    let services = stage.admin.get(services).await.expect(200);
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
    });
    let server = stage.register("Files", &upstream, fields).await;
    stage.attach(&[server]).await;
    let replica = stage.gateway.replica().await;
    let there = stage.learner.at(&replica.base);
    let mut all = ears("this process", &stage.learner, &stage.mentor_path()).await;
    all.extend(ears("another process", &there, &stage.mentor_path()).await);
    let query = format!("?server={server}");
    let begun = sign_in.begin_with(&stage.learner, &query).await;
    let back = sign_in.consent(&begun).await;
    sign_in.bring(&stage.learner, &back).await.expect(200);
    for (name, ear) in &mut all {
        assert_eq!(ear.announced().await, TOOLS, "{name}");
    }
    assert_eq!(stage.modern().tool_names().await, ["files__a"]);
}

#[tokio::test]
async fn what_changed_while_a_stream_was_broken_is_told_by_the_next() {
    let world = World::start().await;
    world.stage.attach(&[world.one]).await;
    let session = world.stage.legacy().await;
    session.tool_names().await;
    drop(session.listen().await);
    world.change(0).await;
    let mut stream = session.listen().await;
    assert_eq!(stream.message().await["method"], TOOLS);
}

#[tokio::test]
async fn a_list_asked_right_before_a_change_does_not_outlive_it() {
    let world = World::start().await;
    world.stage.attach(&[world.one]).await;
    let client = world.stage.modern();
    let mut number = 0;
    loop {
        client.tool_names().await;
        let Some(expected) = world.change(number).await else {
            break;
        };
        // What a server announces is read after it was announced.
        if number != 1 {
            assert_eq!(client.tool_names().await, expected, "change {number}");
        } else {
            eventually("the server's own change", async || {
                (client.tool_names().await == expected).then_some(())
            })
            .await;
        }
        number += 1;
    }
}

#[tokio::test]
async fn a_list_that_a_call_changed_is_new_for_whoever_asks_after_it() {
    for behaviour in [
        Behaviour::sessions(),
        Behaviour::sessions().streaming(),
        Behaviour::dual(),
        Behaviour::stateless(),
    ] {
        let server = behaviour.name.clone();
        let (stage, _upstream) = Stage::of(behaviour).await;
        let modern = stage.modern();
        let (listening, deaf) = (stage.legacy().await, stage.legacy().await);
        listening.tool_names().await;
        let mut stream = listening.listen().await;
        for (client, name, told) in [(&modern, "m", 0), (&listening, "l", 0), (&deaf, "d", 1)] {
            let arguments = json!({ "name": name, "within": true });
            let reply = client.call("up__add_tool", arguments).await;
            let within = reply.before().iter().filter(|said| said["method"] == TOOLS);
            assert_eq!(within.count(), told, "{server} {name}");
            let added = format!("up__{name}");
            let called = client.call(&added, json!({ "text": "x" })).await;
            assert_eq!(called.text(), "x", "{server}");
            let names = client.tool_names().await;
            assert!(names.contains(&added), "{server}: {names:?}");
            assert_eq!(stream.message().await["method"], TOOLS, "{server}");
        }
    }
}
