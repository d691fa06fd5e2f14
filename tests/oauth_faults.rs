//! Documents of servers and providers as they are: what they say counts, what passes changes nothing, and a page names the
//! reason for which a sign-in cannot begin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Browser, Stage, closed_address, page, says};

const FIND: &str = "mcp-servers/oauth-find/";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const SILENT: &str =
    "The server or its authorization server does not answer just now; try again in a minute.";
const NOWHERE: &str = "The server does not say where to sign in.";

/// An MCP server and its authorization server at one address, whose every answer is what a test says.
#[derive(Clone)]
struct Places {
    origin: String,
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
}

impl Places {
    /// One that answers as it should: the MCP server at `/mcp`, its issuer at `/as`.
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let places = Self {
            origin: origin.clone(),
            answers: Arc::default(),
        };
        places.set(&format!("{RESOURCE}/mcp"), 200, &places.resource());
        places.set(&format!("{OAUTH}/as"), 200, &places.issuer("/as"));
        let answering = places.clone();
        let router = Router::new().fallback(async move |asked: Request| answering.answer(&asked));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
        places
    }

    fn answer(&self, asked: &Request) -> axum::response::Response {
        let path = asked.uri().path();
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(path).cloned();
        match answer {
            Some((status, body)) => {
                let status = StatusCode::from_u16(status).unwrap();
                (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
            }
            None if path == "/mcp" => {
                let challenge = [(header::WWW_AUTHENTICATE, "Bearer scope=\"\"")];
                (StatusCode::UNAUTHORIZED, challenge).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn set(&self, path: &str, status: u16, body: &str) {
        let answer = (status, body.to_owned());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn unset(&self, path: &str) {
        self.answers.lock().unwrap().remove(path);
    }

    fn resource(&self) -> String {
        let issuers = json!([format!("{}/as", self.origin)]);
        self.resource_with(&issuers)
    }

    fn resource_with(&self, issuers: &Value) -> String {
        let resource = format!("{}/mcp", self.origin);
        json!({ "resource": resource, "authorization_servers": issuers, "scopes_supported": ["tools"] })
            .to_string()
    }

    fn issuer(&self, path: &str) -> String {
        let at = |end: &str| format!("{}{path}{end}", self.origin);
        json!({
            "issuer": at(""), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "registration_endpoint": at("/register"), "code_challenge_methods_supported": ["S256"],
        })
        .to_string()
    }

    async fn find(&self, stage: &Stage) -> Result<Value, String> {
        let body = json!({ "url": format!("{}/mcp", self.origin) });
        let answer = stage.admin.post(FIND, body).await;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.expect(400)["error"].as_str().unwrap().to_owned()),
        }
    }
}

/// A change of what is answered: a path and its answer; no answer means that it is not there.
type Change<'a> = (String, Option<(u16, String)>);

fn is(path: &str, status: u16, body: &str) -> Change<'static> {
    (path.to_owned(), Some((status, body.to_owned())))
}

/// What is found where one place answers otherwise: the issuer's path and the scope, or why nothing is.
#[tokio::test]
async fn a_document_counts_for_what_it_says_and_a_fault_for_nothing() {
    let stage = Stage::start().await;
    let good = |places: &Places| is(RESOURCE, 200, &places.resource());
    let at = |end: &str| format!("{RESOURCE}{end}");
    let (found, origin) = (Ok(("/as", "tools")), Ok(("", "tools")));
    let here = at("/mcp");
    let there = format!("{OAUTH}/as");
    let openid = format!("{OPENID}/as");
    type Case<'a> = (
        &'a str,
        Vec<Change<'a>>,
        Result<(&'a str, &'a str), &'a str>,
    );
    let (first, nobody) = (Places::start().await, closed_address().await);
    let issuer = first.issuer("/as");
    let mut cases: Vec<Case<'_>> = vec![
        ("as it should be", vec![], found),
        (
            "JSON that is no metadata",
            vec![is(&here, 200, r#"{"error":"not found"}"#), good(&first)],
            found,
        ),
        ("a list", vec![is(&here, 200, "[]"), good(&first)], found),
        (
            "a page",
            vec![is(&here, 200, "<p>Hello"), good(&first)],
            found,
        ),
        (
            "an issuer's document of nothing",
            vec![is(&there, 200, "{}"), is(&openid, 200, &issuer)],
            found,
        ),
        (
            "an issuer's error with a status of success",
            vec![
                is(&there, 200, r#"{"error":"not_found"}"#),
                is(&openid, 200, &issuer),
            ],
            found,
        ),
        (
            "metadata that names no authorization server",
            vec![
                is(&here, 200, &first.resource_with(&json!(null))),
                is(OAUTH, 200, &first.issuer("")),
            ],
            origin,
        ),
        (
            "metadata that names none, in a list",
            vec![
                is(&here, 200, &first.resource_with(&json!([]))),
                is(OAUTH, 200, &first.issuer("")),
            ],
            origin,
        ),
        (
            "the first of two issuers has a fault",
            vec![
                is(
                    &here,
                    200,
                    &first.resource_with(&json!([
                        format!("{}/other", first.origin),
                        format!("{}/as", first.origin)
                    ])),
                ),
                is(&format!("{OAUTH}/other"), 503, ""),
            ],
            Err(SILENT),
        ),
        (
            "the first of two issuers is not there",
            vec![is(
                &here,
                200,
                &first.resource_with(&json!([
                    format!("{}/other", first.origin),
                    format!("{}/as", first.origin)
                ])),
            )],
            found,
        ),
        (
            "an issuer at which nobody listens",
            vec![is(
                &here,
                200,
                &first.resource_with(&json!([format!("http://{nobody}")])),
            )],
            Err(SILENT),
        ),
        (
            "an issuer that is nowhere",
            vec![(there.clone(), None)],
            Err(NOWHERE),
        ),
        (
            "a server with a fault that says nothing else",
            vec![(here.clone(), None), is("/mcp", 502, "")],
            Err(SILENT),
        ),
    ];
    for status in [400, 401, 403, 404, 405, 410] {
        cases.push((
            "a place that is not there",
            vec![is(&here, status, ""), good(&first)],
            found,
        ));
        cases.push((
            "an issuer's place that is not there",
            vec![is(&there, status, ""), is(&openid, 200, &issuer)],
            found,
        ));
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        cases.push((
            "a place with a fault",
            vec![is(&here, status, ""), good(&first)],
            Err(SILENT),
        ));
        cases.push((
            "an issuer's place with a fault",
            vec![is(&there, status, ""), is(&openid, 200, &issuer)],
            Err(SILENT),
        ));
    }
    for (what, changes, expected) in cases {
        // Nothing may be known of the server from the case before.
        let places = Places::start().await;
        for (path, answer) in &changes {
            match answer {
                Some((status, body)) => {
                    places.set(path, *status, &body.replace(&first.origin, &places.origin));
                }
                None => places.unset(path),
            }
        }
        let found = places.find(&stage).await;
        let Ok(service) = found else {
            assert_eq!(
                found.err().as_deref(),
                expected.err(),
                "{what}: {changes:?}"
            );
            continue;
        };
        let path = format!(
            "/api/accounts/orgs/acme/oauth-services/?name={}",
            service["name"].as_str().unwrap()
        );
        let row = &stage.admin.get(&path).await.expect(200)[0];
        let issuer = row["url"]
            .as_str()
            .unwrap()
            .strip_prefix(&places.origin)
            .unwrap()
            .to_owned();
        let scope = service["scope"].as_str().unwrap();
        assert_eq!(
            Ok((issuer.as_str(), scope)),
            expected,
            "{what}: {changes:?}"
        );
    }
}

#[tokio::test]
async fn a_passing_fault_of_discovery_changes_nothing_that_worked() {
    let stage = Stage::start().await;
    let places = Places::start().await;
    let service = places.find(&stage).await.unwrap();
    let url = format!("{}/mcp", places.origin);
    let fields =
        json!({ "auth_type": "oauth2", "auth_scope": "user", "oauth_service": service["id"] });
    let server = crate::harness::register(&stage.admin, "Up", &url, fields).await;
    stage.attach(&[server]).await;
    let asked = stage.modern().call("up__connect_account", json!({})).await;
    let link = asked.result()["_meta"]["mentor-gateway/sign-in"]["authUrl"]
        .as_str()
        .unwrap();
    let link = link.strip_prefix(&stage.gateway.base).unwrap().to_owned();
    let mut browser = Browser::at(&stage.gateway);
    browser.sign_in(&stage.learner, &link).await;
    let before = page(&browser.get(&link).await);
    let here = format!("{RESOURCE}/mcp");
    let there = format!("{OAUTH}/as");
    for (what, path, answer) in [
        ("a resource's fault", here.as_str(), Some((503, ""))),
        (
            "a resource's fault for another reason",
            here.as_str(),
            Some((500, "<p>Oops")),
        ),
        ("a limit", here.as_str(), Some((429, ""))),
        (
            "a resource that is not there for a moment",
            here.as_str(),
            None,
        ),
        (
            "a resource that is something else for a moment",
            here.as_str(),
            Some((200, "{}")),
        ),
        ("an issuer's fault", there.as_str(), Some((503, ""))),
        (
            "an issuer that is not there for a moment",
            there.as_str(),
            None,
        ),
        (
            "an issuer that is something else for a moment",
            there.as_str(),
            Some((200, "<p>")),
        ),
        ("a server's fault", "/mcp", Some((500, ""))),
    ] {
        let kept = places.answers.lock().unwrap().get(path).cloned();
        match answer {
            Some((status, body)) => places.set(path, status, body),
            None => places.unset(path),
        }
        let again = places.find(&stage).await.unwrap();
        assert_eq!(again["id"], service["id"], "{what}");
        let row = stage
            .admin
            .get(&format!("mcp-servers/{server}/"))
            .await
            .expect(200);
        assert_eq!(row["oauth_service"], service["id"], "{what}");
        let shown = browser.get(&link).await;
        assert_eq!(
            (shown.status, page(&shown)),
            (200, before.clone()),
            "{what}"
        );
        match kept {
            Some((status, body)) => places.set(path, status, &body),
            None => places.unset(path),
        }
    }
}

#[tokio::test]
async fn a_page_names_the_reason_for_which_a_sign_in_cannot_begin() {
    for (change, title) in [
        (
            (|places: &Places| places.unset(&format!("{OAUTH}/as"))) as fn(&Places),
            "This service does not say where to sign in",
        ),
        (
            |places| places.set(&format!("{OAUTH}/as"), 503, ""),
            "This service does not answer just now",
        ),
        (
            |places| {
                let issuer = places.issuer("/as").replace("S256", "plain");
                places.set(&format!("{OAUTH}/as"), 200, &issuer);
            },
            "The sign-in of this service is not safe",
        ),
        (
            |places| {
                let resource = places.resource().replace("/mcp\"", "/other\"");
                places.set(&format!("{RESOURCE}/mcp"), 200, &resource);
            },
            "The sign-in of this service is not safe",
        ),
    ] {
        let stage = Stage::start().await;
        let places = Places::start().await;
        change(&places);
        let url = format!("{}/mcp", places.origin);
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
        let server = crate::harness::register(&stage.admin, "Up", &url, fields).await;
        stage.attach(&[server]).await;
        let link = prompt(&stage, server).await;
        let mut browser = Browser::at(&stage.gateway);
        browser.sign_in(&stage.learner, &link).await;
        says(&browser.get(&link).await, 400, &[title]);
    }
}

/// The page of a question to the learner about a server.
async fn prompt(stage: &Stage, server: i64) -> String {
    let app = &stage.gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let acme = mentor_gateway::tenant::get(&mut tx, "acme").await.unwrap();
    let bob = mentor_gateway::tenant::user::get(&mut tx, acme.id, "bob")
        .await
        .unwrap();
    let new = mentor_gateway::oauth::prompt::NewPrompt {
        tenant: acme.id,
        user: bob.id,
        server: mentor_gateway::registry::server::ServerId(server),
        mentor: None,
        scope: "",
    };
    let id = mentor_gateway::oauth::prompt::open(&mut tx, &new, app.clock.now()).await;
    tx.commit().await.unwrap();
    format!("/connect/{}", id.unwrap().id)
}
