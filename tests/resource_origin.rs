//! A resource belongs to the server that named it: wherever a URI stands, and whoever else has the same one.

use serde_json::{Value, json};
use upstream_fixtures::Behaviour;

use crate::harness::{
    Heard, Mcp, Reply, Script, Stage, eventually, handshake, register, scripted, server_path,
};

/// What servers name: every scheme and every part of a URI, listed or not.
const URIS: [&str; 14] = [
    "ui://widget/index.html",
    "report://2026/1",
    "https://web.example/a/b?c=d",
    "https://web.example/a#part",
    "https://web.example/#/route",
    "file:///a%20b/%E4%BD%A0",
    "config://same",
    "config://same#",
    "urn:isbn:0451450523",
    "mailto:a@b.example?subject=x",
    "data:text/plain,hello",
    "nothing:",
    "x:y#:~:text=word",
    // As if it were another server's.
    "config://same#:~:mentor-gateway=1",
];
const TEMPLATE: &str = "item://{id}/data{?q}";

/// A server that names every URI in every place, reads whatever it is asked for, and says that it was asked.
fn answer(name: &str, heard: &Heard) -> Script {
    let params = &heard.params;
    let uri = params["uri"].as_str().unwrap_or_default();
    let links = URIS
        .iter()
        .map(|uri| json!({ "type": "resource_link", "uri": uri, "name": "l" }));
    let embedded =
        |uri: &str| json!({ "type": "resource", "resource": { "uri": uri, "text": uri } });
    let blocks: Vec<Value> = links.chain(URIS.map(embedded)).collect();
    let ui = json!({ "ui": { "resourceUri": URIS[0], "x": 1 }, "ui/resourceUri": URIS[0] });
    match heard.method.as_str() {
        "tools/list" => json!({ "tools": [
            { "name": "link", "inputSchema": { "type": "object" }, "_meta": ui },
            { "name": "say", "inputSchema": { "type": "object" } },
        ] }),
        "prompts/list" => json!({ "prompts": [{ "name": "p" }] }),
        "resources/list" => json!({ "resources": [
            { "uri": URIS[0], "name": "widget" },
            { "uri": "config://same", "name": "same", "mimeType": "text/plain" },
            { "uri": format!("{name}://only"), "name": "only" },
        ] }),
        "resources/templates/list" => {
            json!({ "resourceTemplates": [{ "uriTemplate": TEMPLATE, "name": "item" }] })
        }
        "tools/call" if params["name"] == "link" => json!({
            "content": blocks, "_meta": ui,
            "structuredContent": { "type": "resource_link", "uri": URIS[0] },
        }),
        "tools/call" => json!({ "content": [], "structuredContent": params["arguments"] }),
        "prompts/get" => {
            let say = |content: &Value| json!({ "role": "user", "content": content });
            json!({ "messages": blocks.iter().map(say).collect::<Vec<_>>() })
        }
        "completion/complete" => {
            json!({ "completion": { "values": [params["ref"]["uri"], name, params["argument"]["value"]] } })
        }
        "resources/read" if uri == "report://refused" => {
            return Script {
                before: Vec::new(),
                answer: json!({ "error": { "code": -32000, "message": "no", "data": { "uri": uri } } }),
            };
        }
        "resources/read" => {
            json!({ "contents": [{ "uri": uri, "text": format!("{name} {uri}") }, { "uri": "part:2", "text": "" }] })
        }
        "initialize" | "server/discover" => handshake(""),
        _ => json!({}),
    }
    .into()
}

/// A mentor with two servers that name the same resources.
async fn two_servers(is_modern: bool) -> (Stage, [i64; 2]) {
    let stage = Stage::start().await;
    let mut servers = [0; 2];
    for (at, name) in ["a", "b"].into_iter().enumerate() {
        let url = scripted(is_modern, move |heard| answer(name, heard)).await;
        servers[at] = register(&stage.admin, name, &url, json!({})).await;
    }
    stage.attach(&servers).await;
    (stage, servers)
}

async fn read(client: &Mcp, uri: &str) -> Reply {
    client
        .request("resources/read", json!({ "uri": uri }))
        .await
}

/// Reads a URI that this server named; it must answer, under that name.
async fn assert_reads(client: &Mcp, shown: &Value, (name, own): (&str, &str)) {
    let shown = shown.as_str().unwrap();
    let reply = read(client, shown).await;
    let contents = &reply.result()["contents"];
    assert_eq!(
        contents[0],
        json!({ "uri": shown, "text": format!("{name} {own}") })
    );
    assert_ne!(
        contents[1]["uri"], "part:2",
        "what it brings along is its own too"
    );
    let scheme = |uri: &str| uri.split_once(':').unwrap().0.to_owned();
    assert_eq!(scheme(shown), scheme(own));
}

#[tokio::test]
async fn every_place_that_names_a_uri_leads_to_the_server_that_named_it() {
    for is_modern in [true, false] {
        let (stage, _) = two_servers(is_modern).await;
        for client in [stage.modern(), stage.legacy().await] {
            client.tool_names().await;
            let tools = client.request("tools/list", json!({})).await;
            let listed = client.request("resources/list", json!({})).await;
            let listed = listed.result()["resources"].as_array().unwrap();
            for (at, name) in ["a", "b"].into_iter().enumerate() {
                let resources = &listed[3 * at..3 * at + 3];
                assert_reads(&client, &resources[0]["uri"], (name, URIS[0])).await;
                assert_reads(&client, &resources[1]["uri"], (name, "config://same")).await;
                let widget = &resources[0]["uri"];
                let ui =
                    json!({ "ui": { "resourceUri": widget, "x": 1 }, "ui/resourceUri": widget });
                assert_eq!(tools.result()["tools"][2 * at]["_meta"], ui);

                let linked = client.call(&format!("{name}__link"), json!({})).await;
                let result = linked.result();
                assert_eq!(result["_meta"]["ui"], ui["ui"]);
                assert_eq!(result["structuredContent"]["uri"], URIS[0], "data stays");
                let prompt = json!({ "name": format!("{name}__p") });
                let prompt = client.request("prompts/get", prompt).await;
                for (n, own) in URIS.into_iter().enumerate() {
                    let link = &result["content"][n]["uri"];
                    assert_reads(&client, link, (name, own)).await;
                    let resource = &result["content"][URIS.len() + n]["resource"];
                    assert_eq!((&resource["uri"], &resource["text"]), (link, &json!(own)));
                    let messages = &prompt.result()["messages"];
                    assert_eq!(messages[n]["content"]["uri"], *link);
                    assert_eq!(
                        messages[URIS.len() + n]["content"]["resource"]["uri"],
                        *link
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_makes_of_a_template_is_read_where_the_template_is_from() {
    let (stage, _) = two_servers(true).await;
    for client in [stage.modern(), stage.legacy().await] {
        client.tool_names().await;
        let listed = client.request("resources/templates/list", json!({})).await;
        let templates = listed.result()["resourceTemplates"].clone();
        for (at, name) in ["a", "b"].into_iter().enumerate() {
            let template = templates[at]["uriTemplate"].as_str().unwrap();
            for (id, query) in [("7", ""), ("a%2Fb", "?q=x%20y")] {
                let uri = template.replace("{id}", id).replace("{?q}", query);
                let own = format!("item://{id}/data{query}");
                assert_reads(&client, &json!(uri), (name, &own)).await;
            }
            let params = json!({
                "ref": { "type": "ref/resource", "uri": template },
                "argument": { "name": "id", "value": "v" },
            });
            let completed = client.request("completion/complete", params).await;
            assert_eq!(
                completed.result()["completion"]["values"],
                json!([TEMPLATE, name, "v"])
            );
        }
    }
}

#[tokio::test]
async fn a_plain_uri_is_read_only_where_one_server_alone_names_it() {
    let (stage, servers) = two_servers(true).await;
    let client = stage.modern();
    client.tool_names().await;
    let only = read(&client, "b://only").await;
    let contents = &only.result()["contents"][0];
    assert_eq!(
        *contents,
        json!({ "uri": "b://only", "text": "b b://only" })
    );
    let gone = servers[1] + 1;
    for uri in [
        // Two have it, by list and by template; nobody named it; of a server that is not there; of no number.
        "config://same".to_owned(),
        "item://7/data".to_owned(),
        "report://2026/1".to_owned(),
        format!("a://only#:~:mentor-gateway={gone}"),
        "a://only#:~:mentor-gateway=1x".to_owned(),
    ] {
        let refused = read(&client, &uri).await;
        let error = json!({ "code": -32602, "message": format!("Unknown resource: {uri}"), "data": { "uri": uri } });
        assert_eq!(*refused.error(), error);
    }
    let uri = format!("report://refused#:~:mentor-gateway={}", servers[0]);
    let error = json!({ "code": -32000, "message": "no", "data": { "uri": uri } });
    assert_eq!(*read(&client, &uri).await.error(), error);

    // Alone, a server gets no more either.
    stage.attach(&servers[..1]).await;
    let client = stage.modern();
    eventually("b is gone", async || {
        (client.tool_names().await.len() == 2).then_some(())
    })
    .await;
    let same = read(&client, "config://same").await;
    assert_eq!(same.result()["contents"][0]["uri"], "config://same");
    assert_eq!(
        read(&client, "report://2026/1").await.error()["code"],
        -32602
    );
    let one = Mcp::modern(&stage.admin, server_path(servers[0]));
    let all = read(&one, "report://2026/1").await;
    assert_eq!(all.result()["contents"][0]["text"], "a report://2026/1");
    let linked = one.call("link", json!({})).await;
    assert_eq!(
        linked.result()["content"][1]["uri"],
        URIS[1],
        "one server's stay as they are"
    );
}

#[tokio::test]
async fn a_name_stays_when_another_server_comes_and_goes() {
    let (stage, servers) = two_servers(false).await;
    let of_a = async || {
        let client = stage.modern();
        client.tool_names().await;
        let list = client.request("resources/list", json!({})).await;
        let resources = list.result()["resources"].as_array().unwrap().clone();
        (resources.len(), resources[..3].to_vec())
    };
    let (count, both) = of_a().await;
    assert_eq!(count, 6);
    stage.attach(&servers[..1]).await;
    eventually("b is gone", async || {
        (of_a().await == (3, both.clone())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_is_handed_a_uri_as_its_server_knows_it() {
    let (stage, _) = two_servers(true).await;
    let client = stage.modern();
    client.tool_names().await;
    let linked = client.call("a__link", json!({})).await;
    let shown = linked.result()["content"].clone();
    for (n, own) in URIS.into_iter().enumerate() {
        let uri = shown[n]["uri"].as_str().unwrap();
        for tool in ["a__say", "b__say"] {
            let said = client
                .call(
                    tool,
                    json!({ "uri": uri, "in": [format!("see {uri}, please")] }),
                )
                .await;
            let plain = json!({ "uri": own, "in": [format!("see {own}, please")] });
            assert_eq!(*said.structured(), plain);
        }
    }
}

#[tokio::test]
async fn an_update_names_the_resource_as_its_subscriber_does() {
    for behaviour in [Behaviour::sessions(), Behaviour::stateless()] {
        let behaviours = vec![("A", behaviour.clone()), ("B", behaviour)];
        let (stage, upstreams) = Stage::with(behaviours).await;
        let client = stage.modern();
        client.tool_names().await;
        let listed = client.request("resources/list", json!({})).await;
        let uris = |at: usize| listed.result()["resources"][at]["uri"].clone();
        let (of_a, of_b) = (uris(0), uris(3));
        assert_ne!(of_a, of_b);
        let is_update = |message: &Value| message["method"] == "notifications/resources/updated";

        let legacy = stage.legacy().await;
        let mut stream = legacy.listen().await;
        for uri in [&of_a, &of_b] {
            let subscribed = legacy
                .request("resources/subscribe", json!({ "uri": uri }))
                .await;
            assert_eq!(*subscribed.result(), json!({}));
        }
        let filter = json!({ "notifications": { "resourceSubscriptions": [of_a, of_b] } });
        let mut subscription = client.open("subscriptions/listen", filter).await;
        let acknowledged = subscription.message().await;
        let granted = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
        assert_eq!(*granted, json!([of_a, of_b]));
        for upstream in &upstreams {
            eventually("both watch", async || {
                (upstream.listener_count() > 1).then_some(())
            })
            .await;
        }
        for (upstream, uri) in upstreams.iter().zip([&of_a, &of_b]) {
            upstream.touch_resource("fixture://static/text");
            assert_eq!(stream.until(is_update).await["params"]["uri"], *uri);
            assert_eq!(subscription.until(is_update).await["params"]["uri"], *uri);
        }
    }
}

#[tokio::test]
async fn our_own_servers_resources_are_theirs_too() {
    const URI: &str = "academy://courses";
    let stage = Stage::start().await;
    stage.gateway.app.offer_own_servers().await.unwrap();
    let own = stage.admin.get("mcp-servers/?is_featured=true").await;
    let own = own.expect(200)["results"].as_array().unwrap().clone();
    let mut servers: Vec<i64> = own.iter().map(|it| it["id"].as_i64().unwrap()).collect();
    let url = scripted(true, |heard| {
        match heard.method.as_str() {
            "resources/list" => json!({ "resources": [{ "uri": URI, "name": "courses" }] }),
            "tools/list" => json!({ "tools": [] }),
            "prompts/list" => json!({ "prompts": [] }),
            "resources/templates/list" => json!({ "resourceTemplates": [] }),
            "resources/read" => json!({ "contents": [{ "uri": URI, "text": "forged" }] }),
            _ => handshake(""),
        }
        .into()
    })
    .await;
    servers.push(register(&stage.admin, "Up", &url, json!({})).await);
    stage.attach(&servers).await;
    let client = stage.modern();
    client.tool_names().await;
    let listed = client.request("resources/list", json!({})).await;
    let listed = listed.result()["resources"].as_array().unwrap().clone();
    let mut texts = Vec::new();
    for resource in listed {
        let uri = resource["uri"].as_str().unwrap();
        if uri.starts_with(&format!("{URI}#")) {
            let read = read(&client, uri).await;
            let contents = &read.result()["contents"][0];
            assert_eq!(contents["uri"], uri);
            texts.push(contents["text"] == "forged");
        }
    }
    assert_eq!(texts, [false, false, true], "ours twice, then the other's");
    assert_eq!(read(&client, URI).await.error()["code"], -32602);
}
