//! A day of the gateway at its most talkative: whatever it writes and answers is searched for each secret that was used,
//! whole, in pieces and in every spelling.

mod day;

use mentor_gateway::sql;
use reqwest::Method;
use serde_json::json;
use upstream_fixtures::issuer::{CLIENT_SECRET, Fault};
use upstream_fixtures::{Model, Reply};

use crate::harness::{CALLBACK, Chat, connected_services, eventually, register, text_of};
use crate::sealed_columns;
use day::{CONNECTION_KEY, Day, HEADER_KEY, MODEL_KEY, PROMPT, SERVER_KEY, random_part};

impl Day {
    /// A tenant's own keys at its servers, right and wrong ones.
    async fn keys_for_servers(&self) {
        let server = json!({
            "name": "Keyed", "url": self.upstream.url(), "transport": "streamable_http", "auth_type": "token",
            "credentials": format!("Bearer {SERVER_KEY}"), "extra_headers": { "X-Api-Key": HEADER_KEY },
        });
        // Its admin sees the headers of an own record in the clear; nobody else does.
        let server = self.admin.post("mcp-servers/", server).await.expect(201);
        let (id, path) = (
            server["id"].as_i64().unwrap(),
            format!("mcp-servers/{}/", server["id"]),
        );
        self.get(&self.learner, &path).await;
        let connection = json!({
            "server": id, "scope": "platform", "auth_type": "token", "credentials": CONNECTION_KEY,
            "authorization_scheme": "Bearer",
        });
        let made = self
            .send(
                &self.admin,
                Method::POST,
                "mcp-server-connections/",
                &connection,
            )
            .await;
        let path = format!("mcp-server-connections/{}/", made.expect(201)["id"]);
        let mask = json!({ "credentials": self.get(&self.admin, &path).await.body["credentials"] });
        self.send(&self.admin, Method::PATCH, &path, &mask)
            .await
            .expect(200);
        let misplaced =
            json!({ "server": CONNECTION_KEY, "scope": SERVER_KEY, "auth_type": HEADER_KEY });
        // A wrong choice is told back to whoever sent it.
        self.admin
            .post("mcp-server-connections/", misplaced)
            .await
            .expect(400);
        self.attach(id).await;
        assert!(self.call("keyed__search").await["result"].is_object());
        self.upstream
            .require_authorization(Some("Bearer another".into()));
        assert_eq!(
            self.call("keyed__search").await["error"]["data"]["kind"],
            "unauthorized"
        );
        self.upstream.require_authorization(None);
    }

    /// A sign-in through the pages, and others that fail; then tokens that end.
    async fn sign_ins(&mut self) -> i64 {
        let services = self
            .get(
                &self.admin,
                "/api/accounts/orgs/acme/oauth-services/?name=files",
            )
            .await;
        let fields = json!({
            "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services.body[0]["id"],
        });
        let server = register(&self.admin, "Files", &self.upstream.url(), fields).await;
        self.attach(server).await;
        let question = self.question("files__search").await;

        let key = self.learner.key.clone().unwrap();
        let signed_in = self
            .submit("/sign-in/", "", &[("key", &key), ("to", &question)])
            .await;
        let cookie = signed_in.header("set-cookie").unwrap();
        let cookie = cookie.split_once(';').unwrap().0.to_owned();
        self.secrets
            .add("a browser's cookie", cookie.split_once('=').unwrap().1);
        let left = self.submit(&question, &cookie, &[]).await;
        let page = String::from_utf8(left.bytes).unwrap();
        let (_, url) = page.split_once("content=\"0; url=").unwrap();
        let url = url.split_once('"').unwrap().0.replace("&amp;", "&");
        let back = self.consent(&url).await;
        let nobody = self.sign_in.gateway().anonymous().at(&self.base);
        let callback = |query: &str| {
            let request = nobody.request(Method::GET, &format!("{CALLBACK}?{query}"));
            request
                .header("accept", "text/html")
                .header("cookie", &cookie)
        };
        assert_eq!(self.hear(callback(&back)).await.status, 200);
        assert_eq!(self.hear(callback(&back)).await.status, 400);
        for path in ["/connections/", &question] {
            let request = nobody.request(Method::GET, path);
            self.hear(request.header("cookie", &cookie)).await;
        }
        assert!(self.call("files__search").await["result"].is_object());
        self.failing_sign_ins().await;
        server
    }

    /// Goes to the provider; what it sends back, whose code and state are secrets from now on.
    async fn consent(&mut self, auth_url: &str) -> String {
        let back = self.sign_in.consent(&auth_url.parse().unwrap()).await;
        for (name, value) in url::form_urlencoded::parse(back.as_bytes()) {
            match &*name {
                "code" => self.secrets.add("a code", &value),
                "state" => self
                    .secrets
                    .add("a state", value.rsplit_once(':').unwrap().1),
                _ => {}
            }
        }
        back
    }

    async fn failing_sign_ins(&mut self) {
        for fault in [
            Fault::Echo,
            Fault::Html,
            Fault::Status500,
            Fault::NoAccessToken,
        ] {
            self.sign_in
                .issuer
                .switch(|switches| switches.fault = Some(fault));
            let path = connected_services("bob", "fixture/notes/");
            // The URL has the state, for the person alone.
            let begun = self.learner.get(&path).await.expect(200);
            let back = self.consent(begun["auth_url"].as_str().unwrap()).await;
            for query in [back.clone(), format!("{back}&iss=https://other.example")] {
                let answer = self
                    .get(&self.learner, &format!("{CALLBACK}?{query}"))
                    .await;
                assert_eq!(answer.status, 400);
            }
        }
        self.sign_in.issuer.switch(|switches| switches.fault = None);
    }

    /// Tokens that end: renewed, not renewed, refused, revoked.
    async fn refreshes(&self, server: i64) {
        for (fault, times) in [(None, 1), (Some(Fault::Echo), 2)] {
            self.sign_in
                .issuer
                .switch(|switches| switches.fault = fault);
            self.end_tokens().await;
            // What a mentor has is believed for a second.
            eventually("a refresh", async || {
                self.call("files__search").await;
                (self.sign_in.issuer.asked_for("refresh_token") == times).then_some(())
            })
            .await;
        }
        let explained = format!(
            "mcp-servers/{server}/resolve/?user=bob&mentor={}",
            self.sign_in.gateway().mentor
        );
        assert_eq!(
            self.get(&self.admin, &explained).await.body["steps"][0]["outcome"],
            "needs_reauth"
        );
        self.sign_in.issuer.switch(|switches| switches.fault = None);
        let grants = self
            .get(&self.learner, &connected_services("bob", ""))
            .await
            .expect(200);
        let one = connected_services("bob", &format!("{}/", grants[0]["id"]));
        self.hear(self.learner.request(Method::DELETE, &one))
            .await
            .expect(204);
    }

    async fn end_tokens(&self) {
        let mut tx = self.sign_in.gateway().app.db.write().await.unwrap();
        let ended = sql!(
            &mut tx,
            execute,
            "UPDATE connected_services SET expires_at = 1, updated_at = 0, retry_at = 0"
        );
        assert_eq!(ended.unwrap(), 1);
        tx.commit().await.unwrap();
    }

    async fn credentials_of_the_tenant(&self) {
        let path = "/api/accounts/orgs/acme/integration-credential/";
        let value = json!({ "client_id": "fixture-client", "client_secret": CLIENT_SECRET });
        let credential = json!({ "name": "auth_fixture", "platform": "acme", "value": value });
        self.send(&self.admin, Method::PATCH, path, &credential)
            .await
            .expect(200);
        self.send(&self.admin, Method::POST, path, &credential)
            .await
            .expect(400);
        self.get(&self.admin, path).await.expect(200);
        self.get(
            &self.admin,
            "/api/accounts/orgs/acme/masked-integration-credential/",
        )
        .await;
        self.send(&self.learner, Method::POST, path, &credential)
            .await
            .expect(403);
    }

    /// Keys that are made here: shown once, used, replaced, revoked and mistyped.
    async fn api_keys(&mut self) {
        let fields = json!({ "name": "night", "kind": "platform" });
        let made = self.admin.post("api-keys/", fields).await.expect(201);
        let path = format!("api-keys/{}/", made["id"]);
        let rotated = self
            .admin
            .post(&format!("{path}rotate/"), json!({}))
            .await
            .expect(201);
        for shown in [&made, &rotated] {
            let key = shown["key"].as_str().unwrap().to_owned();
            self.secrets.add("a made key", random_part(&key));
            let mut holder = self.admin.clone();
            holder.key = Some(key.clone());
            self.get(&holder, "mcp-server-connections/").await;
            holder.key = Some(format!("{key}x"));
            self.get(&holder, "mcp-server-connections/")
                .await
                .expect(401);
            self.get(
                &self.admin,
                &format!("mcp-server-connections/?search={key}"),
            )
            .await;
        }
        self.get(&self.admin, "api-keys/").await.expect(200);
        self.hear(self.admin.request(Method::DELETE, &path)).await;
        let hook = json!({ "url": "https://hooks.example.com/", "events": ["payment.received"] });
        let hook = self.admin.post("webhooks/", hook).await.expect(201);
        let secret = hook["secret"].as_str().unwrap();
        self.secrets.add("a webhook's secret", random_part(secret));
        self.get(&self.admin, &format!("webhooks/{}/", hook["id"]))
            .await
            .expect(200);
    }

    /// Turns over both wires, with a right and a wrong key, answered by a model.
    async fn chats(&self) {
        let replies = vec![Reply::Text(vec!["Hello."]), Reply::Status(401), Reply::Html];
        let model = Model::start(replies).await.unwrap();
        let body = json!({ "base_url": model.base_url(), "model": "m-1", "api_key": MODEL_KEY });
        let path = "/api/ai-mentor/orgs/acme/chat-model/";
        self.send(&self.admin, Method::PUT, path, &body)
            .await
            .expect(200);
        let mentor = &self.sign_in.gateway().mentor;
        let mut chat = Chat::open(&self.learner, mentor).await;
        assert_eq!(chat.ask(PROMPT).await, "Hello.");
        for _ in 0..2 {
            chat.say("again").await;
            let frames = json!(chat.turn().await).to_string();
            self.answers.lock().unwrap().extend(frames.bytes());
            chat = Chat::open(&self.learner, mentor).await;
        }
        let mut frame = chat.frame.clone();
        frame["token"] = format!("{}x", self.learner.key.as_deref().unwrap()).into();
        chat.send(&frame).await;
        assert_eq!(text_of(&chat.turn().await), "");
        let path = format!(
            "/api/agent/chat/?platform_key=acme&session_id={}",
            chat.session()
        );
        frame["prompt"] = "once more".into();
        self.send(&self.learner, Method::POST, &path, &frame).await;
    }

    /// What may be read of all that afterwards.
    async fn look_back(&self) {
        for path in [
            "audit/?page_size=1000",
            "mcp-servers/",
            "mcp-server-connections/",
            "sessions/",
            "webhooks/",
        ] {
            self.get(&self.learner, path).await;
        }
        for path in [
            "audit/?page_size=1000",
            "mcp-server-connections/",
            "/api/schema/",
            "/health/ready",
        ] {
            self.get(&self.admin, path).await;
        }
        let metrics = reqwest::Client::new().get(&self.metrics);
        let metrics = self.hear(metrics).await;
        assert_eq!(metrics.status, 200);
        let text = String::from_utf8(metrics.bytes).unwrap();
        assert!(text.contains("gateway_calls_total{"), "{text}");
    }
}

#[tokio::test]
async fn no_secret_is_in_a_log_the_database_the_audit_the_metrics_or_an_answer() {
    let mut day = Day::start().await;
    day.credentials_of_the_tenant().await;
    day.keys_for_servers().await;
    let server = day.sign_ins().await;
    day.refreshes(server).await;
    day.api_keys().await;
    day.chats().await;
    day.look_back().await;
    for asked in day.sign_in.issuer.asked() {
        if let Some(verifier) = asked.get("code_verifier") {
            day.secrets.add("a code verifier", verifier);
        }
    }
    day.service.kill().await.unwrap();
    sealed_columns::assert_declared(&day.sign_in.gateway().app).await;

    let sinks = day.written().await;
    let log = String::from_utf8_lossy(&sinks[0].1);
    for told in ["TRACE", "sqlx", "hyper", "mentor_gateway"] {
        assert!(log.contains(told), "the log says nothing of {told}");
    }
    assert!(sinks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 100_000);
    for (place, bytes) in &sinks {
        let found = day.secrets.found_in(bytes);
        assert!(found.is_empty(), "{place} has {found:?}");
    }
    assert_eq!(day.words.found_in(&sinks[0].1), [].into(), "in the log");
}
