//! A real browser, driven over the WebDriver protocol (W3C) by plain HTTP. Runs only where a driver was started.

use reqwest::Method;
use serde_json::{Value, json};

use super::mcp::SOON;
use super::upstream::eventually;

/// Where a found element's number stands (WebDriver section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window open, and nothing remembered from before.
pub struct WebDriver {
    http: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl WebDriver {
    /// Starts a browser at this driver.
    pub async fn start(driver: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let options = json!({
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--window-size=390,844", folder,
            ],
        });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut browser = Self {
            http,
            session: format!("{driver}/session"),
            _profile: profile,
        };
        let made = browser.send(Method::POST, "", &wanted).await.unwrap();
        let id = made["sessionId"].as_str().unwrap();
        browser.session = format!("{driver}/session/{id}");
        browser
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Value> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let is_done = response.status().is_success();
        let mut answer: Value = response.json().await.unwrap();
        let value = answer["value"].take();
        if is_done { Ok(value) } else { Err(value) }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let done = self.send(Method::POST, path, &body).await;
        done.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn get(&self, path: &str) -> Value {
        let done = self.send(Method::GET, path, &Value::Null).await;
        done.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Goes to a page.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Whether the page has such an element now; its path.
    async fn find(&self, css: &str) -> Option<String> {
        let query = json!({ "using": "css selector", "value": css });
        let found = self.send(Method::POST, "/element", &query).await.ok()?;
        Some(format!("/element/{}", found[ELEMENT].as_str()?))
    }

    /// The element, once it is there.
    async fn element(&self, css: &str) -> String {
        eventually(css, async || self.find(css).await).await
    }

    /// Types a text into a field.
    pub async fn write(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        self.post(&format!("{field}/clear"), json!({})).await;
        self.post(&format!("{field}/value"), json!({ "text": text }))
            .await;
    }

    /// Clicks on something.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("{element}/click"), json!({})).await;
    }

    /// Waits for a page that shows a text, and returns all that it shows.
    pub async fn shows(&self, text: &str) -> String {
        let look = eventually(text, async || {
            let body = self
                .run("return document.body && document.body.innerText")
                .await;
            let body = body.as_str().unwrap_or_default();
            body.contains(text).then(|| body.to_owned())
        });
        tokio::time::timeout(SOON, look).await.unwrap()
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.get("/title")
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Runs a script in the page; null while it is on its way to another.
    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        let done = self.send(Method::POST, "/execute/sync", &body).await;
        done.unwrap_or_default()
    }

    /// The open windows.
    pub async fn windows(&self) -> Vec<String> {
        serde_json::from_value(self.get("/window/handles").await).unwrap()
    }

    /// Looks at another window.
    pub async fn look_at(&self, window: &str) {
        self.post("/window", json!({ "handle": window })).await;
    }

    /// Closes the browser.
    pub async fn close(self) {
        self.send(Method::DELETE, "", &Value::Null).await.unwrap();
    }
}
