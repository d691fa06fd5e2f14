//! OAuth services and integration credentials over REST (docs/inside/contract.md#oauth-services and
//! docs/inside/contract.md#integration-credentials).

use serde_json::{Value, json};

use crate::harness::{Client, Gateway, PUBLIC_SERVER};

const SERVICES: &str = "/api/accounts/orgs/acme/oauth-services/";
const CREDENTIAL: &str = "/api/ai-account/orgs/acme/integration-credential/";
const MASKED: &str = "/api/ai-account/orgs/acme/masked-integration-credential/";
const AT: &str = "2026-11-21T00:00:00Z";

fn google(secret: &str) -> Value {
    json!({"name": "auth_google", "platform": "acme", "value": {
        "client_id": "123456.apps.example", "client_secret": secret, "redirect_uri": "https://app.example/cb/",
    }})
}

async fn stored(admin: &Client) -> Value {
    let body = google("super-secret-api-key");
    admin.post(CREDENTIAL, body).await.expect(200)
}

fn names(rows: &Value) -> Vec<String> {
    let name = |row: &Value| {
        let (provider, name) = (&row["oauth_provider"], &row["name"]);
        format!("{}/{}", provider.as_str().unwrap(), name.as_str().unwrap())
    };
    rows.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn a_member_sees_every_service_of_the_catalog_with_its_provider() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let rows = learner.get(SERVICES).await.expect(200);
    assert_eq!(
        names(&rows).join(" "),
        "canvas/canvas dropbox/dropbox github/github google/calendar google/drive google/gmail microsoft/calendar \
         microsoft/onedrive microsoft/outlook notion/notion slack/slack"
    );
    let drive = &learner
        .get(&format!("{SERVICES}?name=DRIVE"))
        .await
        .expect(200)[0];
    let mut expected = json!({
        "id": drive["id"], "oauth_provider": "google", "oauth_provider_id": drive["oauth_provider_id"], "name": "drive",
        "display_name": "Google Drive", "description": "Files in Google Drive",
        "scope": "https://www.googleapis.com/auth/drive.readonly", "image": null, "created_at": AT, "updated_at": AT,
        "url": "https://accounts.google.com", "auth_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_url": "https://oauth2.googleapis.com/token", "scope_map": null, "is_enabled": true,
        "use_basic_auth": false, "services": drive["services"],
        "credentials": {
            "id": drive["oauth_provider_id"], "name": "auth_google", "is_global": false, "client_id": "",
            "client_secret": "", "redirect_uris": [],
        },
    });
    assert_eq!(drive, &expected);
    assert_eq!(names(&drive["services"]).len(), 3);
    stored(&gateway.admin().await).await;
    let scopes = format!("{SERVICES}drive/scopes/");
    let drive = &learner.get(&scopes).await.expect(200)[0];
    expected["credentials"]["client_id"] = "123456.apps.example".into();
    expected["credentials"]["client_secret"] = "****".into();
    expected["credentials"]["redirect_uris"] = json!(["https://app.example/cb/"]);
    assert_eq!(drive, &expected);
    let none = learner.get(&format!("{SERVICES}nothing/scopes/")).await;
    assert_eq!(none.expect(200), json!([]));
}

#[tokio::test]
async fn a_credential_goes_in_and_comes_out_as_masks() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let row = stored(&admin).await;
    assert_eq!(
        row,
        json!({"name": "auth_google", "platform": "acme", "service_info": row["service_info"], "value": {
            "client_id": "123456.apps.example", "client_secret": "sup****key", "redirect_uri": "https://app.example/cb/",
        }})
    );
    let info = &row["service_info"];
    assert_eq!(
        (&info["name"], &info["display_name"], &info["logo"]),
        (&json!("google"), &json!("Google"), &Value::Null)
    );
    for path in [
        CREDENTIAL,
        MASKED,
        &format!("{CREDENTIAL}?name=auth_google&unmask_sensitive_fields=true"),
    ] {
        assert_eq!(admin.get(path).await.expect(200), json!([row]), "{path}");
    }
    let echoed = json!({"name": "auth_google", "platform": "acme", "value": {
        "client_id": "654321.apps.example.com", "client_secret": "sup****key", "redirect_uri": "",
    }});
    let changed = admin.patch(CREDENTIAL, echoed).await.expect(200);
    assert_eq!(
        changed["value"],
        json!({"client_id": "654321.apps.example.com", "client_secret": "sup****key", "redirect_uri": ""})
    );
    let body = json!({"name": "auth_google", "platform": "acme"});
    let gone = admin.delete_with(CREDENTIAL, body.clone()).await;
    assert_eq!(gone.brief(), (204, String::new()));
    assert_eq!(admin.get(CREDENTIAL).await.expect(200), json!([]));
    for answer in [
        admin.get(&format!("{CREDENTIAL}?name=auth_google")).await,
        admin.delete_with(CREDENTIAL, body).await,
        admin.patch(CREDENTIAL, google("x")).await,
    ] {
        assert_eq!(answer.expect(404), json!({"detail": "Not found."}));
    }
}

#[tokio::test]
async fn a_change_of_a_credential_loses_no_secret_without_a_word() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let body = |value: Value| json!({"name": "vendor", "platform": "acme", "value": value});
    let first = json!({"client_id": "c", "client_secret": "super-secret-api-key", "pin": 123_456, "deep": {"key": ["k"]}});
    let shown = json!({"client_id": "c", "client_secret": "sup****key", "pin": "****", "deep": {"key": ["****"]}});
    let row = admin.post(CREDENTIAL, body(first)).await.expect(200);
    assert_eq!(row["value"], shown);
    // The organisation stands in the path; published clients leave it out of the body.
    let patch = async |value: Value| {
        let mut body = body(value);
        body.as_object_mut().unwrap().remove("platform");
        admin.patch(CREDENTIAL, body).await
    };
    for kept in [json!({"client_id": "c"}), shown.clone()] {
        let changed = patch(kept.clone()).await.expect(200);
        assert_eq!(changed["value"], shown, "{kept}");
    }
    for edited in [
        json!({"client_secret": "sup****kez"}),
        json!({"deep": {"key": ["old****one"]}}),
    ] {
        let complaint = patch(edited.clone()).await.expect(400)["value"][0].clone();
        let complaint = complaint.as_str().unwrap().to_owned();
        assert!(
            complaint.ends_with("again: this is the mask of another one."),
            "{complaint}"
        );
    }
    let removed =
        patch(json!({"client_id": "c", "client_secret": null, "pin": null, "deep": null})).await;
    assert_eq!(removed.expect(200)["value"], json!({"client_id": "c"}));
}

#[tokio::test]
async fn a_credential_that_cannot_be_used_is_refused_with_every_complaint() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    stored(&admin).await;
    let required = "This field is required.";
    for (body, errors) in [
        (
            json!({}),
            json!({"name": [required], "platform": [required], "value": [required]}),
        ),
        (
            google("again"),
            json!({"non_field_errors": ["The fields name, platform must make a unique set."]}),
        ),
        (
            json!({"name": "auth_slack", "platform": "globex", "value": {}}),
            json!({"platform": ["Object with key=globex does not exist."]}),
        ),
        (
            json!({"name": "auth_slack", "platform": "acme", "value": {"client_secret": "****"}}),
            json!({"value": ["Enter client_secret again: this is only its mask.", "client_id is required."]}),
        ),
        (
            json!({"name": "auth_slack", "platform": "acme", "value": "text"}),
            json!({"value": ["Value must be a valid JSON object."]}),
        ),
    ] {
        assert_eq!(
            admin.post(CREDENTIAL, body.clone()).await.expect(400),
            errors,
            "{body}"
        );
    }
    // The published SDK sends no body at all.
    let empty = admin.delete(CREDENTIAL).await.expect(400);
    assert_eq!(empty, json!({"name": [required]}));
}

#[tokio::test]
async fn the_schema_says_what_each_provider_needs() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for path in ["schema/", "schema/v2/"] {
        let rows = admin
            .get(&format!("{CREDENTIAL}{path}?name=auth_canvas"))
            .await
            .expect(200);
        assert_eq!(
            rows,
            json!([{
                "name": "auth_canvas",
                "schema": {"client_id": "string", "client_secret": "string", "domain": "string", "redirect_uri": "string"},
                "service_info": {
                    "id": rows[0]["service_info"]["id"], "name": "canvas", "display_name": "Canvas", "logo": null,
                },
            }])
        );
    }
    let all = admin.get(&format!("{CREDENTIAL}schema/")).await.expect(200);
    assert_eq!(all.as_array().unwrap().len(), 7);
    admin
        .get(&format!("{CREDENTIAL}schema/?name=x"))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_server_shows_its_service_and_takes_no_unknown_one() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let drive = admin
        .get(&format!("{SERVICES}?name=drive"))
        .await
        .expect(200)[0]
        .clone();
    let body = json!({"name": "x", "url": PUBLIC_SERVER, "oauth_service": drive["id"]});
    let server = admin.post("mcp-servers/", body).await.expect(201);
    assert_eq!(server["oauth_service"], drive["id"]);
    let data = &server["oauth_service_data"];
    assert_eq!(names(&json!([data])), ["google/drive"]);
    assert_eq!(data["id"], drive["id"]);
    let path = format!("mcp-servers/{}/", server["id"]);
    assert_eq!(admin.get(&path).await.expect(200), server);
    let listed = admin.get("mcp-servers/").await.expect(200);
    assert_eq!(listed["results"], json!([server]));
    let unknown = admin
        .patch(&path, json!({"oauth_service": 999_999}))
        .await
        .expect(400);
    assert_eq!(
        unknown,
        json!({"oauth_service": ["Invalid pk \"999999\" - object does not exist."]})
    );
    let cleared = admin
        .patch(&path, json!({"oauth_service": null}))
        .await
        .expect(200);
    assert_eq!(cleared["oauth_service"], Value::Null);
    assert_eq!(cleared["oauth_service_data"]["id"], 0);
}

#[tokio::test]
async fn a_connection_needs_to_be_known_at_the_provider() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let grant = gateway.grant("acme", "bob").await;
    let server = json!({"name": "x", "url": PUBLIC_SERVER, "auth_type": "oauth2"});
    let server = admin.post("mcp-servers/", server).await.expect(201);
    let connection =
        json!({"server": server["id"], "auth_type": "oauth2", "connected_service": grant});
    let path = "mcp-server-connections/";
    let body = json!({"name": "auth_google", "platform": "acme"});
    admin.delete_with(CREDENTIAL, body).await.expect(204);
    let refused = admin.post(path, connection.clone()).await.expect(400);
    assert_eq!(
        refused,
        json!({"connected_service": ["No credentials found"]})
    );
    stored(&admin).await;
    admin.post(path, connection).await.expect(201);
}

/// The binary on the gateway's database; its exit code, and what it said on either output.
async fn command(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let config = &gateway.app.config;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(&config.data_dir)
        .env("GATEWAY_DATABASE_URL", &config.database_url)
        .env("GATEWAY_LOG", "error");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn an_operator_extends_the_catalog_and_switches_parts_of_it_off() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let file = gateway.app.config.data_dir.join("campus.toml");
    let entry = |name: &str| {
        let url = "https://login.campus.example";
        format!(
            "[[provider]]\nname = \"{name}\"\ndisplay_name = \"Campus\"\nauth_url = \"{url}/a\"\ntoken_url = \"{url}/t\"\n\
             [[provider.service]]\nname = \"library\"\ndisplay_name = \"Library\"\nscope = \"loans.read\"\n"
        )
    };
    std::fs::write(&file, entry("google")).unwrap();
    let import = ["oauth", "import", file.to_str().unwrap()];
    let (code, said) = command(&gateway, &import).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("google is in the built-in catalog"), "{said}");
    std::fs::write(&file, entry("campus")).unwrap();
    assert_eq!(
        command(&gateway, &import).await,
        (Some(0), "added campus\n".into())
    );
    let row = &learner
        .get(&format!("{SERVICES}?name=library"))
        .await
        .expect(200)[0];
    assert_eq!(
        (&row["scope"], &row["url"]),
        (
            &json!("loans.read"),
            &json!("https://login.campus.example/a")
        )
    );

    for name in ["campus/library", "slack"] {
        let disabled = command(&gateway, &["oauth", "disable", name]).await;
        assert_eq!(disabled, (Some(0), format!("disabled {name}\n")));
    }
    let rows = learner.get(SERVICES).await.expect(200);
    assert!(
        !names(&rows).contains(&"slack/slack".to_owned())
            && !names(&rows).contains(&"campus/library".to_owned())
    );
    let all = learner
        .get(&format!("{SERVICES}?include_disabled=true"))
        .await
        .expect(200);
    assert!(names(&all).contains(&"slack/slack".to_owned()));
    let (_, listed) = command(&gateway, &["oauth", "list"]).await;
    for line in [
        "campus\tCampus\ton\tneeds auth_campus\n",
        "campus/library\tLibrary\toff\tloans.read\n",
        "slack\tSlack\toff\tneeds auth_slack\n",
    ] {
        assert!(listed.contains(line), "{line} in {listed}");
    }
    let (code, said) = command(&gateway, &["oauth", "enable", "nothing"]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("there is no \"nothing\" in the catalog"),
        "{said}"
    );
}
