//! What must hold for every line of the route table: nobody, another tenant and a weak role are refused
//! (docs/inside/threats.md#tenants). The public routes are listed here by hand; that list only shrinks.

use mentor_gateway::http::endpoint::{Access, Route};
use mentor_gateway::http::routes::ROUTES;
use mentor_gateway::sql;
use serde_json::json;

use crate::harness::{Answer, Client, Gateway, PUBLIC_SERVER, send, session};

/// Routes that anybody may call without a key.
const PUBLIC: &[&str] = &[
    "/health/live",
    "/health/ready",
    "/api/schema/",
    "/api/docs/",
    "/api/docs/{file}",
    "/api/images/{name}",
    "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/public-settings/",
    "/api/ai-mentor/orgs/{org}/mentors/{mentor}/public-settings/",
    "/api/ai-mentor/orgs/{org}/sessions/",
    "/api/ai-mentor/orgs/{org}/users/{user_id}/sessions/",
    "/api/accounts/connected-services/callback/",
    "/api/accounts/oauth-client/",
    // Opened by the proof in a link.
    "/api/career/files/{id}/",
    "/api/career/uploads/{username}/",
];

const MISSING: &str = r#"{"detail":"Not found."}"#;

/// A gateway where acme has a server, a connection, and a chat session and a grant at Google Drive of bob's.
pub struct World {
    gateway: Gateway,
    pub admin: Client,
    server: String,
    connection: String,
    api_key: String,
    session: String,
    connected_service: String,
    webhook: String,
    mail_template: String,
    delivery: String,
}

pub async fn world() -> World {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let server = admin
        .post("mcp-servers/", json!({"name": "x", "url": PUBLIC_SERVER}))
        .await;
    let server = server.expect(201)["id"].to_string();
    let connection = json!({"server": server, "scope": "platform", "auth_type": "none"});
    let connection = admin.post("mcp-server-connections/", connection).await;
    let connection = connection.expect(201)["id"].to_string();
    let api_key = json!({"name": "x", "kind": "platform"});
    let api_key = admin.post("api-keys/", api_key).await.expect(201)["id"].to_string();
    let session = session(&gateway.learner().await, &gateway.mentor, json!({})).await;
    let connected_service = gateway.grant("acme", "bob").await.to_string();
    let (webhook, delivery) = webhook(&gateway, &admin).await;
    let template = json!({"id": 7, "name": "x", "subject": "x", "text": "x"});
    let mail_template = admin.post("mail-templates/", template).await.expect(201)["id"].to_string();
    for user in ["alice", "bob"] {
        let path = format!("/api/career/resume/orgs/acme/users/{user}/");
        let resume = reqwest::multipart::Form::new().text("link_1", "https://bob.example");
        let request = admin.request(reqwest::Method::POST, &path);
        send(request.multipart(resume)).await.expect(200);
    }
    World {
        session,
        connected_service,
        gateway,
        admin,
        server,
        connection,
        api_key,
        webhook,
        mail_template,
        delivery,
    }
}

/// A webhook, and something that is on its way to it.
async fn webhook(gateway: &Gateway, admin: &Client) -> (String, String) {
    let webhook = json!({"url": PUBLIC_SERVER, "events": ["payment.received"]});
    let webhook = admin.post("webhooks/", webhook).await.expect(201)["id"].to_string();
    let mut tx = gateway.app.db.write().await.unwrap();
    let delivery = sql!(
        &mut tx,
        scalar as i64,
        "INSERT INTO webhook_deliveries (tenant_id, webhook_id, event, object, body, state, attempts, next_at,
                                         lease_until, result, created_at)
         SELECT tenant_id, id, 'payment.received', 'payment:1', '{}', 'waiting', 0, $1, 0, '', created_at
         FROM webhooks WHERE id = $2 RETURNING id",
        i64::MAX,
        webhook.parse::<i64>().unwrap()
    );
    tx.commit().await.unwrap();
    (webhook, delivery.unwrap().to_string())
}

impl World {
    /// The object of acme that a path names by `{id}`, by what stands before it.
    fn id(&self, path: &str) -> &str {
        let ids = [
            ("/mcp-servers/", &self.server),
            ("/mcp-server-connections/", &self.connection),
            ("/api-keys/", &self.api_key),
            (
                "/connected-services/orgs/{org}/users/{user_id}/",
                &self.connected_service,
            ),
            ("/mail-templates/", &self.mail_template),
            ("/webhooks/", &self.webhook),
            ("/webhook-deliveries/", &self.delivery),
            // Nobody has a file here; a link to one is refused before it is looked for.
            ("/career/files/", &self.server),
        ];
        let Some((before, _)) = path.split_once("{id}") else {
            return "";
        };
        let mut of_noun = ids.iter().filter(|(noun, _)| before.ends_with(noun));
        let (_, id) = of_noun
            .next()
            .unwrap_or_else(|| panic!("{path}: whose id?"));
        id
    }

    /// The route's path with real objects of acme in it.
    pub fn filled(&self, route: &Route, user: &str) -> String {
        let query = match route.path {
            // Routes that name their tenant in the query.
            "/api/agent/chat/" => "?platform_key=acme",
            path if path.starts_with("/api/analytics/") => "?platform_key=acme&username={username}",
            _ => "",
        };
        format!("{}{query}", route.path)
            .replace("{session_id}", &self.session)
            .replace("{anyone}", user)
            .replace("{org}", "acme")
            .replace("{user_id}", user)
            .replace("{username}", user)
            .replace("{mentor}", &self.gateway.mentor)
            .replace("{name}", &self.gateway.mentor)
            .replace("{provider}", "google")
            .replace("{service}", "drive")
            .replace("{service_name}", "drive")
            .replace("{id}", self.id(route.path))
            .replace("{enrollment}", "enr_x")
    }
}

async fn call(client: &Client, route: &Route, path: &str) -> Answer {
    let mut request = client.request(route.method.clone(), path);
    if route.endpoint.body.is_some() {
        request = request.json(&json!({"name": "x"}));
    }
    send(request).await
}

fn names_a_user(route: &Route) -> bool {
    route.path.contains("{user_id}")
        || route.path.contains("{username}")
        || route.path.starts_with("/api/analytics/")
}

fn closed() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.access != Access::Public)
}

#[test]
fn the_table_is_well_formed() {
    let mut seen = Vec::new();
    for route in ROUTES {
        let line = format!("{} {}", route.method, route.path);
        assert!(!seen.contains(&line), "{line} is repeated");
        assert_eq!(
            route.access == Access::Public,
            PUBLIC.contains(&route.path),
            "{line}"
        );
        assert!(route.endpoint.summary.ends_with('.'), "{line}");
        seen.push(line);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let world = world().await;
    let anonymous = world.gateway.anonymous();
    let mut wrong = anonymous.clone();
    wrong.key = Some("0".repeat(64));
    for route in closed() {
        for path in [
            world.filled(route, "alice"),
            route.path.replace(['{', '}'], ""),
        ] {
            let line = format!("{} {path}", route.method);
            let missing = call(&anonymous, route, &path).await;
            assert_eq!(
                missing.brief(),
                (
                    401,
                    r#"{"detail":"Authentication credentials were not provided."}"#.into()
                ),
                "{line}"
            );
            assert_eq!(
                missing.header("www-authenticate"),
                Some("Token realm=\"mentor-gateway\""),
                "{line}"
            );
            assert!(missing.header("x-request-id").is_some(), "{line}");
            let invalid = call(&wrong, route, &path).await;
            assert_eq!(
                invalid.brief(),
                (401, r#"{"detail":"Invalid token."}"#.into()),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let world = world().await;
    let stranger = world.gateway.stranger().await;
    for route in closed() {
        let path = world.filled(route, "alice");
        let real = call(&stranger, route, &path).await;
        let none = call(&stranger, route, &path.replace("acme", "nowhere")).await;
        assert_eq!(
            real.brief(),
            (404, MISSING.into()),
            "{} {path}",
            route.method
        );
        assert_eq!(real.brief(), none.brief());
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&real), names(&none), "{} {path}", route.method);
        // The stranger's own path with acme's objects in it.
        let own = path
            .replace("/orgs/acme/", "/orgs/globex/")
            .replace("/users/alice/", "/users/gus/");
        if own.contains(&world.gateway.mentor) || route.path.contains("{id}") {
            assert_eq!(
                call(&stranger, route, &own).await.brief(),
                (404, MISSING.into()),
                "{} {own}",
                route.method
            );
        }
    }
}

#[tokio::test]
async fn a_learner_is_held_to_their_own_path_and_role() {
    let world = world().await;
    let learner = world.gateway.learner().await;
    for route in closed() {
        if names_a_user(route) {
            for other in ["alice", "nobody", "gus", "ALICE", "bob%00", "bob%20", "%ff"] {
                let path = world.filled(route, other);
                assert_eq!(
                    call(&learner, route, &path).await.brief(),
                    (404, MISSING.into()),
                    "{} {path}",
                    route.method
                );
            }
        }
        if route.access == Access::Admin {
            let path = world.filled(route, "bob");
            let weak = r#"{"detail":"You do not have permission to perform this action."}"#;
            assert_eq!(
                call(&learner, route, &path).await.brief(),
                (403, weak.into()),
                "{} {path}",
                route.method
            );
        }
    }
}

#[tokio::test]
async fn an_admin_may_name_a_user_of_the_tenant_and_nobody_else() {
    let world = world().await;
    let admin = &world.admin;
    for route in closed().filter(|route| route.method == "GET" && names_a_user(route)) {
        let path = world.filled(route, "bob");
        call(admin, route, &path).await.expect(200);
        for other in ["nobody", "gus"] {
            let path = world.filled(route, other);
            assert_eq!(
                call(admin, route, &path).await.brief(),
                (404, MISSING.into()),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_what_is_allowed() {
    let world = world().await;
    let admin = &world.admin;
    for route in ROUTES {
        let path = world.filled(route, "alice");
        let answer = send(admin.request("TRACE".parse().unwrap(), &path)).await;
        assert_eq!(
            answer.brief(),
            (405, r#"{"detail":"Method \"TRACE\" not allowed."}"#.into()),
            "{path}"
        );
        assert!(
            answer
                .header("allow")
                .unwrap()
                .contains(route.method.as_str()),
            "{path}"
        );
    }
    let servers = send(admin.request(reqwest::Method::DELETE, "mcp-servers/")).await;
    assert_eq!(servers.header("allow"), Some("GET, POST, HEAD, OPTIONS"));
}
