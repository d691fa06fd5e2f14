//! Servers of our own attached to a mentor: in the process, as the learner, and with no right more.

use mentor_gateway::academy::{RealmId, person, sample};
use mentor_gateway::auth::token::Environment;
use mentor_gateway::tenant::{self, user};
use serde_json::{Value, json};

use crate::harness::{Client, Gateway, Mcp};

/// A gateway whose mentor has every server of ours.
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    gateway.app.offer_own_servers().await.unwrap();
    // A second start finds them.
    gateway.app.offer_own_servers().await.unwrap();
    let admin = gateway.admin().await;
    let listed = admin.get("mcp-servers/?is_featured=true").await.expect(200);
    let ids: Vec<&Value> = listed["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| &server["id"])
        .collect();
    assert_eq!(ids.len(), 3, "{listed}");
    let settings = json!({ "tools": ["mcp-tool"], "mcp_servers": ids });
    let path = format!("mentors/{}/settings/", gateway.mentor);
    admin.put(&path, settings).await.expect(200);
    gateway
}

fn mcp(gateway: &Gateway, person: &Client) -> Mcp {
    Mcp::modern(person, format!("/mcp/mentors/{}/", gateway.mentor))
}

async fn tool(client: &Mcp, name: &str) -> Value {
    let listed = client.request("tools/list", json!({})).await;
    let tools = listed.result()["tools"].as_array().unwrap().clone();
    let mut tools = tools.into_iter();
    tools
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn a_learner_calls_them_as_themselves_and_a_model_cannot_mean_another() {
    let gateway = gateway().await;
    let learner = gateway.learner().await;
    let client = mcp(&gateway, &learner);
    let schema = tool(&client, "user__post_company").await["inputSchema"].clone();
    assert_eq!(schema["properties"].get("username"), None);
    assert_eq!(schema["required"], json!(["name"]));
    for arguments in [
        json!({ "name": "Acme" }),
        json!({ "name": "Acme", "username": "carol" }),
    ] {
        let reply = client.call("user__post_company", arguments).await;
        let made = &reply.result()["structuredContent"];
        assert_eq!(made["user_info"]["username"], "bob", "{}", reply.text());
    }
    let mine = client.call("user__get_company", json!({})).await;
    let mine = mine.result()["structuredContent"]["results"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(mine, 2);
}

#[tokio::test]
async fn an_admin_says_whom_they_mean() {
    let gateway = gateway().await;
    let admin = gateway.admin().await;
    let client = mcp(&gateway, &admin);
    let schema = tool(&client, "user__get_company").await["inputSchema"].clone();
    assert_eq!(schema["required"], json!(["username"]));
    let company = json!({ "username": "carol", "name": "Acme" });
    let made = client.call("user__post_company", company).await;
    assert_eq!(
        made.result()["structuredContent"]["user_info"]["username"],
        "carol"
    );
}

#[tokio::test]
async fn what_a_role_does_not_allow_is_refused() {
    let gateway = gateway().await;
    let now = gateway.app.clock.now();
    let mut tx = gateway.app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let realm = RealmId::make(&mut tx, acme.id, Environment::Live, now)
        .await
        .unwrap();
    sample::load(&mut tx, realm, sample::V2, now).await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    person::bind(&mut tx, realm, "usr_456", bob.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let learner = gateway.learner().await;
    let client = mcp(&gateway, &learner);
    let own = client
        .call("v2__academy_get_enrollments", json!({ "status": "all" }))
        .await;
    assert_eq!(own.result()["isError"], false, "{}", own.text());
    let refused = client
        .call("v2__academy_admin_list_cohorts", json!({}))
        .await;
    assert_eq!(refused.result()["isError"], true);
    let body: Value = serde_json::from_str(refused.text()).unwrap();
    assert_eq!(body["error"]["code"], "SCOPE_REQUIRED");
}

#[tokio::test]
async fn a_call_leaves_a_row_with_the_mentor() {
    let gateway = gateway().await;
    let learner = gateway.learner().await;
    mcp(&gateway, &learner).call("user__ping", json!({})).await;
    let admin = gateway.admin().await;
    let row = crate::harness::eventually("an audit row", async || {
        let rows = admin.get("audit/?action=tools/call").await.expect(200);
        rows["results"].as_array().unwrap().first().cloned()
    });
    let row = row.await;
    assert_eq!(row["tool"], "ping");
    assert_eq!(row["object"], "native:user");
    assert_eq!(row["mentor"], gateway.mentor.as_str());
    assert_eq!(row["user"], "bob");
}
