//! The pages around a sign-in, in a browser played by hand: who may open what, what is said, and what is refused.

use futures_util::future::join;
use mentor_gateway::auth::BROWSER_LIFE;
use mentor_gateway::oauth::prompt::PROMPT_LIFE;
use mentor_gateway::sql;
use reqwest::Method;
use serde_json::json;
use upstream_fixtures::issuer::{Fault, Iss, Switches};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{Answer, CALLBACK, Client, Mcp, Reply, SignIn, connected_services, send};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A browser: sends its cookie and, with forms, its origin.
#[derive(Clone)]
struct Browser {
    client: Client,
    origin: String,
    cookie: Option<String>,
}

impl Browser {
    fn of(sign_in: &SignIn) -> Self {
        Self {
            client: sign_in.gateway().anonymous(),
            origin: sign_in.gateway().base.clone(),
            cookie: None,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, Some(form)).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<&[(&str, &str)]>) -> Answer {
        let mut request = self.client.request(method, path).header("accept", HTML);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("mentor-gateway={cookie}"));
        }
        if let Some(form) = form {
            request = request.header("origin", &self.origin).form(form);
        }
        send(request).await
    }

    /// Signs in with a person's key and keeps the cookie. Returns where it is sent to.
    async fn sign_in(&mut self, person: &Client, to: &str) -> String {
        let key = person.key.as_deref().unwrap();
        let answer = self.post("/sign-in/", &[("key", key), ("to", to)]).await;
        assert_eq!(answer.status, 303);
        let cookie = answer.header("set-cookie").unwrap();
        let (pair, rest) = cookie.split_once(';').unwrap();
        assert_eq!(rest, " Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
        self.cookie = pair.strip_prefix("mentor-gateway=").map(str::to_owned);
        answer.header("location").unwrap().to_owned()
    }
}

fn page(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

#[track_caller]
fn says(answer: &Answer, status: u16, texts: &[&str]) {
    let page = page(answer);
    assert_eq!(answer.status, status, "{page}");
    for text in texts {
        assert!(page.contains(text), "{text:?} is not in {page}");
    }
}

/// A person's mentor with a server that they must sign in to at the fixture.
struct World {
    sign_in: SignIn,
    upstream: Upstream,
    server: i64,
}

impl World {
    async fn start(switches: Switches) -> Self {
        let sign_in = SignIn::start(switches).await;
        let offering = Behaviour::stateless().with_tools(vec![plain_tool("search", "Searches.")]);
        let upstream = Upstream::start(offering).await.unwrap();
        let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
        let services = sign_in.stage.admin.get(services).await.expect(200);
        let fields = json!({
            "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
        });
        let server = sign_in.stage.register("Drive", &upstream, fields).await;
        sign_in.stage.attach(&[server]).await;
        Self {
            sign_in,
            upstream,
            server,
        }
    }

    async fn call(&self, person: &Client) -> Reply {
        let client = Mcp::modern(person, self.sign_in.stage.mentor_path());
        client.call("drive__search", json!({ "text": "x" })).await
    }

    /// The path of the question that a call of this person brings up.
    async fn question(&self, person: &Client) -> String {
        let asked = self.call(person).await;
        let link = asked.result()["_meta"]["mentor-gateway/sign-in"]["authUrl"].clone();
        let base = &self.sign_in.gateway().base;
        link.as_str()
            .unwrap()
            .strip_prefix(base)
            .unwrap()
            .to_owned()
    }

    /// Goes from a question to the provider; the query that the provider sends back.
    async fn consent(&self, browser: &Browser, question: &str) -> String {
        let left = browser.post(question, &[]).await;
        let page = page(&left);
        assert_eq!(left.status, 200, "{page}");
        let (_, url) = page.split_once("content=\"0; url=").unwrap();
        let url = url.split_once('"').unwrap().0.replace("&amp;", "&");
        self.sign_in.consent(&url.parse().unwrap()).await
    }
}

#[tokio::test]
async fn a_person_is_led_from_the_question_to_the_answer() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    says(
        &browser.get(&question).await,
        200,
        &["Sign in", &format!("value=\"{question}\"")],
    );
    assert_eq!(browser.sign_in(&learner, &question).await, question);
    let issuer = world.sign_in.issuer.issuer();
    let host = issuer
        .trim_start_matches("http://")
        .split(':')
        .next()
        .unwrap();
    says(
        &browser.get(&question).await,
        200,
        &[
            "Connect your account to Drive",
            "<dt>Organisation</dt><dd>Acme</dd>",
            "<dt>Mentor</dt><dd>Finance Mentor</dd>",
            "<dt>Your name here</dt><dd>bob</dd>",
            &format!("<dt>You sign in at</dt><dd>Fixture ({host})</dd>"),
            "<dt>It may then use</dt><dd>files.read, openid</dd>",
        ],
    );
    let query = world.consent(&browser, &question).await;
    let done = browser.get(&format!("{CALLBACK}?{query}")).await;
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
    says(
        &browser.get(&question).await,
        404,
        &["There is nothing here"],
    );
}

#[tokio::test]
async fn a_grant_made_elsewhere_answers_the_question_if_it_is_not_older() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let row = world.sign_in.connect(&learner).await;
    world
        .sign_in
        .stage
        .gateway
        .advance(std::time::Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(world.call(&learner).await.result()["isError"], true);
    }
    let path = connected_services("bob", &format!("{}/", row["id"]));
    assert_eq!(learner.delete(&path).await.status, 204);
    world.sign_in.connect(&learner).await;
    assert_eq!(world.call(&learner).await.text(), "x");
}

#[tokio::test]
async fn a_page_can_be_framed_scripted_and_stored_by_nobody() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
    let query = world.consent(&browser, &question).await;
    for (path, referrer) in [
        ("/sign-in/", "same-origin"),
        ("/connections/", "same-origin"),
        ("/connect/0123456789abcdef0123456789abcdef", "same-origin"),
        (&*format!("{CALLBACK}?{query}"), "no-referrer"),
    ] {
        let answer = browser.get(path).await;
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", referrer),
        ];
        for (name, value) in headers {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let page = page(&answer);
        assert!(
            !page.contains("<script>") && !page.contains("style=") && !page.contains("javascript:"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn only_the_person_who_was_asked_may_answer() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let gil = world.sign_in.gateway().client("globex", "gil").await;
    for (person, status, text) in [
        (&carol, 403, "This link is for somebody else"),
        (&gil, 404, "There is nothing here"),
    ] {
        let mut browser = Browser::of(&world.sign_in);
        browser.sign_in(person, &question).await;
        says(&browser.get(&question).await, status, &[text]);
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
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
    let query = world.consent(&browser, &question).await;
    let callback = format!("{CALLBACK}?{query}");
    let mut same_person = Browser::of(&world.sign_in);
    same_person.sign_in(&learner, &question).await;
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let mut carols = Browser::of(&world.sign_in);
    carols.sign_in(&carol, &question).await;
    for other in [Browser::of(&world.sign_in), same_person, carols] {
        let refused = other.get(&callback).await;
        says(&refused, 403, &["This sign-in was started by another user"]);
    }
    assert_eq!(world.sign_in.issuer.asked(), vec![]);
    says(&browser.get(&callback).await, 200, &["is connected"]);
    says(
        &browser.get(&callback).await,
        400,
        &["This sign-in is done already"],
    );
    assert_eq!(world.sign_in.issuer.asked_for("authorization_code"), 1);
}

#[tokio::test]
async fn what_goes_wrong_at_the_provider_ends_in_a_page_that_repeats_nothing() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
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
            "Access was not granted",
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
    for fault in [
        Fault::Html,
        Fault::Status500,
        Fault::NoAccessToken,
        Fault::NegativeExpiresIn,
    ] {
        world
            .sign_in
            .issuer
            .switch(|switches| switches.fault = Some(fault));
        let query = world.consent(&browser, &question).await;
        let answer = browser.get(&format!("{CALLBACK}?{query}")).await;
        says(&answer, 400, &["The service did not confirm the sign-in"]);
    }
    world.sign_in.issuer.switch(|switches| {
        switches.fault = None;
        switches.iss = Iss::Wrong("https://evil.example".into());
    });
    let query = world.consent(&browser, &question).await;
    let answer = browser.get(&format!("{CALLBACK}?{query}")).await;
    says(&answer, 400, &["The answer came from somewhere else"]);
    assert_eq!(world.sign_in.connected(&learner).await, json!([]));
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
    let row = world.sign_in.connect(&learner).await;
    let disconnect = format!("/connections/{}/disconnect/", row["id"]);
    for origin in ["https://evil.example", "https://app.example", "null", ""] {
        let forged = Browser {
            origin: origin.to_owned(),
            ..browser.clone()
        };
        for path in [&*question, &*disconnect, "/sign-out/", "/sign-in/"] {
            assert_eq!(forged.post(path, &[]).await.status, 403, "{origin} {path}");
        }
    }
    assert_eq!(world.sign_in.connected(&learner).await, json!([row]));
    says(&browser.get("/connections/").await, 200, &["Fixture Files"]);
}

#[tokio::test]
async fn a_person_sees_renews_and_ends_their_own_accounts_alone() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    assert_eq!(
        browser.sign_in(&learner, "https://evil.example").await,
        "/connections/"
    );
    says(
        &browser.get("/connections/").await,
        200,
        &["Finance Mentor waits for you", &question],
    );
    let query = world.consent(&browser, &question).await;
    browser.get(&format!("{CALLBACK}?{query}")).await;
    let row = world.sign_in.connected(&learner).await[0].clone();
    says(
        &browser.get("/connections/").await,
        200,
        &[
            "<h2>Fixture Files</h2>",
            "<dd class=\"state good\">Connected</dd>",
            "<dt>May use</dt><dd>files.read, openid</dd>",
            "<dt>Connected</dt><dd>2026-11-21</dd>",
            "<dt>Used by</dt><dd>Drive (Finance Mentor)</dd>",
        ],
    );
    let carol = world.sign_in.gateway().client("acme", "carol").await;
    let mut carols = Browser::of(&world.sign_in);
    carols.sign_in(&carol, "").await;
    says(
        &carols.get("/connections/").await,
        200,
        &["You have not connected any account"],
    );
    for deed in ["reconnect", "disconnect"] {
        let path = format!("/connections/{}/{deed}/", row["id"]);
        says(
            &carols.post(&path, &[]).await,
            404,
            &["There is nothing here"],
        );
    }
    let again = format!("/connections/{}/reconnect/", row["id"]);
    let query = world.consent(&browser, &again).await;
    says(
        &browser.get(&format!("{CALLBACK}?{query}")).await,
        200,
        &["is connected"],
    );
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
    says(&first.get("/connections/").await, 200, &["Access key"]);
    says(&browser.get("/connections/").await, 200, &["bob at Acme"]);

    let out = browser.clone();
    assert_eq!(out.post("/sign-out/", &[]).await.status, 303);
    says(&browser.get("/connections/").await, 200, &["Access key"]);

    browser.sign_in(&learner, "").await;
    gateway.advance(BROWSER_LIFE);
    says(&browser.get("/connections/").await, 200, &["Access key"]);

    browser.sign_in(&learner, "").await;
    let mut tx = gateway.app.db.write().await.unwrap();
    let now = gateway.app.clock.now();
    sql!(&mut tx, execute, "UPDATE tokens SET revoked_at = $1", now).unwrap();
    tx.commit().await.unwrap();
    says(&browser.get("/connections/").await, 200, &["Access key"]);
}

#[tokio::test]
async fn names_that_are_markup_are_shown_as_text() {
    let world = World::start(Switches::default()).await;
    let hostile = "\"><script>alert(1)</script>";
    let stage = &world.sign_in.stage;
    stage
        .change_server(world.server, json!({ "name": hostile }))
        .await;
    let learner = stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
    for path in [&*question, "/connections/"] {
        let page = page(&browser.get(path).await);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("<script>alert"), "{page}");
    }
}

#[tokio::test]
async fn a_question_whose_time_is_over_or_that_never_was_leads_nowhere() {
    let world = World::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let mut browser = Browser::of(&world.sign_in);
    browser.sign_in(&learner, &question).await;
    for path in [
        "/connect/0123456789abcdef0123456789abcdef",
        "/connect/x",
        "/connect/%3Cb%3E",
    ] {
        says(&browser.get(path).await, 404, &["There is nothing here"]);
    }
    world.sign_in.stage.gateway.advance(PROMPT_LIFE);
    says(
        &browser.get(&question).await,
        404,
        &["There is nothing here"],
    );
}

#[tokio::test]
async fn a_call_that_waits_in_a_chat_goes_on_when_the_page_is_done() {
    use mentor_gateway::gateway::chats::{ChatEvent, ChatKey};
    use mentor_gateway::secret::Secret;
    const CHAT: &str = "4c6bd1a9-2f0e-4c55-9d0c-0a7f6a3a2b11";
    let world = World::start(Switches::default()).await;
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
        let mut browser = Browser::of(&world.sign_in);
        browser.sign_in(&learner, question).await;
        let query = world.consent(&browser, question).await;
        browser.get(&format!("{CALLBACK}?{query}")).await;
        assert!(matches!(chat.next().await, ChatEvent::OauthResolved { .. }));
    })
    .await;
    assert_eq!(answer.text(), "x");
    let rows = world.sign_in.connected(&learner).await;
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
}
