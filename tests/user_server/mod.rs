//! The learner server: every tool, what it refuses, and the same over REST.

mod contents;
mod get_company;
mod get_education;
mod get_experience;
mod get_institution;
mod get_learner_analytics;
mod get_learner_details;
mod get_user_resume;
mod pairs;
mod large_files;
mod ping;
mod post_company;
mod post_education;
mod post_experience;
mod post_institution;
mod post_user_resume;
mod put_company;
mod put_education;
mod put_experience;
mod put_institution;
mod put_user_resume;
mod rest;
mod use_cases;
mod wrong_fields;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::Academy;

/// When everything in these tests happens.
const NOW: &str = "2024-12-02T10:00:00Z";

/// The smallest thing that is a PDF to whoever looks at its beginning.
const PDF: &str = "%PDF-1.7\n%resume of bob";

/// Bob's resume, as base64.
pub fn resume() -> Value {
    json!({
        "username": "bob", "file_name": "../bob doe.exe", "file_type": "application/pdf",
        "content": BASE64_STANDARD.encode(PDF), "links": ["https://bob.example"],
    })
}

/// Gives bob his resume.
pub async fn upload(academy: &Academy) -> Value {
    academy
        .call(&academy.learner, "post_user_resume", resume())
        .await
}

/// What is said of bob with every answer.
fn bob(id: &Value) -> Value {
    json!({
        "user_id": id, "username": "bob", "email": null, "name": "John Doe", "is_active": true,
        "last_active": null, "date_joined": NOW,
    })
}

/// A company of bob's.
async fn acme(academy: &Academy) -> Value {
    let company = json!({ "username": "bob", "name": "Acme Corp" });
    academy
        .call(&academy.learner, "post_company", company)
        .await
}

/// An institution of bob's.
async fn university(academy: &Academy) -> Value {
    let institution =
        json!({ "username": "bob", "name": "State University", "institution_type": "university" });
    academy
        .call(&academy.learner, "post_institution", institution)
        .await
}

/// Bob's position at a company of his.
async fn position(academy: &Academy) -> Value {
    let company = acme(academy).await;
    let experience = json!({
        "username": "bob", "company_id": company["id"], "title": "Engineer", "start_date": "2020-03-01",
    });
    academy
        .call(&academy.learner, "post_experience", experience)
        .await
}

/// What bob studied at an institution of his.
async fn studies(academy: &Academy) -> Value {
    let institution = university(academy).await;
    let education = json!({
        "username": "bob", "institution_id": institution["id"], "start_date": "2014-09-01", "degree": "B.Sc.",
    });
    academy
        .call(&academy.learner, "post_education", education)
        .await
}

/// What a model is told of wrong fields.
fn wrong(fields: &Value) -> Value {
    json!({
        "error": {
            "status": 400, "code": "invalid", "message": "Correct every field named in `fields` and call again.",
            "fields": fields,
        }
    })
}

/// What a model is told of something that is not there for it.
fn missing(what: &str) -> Value {
    json!({ "error": { "status": 404, "code": "not_found", "message": format!("There is no such {what}.") } })
}

/// A list belongs to its learner: others of the tenant find nobody, an administrator finds them.
async fn only_its_learner_lists(tool: &str) -> Academy {
    let academy = Academy::user().await;
    let nothing = academy
        .call(&academy.learner, tool, json!({ "username": "bob" }))
        .await;
    assert_eq!(nothing, json!({ "results": [] }));
    for name in ["carol", "gil", "nobody", ""] {
        let refusal = academy
            .refusal(&academy.learner, tool, json!({ "username": name }))
            .await;
        assert_eq!(refusal, missing("user"), "{name}");
    }
    academy
}
