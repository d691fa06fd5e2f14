//! `/api/career/…`: the same data as the tools show, in the encodings of its clients.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{PDF, acme, position, university};
use crate::harness::{Academy, Client, send};

/// A picture that says where it was taken.
const CAMERA: &[u8] = include_bytes!("../pictures/camera.jpg");

fn path(kind: &str, user: &str) -> String {
    format!("/api/career/orgs/acme/{kind}/users/{user}/")
}

async fn put(client: &Client, path: &str, body: Value) -> crate::harness::Answer {
    send(client.request(reqwest::Method::PUT, path).json(&body)).await
}

#[tokio::test]
async fn a_record_is_made_changed_and_deleted() {
    let academy = Academy::user().await;
    let learner = &academy.learner;
    let company = json!({ "name": "Acme", "logo_url": "https://acme.example/logo.png", "data": {"size": 3}, "user": 7 });
    let made = learner
        .post(&path("companies", "bob"), company)
        .await
        .expect(200);
    assert_eq!(made["data"], json!({"size": 3}));
    assert_eq!(made["user_info"]["username"], "bob");
    let id = &made["id"];
    // The id stands in the body or in the query.
    let changed = put(
        learner,
        &path("companies", "bob"),
        json!({ "id": id, "name": "Acme Inc." }),
    )
    .await;
    assert_eq!(changed.expect(200)["name"], "Acme Inc.");
    let by_query = format!("{}?id={id}", path("companies", "bob"));
    let changed = put(
        learner,
        &by_query,
        json!({ "name": "Acme Ltd.", "logo_url": "" }),
    )
    .await
    .expect(200);
    assert_eq!(changed["name"], "Acme Ltd.");
    assert_eq!(changed["logo_url"], Value::Null);
    assert_eq!(changed["data"], json!({"size": 3}));
    let gone = send(learner.request(reqwest::Method::DELETE, &by_query)).await;
    assert_eq!(gone.status, 204);
    let again = send(learner.request(reqwest::Method::DELETE, &by_query)).await;
    assert_eq!(again.brief(), (404, r#"{"detail":"Not found."}"#.into()));
}

#[tokio::test]
async fn what_another_record_needs_stays() {
    let academy = Academy::user().await;
    let position = position(&academy).await;
    let company = format!("{}?id={}", path("companies", "bob"), position["company_id"]);
    let refused = send(academy.learner.request(reqwest::Method::DELETE, &company)).await;
    assert_eq!(
        refused.brief(),
        (
            409,
            r#"{"detail":"An experience refers to this company."}"#.into()
        )
    );
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let education = json!({
        "institution_id": 999_999, "start_date": "2025-02-30", "end_date": "2024-01-01", "grade": "A",
        "is_current": "perhaps", "honours": true, "degree": "x".repeat(101),
    });
    let refused = academy
        .learner
        .post(&path("education", "bob"), education)
        .await;
    assert_eq!(
        refused.expect(400),
        json!({
            "degree": ["Ensure this field has no more than 100 characters."],
            "grade": ["Enter a number, such as 3.75."],
            "honours": ["Unknown field."],
            "institution_id": ["Invalid pk \"999999\" - object does not exist."],
            "is_current": ["Must be true or false."],
            "start_date": ["Enter a date that exists, as YYYY-MM-DD."],
        })
    );
    let experience = json!({ "company_id": 1, "title": "x", "start_date": "2025-01-02", "end_date": "2025-01-01" });
    let refused = academy
        .learner
        .post(&path("experience", "bob"), experience)
        .await
        .expect(400);
    assert_eq!(
        refused["end_date"],
        json!(["Must not be before the start date."])
    );
}

#[tokio::test]
async fn a_grade_is_a_decimal_text_and_an_empty_one_is_none() {
    let academy = Academy::user().await;
    let institution = university(&academy).await;
    let with = |grade: Value| json!({ "institution_id": institution["id"], "start_date": "2014-09-01", "grade": grade });
    for (grade, stored) in [
        (json!("3.75"), json!("3.75")),
        (json!(3.5), json!("3.50")),
        (json!(""), Value::Null),
    ] {
        let made = academy
            .learner
            .post(&path("education", "bob"), with(grade))
            .await
            .expect(200);
        assert_eq!(made["grade"], stored);
    }
}

#[tokio::test]
async fn a_form_is_read_like_json() {
    let academy = Academy::user().await;
    let institution = [
        ("name", "State University"),
        ("established_year", "1901"),
        ("data", "{\"a\": 1}"),
    ];
    let request = academy
        .learner
        .request(reqwest::Method::POST, &path("institutions", "bob"));
    let made = send(request.form(&institution)).await.expect(200);
    assert_eq!(made["established_year"], 1901);
    assert_eq!(made["data"], json!({"a": 1}));
}

#[tokio::test]
async fn another_s_records_are_missing() {
    let academy = Academy::user().await;
    let made = acme(&academy).await;
    let missing = (404, r#"{"detail":"Not found."}"#.to_owned());
    assert_eq!(
        academy
            .instructor
            .get(&path("companies", "bob"))
            .await
            .brief(),
        missing
    );
    let body = json!({ "id": made["id"], "name": "Mine" });
    assert_eq!(
        put(&academy.instructor, &path("companies", "carol"), body)
            .await
            .brief(),
        missing
    );
    let stranger = academy.gateway.stranger().await;
    assert_eq!(
        stranger
            .get("/api/career/orgs/acme/companies/users/bob/")
            .await
            .brief(),
        missing
    );
    assert_eq!(
        stranger
            .get("/api/career/orgs/globex/companies/users/bob/")
            .await
            .brief(),
        missing
    );
}

#[tokio::test]
async fn a_resume_is_a_form_and_nothing_else() {
    let academy = Academy::user().await;
    let learner = &academy.learner;
    let path = "/api/career/resume/orgs/acme/users/bob/";
    let text = r#"{"detail":"Unsupported media type \"application/json\" in request."}"#;
    let plain = learner.post(path, json!({ "resume": "x" })).await;
    assert_eq!(plain.brief(), (415, text.into()));
    assert_eq!(learner.get(path).await.status, 404);
    let file = |content: Vec<u8>, name: &str| Part::bytes(content).file_name(name.to_owned());
    let form = Form::new()
        .text("user", "1")
        .part("resume", file(PDF.into(), "cv.pdf"))
        .part("additional_files", file(CAMERA.into(), "me.jpeg"))
        .part("additional_files", file(CAMERA.into(), "me too.jpeg"))
        .text("link_1", "https://bob.example")
        .text("link_2", "https://code.example/bob");
    let made = send(learner.request(reqwest::Method::POST, path).multipart(form))
        .await
        .expect(200);
    let files: Vec<_> = made["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["name"])
        .collect();
    assert_eq!(files, ["cv.pdf", "me.jpg", "me too.jpg"]);
    assert_eq!(
        made["links"],
        json!([{"url": "https://bob.example"}, {"url": "https://code.example/bob"}])
    );
    let shown = academy
        .call(learner, "get_user_resume", json!({ "username": "bob" }))
        .await;
    assert_eq!(shown, learner.get(path).await.expect(200));
    assert_eq!(
        send(learner.request(reqwest::Method::DELETE, path))
            .await
            .status,
        204
    );
    assert_eq!(learner.get(path).await.status, 404);
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be_are_refused_together() {
    let academy = Academy::user().await;
    let path = "/api/career/resume/orgs/acme/users/bob/";
    let post = || academy.learner.request(reqwest::Method::POST, path);
    let mut large = b"%PDF-1.7".to_vec();
    large.resize(26_000_000, b' ');
    let form = Form::new()
        .part("resume", Part::bytes(large).file_name("cv.pdf"))
        .part(
            "additional_files",
            Part::bytes(&b"<html>"[..]).file_name("cv.pdf"),
        )
        .text("link_1", "nowhere")
        .text("salary", "1");
    assert_eq!(
        send(post().multipart(form)).await.expect(400),
        json!({
            "additional_files": ["Must be a PDF, a DOCX or an image (PNG, JPEG, WebP)."],
            "link_1": ["Enter a valid URL, such as https://example.com."],
            "resume": ["Ensure this file has no more than 25 MB."],
            "salary": ["Unknown field."],
        })
    );
    let empty = send(post().multipart(Form::new().text("user", "1"))).await;
    assert_eq!(
        empty.expect(400),
        json!({ "resume": ["No file was submitted."] })
    );
}

#[tokio::test]
async fn a_picture_does_not_say_where_it_was_taken() {
    let academy = Academy::user().await;
    let resume = "/api/career/resume/orgs/acme/users/bob/";
    let form = Form::new().part("resume", Part::bytes(CAMERA).file_name("me.jpg"));
    let request = academy.learner.request(reqwest::Method::POST, resume);
    let made = send(request.multipart(form)).await.expect(200);
    let url = made["files"][0]["url"].as_str().unwrap();
    let nobody = academy.gateway.anonymous();
    let shown = nobody.get(url.strip_prefix(&academy.gateway.base).unwrap());
    let shown = shown.await;
    assert_eq!(shown.header("content-type"), Some("image/jpeg"));
    let says = |content: &[u8]| content.windows(6).any(|part| part == b"CANARY");
    assert!(says(CAMERA) && !says(&shown.bytes));
}

#[tokio::test]
async fn a_picture_that_is_not_right_is_refused() {
    let academy = Academy::user().await;
    let resume = "/api/career/resume/orgs/acme/users/bob/";
    let mut wide = include_bytes!("../pictures/camera.png").to_vec();
    wide[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let form = Form::new()
        .part("resume", Part::bytes(&CAMERA[..300]).file_name("me.jpg"))
        .part("additional_files", Part::bytes(wide).file_name("wide.png"));
    let request = academy.learner.request(reqwest::Method::POST, resume);
    assert_eq!(
        send(request.multipart(form)).await.expect(400),
        json!({
            "additional_files": ["Ensure this picture has no more than 25 megapixels."],
            "resume": ["This picture is damaged."],
        })
    );
}
