//! A gateway whose tenant `acme` has an academy: the world of a specification, at the time of its examples.

use mentor_gateway::academy::{Actor, RealmId, person, sample};
use mentor_gateway::auth::token::{Environment, TokenKind};
use mentor_gateway::career;
use mentor_gateway::clock::UnixMs;
use mentor_gateway::config::Settings;
use mentor_gateway::learner::Learner;
use mentor_gateway::storage::Tx;
use mentor_gateway::tenant::user::Role;
use mentor_gateway::tenant::{self, user};
use serde_json::Value;

use super::app::Gateway;
use super::client::{Answer, Client};
use super::mcp::{Mcp, Reply};
use super::schema;

/// 2024-01-01T00:00:00Z: just before the first cohort of v1's examples begins.
const V1_NOW: UnixMs = UnixMs(1_704_067_200_000);

/// 2024-12-02T10:00:00Z, when most of v2's examples were written.
const V2_NOW: UnixMs = UnixMs(1_733_133_600_000);
/// Every scope of a learner (8.4.1).
const LEARNER_SCOPES: [&str; 6] = [
    "enrollments:read",
    "materials:read",
    "chat:write",
    "bookings:read",
    "bookings:write",
    "certificates:read",
];

/// An academy at `/mcp/v1/`, `/mcp/v2/` or, as learners see it, `/mcp/user/`.
pub struct Academy {
    pub gateway: Gateway,
    face: &'static str,
    /// The learner of the examples: `bob` of acme.
    pub learner: Client,
    /// A teacher: `carol` of acme.
    pub instructor: Client,
    /// The administrator: `alice` of acme.
    pub admin: Client,
}

impl Academy {
    /// The academy of the first specification: bob is Jane Smith, carol is Dr. Sarah Chen.
    pub async fn v1() -> Self {
        Self::v1_at(V1_NOW).await
    }

    /// The same at another time.
    pub async fn v1_at(now: UnixMs) -> Self {
        Self::v1_start(now, |_| {}).await
    }

    /// The same with other settings.
    pub async fn v1_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::v1_start(V1_NOW, adjust).await
    }

    async fn v1_start(now: UnixMs, adjust: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Gateway::start_at(now, adjust).await;
        let people = [("bob", "usr_jane_smith"), ("carol", "usr_sarah_chen")];
        load(&gateway, sample::V1, &people).await;
        gateway.set_role("carol", Role::Instructor).await;
        let key = async |user, scope: &str| gateway.with_key(user, TokenKind::Aea, &[scope]).await;
        Self {
            face: "v1",
            learner: key("bob", "learner").await,
            instructor: key("carol", "instructor").await,
            admin: key("alice", "admin").await,
            gateway,
        }
    }

    /// The academy of the second specification: bob is John Doe.
    pub async fn v2() -> Self {
        Self::v2_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn v2_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Gateway::start_at(V2_NOW, adjust).await;
        let people = [("bob", "usr_456"), ("carol", "usr_sarah")];
        load(&gateway, sample::V2, &people).await;
        let key =
            async |user, scopes: &[&str]| gateway.with_key(user, TokenKind::Mcp, scopes).await;
        Self {
            face: "v2",
            learner: key("bob", &LEARNER_SCOPES).await,
            instructor: key("carol", &LEARNER_SCOPES).await,
            admin: key("alice", &["all"]).await,
            gateway,
        }
    }

    /// The learner server over the academy of the second specification: bob is John Doe, alice an admin without a profile.
    pub async fn user() -> Self {
        let gateway = Gateway::start_at(V2_NOW, |_| {}).await;
        load(&gateway, sample::V2, &[("bob", "usr_456")]).await;
        let key = async |user| gateway.with_key(user, TokenKind::Platform, &[]).await;
        Self {
            face: "user",
            learner: key("bob").await,
            instructor: key("carol").await,
            admin: key("alice").await,
            gateway,
        }
    }

    /// The learner server, with the profile and the past of the sample for bob.
    pub async fn user_with_a_past() -> Self {
        let academy = Self::user().await;
        let now = academy.gateway.app.clock.now();
        let mut tx = academy.write().await;
        let acme = tenant::get(&mut tx, "acme").await.unwrap();
        let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
        let learner = Learner::of(&mut tx, &bob, "bob").await.unwrap();
        career::sample::load(&mut tx, &learner, now).await.unwrap();
        tx.commit().await.unwrap();
        academy
    }

    /// The MCP endpoint.
    pub fn path(&self) -> String {
        format!("/mcp/{}/", self.face)
    }

    /// A stateless MCP client of this person.
    pub fn mcp(&self, person: &Client) -> Mcp {
        Mcp::modern(person, self.path())
    }

    /// Calls a tool over MCP; the output is both structure and text, and fits the schema.
    pub async fn call(&self, person: &Client, tool: &str, arguments: Value) -> Value {
        let output = output(&self.mcp(person).call(tool, arguments).await);
        schema::assert_output(self.face, tool, &output);
        output
    }

    /// Calls a tool over MCP and returns the error that it must answer, without what differs each time.
    pub async fn refusal(&self, person: &Client, tool: &str, arguments: Value) -> Value {
        refusal(&self.mcp(person).call(tool, arguments).await)
    }

    /// Calls a tool by a plain POST; an output fits the schema.
    pub async fn post(&self, person: &Client, tool: &str, arguments: Value) -> Answer {
        let path = format!("{}tools/{tool}", self.path());
        let answer = person.post(&path, arguments).await;
        if answer.status == 200 {
            schema::assert_output(self.face, tool, &answer.body);
        }
        answer
    }

    /// Reads a resource over MCP; what it holds fits the schema.
    pub async fn read(&self, person: &Client, uri: &str) -> Value {
        let params = serde_json::json!({ "uri": uri });
        let reply = self.mcp(person).request("resources/read", params).await;
        let contents = &reply.result()["contents"][0];
        assert_eq!(contents["uri"], uri);
        assert_eq!(contents["mimeType"], "application/json");
        let held = serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
        schema::assert_contents(self.face, uri, &held);
        held
    }

    /// The administrator, as the academy knows them.
    pub async fn actor(&self, tx: &mut Tx) -> Actor {
        let acme = tenant::get(tx, "acme").await.unwrap();
        let alice = user::get(tx, acme.id, "alice").await.unwrap();
        let realm = RealmId::of(tx, acme.id, Environment::Live).await.unwrap();
        Actor::holding(tx, realm, alice.id).await.unwrap()
    }

    /// A transaction, to put the world into the state of an example.
    pub async fn write(&self) -> Tx {
        self.gateway.app.db.write().await.unwrap()
    }
}

/// What a tool answered.
#[track_caller]
fn output(reply: &Reply) -> Value {
    let result = reply.result();
    assert_eq!(result["isError"], false, "{result}");
    let text: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(text, result["structuredContent"]);
    text
}

/// What a tool refused.
#[track_caller]
fn refusal(reply: &Reply) -> Value {
    let result = reply.result();
    assert_eq!(result["isError"], true, "{result}");
    assert!(result["structuredContent"].is_null(), "{result}");
    let mut body: Value = serde_json::from_str(reply.text()).unwrap();
    let error = body["error"].as_object_mut().unwrap();
    assert!(
        !error
            .remove("requestId")
            .unwrap()
            .as_str()
            .unwrap()
            .is_empty()
    );
    assert!(error.remove("timestamp").is_some());
    body
}

/// Loads a world into acme's live academy and lets these users be these people.
pub async fn load(gateway: &Gateway, world: &str, people: &[(&str, &str)]) {
    let now = gateway.app.clock.now();
    let mut tx = gateway.app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let realm = RealmId::make(&mut tx, acme.id, Environment::Live, now)
        .await
        .unwrap();
    sample::load(&mut tx, realm, world, now).await.unwrap();
    for (username, id) in people {
        let user = user::get(&mut tx, acme.id, username).await.unwrap();
        person::bind(&mut tx, realm, id, user.id).await.unwrap();
    }
    tx.commit().await.unwrap();
}
