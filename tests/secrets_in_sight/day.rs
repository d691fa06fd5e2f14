//! A service in a process of its own that logs everything, with secrets that nobody can mistake.

use std::sync::Mutex;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::process::Child;
use upstream_fixtures::issuer::{CLIENT_SECRET, Switches};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{
    Answer, Canaries, Client, Mcp, SignIn, Written, eventually, rows_of, send, written_below,
};

pub const TOKEN_TAIL: &str = ".K7s0wQe9VtRz4LmXc2PnHy8B";
pub const SERVER_KEY: &str = "server-key-Zx41/QpLm+77=hTrW&vbn";
pub const CONNECTION_KEY: &str = "connection-key-8Jd6%FkPq+03=yUoI";
pub const HEADER_KEY: &str = "header-key-Ge92TbNw57CxAz18MlKj";
pub const MODEL_KEY: &str = "model-key-Vy36RsDf94HgUk20BnXe";
pub const PROMPT: &str = "prompt-Ow58EiLz13TcMa76JqSv";

/// The service, and everything that was heard of it.
pub struct Day {
    pub sign_in: SignIn,
    pub upstream: Upstream,
    pub base: String,
    /// Where its metrics are.
    pub metrics: String,
    pub admin: Client,
    pub learner: Client,
    pub service: Child,
    /// What may be seen nowhere.
    pub secrets: Canaries,
    /// What may be in no log.
    pub words: Canaries,
    pub answers: Mutex<Vec<u8>>,
    log: tempfile::NamedTempFile,
}

impl Day {
    pub async fn start() -> Self {
        let sign_in = SignIn::for_processes(Switches {
            token_tail: TOKEN_TAIL,
            ..Switches::default()
        })
        .await;
        let log = tempfile::NamedTempFile::new().unwrap();
        let logging = log.reopen().unwrap();
        let process = sign_in.gateway().process_with(|command| {
            command
                .env("GATEWAY_LOG", "trace")
                .env("GATEWAY_METRICS_ADDR", "127.0.0.1:0")
                .stderr(logging);
        });
        let (service, base) = process.await;
        let metrics = eventually("the address of the metrics", async || {
            let text = std::fs::read_to_string(log.path()).unwrap();
            let (_, rest) = text.split_once("metrics on ")?;
            rest.split_once('\n').map(|(url, _)| url.to_owned())
        })
        .await;
        let offering = Behaviour::stateless().with_tools(vec![plain_tool("search", "Searches.")]);
        let mut day = Self {
            admin: sign_in.stage.admin.at(&base),
            learner: sign_in.stage.learner.at(&base),
            upstream: Upstream::start(offering).await.unwrap(),
            sign_in,
            base,
            metrics,
            log,
            service,
            secrets: Canaries::default(),
            words: Canaries::default(),
            answers: Mutex::default(),
        };
        for (what, secret) in [
            ("a provider's token", TOKEN_TAIL),
            ("the client's secret", CLIENT_SECRET),
            ("a server's credential", SERVER_KEY),
            ("a connection's credential", CONNECTION_KEY),
            ("an extra header", HEADER_KEY),
            ("a model's key", MODEL_KEY),
            ("a provider's page", "leaked-by-the-page"),
            ("a provider's description", "leaked-by-the-description"),
        ] {
            day.secrets.add(what, secret);
        }
        day.words.add("what a learner said", PROMPT);
        for (what, person) in [
            ("an admin's key", day.admin.clone()),
            ("a learner's key", day.learner.clone()),
        ] {
            day.secrets
                .add(what, random_part(person.key.as_deref().unwrap()));
        }
        day
    }

    /// Sends, and keeps the whole answer for the search.
    pub async fn hear(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        let mut answers = self.answers.lock().unwrap();
        answers.extend(format!("{:?}\n", answer.headers).bytes());
        answers.extend(&answer.bytes);
        answer
    }

    pub async fn get(&self, person: &Client, path: &str) -> Answer {
        self.hear(person.request(Method::GET, path)).await
    }

    pub async fn send(&self, person: &Client, method: Method, path: &str, body: &Value) -> Answer {
        self.hear(person.request(method, path).json(body)).await
    }

    /// A form of a page of ours, from a browser with this cookie.
    pub async fn submit(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        let nobody = self.sign_in.gateway().anonymous().at(&self.base);
        let request = nobody.request(Method::POST, path).form(form);
        let request = request
            .header("origin", &self.base)
            .header("accept", "text/html");
        send(request.header("cookie", cookie)).await
    }

    /// Gives the mentor this one server.
    pub async fn attach(&self, server: i64) {
        let path = format!("mentors/{}/settings/", self.sign_in.gateway().mentor);
        let settings = json!({ "tools": ["mcp-tool"], "mcp_servers": [server] });
        // Admins see the headers of the servers of their own tenant (docs/inside/contract.md#where-sources-disagree).
        self.admin.patch(&path, settings).await.expect(200);
    }

    /// The page that a call leads its person to, once the mentor is known to have the tool.
    pub async fn question(&self, tool: &str) -> String {
        eventually("the question", async || {
            let asked = self.call(tool).await;
            let link = &asked["result"]["_meta"]["mentor-gateway/sign-in"]["authUrl"];
            let (_, id) = link.as_str()?.split_once("/connect/")?;
            Some(format!("/connect/{id}"))
        })
        .await
    }

    pub async fn call(&self, tool: &str) -> Value {
        let mcp = Mcp::modern(&self.learner, self.sign_in.stage.mentor_path());
        let message = mcp.message(
            Some(1.into()),
            "tools/call",
            json!({ "name": tool, "arguments": { "text": PROMPT } }),
        );
        self.hear(mcp.post(&message)).await.body
    }

    /// Everything that was written, by where it lies.
    pub async fn written(&self) -> Vec<Written> {
        let config = &self.sign_in.gateway().app.config;
        let mut sinks = vec![
            (
                "the log".to_owned(),
                std::fs::read(self.log.path()).unwrap(),
            ),
            ("an answer".to_owned(), self.answers.lock().unwrap().clone()),
        ];
        sinks.extend(written_below(&config.data_dir));
        if config.database_url.starts_with("postgres") {
            sinks.extend(rows_of(&config.database_url).await);
        }
        sinks
    }
}

/// What is secret of a key: what follows the prefix that says its kind.
pub fn random_part(key: &str) -> &str {
    key.rsplit('_').next().unwrap()
}
