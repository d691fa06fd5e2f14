//! The whole way of a sign-in, in a real browser and at a real authorization server: on every rung of the ladder the
//! answer arrives where the question was asked. Runs where `.ci/run browser` started both.

use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{
    CALLBACK, Chat, LEGACY, Live, Mcp, Reply, Stage, WebDriver, eventually, send, text_of,
};

/// The driver of a browser, such as `http://127.0.0.1:9515`.
const DRIVER: &str = "MENTOR_GATEWAY_BROWSER_DRIVER";
/// The issuer of the authorization server.
const ISSUER: &str = "MENTOR_GATEWAY_BROWSER_ISSUER";

/// The address behind a variable; says so if there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to be told"
)]
fn address(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if address.is_none() {
        use std::io::Write as _;
        // Not `eprintln!`, which the test runner keeps to itself when the test passes.
        let line = format!("SKIPPED: {variable} names nothing\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    address
}

/// A mentor whose server wants its people to sign in at the real authorization server.
struct World {
    stage: Stage,
    browser: WebDriver,
    upstream: Upstream,
    _catalog: tempfile::TempDir,
}

impl World {
    async fn start() -> Option<Self> {
        let (driver, issuer) = (address(DRIVER)?, address(ISSUER)?);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.toml");
        std::fs::write(&file, catalog(&issuer)).unwrap();
        let stage = Stage::start_with(|settings| settings.oauth_catalog = Some(file)).await;
        let base = &stage.gateway.base;
        let registration = json!({
            "redirect_uris": [format!("{base}{CALLBACK}")],
            "token_endpoint_auth_method": "client_secret_post",
            "scope": "openid mcp",
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let registering = http.post(format!("{issuer}/reg")).json(&registration);
        let client = send(registering).await.expect(201);
        let credential = json!({
            "name": "auth_real", "platform": "acme",
            "value": { "client_id": client["client_id"], "client_secret": client["client_secret"] },
        });
        let path = "/api/ai-account/orgs/acme/integration-credential/";
        stage.admin.post(path, credential).await.expect(200);
        let services = "/api/accounts/orgs/acme/oauth-services/?name=box";
        let services = stage.admin.get(services).await.expect(200);
        let offering = Behaviour::stateless().with_tools(vec![plain_tool("search", "Searches.")]);
        let upstream = Upstream::start(offering).await.unwrap();
        let fields = json!({
            "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
        });
        let server = stage.register("Drive", &upstream, fields).await;
        stage.attach(&[server]).await;
        Some(Self {
            browser: WebDriver::start(&driver).await,
            stage,
            upstream,
            _catalog: folder,
        })
    }

    /// Opens a link in a new tab, as a chat client does, goes the whole way as the learner, and comes back.
    async fn follow(&self, link: &str) {
        let browser = &self.browser;
        browser
            .open(&format!("{}/connections/", self.stage.gateway.base))
            .await;
        let chat = browser.windows().await.remove(0);
        browser
            .run(&format!(
                "window.told = []; addEventListener('message', e => told.push(e.data)); window.open('{link}')"
            ))
            .await;
        let tab = browser
            .windows()
            .await
            .into_iter()
            .find(|window| *window != chat);
        browser.look_at(&tab.unwrap()).await;
        if browser.title().await == "Sign in" {
            let key = self.stage.learner.key.as_deref().unwrap();
            browser.write("#key", key).await;
            browser.click("main button").await;
        }
        let page = browser.shows("Connect your account to Drive").await;
        for text in [
            "Acme",
            "Finance Mentor",
            "bob",
            "Real (127.0.0.1)",
            "openid, mcp",
        ] {
            assert!(page.contains(text), "{text:?} is not in {page}");
        }
        browser.click("main form button").await;
        self.consent().await;
        browser.shows("Box is connected").await;
        browser.run("window.close()").await;
        browser.look_at(&chat).await;
        let told = eventually("the message", async || {
            let told = browser.run("return window.told").await;
            told.get(0).is_some().then_some(told)
        });
        let told = told.await;
        assert_eq!(told[0]["type"], "GOOGLE_AUTH_SUCCESS");
        assert_eq!(
            (&told[0]["provider"], &told[0]["serviceName"]),
            (&json!("real"), &json!("box"))
        );
    }

    /// The provider's own pages: who one is, if it does not know yet, and whether one agrees.
    async fn consent(&self) {
        let step = async || {
            let title = self.browser.title().await;
            ["login", "consent", "Box is connected"]
                .contains(&title.as_str())
                .then_some(title)
        };
        loop {
            let title = eventually("the provider's page", step).await;
            if title == "Box is connected" {
                return;
            }
            if title == "login" {
                self.browser.write("input[name=user]", "bob-at-box").await;
            }
            self.browser.click("button[name=go]").await;
            eventually("the next page", async || {
                (self.browser.title().await != title).then_some(())
            })
            .await;
        }
    }

    /// Ends the connection with the page's own button.
    async fn disconnect(&self) {
        self.browser
            .open(&format!("{}/connections/", self.stage.gateway.base))
            .await;
        let page = self.browser.shows("Disconnect").await;
        assert!(page.contains("Drive (Finance Mentor)"), "{page}");
        self.browser.click("button.danger").await;
        self.browser
            .shows("You have not connected any account")
            .await;
        // What a mentor has is believed for a second.
        let client = self.stage.modern();
        eventually("the end of the connection", async || {
            (client.tool_names().await == ["drive__connect_account"]).then_some(())
        })
        .await;
    }

    fn calls(&self) -> usize {
        self.upstream.calls_of("tools/call")
    }
}

fn catalog(issuer: &str) -> String {
    format!(
        r#"
[[provider]]
name = "real"
display_name = "Real"
issuer = "{issuer}"
auth_url = "{issuer}/auth"
token_url = "{issuer}/token"
revocation_url = "{issuer}/token/revocation"
sends_iss = true

[[provider.service]]
name = "box"
display_name = "Box"
scope = "openid mcp"
"#
    )
}

const PROMPT: &str = r#"/tool drive__search {"text": "what I keep"}"#;

async fn over_a_socket(world: &World) {
    let mut chat = Chat::open(&world.stage.learner, &world.stage.gateway.mentor).await;
    chat.say(PROMPT).await;
    let mut frames = Vec::new();
    let link = loop {
        let frame = chat.frame().await;
        frames.push(frame["type"].clone());
        if frame["type"] == "oauth_required" {
            break frame["auth_url"].as_str().unwrap().to_owned();
        }
    };
    let (rest, ()) = join(chat.turn(), world.follow(&link)).await;
    assert!(
        rest.iter()
            .any(|frame| frame["type"] == "oauth_connection_resolved"),
        "{rest:?}"
    );
    assert_eq!(text_of(&rest), "what I keep", "{frames:?} {rest:?}");
}

async fn over_a_stream_of_events(world: &World) {
    let (person, mentor) = (&world.stage.learner, &world.stage.gateway.mentor);
    let chat = Chat::open(person, mentor).await;
    let mut frame = chat.frame.clone();
    frame["prompt"] = PROMPT.into();
    let path = format!(
        "/api/agent/chat/?platform_key=acme&session_id={}",
        chat.session()
    );
    let request = person.request(Method::POST, &path).json(&frame);
    let mut events = Live::of(request).await;
    let required = events
        .until(|frame| frame["type"] == "oauth_required")
        .await;
    let reading = async {
        let mut rest = Vec::new();
        loop {
            let frame = events.message().await;
            let is_last = frame["eos"] == true || frame.get("error").is_some();
            rest.push(frame);
            if is_last {
                return rest;
            }
        }
    };
    let (rest, ()) = join(
        reading,
        world.follow(required["auth_url"].as_str().unwrap()),
    )
    .await;
    assert_eq!(text_of(&rest), "what I keep", "{rest:?}");
}

async fn search(client: &Mcp, back: Value) -> Reply {
    let mut params = json!({ "name": "drive__search", "arguments": { "text": "what I keep" } });
    params
        .as_object_mut()
        .unwrap()
        .extend(back.as_object().unwrap().clone());
    client.request("tools/call", params).await
}

async fn with_input_required(world: &World) {
    let client = world
        .stage
        .modern()
        .able(json!({ "elicitation": { "url": {} } }));
    let asked = search(&client, json!({})).await;
    let link = &asked.result()["inputRequests"]["sign_in"]["params"]["url"];
    world.follow(link.as_str().unwrap()).await;
    let back = json!({
        "requestState": asked.result()["requestState"],
        "inputResponses": { "sign_in": { "action": "accept" } },
    });
    assert_eq!(search(&client, back).await.text(), "what I keep");
}

async fn with_a_url_elicitation(world: &World) {
    let able = json!({ "elicitation": { "url": {} } });
    let client = Mcp::legacy_as(
        &world.stage.learner,
        world.stage.mentor_path(),
        LEGACY,
        able,
    )
    .await;
    let mut own = client.listen().await;
    let asked = search(&client, json!({})).await;
    assert_eq!(asked.error()["code"], -32042);
    let elicitation = &asked.error()["data"]["elicitations"][0];
    world.follow(elicitation["url"].as_str().unwrap()).await;
    let is_complete = |message: &Value| message["method"] == "notifications/elicitation/complete";
    let complete = own.until(is_complete).await;
    assert_eq!(
        complete["params"]["elicitationId"],
        elicitation["elicitationId"]
    );
    assert_eq!(search(&client, json!({})).await.text(), "what I keep");
}

async fn with_a_link_in_the_result(world: &World) {
    let client = world.stage.modern();
    let asked = search(&client, json!({})).await;
    let link = &asked.result()["_meta"]["mentor-gateway/sign-in"]["authUrl"];
    world.follow(link.as_str().unwrap()).await;
    assert_eq!(search(&client, json!({})).await.text(), "what I keep");
}

#[tokio::test]
async fn a_learner_signs_in_in_a_browser_and_the_answer_arrives_on_every_rung() {
    let Some(world) = World::start().await else {
        return;
    };
    over_a_socket(&world).await;
    world.disconnect().await;
    over_a_stream_of_events(&world).await;
    world.disconnect().await;
    with_input_required(&world).await;
    world.disconnect().await;
    with_a_url_elicitation(&world).await;
    world.disconnect().await;
    with_a_link_in_the_result(&world).await;
    assert_eq!(world.calls(), 5);
    world.browser.close().await;
}
