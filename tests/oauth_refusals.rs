//! Refusals of a refresh: whether it is tried again, the person is asked, or an administrator must act, and that the same
//! is said wherever one looks.

use std::time::Duration;

use mentor_gateway::gateway::chats::{ChatEvent, ChatKey};
use mentor_gateway::oauth::{Ask, ReauthReason, Refreshed};
use mentor_gateway::registry::grant::GrantId;
use mentor_gateway::secret::Secret;
use mentor_gateway::sql;
use serde_json::{Value, json};
use upstream_fixtures::issuer::{CLIENT_ID, CLIENT_SECRET, Fault, Switches};

use crate::harness::{
    Browser, Client, Drive, Gateway, Granted, Mcp, Reply, SOON, connected_services, page,
};

/// Longer than any pause between two tries.
const LONG: Duration = Duration::from_secs(301);

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Follows {
    /// It is tried again.
    Later,
    /// The person is asked, for this reason.
    Ask(ReauthReason),
    /// An administrator must act.
    Administrator,
}

use Follows::{Administrator, Ask as AskFor, Later};

/// Refusals: status and body, after how many of them something follows, and what, for a client that an administrator
/// stored and for one that was registered.
const REFUSALS: &[(u16, &str, usize, Follows, Follows)] = &[
    // What passes.
    (500, r#"{"error":"invalid_grant"}"#, 1, Later, Later),
    (503, "<p>Maintenance", 1, Later, Later),
    (429, r#"{"error":"invalid_grant"}"#, 1, Later, Later),
    (425, "", 1, Later, Later),
    (408, "", 1, Later, Later),
    (
        400,
        r#"{"error":"temporarily_unavailable"}"#,
        1,
        Later,
        Later,
    ),
    (400, r#"{"error":"server_error"}"#, 1, Later, Later),
    (403, r#"{"error":"slow_down"}"#, 1, Later, Later),
    (
        200,
        r#"{"ok":false,"error":"ratelimited"}"#,
        1,
        Later,
        Later,
    ),
    (200, "<p>Sign in to the guest network", 2, Later, Later),
    // What ends the grant.
    (
        400,
        r#"{"error":"invalid_grant"}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        401,
        r#"{"error":"invalid_grant"}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        200,
        r#"{"error":"bad_refresh_token"}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        200,
        r#"{"ok":false,"error":"token_expired"}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        400,
        "error=invalid_grant",
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        400,
        r#"{"error":{"code":"invalid_grant","message":"x"}}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        400,
        r#"{"code":400,"error_code":"refresh_token_not_found"}"#,
        1,
        AskFor(ReauthReason::Revoked),
        AskFor(ReauthReason::Revoked),
    ),
    (
        400,
        r#"{"error":"invalid_request"}"#,
        1,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        400,
        r#"{"error":"invalid_scope"}"#,
        1,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        400,
        r#"{"error":"unsupported_grant_type"}"#,
        1,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        422,
        r#"{"error":"a_word_of_their_own"}"#,
        1,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    // What is about the client.
    (
        403,
        r#"{"error":"unauthorized_client"}"#,
        1,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::ClientForgotten),
    ),
    (
        401,
        r#"{"error":"invalid_client"}"#,
        1,
        Administrator,
        AskFor(ReauthReason::ClientForgotten),
    ),
    (
        200,
        r#"{"error":"incorrect_client_credentials"}"#,
        1,
        Administrator,
        AskFor(ReauthReason::ClientForgotten),
    ),
    (
        200,
        r#"{"ok":false,"error":"bad_client_secret"}"#,
        1,
        Administrator,
        AskFor(ReauthReason::ClientForgotten),
    ),
    // What cannot be read.
    (
        403,
        "<p>Forbidden",
        3,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        404,
        "",
        3,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        400,
        r#"{"error":"<script>"}"#,
        3,
        AskFor(ReauthReason::Refused),
        AskFor(ReauthReason::Refused),
    ),
    (
        200,
        r#"{"expires_in":3600}"#,
        8,
        AskFor(ReauthReason::Interrupted),
        AskFor(ReauthReason::Interrupted),
    ),
];

fn instead(status: u16, body: &str) -> Fault {
    Fault::Instead {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// A grant whose token has ended.
struct Ended<'a> {
    gateway: &'a Gateway,
    admin: &'a Client,
    learner: &'a Client,
    server: i64,
    grant: i64,
    tool: &'a str,
}

impl Ended<'_> {
    async fn call(&self) -> Reply {
        let path = format!("/mcp/mentors/{}/", self.gateway.mentor);
        let client = Mcp::modern(self.learner, path);
        client.call(self.tool, json!({ "text": "x" })).await
    }

    async fn refresh(&self) -> Refreshed {
        let refresher = &self.gateway.app.gateway.refresher;
        refresher.refresh(GrantId(self.grant), Ask::Call).await
    }

    /// Says the same wherever one looks.
    async fn says(&self, follows: Follows, what: &str) {
        let reason = match follows {
            Later => None,
            AskFor(reason) => Some(reason),
            Administrator => Some(ReauthReason::ClientRefused),
        };
        let word = reason.map(ReauthReason::as_str);
        let stored = self.gateway.stored_grant(self.grant).await.unwrap();
        assert_eq!(stored.needs_reauth.as_deref(), word, "{what}");

        let answer = self.call().await.answer().clone();
        let link = &answer["result"]["_meta"]["mentor-gateway/sign-in"]["authUrl"];
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            link.is_string(),
            matches!(follows, AskFor(_)),
            "{what}: {answer}"
        );
        let sentence = reason.map_or("Connected", ReauthReason::sentence);
        match follows {
            Later => assert!(
                message.contains("try again in a minute"),
                "{what}: {answer}"
            ),
            AskFor(_) => {}
            Administrator => assert!(message.contains(sentence), "{what}: {answer}"),
        }

        let path = format!("mcp-servers/{}/resolve/?user=bob", self.server);
        let explained = self.admin.get(&path).await.expect(200);
        let (step, outcome) = match follows {
            Later => ("token_expired", "sign_in_needed"),
            AskFor(_) => ("needs_reauth", "sign_in_needed"),
            Administrator => ("client_refused", "client_refused"),
        };
        assert_eq!(explained["steps"][0]["outcome"], step, "{what}");
        if let Some(reason) = reason {
            let said = &explained["steps"][0]["reason"];
            assert_eq!(*said, reason.sentence(), "{what}");
        }
        if follows != Later {
            assert_eq!(explained["outcome"], outcome, "{what}");
        }

        let grants = connected_services("bob", "");
        let grants = self.learner.get(&grants).await.expect(200);
        assert_eq!(grants[0]["needs_reauth"], json!(word), "{what}");
        let connections = self
            .admin
            .get("mcp-server-connections/?user=bob")
            .await
            .expect(200);
        let summary = &connections["results"][0]["connected_service_summary"];
        assert_eq!(summary["needs_reauth"], json!(word), "{what}");
        let shown = reason.map(ReauthReason::sentence);
        assert_eq!(summary["needs_reauth_reason"], json!(shown), "{what}");

        let ends = self
            .admin
            .get("audit/?action=connected_service.end")
            .await
            .expect(200);
        let rows: Vec<&Value> = ends["results"].as_array().unwrap().iter().collect();
        let told: Vec<Value> = rows
            .iter()
            .map(|row| json!([row["user"], row["object"], row["outcome"]]))
            .collect();
        let object = format!("connected_service:{}", self.grant);
        let expected: Vec<Value> = word
            .iter()
            .map(|word| json!(["bob", object, word]))
            .collect();
        assert_eq!(told, expected, "{what}");

        let mut browser = Browser::at(self.gateway);
        browser.sign_in(self.learner, "/connections/").await;
        let text = page(&browser.get("/connections/").await);
        assert!(text.contains(sentence), "{what}: {text}");
    }
}

/// A number of refreshes, of which all but the last are followed by another try.
async fn refuse(ended: &Ended<'_>, (tries, follows): (usize, Follows), what: &str) {
    for left in (1..=tries).rev() {
        let refreshed = ended.refresh().await;
        let expected = match follows {
            _ if left > 1 => Refreshed::Later,
            Later => Refreshed::Later,
            AskFor(_) => Refreshed::NeedsReauth,
            Administrator => Refreshed::NeedsAdministrator,
        };
        assert_eq!(refreshed, expected, "{what}, {left} left");
        if left > 1 {
            ended.gateway.advance(LONG);
        }
    }
    // Caches believe for a second.
    ended.gateway.advance(Duration::from_secs(2));
    ended.says(follows, what).await;
}

#[tokio::test]
async fn a_refusal_of_a_registered_client_means_the_same_wherever_one_looks() {
    for (status, body, tries, _, follows) in REFUSALS {
        let what = format!("{status} {body}");
        let switches = Switches {
            fault: Some(instead(*status, body)),
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
        let ended = Ended {
            gateway: &world.stage.gateway,
            admin: &world.stage.admin,
            learner: &world.stage.learner,
            server: world.server,
            grant: world.grant,
            tool: "up__whoami",
        };
        refuse(&ended, (*tries, *follows), &what).await;
        let mut tx = world.stage.gateway.app.db.read().await.unwrap();
        let counting = sql!(
            &mut tx,
            scalar as i64,
            "SELECT COUNT(*) FROM oauth_clients WHERE expires_at IS NULL"
        );
        let is_forgotten = *follows == AskFor(ReauthReason::ClientForgotten);
        assert_eq!(counting.unwrap(), i64::from(!is_forgotten), "{what}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_stored_client_means_the_same_wherever_one_looks() {
    for (status, body, tries, follows, _) in REFUSALS {
        let what = format!("{status} {body}");
        let world = Drive::start(Switches::default()).await;
        let (sign_in, gateway) = (&world.sign_in, world.sign_in.gateway());
        let (admin, learner) = (&sign_in.stage.admin, &sign_in.stage.learner);
        let url = format!("?server={}", world.server);
        let query = sign_in
            .consent(&sign_in.begin_with(learner, &url).await)
            .await;
        let row = sign_in.bring(learner, &query).await.expect(200);
        gateway.advance(Duration::from_secs(3601));
        let fault = instead(*status, body);
        sign_in
            .issuer
            .switch(|switches| switches.fault = Some(fault));
        let ended = Ended {
            gateway,
            admin,
            learner,
            server: world.server,
            grant: row["id"].as_i64().unwrap(),
            tool: "drive__search",
        };
        refuse(&ended, (*tries, *follows), &what).await;
        if *follows != Administrator {
            continue;
        }
        // What an administrator stores is tried, and nobody has to sign in again.
        sign_in.issuer.switch(|switches| switches.fault = None);
        let credential = json!({
            "name": "auth_fixture", "platform": "acme",
            "value": { "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET },
        });
        let path = "/api/ai-account/orgs/acme/integration-credential/";
        admin.patch(path, credential).await.expect(200);
        gateway.advance(Duration::from_secs(2));
        assert_eq!(ended.call().await.text(), "x", "{what}");
    }
}

#[tokio::test]
async fn a_chat_hears_the_same_of_a_refusal() {
    for (body, follows) in [
        (r#"{"error":"temporarily_unavailable"}"#, Later),
        (
            r#"{"error":"unauthorized_client"}"#,
            AskFor(ReauthReason::Refused),
        ),
        (r#"{"error":"invalid_client"}"#, Administrator),
    ] {
        let world = Drive::start(Switches::default()).await;
        let (sign_in, gateway) = (&world.sign_in, world.sign_in.gateway());
        let learner = &sign_in.stage.learner;
        let url = format!("?server={}", world.server);
        let query = sign_in
            .consent(&sign_in.begin_with(learner, &url).await)
            .await;
        sign_in.bring(learner, &query).await.expect(200);
        gateway.advance(Duration::from_secs(3601));
        let fault = instead(400, body);
        sign_in
            .issuer
            .switch(|switches| switches.fault = Some(fault));
        let id = "4c6bd1a9-2f0e-4c55-9d0c-0a7f6a3a2b11";
        let key = Secret::new(learner.key.clone().unwrap());
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        let caller = gateway.app.auth.caller(&key, None, peer).await.unwrap();
        let mut chat = gateway.app.gateway.chats.join(ChatKey::of(&caller, id));
        let person = learner.with_header("x-chat-session-id", id);
        let path = sign_in.stage.mentor_path();
        let client = Mcp::modern(&person, path);
        let call = client.call("drive__search", json!({ "text": "x" }));
        let told = async { tokio::time::timeout(SOON, chat.next()).await };
        tokio::select! {
            event = told => {
                assert!(matches!(follows, AskFor(_)), "{body}");
                assert!(matches!(event, Ok(ChatEvent::OauthRequired { .. })), "{body}: {event:?}");
            }
            reply = call => {
                assert!(!matches!(follows, AskFor(_)), "{body}: {:?}", reply.answer());
                assert_eq!(reply.error()["data"]["kind"], "no_connection", "{body}");
            }
        }
    }
}

#[tokio::test]
async fn a_pause_that_a_provider_asks_for_is_made() {
    for (status, asked, seconds) in [(429, "30", 30), (503, "30", 30), (429, "9999999", 3600)] {
        let fault = Fault::Instead {
            status,
            headers: vec![("retry-after", asked.to_owned())],
            body: String::new(),
        };
        let switches = Switches {
            fault: Some(fault),
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
        assert_eq!(world.refresh(Ask::Call).await, Refreshed::Later);
        world
            .stage
            .gateway
            .advance(Duration::from_secs(seconds - 1));
        assert_eq!(world.refresh(Ask::Call).await, Refreshed::Later);
        assert_eq!(world.refreshes(), 1, "{status} {asked}");
        world.issuer.switch(|switches| switches.fault = None);
        world.stage.gateway.advance(Duration::from_secs(1));
        assert_eq!(world.refresh(Ask::Call).await, Refreshed::Fresh);
        // What was refused for its number was not carried out, and is no loss if it comes to that.
        assert_eq!(world.stored().await.refresh_failure, "");
    }
}
