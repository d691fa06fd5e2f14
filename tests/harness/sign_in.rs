//! A gateway whose operator added a provider, and the authorization server behind it. A person's browser is played by
//! hand: it follows one redirect and brings the answer back.

use mentor_gateway::clock::UnixMs;
use serde_json::{Value, json};
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, CLIENT_SECRET, Switches};
use url::Url;

use super::app::{Gateway, PUBLIC_SERVER, START, today};
use super::client::{Answer, Client};
use super::upstream::Stage;

/// The callback of the connectors.
pub const CALLBACK: &str = "/api/accounts/connected-services/callback/";

/// `acme` has stored who it is at the provider `fixture`, whose services are `files` and `notes`.
pub struct SignIn {
    pub stage: Stage,
    pub issuer: AuthorizationServer,
    _catalog: tempfile::TempDir,
}

impl SignIn {
    /// A gateway that knows an authorization server with these manners.
    pub async fn start(switches: Switches) -> Self {
        Self::start_with(switches, "").await
    }

    /// The same with more lines in the provider's entry of the operator's catalog.
    pub async fn start_with(switches: Switches, more: &str) -> Self {
        Self::start_at(START, switches, more).await
    }

    /// The same on the system's day, for processes beside it.
    pub async fn for_processes(switches: Switches) -> Self {
        Self::start_at(today(), switches, "").await
    }

    async fn start_at(now: UnixMs, switches: Switches, more: &str) -> Self {
        let issuer = AuthorizationServer::start(switches).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.toml");
        std::fs::write(&file, catalog(&issuer, more)).unwrap();
        let stage = Stage::start_at(now, |settings| {
            settings.oauth_catalog = Some(file);
            settings.allow_origin = vec!["https://app.example".into()];
        })
        .await;
        let credential = json!({
            "name": "auth_fixture", "platform": "acme",
            "value": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        });
        let path = "/api/ai-account/orgs/acme/integration-credential/";
        stage.admin.post(path, credential).await.expect(200);
        Self {
            stage,
            issuer,
            _catalog: folder,
        }
    }

    pub fn gateway(&self) -> &Gateway {
        &self.stage.gateway
    }

    /// The URL that a person is sent to for the service `files`.
    pub async fn begin(&self, person: &Client) -> Url {
        self.begin_with(person, "").await
    }

    /// The same with a query.
    pub async fn begin_with(&self, person: &Client, query: &str) -> Url {
        let path = connected_services(&person.username, "fixture/files/");
        let answer = person.get(&format!("{path}{query}")).await.expect(200);
        answer["auth_url"].as_str().unwrap().parse().unwrap()
    }

    /// Goes to the authorization server as a browser, and returns the query that it sends back.
    pub async fn consent(&self, auth_url: &Url) -> String {
        let visited = self.gateway().anonymous().visit(auth_url.as_str()).await;
        let location = visited
            .header("location")
            .unwrap_or_else(|| panic!("{visited:?}"));
        let back: Url = location.parse().unwrap();
        back.query().unwrap().to_owned()
    }

    /// Brings a query to the callback.
    pub async fn bring(&self, person: &Client, query: &str) -> Answer {
        person.get(&format!("{CALLBACK}?{query}")).await
    }

    /// The whole way for the service `files`; the connected service.
    pub async fn connect(&self, person: &Client) -> Value {
        let query = self.consent(&self.begin(person).await).await;
        self.bring(person, &query).await.expect(200)
    }

    /// What the person has connected.
    pub async fn connected(&self, person: &Client) -> Value {
        let path = connected_services(&person.username, "");
        person.get(&path).await.expect(200)
    }

    /// A server of acme at which people sign in to `files`, each for themself.
    pub async fn server(&self) -> Value {
        let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
        let services = self.stage.admin.get(services).await.expect(200);
        let server = json!({
            "name": "Files", "url": PUBLIC_SERVER, "auth_type": "oauth2", "auth_scope": "user",
            "oauth_service": services[0]["id"],
        });
        self.stage
            .admin
            .post("mcp-servers/", server)
            .await
            .expect(201)
    }
}

/// A path below a person's connected services in acme.
pub fn connected_services(username: &str, rest: &str) -> String {
    format!("/api/accounts/connected-services/orgs/acme/users/{username}/{rest}")
}

fn catalog(issuer: &AuthorizationServer, more: &str) -> String {
    format!(
        r#"
[[provider]]
name = "fixture"
display_name = "Fixture"
issuer = "{}"
auth_url = "{}?client_id=theirs&hint=x"
token_url = "{}"
revocation_url = "{}"
auth_parameters = {{ access_type = "offline", state = "theirs" }}
{more}

[[provider.service]]
name = "files"
display_name = "Fixture Files"
scope = "files.read openid"

[[provider.service]]
name = "notes"
display_name = "Fixture Notes"
"#,
        issuer.issuer(),
        issuer.url("/authorize"),
        issuer.url("/token"),
        issuer.url("/revoke"),
    )
}

/// The one value of a URL's parameter.
pub fn parameter(url: &Url, name: &str) -> String {
    let values: Vec<String> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(values.len(), 1, "{name} in {url}");
    values.into_iter().next().unwrap()
}
