//! No sentence says what is not so: for every outcome of resolution, `resolve`, the lists' `_meta`, `instructions`, the
//! error of a call and the chat give the same reason.

use mentor_gateway::sql;
use serde_json::{Value, json};
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Browser, Chat, Client, SignIn, Stage, connect, eventually, register};

const SERVERS: &str = "mentor-gateway/servers";

/// A way in which bob cannot call a server, and what he is told.
struct Case {
    name: &'static str,
    /// The server's fields.
    server: Value,
    /// A word for what is done to it.
    spoil: Spoil,
    state: &'static str,
    /// What `resolve` says of the steps.
    steps: [&'static str; 4],
    sentence: &'static str,
}

#[derive(Clone, Copy)]
enum Spoil {
    /// Nobody has connected anything.
    Nothing,
    /// An administrator switched the tenant's connection off.
    Off,
    /// An administrator switched bob's own connection off.
    OwnOff,
    /// Another learner has a connection.
    Others,
    /// Another mentor has one.
    OtherMentors,
    /// The tenant's connection holds an OAuth grant that its provider ended.
    Ended,
    /// The grant was for another address.
    Elsewhere,
    /// The server moved.
    Moved,
    /// The tenant's connection has no token any more.
    Emptied,
    /// The stored token does not open.
    Sealed,
    /// The server is switched off.
    Disabled,
    /// The server is another mentor's.
    OfOtherMentor,
    /// The connection says that nothing is to be sent.
    WrongType,
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let case = |name, server, spoil, state, steps, sentence| Case { name, server, spoil, state, steps, sentence };
    let token = || json!({ "auth_type": "token" });
    let oauth = || json!({ "auth_type": "oauth2" });
    let personal = || json!({ "auth_type": "oauth2", "auth_scope": "user" });
    let (no, none, not, never) = ("no_row", "no_record_credentials", "not_reached", "not_allowed");
    vec![
        case("nothing", token(), Spoil::Nothing, "no_connection", [no, no, no, none],
            "Nobody has connected an account to Up yet; an administrator can."),
        case("off", token(), Spoil::Off, "no_connection", [no, no, "inactive", none],
            "An administrator switched the connection to Up off."),
        case("own off", personal(), Spoil::OwnOff, "no_connection", ["inactive", never, never, never],
            "An administrator switched the connection to Up off."),
        case("others", token(), Spoil::Others, "no_connection", ["other_user", no, no, none],
            "Up is connected for other people and not for you; an administrator can connect it for you."),
        case("other mentors", token(), Spoil::OtherMentors, "no_connection", [no, "other_mentor", no, none],
            "Up is connected for other mentors and not for this one; an administrator can connect it."),
        case("ended", oauth(), Spoil::Ended, "no_connection", [no, no, "needs_reauth", none],
            "The provider ended the sign-in of the account that is connected to Up; the person who connected it must sign in again."),
        case("elsewhere", oauth(), Spoil::Elsewhere, "no_connection", [no, no, "other_resource", none],
            "The account for Up was connected at another address than the one that it has now; it must be connected again."),
        case("moved", token(), Spoil::Moved, "no_connection", [no, no, "origin_changed", none],
            "The address of Up changed, so its credential is not used any more; an administrator must enter it again."),
        case("emptied", token(), Spoil::Emptied, "no_connection", [no, no, "no_credentials", none],
            "The connection to Up holds no credential; an administrator must enter one."),
        case("wrong type", json!({}), Spoil::WrongType, "no_connection", [no, no, "wrong_type", none],
            "The connection to Up holds no credential; an administrator must enter one."),
        case("sealed", token(), Spoil::Sealed, "bad_secret", [no, no, "bad_secret", not],
            "The stored credential for Up cannot be read; an administrator must enter it again."),
        case("disabled", token(), Spoil::Disabled, "disabled", [not, not, not, not],
            "Up is switched off by an administrator."),
        case("of another mentor", token(), Spoil::OfOtherMentor, "other_mentor", [not, not, not, not],
            "Up belongs to another mentor."),
    ]
}

async fn change(stage: &Stage, statement: &'static str, id: i64) {
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    let changed = match statement {
        "emptied" => sql!(
            &mut tx,
            execute,
            "UPDATE connections SET credentials_sealed = '' WHERE id = $1",
            id
        ),
        "sealed" => sql!(
            &mut tx,
            execute,
            "UPDATE connections SET credentials_sealed = 'nonsense' WHERE id = $1",
            id
        ),
        "ended" => sql!(
            &mut tx,
            execute,
            "UPDATE connected_services SET needs_reauth = 'revoked' WHERE id = $1",
            id
        ),
        "elsewhere" => sql!(
            &mut tx,
            execute,
            "UPDATE connected_services SET resource = 'https://elsewhere.example/' WHERE id = $1",
            id
        ),
        other => panic!("{other}"),
    };
    assert_eq!(changed.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn other_mentor(stage: &Stage) -> Value {
    let made = stage.admin.post("", json!({ "name": "Other" })).await;
    made.expect(201)["unique_id"].clone()
}

/// A tenant's, mentor's or person's connection with a token.
fn token(scope: &str) -> Value {
    json!({ "scope": scope, "auth_type": "token", "credentials": "secret" })
}

/// A server that bob cannot call for this reason.
async fn spoilt(stage: &Stage, upstream: &Upstream, case: &Case) -> i64 {
    let server = stage.register("Up", upstream, case.server.clone()).await;
    match case.spoil {
        Spoil::Nothing | Spoil::Others | Spoil::OtherMentors => {
            connect_others(stage, server, case.spoil).await;
        }
        Spoil::Off => {
            let row = stage.connect(server, token("platform")).await;
            switch_off(stage, row).await;
        }
        Spoil::OwnOff => {
            let grant = stage.gateway.grant("acme", "bob").await;
            let row = json!({ "auth_type": "oauth2", "connected_service": grant });
            let row = stage.connect(server, row).await;
            switch_off(stage, row).await;
        }
        Spoil::Ended | Spoil::Elsewhere => {
            let grant = stage.gateway.grant("acme", "alice").await;
            let row =
                json!({ "scope": "platform", "auth_type": "oauth2", "connected_service": grant });
            stage.connect(server, row).await;
            let is_ended = matches!(case.spoil, Spoil::Ended);
            change(stage, if is_ended { "ended" } else { "elsewhere" }, grant).await;
        }
        Spoil::Emptied | Spoil::Sealed => {
            let row = stage.connect(server, token("platform")).await;
            let is_emptied = matches!(case.spoil, Spoil::Emptied);
            change(stage, if is_emptied { "emptied" } else { "sealed" }, row).await;
        }
        Spoil::Moved | Spoil::Disabled | Spoil::OfOtherMentor | Spoil::WrongType => {
            change_server(stage, server, case.spoil).await;
        }
    }
    stage.attach(&[server]).await;
    server
}

async fn switch_off(stage: &Stage, row: i64) {
    let path = format!("mcp-server-connections/{row}/");
    let off = json!({ "is_active": false });
    stage.admin.patch(&path, off).await.expect(200);
}

async fn connect_others(stage: &Stage, server: i64, spoil: Spoil) {
    let row = match spoil {
        Spoil::Others => {
            let mut row = token("user");
            row["user"] = "carol".into();
            row
        }
        Spoil::OtherMentors => {
            let mut row = token("mentor");
            row["mentor"] = other_mentor(stage).await;
            row
        }
        _ => return,
    };
    stage.connect(server, row).await;
}

async fn change_server(stage: &Stage, server: i64, spoil: Spoil) {
    let row = match spoil {
        Spoil::WrongType => json!({ "scope": "platform", "auth_type": "none" }),
        _ => token("platform"),
    };
    stage.connect(server, row).await;
    let fields = match spoil {
        Spoil::Moved => json!({ "url": "http://127.0.0.2:8085/mcp" }),
        Spoil::Disabled => json!({ "is_enabled": false }),
        Spoil::OfOtherMentor => json!({ "mentor": other_mentor(stage).await }),
        _ => json!({ "auth_type": "token" }),
    };
    stage.change_server(server, fields).await;
}

async fn explained(stage: &Stage, server: i64) -> Value {
    let mentor = &stage.gateway.mentor;
    let path = format!("mcp-servers/{server}/resolve/?user=bob&mentor={mentor}");
    stage.admin.get(&path).await.expect(200)
}

fn outcomes(explained: &Value) -> Vec<&str> {
    let steps = explained["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_outcome_is_told_with_the_same_reason_everywhere() {
    for case in cases() {
        let stage = Stage::start().await;
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        let server = spoilt(&stage, &upstream, &case).await;
        let (name, sentence) = (case.name, case.sentence);

        let explained = explained(&stage, server).await;
        assert_eq!(outcomes(&explained), case.steps, "{name}");
        assert_eq!(explained["outcome"], case.state, "{name}");
        assert_eq!(explained["message"], sentence, "{name}");
        assert_eq!(explained["used"], Value::Null, "{name}");

        let list = stage.modern().request("tools/list", json!({})).await;
        assert_eq!(
            list.result()["_meta"][SERVERS],
            json!([{ "id": server, "name": "Up", "state": case.state, "message": sentence }]),
            "{name}"
        );
        let discovered = stage.modern().request("server/discover", json!({})).await;
        let instructions = discovered.result()["instructions"]
            .as_str()
            .unwrap()
            .to_owned();
        let refused = stage.modern().call("up__whoami", json!({})).await;
        let error = refused.error();
        assert_eq!(instructions, sentence, "{name}");
        if case.state == "disabled" {
            // Its tools are as unknown as if it were not there.
            assert_eq!(error["message"], "Unknown tool: up__whoami");
        } else {
            let kind = json!({ "kind": "no_connection", "server": "Up" });
            assert_eq!(error["data"], kind, "{name}");
            let message = format!("no connection to server \"Up\": {sentence}");
            assert_eq!(error["message"], message, "{name}");
            let rows = stage.calls_in_audit(1).await;
            assert_eq!(rows[0]["outcome"], case.state, "{name}");
        }
        assert_eq!(upstream.seen(), vec![], "{name}");

        let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
        let said = chat.ask("/tool up__whoami").await;
        assert!(
            said.contains(error["message"].as_str().unwrap()),
            "{name}: {said}"
        );
    }
}

#[tokio::test]
async fn a_server_that_its_owner_features_no_more_says_so() {
    let stage = Stage::start().await;
    let owner = stage.gateway.stranger().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = register(
        &owner,
        "Up",
        &upstream.url(),
        json!({ "is_featured": true }),
    )
    .await;
    stage.attach(&[server]).await;
    assert!(!stage.modern().tool_names().await.is_empty());
    let path = format!("mcp-servers/{server}/");
    owner
        .patch(&path, json!({ "is_featured": false }))
        .await
        .expect(200);
    let sentence = "Up is not offered by its owner any more.";
    let list = eventually("an empty list", async || {
        let list = stage.modern().request("tools/list", json!({})).await;
        (list.result()["tools"] == json!([])).then_some(list)
    })
    .await;
    assert_eq!(
        list.result()["_meta"][SERVERS],
        json!([{ "id": server, "name": "Up", "state": "unavailable", "message": sentence }])
    );
    let discovered = stage.modern().request("server/discover", json!({})).await;
    assert_eq!(discovered.result()["instructions"], sentence);
    let refused = stage.modern().call("up__whoami", json!({})).await;
    assert_eq!(refused.error()["message"], "Unknown tool: up__whoami");
    let settings = format!("mentors/{}/settings/", stage.gateway.mentor);
    let settings = stage.admin.get(&settings).await.expect(200);
    assert_eq!(settings["mcp_servers"], json!([]));
    assert_eq!(
        settings["unavailable_mcp_servers"],
        json!([{ "id": server, "name": "Up", "message": sentence }])
    );
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_is_told_the_same_everywhere_and_offered_nowhere() {
    let sign_in = SignIn::start(Switches::default()).await;
    let stage = &sign_in.stage;
    let path = "/api/ai-account/orgs/acme/integration-credential/";
    let credential = json!({ "name": "auth_fixture", "platform": "acme" });
    assert_eq!(stage.admin.delete_with(path, credential).await.status, 204);
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
    let services = stage.admin.get(services).await.expect(200);
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
    });
    let server = stage.register("Files", &upstream, fields).await;
    stage.attach(&[server]).await;
    let sentence = "Files needs your own account, which cannot be connected yet: an administrator must first store the \
                    credential `auth_fixture`.";
    let explained = explained(stage, server).await;
    assert_eq!(
        (&explained["outcome"], &explained["message"]),
        (&json!("sign_in_impossible"), &json!(sentence))
    );
    let list = stage.modern().request("tools/list", json!({})).await;
    assert_eq!(list.result()["tools"], json!([]));
    assert_eq!(
        list.result()["_meta"][SERVERS],
        json!([{ "id": server, "name": "Files", "state": "sign_in_impossible", "message": sentence }])
    );
    let url_mode = json!({ "elicitation": { "url": {} } });
    for client in [
        stage.modern(),
        stage.modern().able(url_mode),
        stage.legacy().await,
    ] {
        let asked = client.call("files__whoami", json!({})).await;
        assert_eq!(asked.text(), sentence);
        assert_eq!(asked.result()["isError"], true);
        assert_eq!(asked.result()["_meta"], Value::Null, "no link");
    }
    // As soon as it is stored the question is asked.
    let stored = json!({
        "name": "auth_fixture", "platform": "acme", "value": {"client_id": "c", "client_secret": "s"},
    });
    stage.admin.post(path, stored).await.expect(200);
    eventually("a question", async || {
        let asked = stage.modern().call("files__whoami", json!({})).await;
        asked.result()["_meta"]["mentor-gateway/sign-in"]
            .is_object()
            .then_some(())
    })
    .await;
}

/// A learner in a chat who was asked to sign in to a server at the service `files`.
async fn asked(sign_in: &SignIn, upstream: &Upstream) -> (Chat, i64) {
    let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
    let services = sign_in.stage.admin.get(services).await.expect(200);
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
    });
    let server = sign_in.stage.register("Files", upstream, fields).await;
    sign_in.stage.attach(&[server]).await;
    let mut chat = Chat::open(&sign_in.stage.learner, &sign_in.gateway().mentor).await;
    chat.say("/tool files__whoami").await;
    for _ in 0..3 {
        chat.frame().await;
    }
    let asked = chat.frame().await;
    assert_eq!(asked["type"], "oauth_required", "{asked}");
    (chat, server)
}

#[tokio::test]
async fn a_sign_in_that_comes_to_nothing_wakes_the_call_that_waits_for_it() {
    for begun_for_server in [true, false] {
        let sign_in = SignIn::start(Switches::default()).await;
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        let (mut chat, server) = asked(&sign_in, &upstream).await;
        sign_in.issuer.switch(|switches| switches.denies = true);
        let learner = &sign_in.stage.learner;
        let query = if begun_for_server {
            format!("?server={server}")
        } else {
            String::new()
        };
        let begun = sign_in.begin_with(learner, &query).await;
        let back = sign_in.consent(&begun).await;
        sign_in.bring(learner, &back).await.expect(400);
        // Sooner than the next look, which is 10 s after the one before.
        let turn = tokio::time::timeout(std::time::Duration::from_secs(8), chat.turn()).await;
        let frames = turn.expect("the failure wakes the call");
        let error = frames[0]["error"].as_str().unwrap();
        assert!(
            error.starts_with("The sign-in to Files came to nothing: "),
            "{frames:?}"
        );
        assert_eq!(frames[0]["status_code"], 400);
        assert_eq!(upstream.calls_of("tools/call"), 0);
        // Whoever asks again is asked again.
        let again = sign_in
            .stage
            .modern()
            .call("files__whoami", json!({}))
            .await;
        assert!(again.result()["_meta"]["mentor-gateway/sign-in"].is_object());
    }
}

#[tokio::test]
async fn a_retry_after_a_sign_in_that_came_to_nothing_hears_so_at_once() {
    let sign_in = SignIn::start(Switches::default()).await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let (_chat, server) = asked(&sign_in, &upstream).await;
    let client = sign_in
        .stage
        .modern()
        .able(json!({ "elicitation": { "url": {} } }));
    let params = json!({ "name": "files__whoami", "arguments": {} });
    let question = client.request("tools/call", params.clone()).await;
    sign_in.issuer.switch(|switches| switches.denies = true);
    let learner = &sign_in.stage.learner;
    let begun = sign_in
        .begin_with(learner, &format!("?server={server}"))
        .await;
    let back = sign_in.consent(&begun).await;
    sign_in.bring(learner, &back).await.expect(400);
    let mut retry = params;
    retry["requestState"] = question.result()["requestState"].clone();
    retry["inputResponses"] = json!({ "sign_in": { "action": "accept" } });
    let refused = client.request("tools/call", retry).await;
    assert_eq!(refused.result()["isError"], true);
    assert!(
        refused
            .text()
            .starts_with("The sign-in to Files came to nothing: ")
    );
}

#[tokio::test]
async fn a_link_that_leads_nowhere_wakes_the_call_and_is_not_offered_again() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
    let server = stage.register("Up", &upstream, fields).await;
    stage.attach(&[server]).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("/tool up__whoami").await;
    for _ in 0..3 {
        chat.frame().await;
    }
    let asked = chat.frame().await;
    let base = &stage.gateway.base;
    let link = asked["auth_url"].as_str().unwrap();
    let link = link.strip_prefix(base.as_str()).unwrap().to_owned();
    let mut browser = Browser::at(&stage.gateway);
    browser.sign_in(&stage.learner, &link).await;
    assert_eq!(browser.get(&link).await.status, 400);
    let turn = tokio::time::timeout(std::time::Duration::from_secs(8), chat.turn()).await;
    let frames = turn.expect("the failure wakes the call");
    let error = frames[0]["error"].as_str().unwrap_or_default();
    assert!(
        error.starts_with("The sign-in to Up came to nothing: "),
        "{frames:?}"
    );
    let sentence = "Up needs your own account, which cannot be connected yet: its address does not say where to sign in; \
                    an administrator must choose an `oauth_service` for it.";
    let said = explained(&stage, server).await;
    assert_eq!(
        (&said["outcome"], &said["message"]),
        (&json!("sign_in_impossible"), &json!(sentence))
    );
    eventually("the same of a call", async || {
        let refused = stage.modern().call("up__whoami", json!({})).await;
        (refused.answer()["result"]["content"][0]["text"] == sentence).then_some(())
    })
    .await;
    // It is tried again after a while.
    stage.gateway.advance(std::time::Duration::from_secs(301));
    assert_eq!(explained(&stage, server).await["outcome"], "sign_in_needed");
}

#[tokio::test]
async fn no_sign_in_switches_on_what_an_administrator_switched_off() {
    let sign_in = SignIn::start(Switches::default()).await;
    let stage = &sign_in.stage;
    let server = sign_in.server().await["id"].as_i64().unwrap();
    let learner = &stage.learner;
    let whole_way = async || {
        let begun = sign_in
            .begin_with(learner, &format!("?server={server}"))
            .await;
        let back = sign_in.consent(&begun).await;
        sign_in.bring(learner, &back).await.expect(200)
    };
    whole_way().await;
    let rows = async || {
        let path = format!("mcp-server-connections/?server={server}");
        stage.admin.get(&path).await.expect(200)["results"].clone()
    };
    let row = rows().await[0].clone();
    let path = format!("mcp-server-connections/{}/", row["id"]);
    stage
        .admin
        .patch(&path, json!({ "is_active": false }))
        .await
        .expect(200);
    let is_off = async || {
        let rows = rows().await;
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["is_active"], false);
    };
    whole_way().await;
    is_off().await;
    // Nor does anything else that a learner may do.
    let refused =
        json!({ "is_active": ["An administrator switched your connection to this server off."] });
    let on = learner.patch(&path, json!({ "is_active": true })).await;
    assert_eq!(on.expect(400), refused);
    let grant = row["connected_service"].clone();
    let another = json!({ "server": server, "auth_type": "oauth2", "connected_service": grant });
    let another = learner.post("mcp-server-connections/", another).await;
    assert_eq!(another.expect(400), refused);
    learner.delete(&path).await.expect(403);
    let services = format!("/api/accounts/connected-services/orgs/acme/users/bob/{grant}/");
    learner.delete(&services).await.expect(204);
    whole_way().await;
    is_off().await;
    stage
        .admin
        .patch(&path, json!({ "is_active": true }))
        .await
        .expect(200);
}

#[tokio::test]
async fn explaining_goes_as_far_as_calling() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage
        .register("Up", &upstream, json!({ "auth_type": "token" }))
        .await;
    stage.attach(&[server]).await;
    let secret = "super-secret-api-key";
    let token = |secret: &str| {
        json!({
            "server": server, "scope": "platform", "auth_type": "token", "credentials": secret,
            "authorization_scheme": "Bearer", "extra_headers": { "x-key": "k" },
        })
    };
    let good = stage.connect(server, token(secret)).await;
    upstream.require_authorization(Some(format!("Bearer {secret}")));
    let before = explained(&stage, server).await;
    assert_eq!(
        before["used"],
        json!({
            "step": "platform", "source": "connection", "connection": good,
            "headers": { "authorization": "Bearer sup****key", "x-key": "****" },
            "last_ok_at": null, "last_refused_at": null,
        })
    );
    stage.modern().call("up__whoami", json!({})).await.result();
    let now = "2026-11-21T00:00:00Z";
    eventually("a verdict", async || {
        let explained = explained(&stage, server).await;
        (explained["used"]["last_ok_at"] == now).then_some(())
    })
    .await;

    // A newer one with a mistyped key stands before it, and is shown to.
    let path = "mcp-server-connections/";
    let bad = stage.admin.post(path, token("mistyped")).await.expect(201);
    assert_eq!(bad["shadows"], json!([good]));
    eventually("a refusal", async || {
        let refused = stage.modern().call("up__whoami", json!({})).await;
        refused.answer()["error"].is_object().then_some(())
    })
    .await;
    let explained_now = eventually("the refusal in the explanation", async || {
        let explained = explained(&stage, server).await;
        (explained["outcome"] == "unauthorized").then_some(explained)
    })
    .await;
    assert_eq!(
        explained_now["message"],
        "server \"Up\" refused the credential"
    );
    let reason = "This credential would be used.";
    let behind = "A newer connection of the same scope is used.";
    assert_eq!(
        explained_now["steps"][2],
        json!({
            "step": "platform", "outcome": "matched", "connection": bad["id"], "reason": reason,
            "candidates": [
                { "connection": bad["id"], "outcome": "matched", "reason": reason },
                { "connection": good, "outcome": "shadowed", "reason": behind },
            ],
        })
    );
    // What sends nothing does not stand before what sends something.
    let nothing = json!({ "server": server, "scope": "platform", "auth_type": "none" });
    assert_eq!(
        stage.admin.post(path, nothing).await.expect(400),
        json!({ "auth_type": ["The server wants a credential, and this connection would have none."] })
    );
}

#[tokio::test]
async fn an_explanation_shows_nothing_of_another_tenants_secret() {
    let stage = Stage::start().await;
    let owner = stage.gateway.stranger().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = json!({
        "is_featured": true, "auth_type": "token", "extra_headers": { "x-owner": "super-secret-header-v" },
    });
    let server = register(&owner, "Up", &upstream.url(), fields).await;
    let shared =
        json!({ "scope": "platform", "auth_type": "token", "credentials": "super-secret-api-key" });
    connect(&owner, server, shared).await;
    stage.attach(&[server]).await;
    let used = explained(&stage, server).await["used"].clone();
    assert_eq!(used["step"], "featured");
    assert_eq!(
        used["headers"],
        json!({ "authorization": "****", "x-owner": "****" })
    );
    let learner: &Client = &stage.learner;
    let path = format!("mcp-servers/{server}/resolve/");
    let own = learner.get(&path).await.expect(200);
    assert_eq!(own["used"]["headers"]["authorization"], "****");
}

#[tokio::test]
async fn a_scope_that_was_not_granted_is_not_asked_for_again_and_again() {
    let sign_in = SignIn::start(Switches::default()).await;
    let stage = &sign_in.stage;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
    let services = stage.admin.get(services).await.expect(200);
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
    });
    let server = stage.register("Files", &upstream, fields).await;
    stage.attach(&[server]).await;
    let learner = &stage.learner;
    let whole_way = async || {
        let begun = sign_in
            .begin_with(learner, &format!("?server={server}"))
            .await;
        let back = sign_in.consent(&begun).await;
        sign_in.bring(learner, &back).await.expect(200)
    };
    whole_way().await;
    let scope = "files.write".to_owned();
    upstream.fall_ill(Some(
        Illness::new(Ill::LacksScope { scope }).on("tools/call"),
    ));
    let call = async || stage.modern().call("files__whoami", json!({})).await;
    let asked = eventually("a question", async || {
        let asked = call().await;
        asked.answer()["result"]["_meta"]["mentor-gateway/sign-in"]
            .is_object()
            .then_some(asked)
    })
    .await;
    let link = &asked.result()["_meta"]["mentor-gateway/sign-in"];
    let lacks = "Your account at Files is connected, and lacks files.write for this.";
    assert_eq!(link["message"], lacks);
    // The provider grants what it granted before, and says so.
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET refused_scope = 'files.write', version = version + 1"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let told = format!(
        "Your account at Files is connected, and lacks files.write, which was asked for and not granted. Reconnect it \
         at {}/connections/ if it may be.",
        stage.gateway.base
    );
    eventually("the end of the questions", async || {
        let refused = call().await;
        (refused.result()["_meta"] == Value::Null && refused.text() == told).then_some(())
    })
    .await;
}
