//! A browser played by hand, and a mentor whose server wants its people to sign in through it.

use reqwest::Method;
use serde_json::json;
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use super::app::Gateway;
use super::client::{Answer, Client, send};
use super::mcp::{Mcp, Reply};
use super::sign_in::{CALLBACK, SignIn};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A browser: sends its cookie and, with forms, its origin.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    pub origin: String,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn of(sign_in: &SignIn) -> Self {
        Self::at(sign_in.gateway())
    }

    pub fn at(gateway: &Gateway) -> Self {
        Self {
            client: gateway.anonymous(),
            origin: gateway.base.clone(),
            cookie: None,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// A page of this status that has these texts.
    pub async fn sees(&self, path: &str, status: u16, texts: &[&str]) {
        says(&self.get(path).await, status, texts);
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
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
    pub async fn sign_in(&mut self, person: &Client, to: &str) -> String {
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

/// The text of a page.
pub fn page(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

/// A page of this status that has these texts.
#[track_caller]
pub fn says(answer: &Answer, status: u16, texts: &[&str]) {
    let page = page(answer);
    assert_eq!(answer.status, status, "{page}");
    for text in texts {
        assert!(page.contains(text), "{text:?} is not in {page}");
    }
}

/// A person's mentor with a server that they must sign in to at the fixture.
pub struct Drive {
    pub sign_in: SignIn,
    pub upstream: Upstream,
    pub server: i64,
}

impl Drive {
    pub async fn start(switches: Switches) -> Self {
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

    pub async fn call(&self, person: &Client) -> Reply {
        let client = Mcp::modern(person, self.sign_in.stage.mentor_path());
        client.call("drive__search", json!({ "text": "x" })).await
    }

    /// The path of the question that a call of this person brings up.
    pub async fn question(&self, person: &Client) -> String {
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
    pub async fn consent(&self, browser: &Browser, question: &str) -> String {
        let left = browser.post(question, &[]).await;
        let page = page(&left);
        assert_eq!(left.status, 200, "{page}");
        let (_, url) = page.split_once("content=\"0; url=").unwrap();
        let url = url.split_once('"').unwrap().0.replace("&amp;", "&");
        self.sign_in.consent(&url.parse().unwrap()).await
    }

    /// A browser that this person signed in with on the way to a page.
    pub async fn browser(&self, person: &Client, to: &str) -> Browser {
        let mut browser = Browser::of(&self.sign_in);
        browser.sign_in(person, to).await;
        browser
    }

    /// Goes from a question to the provider and back; the page at the end.
    pub async fn answer(&self, browser: &Browser, question: &str) -> Answer {
        let query = self.consent(browser, question).await;
        browser.get(&format!("{CALLBACK}?{query}")).await
    }
}
