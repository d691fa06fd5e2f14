//! `demo`: from nothing to a tool call over every transport, in one command.
//! Sets everything up the way a client would: over REST, then MCP.

mod academy;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use super::serve::{bind, serve};
use super::{Failure, say};
use crate::app::App;
use crate::config::Config;
use base::clock::{Clock, Stopwatch, random_hex};
use base::error::Error;
use base::secret::{STARS, Secret, mask_header_value, write_private};
use base::storage::Tx;
use egress::Limits;
use tenancy::auth::token::{self, Environment, NewToken, TokenKind};
use tenancy::tenant::mentor::{self, Mentor};
use tenancy::tenant::user::{self, NewUser, Role, User};
use tenancy::tenant::{self, Tenant};

const TENANT: &str = "acme";
const ADMIN: &str = "alice";
const LEARNER: &str = "bob";
const INSTRUCTOR: &str = "dave";
const MENTOR: &str = "Demo Mentor";
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Show a mentor calling a tool over every transport, then keep serving
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mentor-gateway demo --once\n\nEverything it makes lies in ./data/demo (or --data-dir): a SQLite database, keys, tokens."
)]
pub(super) struct Demo {
    /// Exit after the calls instead of serving on
    #[arg(long)]
    once: bool,
}

/// A transport of the demo, and the scope whose credential its server is given.
struct Stage {
    title: &'static str,
    name: &'static str,
    transport: &'static str,
    scope: &'static str,
    upstream: Upstream,
    secret: String,
}

impl Demo {
    pub(super) async fn run(self, mut config: Config) -> Result<(), Failure> {
        if config.data_dir == Path::new("data") {
            config = config.in_data_dir("data/demo".into());
        }
        config
            .egress_allow
            .push("127.0.0.0/8".parse().expect("a valid range"));
        if self.once {
            config.addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        }
        config.make_data_dir()?;
        let listener = bind(config.addr).await?;
        let address = listener.local_addr()?;
        let data_dir = config.data_dir.clone();
        let app = App::start(config, Clock::default()).await?;
        app.offer_own_servers().await?;
        let people = People::prepare(&app, &data_dir).await?;
        let stages = stages().await?;
        let served = app.clone();
        let serving = async move { serve(served, listener).await };
        let showing = async {
            let shown = show(&app, &people, &stages, address).await;
            match (&shown, self.once) {
                (Ok(()), false) => {
                    say_how_to_go_on(&people, address, &data_dir);
                    std::future::pending().await
                }
                _ => shown,
            }
        };
        tokio::select! {
            served = serving => served,
            shown = showing => {
                app.stop().await;
                shown
            }
        }
    }
}

/// The tenant's people and mentor, and where their tokens lie.
struct People {
    admin: Secret,
    learner: Secret,
    mentor: Mentor,
}

impl People {
    /// Finds or makes everybody; a second demo in the same data directory finds the first one's.
    async fn prepare(app: &App, data_dir: &Path) -> Result<Self, Failure> {
        let mut tx = app.db.write().await?;
        let now = app.clock.now();
        let tenant = match tenant::find(&mut tx, TENANT).await? {
            Some(tenant) => tenant,
            None => tenant::create(&mut tx, TENANT, "Acme Academy", now).await?,
        };
        let admin = person(app, &mut tx, &tenant, (ADMIN, Role::Admin)).await?;
        let learner = person(app, &mut tx, &tenant, (LEARNER, Role::Learner)).await?;
        let instructor = person(app, &mut tx, &tenant, (INSTRUCTOR, Role::Instructor)).await?;
        let mentor = match mentor::find(&mut tx, tenant.id, MENTOR).await? {
            Some(mentor) => mentor,
            None => mentor::create(&mut tx, tenant.id, MENTOR, ADMIN, now).await?,
        };
        let admin_user = admin;
        let admin = key(app, &mut tx, &admin_user, &token_file(data_dir, ADMIN)).await?;
        let three = (&admin_user, &learner, &instructor);
        academy::prepare(app, &mut tx, data_dir, three).await?;
        let learner = key(app, &mut tx, &learner, &token_file(data_dir, LEARNER)).await?;
        tx.commit().await?;
        Ok(Self {
            admin,
            learner,
            mentor,
        })
    }
}

fn token_file(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join(format!("{name}.token"))
}

async fn person(
    app: &App,
    tx: &mut Tx,
    tenant: &Tenant,
    (name, role): (&str, Role),
) -> Result<User, Error> {
    match user::find(tx, tenant.id, name).await? {
        Some(user) => Ok(user),
        None => {
            let email = format!("{name}@acme.example");
            let new = NewUser {
                username: name,
                email: &email,
                role,
            };
            user::create(tx, tenant.id, &new, app.clock.now()).await
        }
    }
}

async fn key(app: &App, tx: &mut Tx, user: &User, file: &Path) -> Result<Secret, Failure> {
    if let Ok(text) = std::fs::read_to_string(file) {
        let secret = Secret::new(text.trim());
        if token::find_by_digest(tx, &app.vault.digest(&secret))
            .await?
            .is_some()
        {
            return Ok(secret);
        }
        std::fs::remove_file(file)?;
    }
    let new = NewToken {
        user,
        kind: TokenKind::Token,
        environment: Environment::Live,
        scopes: &[],
        allow_ips: &[],
        expires_at: None,
    };
    let (_, secret) = token::create(tx, &app.vault, &new, app.clock.now()).await?;
    write_private(file, secret.expose())?;
    Ok(secret)
}

/// One upstream per transport; each insists on its own credential.
async fn stages() -> Result<Vec<Stage>, Failure> {
    let plans = [
        (
            "streamable HTTP",
            "Demo HTTP",
            "streamable_http",
            "platform",
            Behaviour::stateless(),
        ),
        ("HTTP+SSE", "Demo SSE", "sse", "mentor", Behaviour::sse()),
        (
            "WebSocket",
            "Demo WebSocket",
            "websocket",
            "user",
            Behaviour::websocket(),
        ),
    ];
    let mut stages = Vec::new();
    for (title, name, transport, scope, behaviour) in plans {
        let upstream = Upstream::start(behaviour).await?;
        let secret = format!("{scope}-{}", random_hex::<12>());
        upstream.require_authorization(Some(format!("Bearer {secret}")));
        stages.push(Stage {
            title,
            name,
            transport,
            scope,
            upstream,
            secret,
        });
    }
    Ok(stages)
}

async fn show(
    app: &Arc<App>,
    people: &People,
    stages: &[Stage],
    address: SocketAddr,
) -> Result<(), Failure> {
    let api = Api {
        app,
        address,
        token: &people.admin,
    };
    let base = format!("/api/ai-mentor/orgs/{TENANT}/users/{ADMIN}");
    forget_last_demo(&api, &base, stages).await?;
    let mut ids = Vec::new();
    for stage in stages {
        ids.push(register(&api, &base, stage, &people.mentor).await?);
    }
    let settings = format!("{base}/mentors/{}/settings/", people.mentor.unique_id);
    api.rest(
        Method::PATCH,
        &settings,
        &json!({ "tools": ["mcp-tool"], "mcp_servers": ids }),
    )
    .await?;
    let learner = Api {
        token: &people.learner,
        ..api
    };
    say(format_args!(
        "{MENTOR} calls `whoami` on each server for the learner {LEARNER}:\n"
    ));
    for (stage, id) in stages.iter().zip(&ids) {
        say(call(&learner, &api, (stage, *id), (&base, &people.mentor)).await?);
    }
    Ok(())
}

async fn forget_last_demo(api: &Api<'_>, base: &str, stages: &[Stage]) -> Result<(), Failure> {
    let servers = api
        .rest(Method::GET, &format!("{base}/mcp-servers/"), &Value::Null)
        .await?;
    for server in servers["results"].as_array().into_iter().flatten() {
        if stages.iter().any(|stage| server["name"] == stage.name) {
            api.rest(
                Method::DELETE,
                &format!("{base}/mcp-servers/{}/", server["id"]),
                &Value::Null,
            )
            .await?;
        }
    }
    Ok(())
}

async fn register(
    api: &Api<'_>,
    base: &str,
    stage: &Stage,
    mentor: &Mentor,
) -> Result<i64, Failure> {
    let server = json!({
        "name": stage.name, "url": stage.upstream.url(), "transport": stage.transport,
        "auth_type": "token", "auth_scope": stage.scope,
    });
    let server = api
        .rest(Method::POST, &format!("{base}/mcp-servers/"), &server)
        .await?;
    let id = server["id"]
        .as_i64()
        .ok_or_else(|| Failure::new("a registered server has no id"))?;
    let mut connection = json!({
        "server": id, "scope": stage.scope, "auth_type": "token",
        "credentials": stage.secret, "authorization_scheme": "Bearer",
    });
    match stage.scope {
        "mentor" => connection["mentor"] = mentor.unique_id.clone().into(),
        "user" => connection["user"] = LEARNER.into(),
        _ => {}
    }
    api.rest(
        Method::POST,
        &format!("{base}/mcp-server-connections/"),
        &connection,
    )
    .await?;
    Ok(id)
}

/// One `whoami` through the gateway: what the upstream saw, and which step the resolution chose.
async fn call(
    learner: &Api<'_>,
    admin: &Api<'_>,
    (stage, id): (&Stage, i64),
    (base, mentor): (&str, &Mentor),
) -> Result<String, Failure> {
    let tool = format!("{}__whoami", mentor::slugify(stage.name));
    let watch = Stopwatch::start();
    let answer = learner
        .call_tool(&format!("/mcp/mentors/{}/", mentor.unique_id), &tool)
        .await?;
    let took = watch.elapsed();
    let seen = answer["result"]["structuredContent"]["headers"]["authorization"].as_str();
    let seen = seen.ok_or_else(|| Failure::new(format!("{tool} answered {answer}")))?;
    let sent = format!("Bearer {}", stage.secret);
    // What a server says back of the credential that it got reaches its owner as it is, and everybody else as stars.
    if seen != sent && seen != format!("Bearer {STARS}") {
        return Err(Failure::new(format!(
            "{} was called with another credential",
            stage.name
        )));
    }
    let explain = format!(
        "{base}/mcp-servers/{id}/resolve/?user={LEARNER}&mentor={}",
        mentor.unique_id
    );
    let resolved = admin.rest(Method::GET, &explain, &Value::Null).await?;
    let step = resolved["used"]["step"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok(format!(
        "  {:<16} {tool:<26} {step} connection, the server saw {} ({:.1} ms)",
        stage.title,
        mask_header_value(&sent),
        took.as_secs_f64() * 1000.0
    ))
}

/// The gateway's own HTTP surface, as a client uses it.
#[derive(Clone, Copy)]
struct Api<'a> {
    app: &'a Arc<App>,
    address: SocketAddr,
    token: &'a Secret,
}

impl Api<'_> {
    async fn rest(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Request::builder().method(method).uri(self.url(path)), body)
            .await
    }

    async fn call_tool(&self, path: &str, tool: &str) -> Result<Value, Failure> {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": tool, "arguments": {},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "demo", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url(path))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        self.send(request, &body).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn send(&self, request: http::request::Builder, body: &Value) -> Result<Value, Failure> {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request
            .header("authorization", format!("Token {}", self.token.expose()))
            .header("content-type", "application/json")
            .body(Bytes::from(text))
            .map_err(Failure::new)?;
        let path = request.uri().path().to_owned();
        let timeout = self.app.config.upstream_timeout;
        let response = self
            .app
            .egress
            .send(
                request,
                &Limits {
                    headers: timeout,
                    idle: timeout,
                },
            )
            .await
            .map_err(Failure::new)?;
        let status = response.status();
        let text = response
            .into_body()
            .read_to_end(ANSWER_BYTES_MAX, timeout)
            .await
            .map_err(Failure::new)?;
        if !status.is_success() {
            return Err(Failure::new(format!(
                "{path} answered {status}: {}",
                String::from_utf8_lossy(&text)
            )));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&text).map_err(Failure::new)
    }
}

fn say_how_to_go_on(people: &People, address: SocketAddr, data_dir: &Path) {
    let mentor = format!("http://{address}/mcp/mentors/{}/", people.mentor.unique_id);
    let (admin, learner) = (token_file(data_dir, ADMIN), token_file(data_dir, LEARNER));
    say(format_args!(
        "\nThe gateway keeps running; Ctrl-C ends it.\n\n\
         REST API and its documentation   http://{address}/api/docs/\n\
         MCP endpoint of {MENTOR}      {mentor}\n\
         token of {ADMIN} (admin)           {}\n\
         token of {LEARNER} (learner)           {}\n\
         academy v1 and v2                http://{address}/mcp/v1/  http://{address}/mcp/v2/\n\
         learner server                   http://{address}/mcp/user/\n\
         their keys                       {}\n\n\
         Try it in Claude Code:\n  \
         claude mcp add demo --transport http {mentor} --header \"Authorization: Token $(cat {})\"",
        admin.display(),
        learner.display(),
        data_dir.join("*.key").display(),
        learner.display()
    ));
}
