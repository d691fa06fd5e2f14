//! The learner server: a call of each tool that works, and what it says to those that do not.

use mentor_gateway::auth::token::TokenKind;
use serde_json::{Value, json};

use super::{Codes, Described};
use crate::harness::Academy;
use crate::user_server::{resume, upload};

/// The face.
pub const USER: Described = Described {
    name: "user",
    key: TokenKind::Platform,
    codes: Codes {
        no_key: "unauthorized",
        other_key: "unauthorized",
        other_scope: "forbidden",
        over_the_limit: "rate_limited",
        wrong: "invalid",
    },
    fields: "/fields",
    academy: || {
        Box::pin(async {
            let academy = Academy::user_with_a_past().await;
            upload(&academy).await;
            academy
        })
    },
    calls,
    uris: &[],
    without_scope: |required, _| panic!("no tool needs a scope, not even {required}"),
};

/// Bob has a profile: in the sample the first record of each kind has the number 1.
fn calls() -> Vec<(&'static str, Value)> {
    let bob = json!({ "username": "bob" });
    let with = |mut fields: Value| {
        fields["username"] = "bob".into();
        fields
    };
    vec![
        ("ping", json!({})),
        ("get_user_resume", bob.clone()),
        ("post_user_resume", resume()),
        (
            "put_user_resume",
            with(json!({ "links": ["https://new.example"] })),
        ),
        ("get_company", bob.clone()),
        (
            "post_company",
            with(json!({ "name": "Acme", "industry": "Software" })),
        ),
        (
            "put_company",
            with(json!({ "id": 1, "name": "Harbor & Co." })),
        ),
        ("get_institution", bob.clone()),
        (
            "post_institution",
            with(json!({ "name": "State University", "institution_type": "university" })),
        ),
        (
            "put_institution",
            with(json!({ "id": 1, "name": "Northeastern" })),
        ),
        ("get_education", bob.clone()),
        (
            "post_education",
            with(json!({ "institution_id": 1, "start_date": "2018-09-01", "degree": "M.Sc." })),
        ),
        (
            "put_education",
            with(json!({ "id": 1, "institution_id": 1, "start_date": "2012-09-02" })),
        ),
        ("get_experience", bob.clone()),
        (
            "post_experience",
            with(json!({ "company_id": 1, "title": "Advisor", "start_date": "2021-01-01" })),
        ),
        (
            "put_experience",
            with(
                json!({ "id": 1, "company_id": 1, "title": "Analyst", "start_date": "2016-07-02" }),
            ),
        ),
        (
            "get_learner_analytics",
            with(json!({ "date_filter": "30d" })),
        ),
        (
            "get_learner_details",
            with(json!({ "metrics": "courses,skills,credentials,time_spent" })),
        ),
    ]
}
