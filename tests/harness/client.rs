//! Speaks REST as one person and returns whole answers.

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A person with a key, or nobody.
#[derive(Clone)]
pub struct Client {
    base: String,
    pub tenant: String,
    pub username: String,
    pub key: Option<String>,
    http: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

/// An answer with its body read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Client {
    pub fn new(base: &str, tenant: &str, username: &str, key: Option<String>) -> Self {
        Self {
            base: base.into(),
            tenant: tenant.into(),
            username: username.into(),
            key,
            http: reqwest::Client::builder()
                .no_proxy()
                // Gateways in tests speak no TLS; reading the machine's certificates takes longer than a request.
                .tls_certs_only([])
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            headers: Vec::new(),
        }
    }

    /// The same person at another gateway.
    pub fn at(&self, base: &str) -> Self {
        let mut client = self.clone();
        client.base = base.into();
        client
    }

    /// The same person with one more header on every request.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name, value.to_owned()));
        client
    }

    /// The headers that go with every request beside the key.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The same key on another tenant's or user's path.
    pub fn on_path_of(&self, tenant: &str, username: &str) -> Self {
        let mut client = self.clone();
        client.tenant = tenant.into();
        client.username = username.into();
        client
    }

    /// The whole URL of a path; one without a leading slash is below the person's own.
    pub fn url(&self, path: &str) -> String {
        if path.starts_with('/') {
            format!("{}{path}", self.base)
        } else {
            format!(
                "{}/api/ai-mentor/orgs/{}/users/{}/{path}",
                self.base, self.tenant, self.username
            )
        }
    }

    /// A request with the person's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Token {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(HeaderName::from_static(name), value);
        }
        request
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// A visit of another place, without the key, as a browser makes it.
    pub async fn visit(&self, url: &str) -> Answer {
        send(self.http.get(url)).await
    }

    /// DELETE with a body, as some of the published clients send it.
    pub async fn delete_with(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::DELETE, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }
}

/// Sends a request and reads the answer.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer {
        status,
        headers,
        body,
        bytes,
    }
}

/// Writes bytes to a connection of their own and returns what comes back until the first empty line.
#[expect(
    clippy::disallowed_types,
    reason = "no client writes what a broken one does"
)]
pub async fn send_bytes(base: &str, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(super::SOON, stream.read_u8()).await;
        head.push(byte.expect("no answer came in time").unwrap());
    }
    String::from_utf8(head).unwrap()
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Status and body, to compare refusals by.
    pub fn brief(&self) -> (u16, String) {
        (
            self.status,
            String::from_utf8_lossy(&self.bytes).into_owned(),
        )
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
