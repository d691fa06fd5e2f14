//! `post_company`.

use serde_json::json;

use super::{NOW, bob, missing, wrong};
use crate::harness::Academy;

const TOOL: &str = "post_company";

#[tokio::test]
async fn a_company_is_added_with_what_is_known_of_it() {
    let academy = Academy::user().await;
    let company = json!({
        "username": "bob", "name": " Acme Corp ", "industry": "Software", "website": "https://acme.example",
    });
    let made = academy.call(&academy.learner, TOOL, company).await;
    let expected = json!({
        "id": made["id"], "user": made["user"], "name": "Acme Corp", "industry": "Software",
        "website": "https://acme.example", "logo_url": null, "data": null, "metadata": null,
        "created_at": NOW, "updated_at": NOW, "user_info": bob(&made["user"]),
    });
    assert_eq!(made, expected);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let company = json!({
        "username": "bob", "name": "", "industry": "x".repeat(101), "website": "javascript:alert(1)", "size": 3,
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, company).await,
        wrong(&json!({
            "industry": ["Must have at most 100 characters."],
            "name": ["This field is required."],
            "size": ["Unknown field."],
            "website": ["Enter a valid URL, such as https://example.com."],
        }))
    );
}

#[tokio::test]
async fn nobody_adds_to_another_s_profile_but_an_administrator() {
    let academy = Academy::user().await;
    let company = json!({ "username": "carol", "name": "Acme" });
    assert_eq!(
        academy
            .refusal(&academy.learner, TOOL, company.clone())
            .await,
        missing("user")
    );
    let made = academy.call(&academy.admin, TOOL, company).await;
    assert_eq!(made["user_info"]["username"], "carol");
}
