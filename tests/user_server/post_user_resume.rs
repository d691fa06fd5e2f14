//! `post_user_resume`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{PDF, missing, upload, wrong};
use crate::harness::{Academy, send};

const TOOL: &str = "post_user_resume";

#[tokio::test]
async fn a_resume_comes_as_base64() {
    let academy = Academy::user().await;
    let made = upload(&academy).await;
    assert_eq!(made["upload"], Value::Null);
    let resume = &made["resume"];
    assert_eq!(resume["files"].as_array().unwrap().len(), 1);
    assert_eq!(resume["links"], json!([{ "url": "https://bob.example" }]));
    // Another one takes its place.
    let again = upload(&academy).await;
    assert_eq!(again["resume"]["files"].as_array().unwrap().len(), 1);
    assert_eq!(again["resume"]["id"], resume["id"]);
}

#[tokio::test]
async fn a_large_one_comes_through_a_link() {
    let academy = Academy::user().await;
    let answer = academy
        .call(&academy.learner, TOOL, json!({ "username": "bob" }))
        .await;
    assert_eq!(answer["resume"], Value::Null);
    assert_eq!(answer["upload"]["expires_at"], "2024-12-02T10:10:00Z");
    let url = answer["upload"]["url"].as_str().unwrap();
    let path = url.strip_prefix(&academy.gateway.base).unwrap();
    let nobody = academy.gateway.anonymous();
    let form = || Form::new().part("resume", Part::bytes(PDF.as_bytes()).file_name("cv.pdf"));
    let post = |path: &str| nobody.request(reqwest::Method::POST, path);
    let made = send(post(path).multipart(form())).await.expect(200);
    assert_eq!(made["files"][0]["name"], "cv.pdf");
    let missing = (404, r#"{"detail":"Not found."}"#.to_owned());
    let other = path.replace("/bob/", "/carol/");
    assert_eq!(send(post(&other).multipart(form())).await.brief(), missing);
    let plain = send(post(path).json(&json!({}))).await;
    assert_eq!(plain.status, 415);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let html = BASE64_STANDARD.encode("<html>%PDF-1.7</html>");
    let resume = json!({
        "username": "bob", "content": html, "file_type": "application/pdf", "links": ["javascript:alert(1)"],
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, resume).await,
        wrong(&json!({
            "content": ["Must be a PDF, a DOCX or an image (PNG, JPEG, WebP)."],
            "file_name": ["This field is required with a content."],
            "links[0]": ["Enter a valid URL, such as https://example.com."],
        }))
    );
    let lie = json!({
        "username": "bob", "content": BASE64_STANDARD.encode(PDF), "file_type": "image/png", "file_name": "x.png",
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, lie).await,
        wrong(&json!({ "content": ["This is application/pdf, not image/png."] }))
    );
    let nothing = json!({ "username": "bob", "file_name": "x.pdf" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, nothing).await,
        wrong(&json!({ "content": ["This field is required with a name or a type."] }))
    );
    let other = json!({ "username": "carol" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, other).await,
        missing("user")
    );
}
