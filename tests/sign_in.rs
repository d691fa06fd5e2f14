//! The sign-in ladder: a call whose person must sign in first asks on the highest rung that its client has, once per
//! person and server, and goes on when they have.

use std::time::Duration;

use futures_util::future::join_all;
use mentor_gateway::auth::Caller;
use mentor_gateway::gateway::chats::{ChatEvent, ChatKey, ChatStream};
use mentor_gateway::oauth::prompt::PROMPT_LIFE;
use mentor_gateway::registry::grant::{Grant, GrantId};
use mentor_gateway::registry::server::ServerId;
use mentor_gateway::secret::{Binding, Secret};
use mentor_gateway::{sql, tenant};
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{LEGACY, Mcp, Reply, SOON, Stage, eventually};

const SENTENCE: &str = "Drive needs you to connect your own account first.";
const CHAT: &str = "4c6bd1a9-2f0e-4c55-9d0c-0a7f6a3a2b11";

fn url_mode() -> Value {
    json!({ "elicitation": { "url": {} } })
}

/// A mentor with a server that its people must sign in to.
struct Drive {
    stage: Stage,
    upstream: Upstream,
    server: i64,
}

impl Drive {
    async fn start() -> Self {
        let stage = Stage::start().await;
        let offering = Behaviour::stateless().with_tools(vec![plain_tool("search", "Searches.")]);
        let upstream = Upstream::start(offering).await.unwrap();
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
        let server = stage.register("Drive", &upstream, fields).await;
        stage.attach(&[server]).await;
        Self {
            stage,
            upstream,
            server,
        }
    }

    fn modern(&self) -> Mcp {
        self.stage.modern().able(url_mode())
    }

    /// Does what the end of a sign-in does: a grant, a connection of the person's own, no question any more.
    async fn sign_in(&self, username: &str) {
        let app = &self.stage.gateway.app;
        let grant = self.stage.gateway.grant("acme", username).await;
        let mut tx = app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, "acme").await.unwrap();
        let user = tenant::user::get(&mut tx, tenant.id, username)
            .await
            .unwrap();
        let binding = Binding {
            tenant: tenant.id.0,
            record: &Grant::record_name(GrantId(grant)),
            field: "access_token",
            origin: "",
        };
        let token = Secret::new(format!("token-of-{username}"));
        let sealed = app.vault.seal(&binding, &token);
        sql!(
            &mut tx,
            execute,
            "UPDATE connected_services SET access_token_sealed = $2 WHERE id = $1",
            grant,
            &sealed
        )
        .unwrap();
        tx.commit().await.unwrap();
        let fields = json!({
            "scope": "user", "auth_type": "oauth2", "user": username, "connected_service": grant,
        });
        self.stage.connect(self.server, fields).await;
        app.gateway
            .signed_in(tenant.id, user.id, Some(ServerId(self.server)));
    }

    /// Listens to a chat of the learner.
    async fn chat(&self) -> ChatStream {
        let chat = ChatKey::of(&*self.caller("bob").await, CHAT);
        self.stage.gateway.app.gateway.chats.join(chat)
    }

    async fn caller(&self, username: &str) -> std::sync::Arc<Caller> {
        let client = self.stage.gateway.client("acme", username).await;
        let key = Secret::new(client.key.unwrap());
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        let auth = &self.stage.gateway.app.auth;
        auth.caller(&key, None, peer).await.unwrap()
    }

    /// The learner's client in their chat, which declares nothing.
    fn in_chat(&self) -> Mcp {
        let person = self.stage.learner.with_header("x-chat-session-id", CHAT);
        Mcp::modern(&person, self.stage.mentor_path())
    }

    /// Calls the tool with what the client brings back.
    async fn search(&self, client: &Mcp, back: Value) -> Reply {
        let mut params = json!({ "name": "drive__search", "arguments": { "text": "x" } });
        let back = back.as_object().unwrap().clone();
        params.as_object_mut().unwrap().extend(back);
        client.request("tools/call", params).await
    }

    fn link(&self, prompt: &str) -> String {
        format!("{}/connect/{prompt}", self.stage.gateway.base)
    }

    async fn prompts(&self) -> Vec<String> {
        let mut tx = self.stage.gateway.app.db.read().await.unwrap();
        let found = sql!(
            &mut tx,
            fetch_all as (String,),
            "SELECT id FROM sign_in_prompts ORDER BY created_at"
        );
        found.unwrap().into_iter().map(|(id,)| id).collect()
    }
}

async fn next(chat: &mut ChatStream) -> ChatEvent {
    tokio::time::timeout(SOON, chat.next()).await.unwrap()
}

fn required(drive: &Drive, prompt: &str) -> ChatEvent {
    ChatEvent::OauthRequired {
        server_id: drive.server,
        server_name: "Drive".into(),
        auth_url: drive.link(prompt),
        message: "Authentication required for MCP server 'Drive'. Please complete the OAuth flow to continue.".into(),
    }
}

#[tokio::test]
async fn a_stateless_client_is_asked_to_open_a_page_and_its_retry_is_carried_out() {
    let drive = Drive::start().await;
    let client = drive.modern();
    let asked = drive.search(&client, json!({})).await;
    let result = asked.result();
    let prompt = drive.prompts().await.remove(0);
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(
        result["inputRequests"],
        json!({ "sign_in": {
            "method": "elicitation/create",
            "params": { "mode": "url", "message": SENTENCE, "url": drive.link(&prompt) },
        } })
    );
    assert_eq!(drive.upstream.calls_of("tools/call"), 0);
    drive.sign_in("bob").await;
    let back = json!({
        "requestState": result["requestState"], "inputResponses": { "sign_in": { "action": "accept" } },
    });
    let answered = drive.search(&client, back).await;
    assert_eq!(answered.text(), "x");
    let seen = drive.upstream.seen();
    let call = seen.iter().find(|seen| seen.is("tools/call")).unwrap();
    assert_eq!(call.header("authorization"), Some("Bearer token-of-bob"));
    let body = call.params.to_string();
    assert!(
        !body.contains("requestState") && !body.contains("inputResponses"),
        "{body}"
    );
}

#[tokio::test]
async fn a_retry_that_comes_too_early_is_held_until_its_person_is_done() {
    let drive = Drive::start().await;
    let client = drive.modern();
    let asked = drive.search(&client, json!({})).await;
    let back = json!({
        "requestState": asked.result()["requestState"], "inputResponses": { "sign_in": { "action": "accept" } },
    });
    let (answered, ()) = tokio::join!(drive.search(&client, back), async {
        // The retry is under way once it has been seen to wait.
        drive.stage.calls_in_audit(2).await;
        drive.sign_in("bob").await;
    });
    assert_eq!(answered.text(), "x");
}

#[tokio::test]
async fn a_person_who_says_no_is_not_asked_again() {
    let drive = Drive::start().await;
    let client = drive.modern();
    let asked = drive.search(&client, json!({})).await;
    for action in ["decline", "cancel"] {
        let back = json!({
            "requestState": asked.result()["requestState"], "inputResponses": { "sign_in": { "action": action } },
        });
        let answered = drive.search(&client, back).await;
        let mut result = answered.result().clone();
        result.as_object_mut().unwrap().remove("_meta");
        assert_eq!(
            result,
            json!({
                "content": [{ "type": "text", "text": "You chose not to connect an account to Drive, so it was not called." }],
                "isError": true, "resultType": "complete",
            })
        );
    }
}

#[tokio::test]
async fn a_state_is_worth_nothing_to_anybody_else_for_anything_else_or_later() {
    let drive = Drive::start().await;
    let client = drive.modern();
    let asked = drive.search(&client, json!({})).await;
    let state = asked.result()["requestState"].as_str().unwrap().to_owned();
    drive.sign_in("bob").await;
    drive.sign_in("carol").await;
    let carol = drive.stage.gateway.client("acme", "carol").await;
    let carol = Mcp::modern(&carol, drive.stage.mentor_path()).able(url_mode());
    let at_server = drive.stage.at_server(drive.server).able(url_mode());
    let with = |tool: &str, text: &str, state: &str| json!({ "name": tool, "arguments": { "text": text }, "requestState": state });
    let mut forged = state.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    let refusals = [
        (&carol, with("drive__search", "x", &state)),
        (&client, with("drive__search", "other", &state)),
        (&client, with("drive__connect_account", "x", &state)),
        (&at_server, with("drive__search", "x", &state)),
        (&client, with("drive__search", "x", &forged)),
        (&client, with("drive__search", "x", "mgs1:")),
    ];
    for (who, params) in refusals {
        let refused = who.request("tools/call", params.clone()).await;
        let expected = json!({ "code": -32602, "message": "Invalid or expired requestState" });
        assert_eq!(*refused.error(), expected, "{params}");
    }
    drive.stage.gateway.advance(PROMPT_LIFE);
    let late = client
        .request("tools/call", with("drive__search", "x", &state))
        .await;
    assert_eq!(late.error()["code"], -32602);
    assert_eq!(drive.upstream.calls_of("tools/call"), 0);
}

#[tokio::test]
async fn a_client_with_a_session_gets_the_error_of_its_revision_and_hears_when_it_may_call() {
    let drive = Drive::start().await;
    let path = drive.stage.mentor_path();
    let client = Mcp::legacy_as(&drive.stage.learner, path, LEGACY, url_mode()).await;
    let mut own = client.listen().await;
    let asked = drive.search(&client, json!({})).await;
    let prompt = drive.prompts().await.remove(0);
    assert_eq!(
        *asked.error(),
        json!({
            "code": -32042, "message": SENTENCE,
            "data": { "elicitations": [{
                "mode": "url", "message": SENTENCE, "url": drive.link(&prompt), "elicitationId": prompt,
            }] },
        })
    );
    drive.search(&client, json!({})).await;
    drive.sign_in("bob").await;
    let is_complete = |message: &Value| message["method"] == "notifications/elicitation/complete";
    let complete = own.until(is_complete).await;
    assert_eq!(complete["params"], json!({ "elicitationId": prompt }));
    assert_eq!(drive.search(&client, json!({})).await.text(), "x");
}

#[tokio::test]
async fn a_call_in_a_chat_waits_and_the_chat_is_told_once_however_many_wait() {
    let drive = Drive::start().await;
    let mut chat = drive.chat().await;
    let client = drive.in_chat();
    let calls = join_all((0..5).map(|_| drive.search(&client, json!({}))));
    let (answers, ()) = tokio::join!(calls, async {
        let asked = next(&mut chat).await;
        let prompt = drive.prompts().await.remove(0);
        assert_eq!(asked, required(&drive, &prompt));
        drive.stage.calls_in_audit(5).await;
        drive.sign_in("bob").await;
        assert_eq!(
            next(&mut chat).await,
            ChatEvent::OauthResolved {
                server_id: drive.server,
                server_name: "Drive".into(),
                message: "OAuth connection resolved for MCP server 'Drive'. Continuing with chat."
                    .into(),
            }
        );
    });
    for answer in answers {
        assert_eq!(answer.text(), "x");
    }
    assert!(
        tokio::time::timeout(Duration::ZERO, chat.next())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_call_in_a_chat_gives_up_after_five_minutes_and_says_so() {
    let drive = Drive::start().await;
    let mut chat = drive.chat().await;
    let client = drive.in_chat();
    let message = "Timed out waiting for OAuth authentication for MCP server 'Drive' after 300s. \
                   Retry message after completing the OAuth flow.";
    let (answer, ()) = tokio::join!(drive.search(&client, json!({})), async {
        next(&mut chat).await;
        drive.stage.gateway.advance(Duration::from_secs(300));
        let bob = drive.caller("bob").await;
        let sign_ins = &drive.stage.gateway.app.gateway.sign_ins;
        sign_ins.wake(bob.tenant.id, bob.user.id);
        assert_eq!(
            next(&mut chat).await,
            ChatEvent::OauthFailed {
                server_id: drive.server,
                server_name: "Drive".into(),
                message: message.into(),
            }
        );
    });
    assert_eq!(
        (answer.text(), &answer.result()["isError"]),
        (message, &json!(true))
    );
    // Whoever finishes later is not asked again.
    drive.sign_in("bob").await;
    assert_eq!(drive.search(&client, json!({})).await.text(), "x");
}

#[tokio::test]
async fn a_call_that_waits_for_its_person_ends_with_its_key() {
    let drive = Drive::start().await;
    let mut chat = drive.chat().await;
    let client = drive.in_chat();
    let (answer, ()) = tokio::join!(drive.search(&client, json!({})), async {
        let told = next(&mut chat).await;
        assert!(matches!(told, ChatEvent::OauthRequired { .. }), "{told:?}");
        drive.stage.gateway.revoke_keys_of("acme", "bob").await;
    });
    assert_eq!(answer.status, 401);
    assert_eq!(answer.error()["data"]["reason"], "key_revoked");
}

#[tokio::test]
async fn another_persons_chat_hears_nothing_and_the_call_does_not_wait_for_it() {
    let drive = Drive::start().await;
    let mut chat = drive.chat().await;
    let carol = drive.stage.gateway.client("acme", "carol").await;
    let carol = carol.with_header("x-chat-session-id", CHAT);
    let carol = Mcp::modern(&carol, drive.stage.mentor_path());
    let answer = drive.search(&carol, json!({})).await;
    assert_eq!(answer.result()["isError"], true);
    assert!(
        tokio::time::timeout(Duration::ZERO, chat.next())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_client_that_has_nothing_gets_the_link_in_the_result() {
    let drive = Drive::start().await;
    let legacy = drive.stage.legacy().await;
    for client in [drive.stage.modern(), legacy] {
        let answer = drive.search(&client, json!({})).await;
        let prompts = drive.prompts().await;
        assert_eq!(prompts.len(), 1);
        let link = drive.link(&prompts[0]);
        let mut result = answer.result().clone();
        let own = result["_meta"]["mentor-gateway/sign-in"].take();
        assert_eq!(
            own,
            json!({ "serverId": drive.server, "serverName": "Drive", "authUrl": link, "message": SENTENCE })
        );
        assert_eq!(
            answer.text(),
            format!("{SENTENCE} Open {link} to do so, then ask again.")
        );
        assert_eq!(result["isError"], true);
    }
    drive.sign_in("bob").await;
    let answer = drive.search(&drive.stage.modern(), json!({})).await;
    assert_eq!(answer.text(), "x");
}

#[tokio::test]
async fn a_server_that_nobody_signed_in_to_shows_one_tool_that_brings_up_the_question() {
    let drive = Drive::start().await;
    let client = drive.modern();
    assert_eq!(client.tool_names().await, ["drive__connect_account"]);
    let connect = |back: Value| {
        let mut params = json!({ "name": "drive__connect_account", "arguments": {} });
        params
            .as_object_mut()
            .unwrap()
            .extend(back.as_object().unwrap().clone());
        params
    };
    let asked = client.request("tools/call", connect(json!({}))).await;
    let state = asked.result()["requestState"].clone();
    drive.sign_in("bob").await;
    let back =
        json!({ "requestState": state, "inputResponses": { "sign_in": { "action": "accept" } } });
    let answered = client.request("tools/call", connect(back)).await;
    assert_eq!(
        answered.text(),
        "Your account at Drive is connected; its tools can be used now."
    );
    let names = eventually("the tools", async || {
        let names = client.tool_names().await;
        (names == ["drive__search"]).then_some(names)
    });
    names.await;
    let carol = drive.stage.gateway.client("acme", "carol").await;
    let carol = Mcp::modern(&carol, drive.stage.mentor_path());
    assert_eq!(carol.tool_names().await, ["drive__connect_account"]);
}

#[tokio::test]
async fn a_person_has_one_open_question_for_a_server_until_its_time_is_over() {
    let drive = Drive::start().await;
    let client = drive.stage.modern();
    join_all((0..8).map(|_| drive.search(&client, json!({})))).await;
    let first = drive.prompts().await;
    assert_eq!(first.len(), 1);
    let carol = drive.stage.gateway.client("acme", "carol").await;
    let carol = Mcp::modern(&carol, drive.stage.mentor_path());
    drive.search(&carol, json!({})).await;
    assert_eq!(drive.prompts().await.len(), 2);
    drive.stage.gateway.advance(PROMPT_LIFE);
    drive.search(&client, json!({})).await;
    let later = drive.prompts().await;
    assert!(later.len() == 2 && !later.contains(&first[0]), "{later:?}");
}

#[tokio::test]
async fn another_replica_takes_up_a_state() {
    let drive = Drive::start().await;
    let asked = drive.search(&drive.modern(), json!({})).await;
    drive.sign_in("bob").await;
    let replica = drive.stage.gateway.replica().await;
    let there = drive.stage.learner.at(&replica.base);
    let client = Mcp::modern(&there, drive.stage.mentor_path()).able(url_mode());
    let back = json!({
        "requestState": asked.result()["requestState"],
        "inputResponses": { "sign_in": { "action": "accept" } },
    });
    assert_eq!(drive.search(&client, back).await.text(), "x");
}

#[tokio::test]
async fn questions_whose_time_is_over_are_cleared_up() {
    let drive = Drive::start().await;
    drive.search(&drive.modern(), json!({})).await;
    assert_eq!(drive.prompts().await.len(), 1);
    drive.stage.gateway.advance(PROMPT_LIFE);
    // Its background jobs begin with a look.
    let _replica = drive.stage.gateway.replica().await;
    eventually("the clear-up", async || {
        drive.prompts().await.is_empty().then_some(())
    })
    .await;
}
