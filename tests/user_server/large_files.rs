//! A file that is too large, or not what it is called, is refused in the same words on each of the three ways in.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::wrong;
use crate::harness::{Academy, send};

const TOOL: &str = "post_user_resume";

/// What is said of a PDF in the form, through the link, and in the tool's call.
async fn refused(academy: &Academy, content: &[u8]) -> [Value; 3] {
    let form = || {
        let file = Part::bytes(content.to_vec()).file_name("resume.pdf");
        Form::new().part("resume", file.mime_str("application/pdf").unwrap())
    };
    let resume = "/api/career/resume/orgs/acme/users/bob/";
    let by_form = academy.learner.request(Method::POST, resume);
    let by_form = send(by_form.multipart(form())).await.expect(400);
    let link = json!({ "username": "bob" });
    let link = academy.call(&academy.learner, TOOL, link).await;
    let link = link["upload"]["url"].as_str().unwrap();
    let nobody = academy.gateway.anonymous();
    let path = link.strip_prefix(&academy.gateway.base).unwrap();
    let by_link = nobody.request(Method::POST, path).multipart(form());
    let by_link = send(by_link).await.expect(400);
    let call = json!({
        "username": "bob", "file_name": "resume.pdf", "file_type": "application/pdf",
        "content": BASE64_STANDARD.encode(content),
    });
    let by_tool = academy.refusal(&academy.learner, TOOL, call).await;
    assert_eq!(academy.learner.get(resume).await.status, 404);
    [by_form, by_link, by_tool]
}

/// The same words thrice.
fn said(words: &str) -> [Value; 3] {
    let of_form = json!({ "resume": [words] });
    [
        of_form.clone(),
        of_form,
        wrong(&json!({ "content": [words] })),
    ]
}

#[tokio::test]
async fn twenty_six_megabytes_are_too_many() {
    let academy = Academy::user().await;
    let mut large = b"%PDF-1.7".to_vec();
    large.resize(26_000_000, b' ');
    let words = "Ensure this file has no more than 25 MB.";
    assert_eq!(refused(&academy, &large).await, said(words));
}

#[tokio::test]
async fn a_page_of_html_is_no_pdf_whatever_it_is_called() {
    let academy = Academy::user().await;
    let words = "Must be a PDF, a DOCX or an image (PNG, JPEG, WebP).";
    let page = b"<!doctype html><title>%PDF-1.7</title>";
    assert_eq!(refused(&academy, page).await, said(words));
}

#[tokio::test]
async fn twenty_five_megabytes_come_in_a_call_and_more_than_any_file_does_not() {
    let academy = Academy::user().await;
    let mut large = b"%PDF-1.7".to_vec();
    large.resize(25_000_000, b' ');
    let with = |content: &[u8]| {
        json!({
            "username": "bob", "file_name": "resume.pdf", "file_type": "application/pdf",
            "content": BASE64_STANDARD.encode(content),
        })
    };
    let made = academy.call(&academy.learner, TOOL, with(&large)).await;
    assert_eq!(made["resume"]["files"][0]["name"], "resume.pdf");
    large.resize(30_000_000, b' ');
    let path = "/mcp/user/tools/post_user_resume";
    let beyond = academy.learner.post(path, with(&large)).await;
    assert_eq!(beyond.status, 413);
}
