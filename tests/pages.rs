//! The pages around a sign-in, in a browser played by hand: who may open what, what is said, and what is refused.

use std::time::Duration;

use futures_util::future::join;
use mentor_gateway::auth::BROWSER_LIFE;
use mentor_gateway::oauth::prompt::PROMPT_LIFE;
use mentor_gateway::sql;
use serde_json::json;
use upstream_fixtures::issuer::{Fault, Iss, Switches};
use upstream_fixtures::{Ill, Illness};

use crate::harness::{Browser, CALLBACK, Drive, SignIn, connected_services, page, says};

#[tokio::test]
async fn a_person_is_led_from_the_question_to_the_answer() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser
        .sees(
            &question,
            200,
            &["Sign in", &format!("value=\"{question}\"")],
        )
        .await;
    assert_eq!(browser.sign_in(&learner, &question).await, question);
    let issuer = world.sign_in.issuer.issuer();
    let host = issuer
        .trim_start_matches("http://")
        .split(':')
        .next()
        .unwrap();
    browser
        .sees(
            &question,
            200,
            &[
                "Connect your account to Drive",
                "<dt>Organisation</dt><dd>Acme</dd>",
                "<dt>Mentor</dt><dd>Finance Mentor</dd>",
                "<dt>Your name here</dt><dd>bob</dd>",
                &format!("<dt>You sign in at</dt><dd>Fixture ({host})</dd>"),
                "<dt>It may then use</dt><dd>files.read, openid</dd>",
            ],
        )
        .await;
    let done = world.answer(&browser, &question).await;
    says(
        &done,
        200,
        &["Fixture Files is connected", "/pages/result.js"],
    );
    let answered = world.call(&learner).await;
    assert_eq!(answered.text(), "x");
    let seen = world.upstream.seen();
    let call = seen.iter().find(|seen| seen.is("tools/call")).unwrap();
    let token = call
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ");
    assert!(world.sign_in.issuer.accepts(token.unwrap()));
    browser
        .sees(&question, 404, &["There is nothing here"])
        .await;
}

#[tokio::test]
async fn a_grant_made_elsewhere_answers_the_question_if_it_is_not_older() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let row = world.sign_in.connect(&learner).await;
    world.sign_in.stage.gateway.advance(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(world.call(&learner).await.result()["isError"], true);
    }
    let path = connected_services("bob", &format!("{}/", row["id"]));
    assert_eq!(learner.delete(&path).await.status, 204);
    world.sign_in.connect(&learner).await;
    assert_eq!(world.call(&learner).await.text(), "x");
}

#[tokio::test]
async fn only_the_person_who_was_asked_may_answer() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let gil = world.sign_in.gateway().client("globex", "gil").await;
    for (person, status, text) in [
        (&carol, 403, "This link is for somebody else"),
        (&gil, 404, "There is nothing here"),
    ] {
        let browser = world.browser(person, &question).await;
        browser.sees(&question, status, &[text]).await;
        says(&browser.post(&question, &[]).await, status, &[text]);
    }
    let nobody = Browser::of(&world.sign_in);
    says(
        &nobody.post(&question, &[]).await,
        401,
        &["You are not signed in here"],
    );
    assert_eq!(world.sign_in.issuer.asked(), vec![]);
}

#[tokio::test]
async fn another_browser_cannot_end_what_this_one_began() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    let query = world.consent(&browser, &question).await;
    let callback = format!("{CALLBACK}?{query}");
    let same_person = world.browser(&learner, &question).await;
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let carols = world.browser(&carol, &question).await;
    for other in [Browser::of(&world.sign_in), same_person, carols] {
        let refused = other.get(&callback).await;
        says(&refused, 403, &["This sign-in was started by another user"]);
    }
    assert_eq!(world.sign_in.issuer.asked(), vec![]);
    browser.sees(&callback, 200, &["is connected"]).await;
    browser
        .sees(&callback, 400, &["This sign-in is done already"])
        .await;
    assert_eq!(world.sign_in.issuer.asked_for("authorization_code"), 1);
}

#[tokio::test]
async fn what_goes_wrong_at_the_provider_ends_in_a_page_that_repeats_nothing() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    let hostile = "%3Cscript%3Ealert(1)%3C/script%3E";
    let query = world.consent(&browser, &question).await;
    let state = query
        .split('&')
        .find(|pair| pair.starts_with("state="))
        .unwrap()
        .to_owned();
    for (query, status, text) in [
        (
            format!("error={hostile}&error_description={hostile}&{state}"),
            400,
            "The service did not accept the request",
        ),
        (
            format!("code={hostile}&state={hostile}"),
            400,
            "This sign-in is not known or too old",
        ),
        (String::new(), 400, "This sign-in is not known or too old"),
    ] {
        let answer = browser.get(&format!("{CALLBACK}?{query}")).await;
        says(&answer, status, &[text]);
        assert!(!page(&answer).contains("alert(1)"));
    }
    for fault in [Fault::Html, Fault::Status500, Fault::NoAccessToken] {
        world
            .sign_in
            .issuer
            .switch(|switches| switches.fault = Some(fault));
        let answer = world.answer(&browser, &question).await;
        says(&answer, 400, &["The service did not confirm the sign-in"]);
    }
    world.sign_in.issuer.switch(|switches| {
        switches.fault = None;
        switches.iss = Iss::Wrong("https://evil.example".into());
    });
    let answer = world.answer(&browser, &question).await;
    says(&answer, 400, &["The answer came from somewhere else"]);
    assert_eq!(world.sign_in.connected(&learner).await, json!([]));
}

#[tokio::test]
async fn a_person_sees_renews_and_ends_their_own_accounts_alone() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    assert_eq!(
        browser.sign_in(&learner, "https://evil.example").await,
        "/connections/"
    );
    browser
        .sees(
            "/connections/",
            200,
            &["Finance Mentor waits for you", &question],
        )
        .await;
    world.answer(&browser, &question).await;
    let row = world.sign_in.connected(&learner).await[0].clone();
    browser
        .sees(
            "/connections/",
            200,
            &[
                "<h2>Fixture Files</h2>",
                "<dd class=\"state good\">Connected</dd>",
                "<dt>May use</dt><dd>files.read, openid</dd>",
                "<dt>Connected</dt><dd>2026-11-21</dd>",
                "<dt>Used by</dt><dd>Drive (Finance Mentor)</dd>",
            ],
        )
        .await;
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let carols = world.browser(&carol, "").await;
    carols
        .sees(
            "/connections/",
            200,
            &["You have not connected any account"],
        )
        .await;
    for deed in ["reconnect", "disconnect"] {
        let path = format!("/connections/{}/{deed}/", row["id"]);
        says(
            &carols.post(&path, &[]).await,
            404,
            &["There is nothing here"],
        );
    }
    let again = format!("/connections/{}/reconnect/", row["id"]);
    let renewed = world.answer(&browser, &again).await;
    says(&renewed, 200, &["is connected"]);
    assert_eq!(world.sign_in.connected(&learner).await[0]["id"], row["id"]);
    let end = format!("/connections/{}/disconnect/", row["id"]);
    let ended = browser.post(&end, &[]).await;
    assert_eq!(
        (ended.status, ended.header("location")),
        (303, Some("/connections/"))
    );
    assert_eq!(world.sign_in.connected(&learner).await, json!([]));
    let asked = world.call(&learner).await;
    assert_eq!(asked.result()["isError"], true);
}

#[tokio::test]
async fn a_browser_is_signed_in_by_a_persons_key_and_no_longer_than_that() {
    let sign_in = SignIn::start(Switches::default()).await;
    let gateway = sign_in.gateway();
    let mut browser = Browser::of(&sign_in);
    for key in ["", "wrong", &"x".repeat(5000)] {
        let refused = browser.post("/sign-in/", &[("key", key)]).await;
        says(&refused, 403, &["This key does not work here"]);
        assert_eq!(refused.header("set-cookie"), None);
    }
    let learner = gateway.learner().await;
    browser.sign_in(&learner, "").await;
    let first = browser.clone();
    browser.sign_in(&learner, "").await;
    assert_ne!(first.cookie, browser.cookie);
    first.sees("/connections/", 200, &["Access key"]).await;
    browser.sees("/connections/", 200, &["bob at Acme"]).await;

    let out = browser.clone();
    assert_eq!(out.post("/sign-out/", &[]).await.status, 303);
    browser.sees("/connections/", 200, &["Access key"]).await;

    browser.sign_in(&learner, "").await;
    gateway.advance(BROWSER_LIFE);
    browser.sees("/connections/", 200, &["Access key"]).await;

    browser.sign_in(&learner, "").await;
    let mut tx = gateway.app.db.write().await.unwrap();
    let now = gateway.app.clock.now();
    sql!(&mut tx, execute, "UPDATE tokens SET revoked_at = $1", now).unwrap();
    tx.commit().await.unwrap();
    browser.sees("/connections/", 200, &["Access key"]).await;
}

#[tokio::test]
async fn a_question_whose_time_is_over_or_that_never_was_leads_nowhere() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    for path in [
        "/connect/0123456789abcdef0123456789abcdef",
        "/connect/x",
        "/connect/%3Cb%3E",
    ] {
        browser.sees(path, 404, &["There is nothing here"]).await;
    }
    world.sign_in.stage.gateway.advance(PROMPT_LIFE);
    browser
        .sees(&question, 404, &["There is nothing here"])
        .await;
}

#[tokio::test]
async fn a_call_that_waits_in_a_chat_goes_on_when_the_page_is_done() {
    use mentor_gateway::gateway::chats::{ChatEvent, ChatKey};
    use mentor_gateway::secret::Secret;
    const CHAT: &str = "4c6bd1a9-2f0e-4c55-9d0c-0a7f6a3a2b11";
    let world = Drive::start(Switches::default()).await;
    let app = &world.sign_in.gateway().app;
    let learner = world.sign_in.stage.learner.clone();
    let key = Secret::new(learner.key.as_deref().unwrap());
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    let caller = app.auth.caller(&key, None, peer).await.unwrap();
    let mut chat = app.gateway.chats.join(ChatKey::of(&caller, CHAT));
    let in_chat = learner.with_header("x-chat-session-id", CHAT);
    let (answer, ()) = join(world.call(&in_chat), async {
        let ChatEvent::OauthRequired { auth_url, .. } = chat.next().await else {
            panic!("the chat was told something else")
        };
        let question = auth_url
            .strip_prefix(&world.sign_in.gateway().base)
            .unwrap();
        let browser = world.browser(&learner, question).await;
        world.answer(&browser, question).await;
        assert!(matches!(chat.next().await, ChatEvent::OauthResolved { .. }));
    })
    .await;
    assert_eq!(answer.text(), "x");
    let rows = world.sign_in.connected(&learner).await;
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn whoever_lacks_a_scope_is_asked_for_it_and_keeps_what_they_gave_before() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    world.answer(&browser, &question).await;
    for (lacking, all) in [
        ("files.write", "files.read, openid, files.write"),
        (
            "files.share",
            "files.read, openid, files.write, files.share",
        ),
    ] {
        let scope = lacking.to_owned();
        let ill = Illness::new(Ill::LacksScope { scope }).on("tools/call");
        world.upstream.fall_ill(Some(ill));
        let question = world.question(&learner).await;
        world.upstream.fall_ill(None);
        let asked = browser.get(&question).await;
        let line = format!("<dt>It may then use</dt><dd>{all}</dd>");
        says(&asked, 200, &[&line]);
        let done = world.answer(&browser, &question).await;
        says(&done, 200, &["Fixture Files is connected"]);
        assert_eq!(world.call(&learner).await.text(), "x");
        let rows = world.sign_in.connected(&learner).await;
        assert_eq!(rows[0]["scope"], all.replace(',', ""));
    }
}
