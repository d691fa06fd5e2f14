//! Every encoding that clients send, with its quirks (docs/inside/contract.md#bodies), and the limits of each.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Gateway, PUBLIC_SERVER, send};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";

async fn form(client: &Client, method: Method, path: &str, form: Form) -> Answer {
    send(client.request(method, path).multipart(form)).await
}

async fn raw(
    client: &Client,
    content_type: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let mut request = client.request(Method::POST, "mcp-servers/").body(body);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    send(request).await
}

fn names(server: &Value) -> Value {
    let text = |name: &str| server[name].clone();
    json!([
        text("is_featured"),
        text("is_enabled"),
        text("extra_headers"),
        text("mentor"),
        text("name")
    ])
}

#[tokio::test]
async fn the_sdks_multipart_form_is_understood() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let body = Form::new()
        .text("id", "0")
        .text("name", "Workflow MCP")
        .text("url", PUBLIC_SERVER)
        .text("is_featured", "True")
        .text("is_enabled", "False")
        .text("mentor", "")
        .text("extra_headers", r#"{"x-a": "b"}"#);
    let server = form(&admin, Method::POST, "mcp-servers/", body)
        .await
        .expect(201);
    assert_eq!(
        names(&server),
        json!([true, false, {"x-a": "b"}, null, "Workflow MCP"])
    );

    let settings = format!("mentors/{}/settings/", gateway.mentor);
    let id = server["id"].to_string();
    let joined = Form::new()
        .text("tool_slugs", "mcp,web-search")
        .text("mcp_servers", id.clone());
    let answer = form(&admin, Method::PUT, &settings, joined)
        .await
        .expect(200);
    assert_eq!(answer["tools"], json!(["mcp", "web-search"]));
    assert_eq!(answer["mcp_servers"][0]["id"], server["id"]);
    let repeated = Form::new()
        .text("tool_slugs", "mcp")
        .text("tool_slugs", "canvas")
        .text("can_use_tools", "false");
    let answer = form(&admin, Method::PUT, &settings, repeated)
        .await
        .expect(200);
    assert_eq!(
        (&answer["tools"], &answer["can_use_tools"]),
        (&json!(["mcp", "canvas"]), &json!(false))
    );
    assert_eq!(
        answer["mcp_servers"][0]["id"], server["id"],
        "an absent list is left"
    );
    let emptied = Form::new().text("mcp_servers", "");
    let answer = form(&admin, Method::PUT, &settings, emptied)
        .await
        .expect(200);
    assert_eq!(answer["mcp_servers"], json!([]));
    let listed = Form::new()
        .text("mcp_servers", format!("[{id}]"))
        .text("tools", "['mcp-tool']");
    let answer = form(&admin, Method::PUT, &settings, listed)
        .await
        .expect(200);
    assert_eq!(
        (&answer["mcp_servers"][0]["id"], &answer["tools"]),
        (&server["id"], &json!(["mcp-tool"]))
    );
}

#[tokio::test]
async fn the_sdks_urlencoded_form_is_understood() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let fields = [
        ("name", "Workflow MCP"),
        ("url", PUBLIC_SERVER),
        ("is_featured", "true"),
        ("is_enabled", "0"),
        ("extra_headers", "{'x-a': \"it's\", 'x-b': 'c'}"),
    ];
    let server = send(admin.request(Method::POST, "mcp-servers/").form(&fields))
        .await
        .expect(201);
    let headers = json!({"x-a": "it's", "x-b": "c"});
    assert_eq!(
        names(&server),
        json!([true, false, headers, null, "Workflow MCP"])
    );
    let refused = [("extra_headers", "{'x-a': open('/etc/passwd')}")];
    let refused = send(admin.request(Method::POST, "mcp-servers/").form(&refused)).await;
    assert_eq!(
        refused.expect(400)["extra_headers"],
        json!(["Value must be valid JSON."])
    );
}

#[tokio::test]
async fn no_bytes_at_all_are_no_fields() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let missing = json!({"name": ["This field is required."], "url": ["This field is required."]});
    for content_type in [
        Some("application/json"),
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        assert_eq!(
            raw(&admin, content_type, "").await.expect(400),
            missing,
            "{content_type:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let json = Some("application/json");
    let doubled = format!(r#"{{"name":"a","name":"b","url":"{PUBLIC_SERVER}"}}"#);
    let nodes = format!("[{}1]", "1,".repeat(60_000));
    for (content_type, body, status, start) in [
        (
            Some("text/xml"),
            "<a/>",
            415,
            "Unsupported media type \"text/xml\" in request.",
        ),
        (None, "{}", 415, "Unsupported media type \"\" in request."),
        (
            json,
            &*doubled,
            400,
            "JSON parse error - duplicate name \"name\"",
        ),
        (json, "{", 400, "JSON parse error"),
        (
            json,
            &nodes,
            400,
            "JSON parse error - more than 50000 values",
        ),
        (
            Some("multipart/form-data"),
            "x",
            400,
            "Multipart form parse error",
        ),
        (
            Some("multipart/form-data; boundary=x"),
            "--x\r\nbroken",
            400,
            "Multipart form parse error",
        ),
    ] {
        let answer = raw(&admin, content_type, body.to_owned())
            .await
            .expect(status);
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.starts_with(start), "{detail}");
    }
    let list = raw(&admin, json, "[]").await.expect(400);
    assert_eq!(
        list,
        json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})
    );
    let zero = raw(&admin, json, r#"{"name":"a\u0000b"}"#)
        .await
        .expect(400);
    assert_eq!(zero["name"], json!(["Null characters are not allowed."]));
    assert_eq!(admin.get("mcp-servers/").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn bodies_over_their_limit_are_too_large() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for (content_type, bytes) in [
        ("application/json", 1024 * 1024),
        ("application/x-www-form-urlencoded", 1024 * 1024),
        ("multipart/form-data; boundary=x", 3 * 1024 * 1024),
    ] {
        let answer = raw(&admin, Some(content_type), vec![b' '; bytes + 1]).await;
        assert_eq!(
            answer.expect(413),
            json!({"detail": format!("Request body exceeds {bytes} bytes.")})
        );
        let chunks = futures_util::stream::iter(vec![
            Ok::<_, std::io::Error>(vec![b' '; bytes]),
            Ok(vec![b' '; 1]),
        ]);
        let streamed = raw(
            &admin,
            Some(content_type),
            reqwest::Body::wrap_stream(chunks),
        )
        .await;
        assert_eq!(streamed.status, 413);
    }
    let anonymous = raw(
        &gateway.anonymous(),
        Some("application/json"),
        vec![b' '; 2 * 1024 * 1024],
    )
    .await;
    assert_eq!(anonymous.status, 401, "nobody's body is not read");
}

#[tokio::test]
async fn an_image_is_stored_and_served_to_whoever_has_its_name() {
    let gateway = Gateway::start().await;
    let (admin, anonymous) = (gateway.admin().await, gateway.anonymous());
    let upload = |bytes: &[u8]| {
        let part = Part::bytes(bytes.to_vec())
            .file_name("../../logo.svg")
            .mime_str("image/svg+xml")
            .unwrap();
        Form::new()
            .text("name", "x")
            .text("url", PUBLIC_SERVER)
            .part("image", part)
    };
    let server = form(&admin, Method::POST, "mcp-servers/", upload(PNG))
        .await
        .expect(201);
    let path = format!("mcp-servers/{}/", server["id"]);
    let url = server["image"].as_str().unwrap();
    let image = anonymous
        .get(url.strip_prefix(&gateway.base).unwrap())
        .await;
    assert_eq!((image.status, &image.bytes[..]), (200, PNG));
    assert_eq!(image.header("content-type"), Some("image/png"));
    assert_eq!(image.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        image.header("content-security-policy"),
        Some("default-src 'none'; sandbox")
    );

    assert_eq!(
        admin.put(&path, server.clone()).await.expect(200)["image"],
        url,
        "echoed, it stays"
    );
    for (bytes, message) in [
        (
            b"<svg onload=alert(1)>".to_vec(),
            "Upload a valid image. The file you uploaded was either not an image or a corrupted image.",
        ),
        (Vec::new(), "The submitted file is empty."),
        (
            [PNG, &vec![0; 2 * 1024 * 1024][..]].concat(),
            "Ensure this file has no more than 2097152 bytes.",
        ),
    ] {
        let refused = form(&admin, Method::PATCH, &path, upload(&bytes)).await;
        assert_eq!(refused.expect(400), json!({"image": [message]}));
    }
    let gone = admin.patch(&path, json!({"image": null})).await.expect(200);
    assert_eq!(gone["image"], json!(null));
    assert_eq!(
        anonymous
            .get(url.strip_prefix(&gateway.base).unwrap())
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn too_many_parts_are_refused() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let many = (0..1001).fold(Form::new(), |form, i| form.text(format!("f{i}"), ""));
    let refused = form(&admin, Method::POST, "mcp-servers/", many).await;
    assert_eq!(
        refused.expect(400),
        json!({"detail": "More than 1000 form fields."})
    );
}
