//! Mentors, their settings and their tools (docs/inside/contract.md#mentor-settings, docs/inside/contract.md#mentors
//! and docs/inside/contract.md#tools).

use serde_json::{Value, json};

use crate::harness::{Client, Gateway, PUBLIC_SERVER};

async fn server(client: &Client, name: &str, is_featured: bool) -> Value {
    let body = json!({"name": name, "url": PUBLIC_SERVER, "is_featured": is_featured});
    client.post("mcp-servers/", body).await.expect(201)["id"].clone()
}

fn ids(settings: &Value) -> Vec<&Value> {
    settings["mcp_servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| &server["id"])
        .collect()
}

#[tokio::test]
async fn lists_replace_null_leaves_and_an_empty_list_clears() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let (one, two) = (
        server(&admin, "One", false).await,
        server(&admin, "Two", false).await,
    );
    let featured = server(&stranger, "Featured", true).await;
    let path = format!("mentors/{}/settings/", gateway.mentor);
    let patch = |body: Value| admin.patch(&path, body);

    let set = patch(json!({"tools": ["mcp-tool"], "mcp_servers": [two, featured, one, two]}))
        .await
        .expect(200);
    assert_eq!(ids(&set), [&two, &featured, &one]);
    let left = patch(json!({"tools": null, "mcp_servers": null}))
        .await
        .expect(200);
    assert_eq!(
        (ids(&left), &left["tools"]),
        (vec![&two, &featured, &one], &json!(["mcp-tool"]))
    );
    let both = patch(json!({"tools": ["mcp-tool"], "tool_slugs": ["mcp"]}))
        .await
        .expect(200);
    assert_eq!(
        both["tool_slugs"],
        json!(["mcp-tool"]),
        "the specification's name wins"
    );
    let echoed = admin.put(&path, left.clone()).await.expect(200);
    assert_eq!(
        ids(&echoed),
        [&two, &featured, &one],
        "a client may send back what it read"
    );
    let replaced = admin
        .put(&path, json!({"mcp_servers": [one], "tool_slugs": ["mcp"]}))
        .await
        .expect(200);
    assert_eq!(
        (ids(&replaced), &replaced["mentor_tools"][0]["slug"]),
        (vec![&one], &json!("mcp"))
    );
    let cleared = patch(json!({"tools": [], "mcp_servers": []}))
        .await
        .expect(200);
    assert_eq!(
        (&cleared["tools"], &cleared["mcp_servers"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn unknown_and_foreign_servers_are_refused_alike_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let (own, foreign) = (
        server(&admin, "Own", false).await,
        server(&stranger, "Foreign", false).await,
    );
    let path = format!("mentors/{}/settings/", gateway.mentor);
    let body = json!({"mcp_servers": [own, foreign, 999_999, 18_446_744_073_709_551_615_u64], "tools": ["mcp-tool"]});
    let message =
        |id: &dyn std::fmt::Display| format!("Invalid pk \"{id}\" - object does not exist.");
    let refused = admin.patch(&path, body).await.expect(400);
    assert_eq!(
        refused["mcp_servers"],
        json!([message(&18_446_744_073_709_551_615_u64)])
    );
    let refused = admin
        .patch(
            &path,
            json!({"mcp_servers": [own, foreign, 999_999], "tools": ["mcp-tool"]}),
        )
        .await;
    assert_eq!(
        refused.expect(400),
        json!({"mcp_servers": [message(&foreign), message(&999_999)], "detail": message(&foreign)})
    );
    let refused = admin
        .patch(
            &path,
            json!({"tools": ["a b"], "theme": "pink", "llm_temperature": 2, "mcp_servers": 9}),
        )
        .await;
    assert_eq!(
        refused.expect(400),
        json!({
            "detail": "Expected a list of items but got type \"int\".",
            "llm_temperature": ["Ensure this value is between 0 and 1."],
            "mcp_servers": ["Expected a list of items but got type \"int\"."],
            "theme": ["\"pink\" is not a valid choice."],
            "tools": ["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."],
        })
    );
    let settings = admin.get(&path).await.expect(200);
    assert_eq!(
        (&settings["tools"], &settings["mcp_servers"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn settings_are_stored_and_answered_in_their_types() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let path = format!("mentors/{}/settings/", gateway.mentor);
    let body = json!({
        "mentor_name": "Budget Mentor", "mentor_description": "Money", "theme": "dark", "allow_anonymous": "True",
        "disable_chathistory": true, "department_id": 4, "llm_temperature": 0.7, "metadata": {"a": [1]},
        "featured": true, "display_name": null, "unheard_of": 1, "system_prompt": "Be kind.", "google_voice": 3,
    });
    let settings = admin.patch(&path, body).await.expect(200);
    for (name, value) in [
        ("mentor_name", json!("Budget Mentor")),
        ("mentor", json!("Budget Mentor")),
        ("mentor_slug", json!("finance-mentor")),
        ("mentor_description", json!("Money")),
        ("theme", json!("dark")),
        ("allow_anonymous", json!(true)),
        ("disable_chathistory", json!("true")),
        ("department", json!("4")),
        ("llm_temperature", json!(0.7)),
        ("metadata", json!({"a": [1]})),
        ("is_featured", json!(true)),
        ("display_name", json!(null)),
        ("google_voice", json!("3")),
        ("system_prompt", json!("Be kind.")),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(settings.get("unheard_of"), None);
    assert_eq!(admin.get(&path).await.expect(200), settings);
}

#[tokio::test]
async fn public_settings_need_no_key_and_hold_nothing_private() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let id = server(&admin, "One", false).await;
    let path = format!("mentors/{}/settings/", gateway.mentor);
    admin
        .patch(
            &path,
            json!({"system_prompt": "SECRET", "mcp_servers": [id], "disclaimer": "Hi"}),
        )
        .await
        .expect(200);
    let anonymous = gateway.anonymous().on_path_of("acme", "undefined");
    let public = anonymous
        .get(&format!("mentors/{}/public-settings/", gateway.mentor))
        .await
        .expect(200);
    assert_eq!(public["disclaimer"], "Hi");
    for private in [
        "system_prompt",
        "mcp_servers",
        "safety_system_prompt",
        "department_id",
        "call_configuration",
    ] {
        assert_eq!(public.get(private), None, "{private}");
    }
    anonymous
        .on_path_of("globex", "x")
        .get(&format!("mentors/{}/public-settings/", gateway.mentor))
        .await
        .expect(404);
}

#[tokio::test]
async fn every_spelling_of_the_settings_path_leads_there() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let mentor = &gateway.mentor;
    let upper = mentor.to_uppercase();
    for path in [
        format!("/api/ai-mentor/orgs/acme/users/alice/mentors/{mentor}/settings/"),
        format!("/api/ai-mentor/orgs/acme/users/alice/mentors/{mentor}/settings"),
        format!("/api/ai-agent/orgs/acme/users/alice/agents/{mentor}/settings/"),
        format!("/api/ai-mentor/orgs/acme/users/alice/agents/{mentor}/settings/"),
        format!("/api/ai-mentor/orgs/acme/mentors/{mentor}/settings/"),
        format!("/api/ai-agent/orgs/acme/agents/{mentor}/settings/"),
        format!("/dm/api/ai-mentor/orgs/acme/mentors/{upper}/settings/"),
        "/axd/api/ai-mentor/orgs/%61cme/users/%61lice/mentors/Finance%20Mentor/settings/"
            .to_owned(),
        "/api/ai-mentor/orgs/acme/users/alice/mentors/finance-mentor/settings/".to_owned(),
    ] {
        let settings = admin.get(&path).await.expect(200);
        assert_eq!(settings["mentor_unique_id"], *mentor, "{path}");
    }
}

#[tokio::test]
async fn a_mentor_lives_from_creation_to_deletion() {
    let gateway = Gateway::start().await;
    let (admin, learner) = (gateway.admin().await, gateway.learner().await);
    let at = "2026-11-21T00:00:00Z";
    let created = admin
        .post(
            "",
            json!({"name": "Biology", "description": "Life", "is_featured": true, "slug": "x"}),
        )
        .await
        .expect(201);
    assert_eq!(
        created,
        json!({
            "id": created["id"], "name": "Biology", "unique_id": created["unique_id"], "slug": "biology",
            "description": "Life", "platform": "acme", "display_name": null, "profile_image": null,
            "mentor_visibility": "viewable_by_tenant_students", "metadata": {}, "allow_anonymous": false,
            "is_featured": true, "categories": [], "types": [], "subjects": [], "mcp_servers": [],
            "created_by": "alice", "recently_accessed_at": at, "created_at": at, "updated_at": at,
        })
    );
    for path in [
        "biology/",
        "mentors/Biology/",
        &format!("{}/", created["unique_id"].as_str().unwrap()),
    ] {
        assert_eq!(learner.get(path).await.expect(200), created, "{path}");
    }
    assert_eq!(
        admin.put("biology/", json!({})).await.expect(400),
        json!({"name": ["This field is required."]})
    );
    assert_eq!(
        admin
            .patch("biology/", json!({"description": "Cells"}))
            .await
            .expect(200)["description"],
        "Cells"
    );
    admin.delete("biology/").await.expect(204);
    admin.get("biology/").await.expect(404);
    let again = admin.post("", json!({"name": "Biology"})).await.expect(201);
    assert_eq!(again["slug"], "biology");
    assert_eq!(
        admin.post("", json!({"name": " "})).await.expect(400),
        json!({"name": ["This field may not be blank."]})
    );
}

#[tokio::test]
async fn a_mentor_from_a_template_is_set_up_at_once() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let id = server(&admin, "One", false).await;
    for path in ["mentor-with-settings/", "agent-with-settings/"] {
        let required = "This field is required.";
        assert_eq!(
            admin.post(path, json!({})).await.expect(400),
            json!({"new_mentor_name": [required], "template_name": [required]})
        );
        let unknown = admin
            .post(path, json!({"template_name": "X", "new_mentor_name": "N"}))
            .await;
        assert_eq!(
            unknown.expect(400),
            json!({"error": "Template mentor X not found."})
        );
        let body = json!({
            "template_name": "ai-mentor", "new_mentor_name": "Chemistry", "description": "Atoms",
            "tool_slugs": ["mcp"], "mcp_servers": [id], "system_prompt": "Be kind.",
        });
        let created = admin.post(path, body).await.expect(200);
        assert_eq!(
            (&created["name"], &created["description"]),
            (&json!("Chemistry"), &json!("Atoms"))
        );
        assert_eq!(created["mcp_servers"][0]["id"], id);
        let settings = format!(
            "mentors/{}/settings/",
            created["unique_id"].as_str().unwrap()
        );
        let settings = admin.get(&settings).await.expect(200);
        assert_eq!(
            (&settings["tools"], &settings["system_prompt"]),
            (&json!(["mcp"]), &json!("Be kind."))
        );
    }
    assert_eq!(admin.get("").await.expect(200)["count"], 3);
}

#[tokio::test]
async fn mentors_are_listed_narrowed_and_ordered() {
    let gateway = Gateway::start().await;
    let (admin, learner) = (gateway.admin().await, gateway.learner().await);
    for body in [
        json!({"name": "Zoology", "is_featured": true, "metadata": {"level": 2}}),
        json!({"name": "art", "department_id": 7, "mentor_visibility": "viewable_by_anyone", "metadata": {"level": "2"}}),
    ] {
        admin.post("", body).await.expect(201);
    }
    for (query, names) in [
        ("", &["art", "Zoology", "Finance Mentor"][..]),
        ("?filter_by=name", &["art", "Finance Mentor", "Zoology"]),
        ("?is_featured=true", &["Zoology"]),
        ("?visibility=viewable_by_anyone", &["art"]),
        ("?department_id=7", &["art"]),
        ("?metadata_key=level&filter_by=name", &["art", "Zoology"]),
        ("?metadata_key=level&metadata_value=2&page_size=1", &["art"]),
        ("?metadata_key=none", &[]),
    ] {
        for list in [
            learner.get(query).await,
            learner.get(&format!("mentors/{query}")).await,
        ] {
            let list = list.expect(200);
            let found: Vec<_> = list["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["name"].as_str().unwrap())
                .collect();
            assert_eq!(found, names, "{query}");
        }
    }
    let stranger = gateway.stranger().await;
    assert_eq!(stranger.get("").await.expect(200)["count"], 0);
    stranger
        .get(&format!("{}/", gateway.mentor))
        .await
        .expect(404);
}

#[tokio::test]
async fn the_tools_of_a_mentor_are_listed_in_the_spelling_that_was_set() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let base = format!("mentors/{}", gateway.mentor);
    let category =
        json!({"id": 1, "name": "Integrations", "description": "Tools of other systems."});
    let available = admin
        .get(&format!("{base}/available-tools/"))
        .await
        .expect(200);
    assert_eq!(
        available,
        json!([{
            "id": 1, "name": "MCP", "display_name": "MCP", "slug": "mcp-tool", "category": category,
            "description": "Tools of the attached MCP servers.", "logo": null, "metadata": null,
            "allow_base_agent": true, "allow_openai_agent": true, "allow_openai_assistant": false,
            "allow_google_agent": true, "is_allowed": "true",
        }])
    );
    assert_eq!(
        admin
            .get(&format!("{base}/available-tools/?search=x"))
            .await
            .expect(200),
        json!([])
    );
    assert_eq!(
        admin
            .get(&format!("{base}/mentor-tools/"))
            .await
            .expect(200),
        json!([])
    );
    admin
        .patch(&format!("{base}/settings/"), json!({"tools": ["mcp"]}))
        .await
        .expect(200);
    assert_eq!(
        admin
            .get(&format!("{base}/mentor-tools/"))
            .await
            .expect(200)[0]["slug"],
        "mcp"
    );
    assert_eq!(
        admin
            .get(&format!("{base}/tool-categories/"))
            .await
            .expect(200),
        json!([category])
    );
    // Both published SDKs ask at the person's level.
    let learner = gateway.learner().await;
    for person in [&admin, &learner] {
        let tools = person.get("mentor-tools/").await.expect(200);
        assert_eq!(tools, available);
        let categories = person.get("tool-categories/").await.expect(200);
        assert_eq!(categories, json!([category]));
    }
    assert_eq!(
        learner.get("mentor-tools/?search=x").await.expect(200),
        json!([])
    );
    learner
        .on_path_of("acme", "carol")
        .get("mentor-tools/")
        .await
        .expect(404);
}
