//! Servers of our own attached to a mentor: in the process, as the learner, and with no right more.

use mentor_gateway::academy::sample;
use mentor_gateway::auth::token::TokenKind;
use serde_json::{Value, json};

use crate::harness::{Academy, Client, Gateway, Mcp, load_world};

/// A gateway whose mentor has every server of ours.
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    attach(&gateway).await;
    gateway
}

/// Gives the mentor every server of ours.
async fn attach(gateway: &Gateway) {
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
    load_world(&gateway, sample::V2, &[("bob", "usr_456")]).await;
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

/// The path of one of them by its number.
async fn by_number(gateway: &Gateway, name: &str) -> String {
    let admin = gateway.admin().await;
    let listed = admin.get("mcp-servers/?is_featured=true").await.expect(200);
    let servers = listed["results"].as_array().unwrap();
    let url = format!("/mcp/{name}/");
    let is_it = |server: &&Value| server["url"].as_str().unwrap().ends_with(&url);
    format!(
        "/mcp/servers/{}/",
        servers.iter().find(is_it).unwrap()["id"]
    )
}

#[tokio::test]
async fn an_admin_tries_them_out_by_their_number_in_both_eras() {
    let gateway = gateway().await;
    let admin = gateway.admin().await;
    let path = by_number(&gateway, "user").await;
    let key = gateway.with_key("alice", TokenKind::Platform, &[]).await;
    let own = Mcp::modern(&key, "/mcp/user/");
    for client in [Mcp::modern(&admin, &path), Mcp::legacy(&admin, &path).await] {
        assert_eq!(client.tool_names().await, own.tool_names().await);
        let company = json!({ "username": "carol", "name": "Acme" });
        let made = client.call("post_company", company).await;
        assert_eq!(made.structured()["user_info"]["username"], "carol");
        let unknown = client.call("user__ping", json!({})).await;
        assert_eq!(unknown.error()["message"], "Unknown tool: user__ping");
    }
    let by_number = own.at(&path).used_by(&admin);
    let discovered = by_number.request("server/discover", json!({})).await;
    let itself = own.request("server/discover", json!({})).await;
    assert_eq!(discovered.result(), itself.result());
    let learner = Mcp::modern(&gateway.learner().await, &path);
    let refused = learner.request("tools/list", json!({})).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn the_steps_of_a_long_call_reach_the_mentor_s_client_in_both_eras() {
    let academy = Academy::v1().await;
    let gateway = &academy.gateway;
    attach(gateway).await;
    let admin = gateway.admin().await;
    let path = format!("/mcp/mentors/{}/", gateway.mentor);
    for client in [Mcp::modern(&admin, &path), Mcp::legacy(&admin, &path).await] {
        let rows = json!([{ "userId": "usr_john_doe_123" }, { "userId": "usr_nobody" }]);
        let params = json!({
            "name": "v1__create_enrollment",
            "arguments": { "cohortId": "coh_xyz789", "enrollments": rows },
            "_meta": { "progressToken": "p-1" },
        });
        let reply = client.request("tools/call", params).await;
        let told: Vec<&Value> = reply.before().iter().map(|told| &told["params"]).collect();
        assert_eq!(told.len(), 2, "{:?}", reply.messages);
        for (at, step) in told.iter().enumerate() {
            assert_eq!(step["progressToken"], "p-1");
            assert_eq!(
                (&step["progress"], &step["total"]),
                (&json!(at + 1), &json!(2))
            );
        }
        assert_eq!(reply.structured()["totalFailed"], 1);
    }
}
