//! Who somebody with a key is in the academy: the profile that is bound to the user, or that has the user's address.

use mentor_gateway::auth::token::TokenKind;
use mentor_gateway::sql;
use mentor_gateway::tenant;
use mentor_gateway::tenant::user::{self, NewUser, Role};
use serde_json::{Value, json};

use crate::harness::{Academy, Client};

const ENROLL: &str = "academy_admin_create_enrollment";

/// A new user of acme, as `user create` makes them.
async fn hire(academy: &Academy, username: &str, email: &str) {
    let mut tx = academy.write().await;
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let new = NewUser {
        username,
        email,
        role: Role::Learner,
    };
    let now = academy.gateway.app.clock.now();
    user::create(&mut tx, acme.id, &new, now).await.unwrap();
    tx.commit().await.unwrap();
}

async fn key(academy: &Academy, username: &str) -> Client {
    let scopes = ["enrollments:read", "materials:read"];
    academy
        .gateway
        .with_key(username, TokenKind::Mcp, &scopes)
        .await
}

/// A place in cohort `coh_123` for whoever is named so.
async fn enroll(academy: &Academy, member: &str, named: &str) -> Value {
    let arguments = json!({ member: named, "cohortId": "coh_123", "organizationId": "org_789" });
    academy.call(&academy.admin, ENROLL, arguments).await
}

/// The cohorts that somebody sees themselves enrolled in.
async fn cohorts(academy: &Academy, person: &Client) -> Vec<Value> {
    let answer = academy
        .call(person, "academy_get_enrollments", json!({}))
        .await;
    let rows = answer["enrollments"].as_array().unwrap();
    rows.iter().map(|row| row["cohortId"].clone()).collect()
}

#[tokio::test]
async fn whoever_is_enrolled_by_their_address_sees_it_with_their_own_key() {
    let academy = Academy::v2().await;
    hire(&academy, "erin", "Erin@Acme.example").await;
    let erin = key(&academy, "erin").await;
    assert_eq!(cohorts(&academy, &erin).await, Vec::<Value>::new());
    let made = enroll(&academy, "email", "erin@acme.example").await;
    assert_eq!(cohorts(&academy, &erin).await, ["coh_123"]);
    let arguments = json!({ "courseId": "crs_ai_foundations" });
    let materials = academy
        .call(&erin, "academy_get_materials", arguments)
        .await;
    assert!(!materials["materials"].as_array().unwrap().is_empty());
    // Her name leads to the same profile, not to a second one.
    assert_eq!(made["user"]["created"], true);
    let arguments = json!({ "userId": "erin", "cohortId": "coh_456", "organizationId": "org_789" });
    let again = academy.call(&academy.admin, ENROLL, arguments).await;
    assert_eq!(again["user"]["id"], made["user"]["id"]);
    assert_eq!(again["user"]["created"], false);
}

#[tokio::test]
async fn a_user_is_enrolled_by_their_name_before_they_have_a_profile() {
    let academy = Academy::v2().await;
    hire(&academy, "erin", "erin@acme.example").await;
    let made = enroll(&academy, "userId", "erin").await;
    assert!(made["user"]["id"].as_str().unwrap().starts_with("usr_"));
    assert_eq!(made["user"]["email"], "erin@acme.example");
    assert_eq!(made["user"]["created"], true);
    let erin = key(&academy, "erin").await;
    assert_eq!(cohorts(&academy, &erin).await, ["coh_123"]);
    // Bound to her: whatever becomes of her address, it stays hers.
    hire(&academy, "eve", "erin@acme.example").await;
    let eve = key(&academy, "eve").await;
    assert_eq!(cohorts(&academy, &erin).await, ["coh_123"]);
    assert_eq!(cohorts(&academy, &eve).await, Vec::<Value>::new());
}

#[tokio::test]
async fn users_who_share_an_address_share_no_profile_until_one_is_named() {
    let academy = Academy::v2().await;
    hire(&academy, "erin", "team@acme.example").await;
    hire(&academy, "eve", " TEAM@acme.example").await;
    enroll(&academy, "email", "team@acme.example").await;
    let (erin, eve) = (key(&academy, "erin").await, key(&academy, "eve").await);
    for nobody in [&erin, &eve] {
        assert_eq!(cohorts(&academy, nobody).await, Vec::<Value>::new());
    }
    let arguments = json!({ "userId": "eve", "cohortId": "coh_456", "organizationId": "org_789" });
    academy
        .call(&academy.admin, ENROLL, arguments.clone())
        .await;
    assert_eq!(cohorts(&academy, &erin).await, Vec::<Value>::new());
    assert_eq!(cohorts(&academy, &eve).await.len(), 2);
    let mut other = arguments;
    other["userId"] = "erin".into();
    let refused = academy.refusal(&academy.admin, ENROLL, other).await;
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({ "userId": ["The address of this user is another user's in the academy."] })
    );
}

#[tokio::test]
async fn a_profile_that_is_somebody_s_is_nobody_else_s_by_its_address() {
    let academy = Academy::v2().await;
    // John Doe's, which is bob's.
    hire(&academy, "john", "john@company.com").await;
    let john = key(&academy, "john").await;
    assert_eq!(cohorts(&academy, &john).await, Vec::<Value>::new());
    let bob = json!({ "userId": "bob", "cohortId": "coh_123", "organizationId": "org_789" });
    let found = academy.call(&academy.admin, ENROLL, bob).await;
    assert_eq!(found["user"]["id"], "usr_456");
}

#[tokio::test]
async fn an_address_leads_to_no_profile_of_another_tenant_or_of_the_sandbox() {
    let academy = Academy::v2().await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE users SET email = 'ada.lindqvist@example.com' WHERE username IN ('gil', 'carol')"
    )
    .unwrap();
    sql!(&mut tx, execute, "UPDATE academy_people SET user_id = NULL").unwrap();
    tx.commit().await.unwrap();
    // Ada's in acme's live academy, and not hindered by a user of globex with the same address.
    let carol = key(&academy, "carol").await;
    assert!(!cohorts(&academy, &carol).await.is_empty());
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_realms SET environment = 'test'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(cohorts(&academy, &carol).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_user_is_enrolled_by_name_over_the_first_face_too() {
    let academy = Academy::v1().await;
    hire(&academy, "erin", "erin@acme.example").await;
    hire(&academy, "ghost", "").await;
    let place = |user: &str| json!({ "userId": user, "cohortId": "coh_xyz789", "enrollmentType": "complimentary" });
    let made = academy
        .call(&academy.admin, "create_enrollment", place("erin"))
        .await;
    let erin = academy
        .gateway
        .with_key("erin", TokenKind::Aea, &["learner"])
        .await;
    let own = academy
        .call(&erin, "get_learner_enrollments", json!({}))
        .await;
    assert_eq!(own["enrollments"][0]["id"], made["enrollmentId"]);
    assert_eq!(own["totalCount"], 1);
    let refused = academy
        .refusal(&academy.admin, "create_enrollment", place("ghost"))
        .await;
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({ "email": ["Enter a valid email address."] })
    );
}

#[tokio::test]
async fn analytics_know_the_courses_of_whoever_was_enrolled_by_address() {
    let academy = Academy::user().await;
    let mut tx = academy.write().await;
    let email = "ada.lindqvist@example.com";
    sql!(
        &mut tx,
        execute,
        "UPDATE users SET email = $1 WHERE username = 'carol'",
        email
    )
    .unwrap();
    tx.commit().await.unwrap();
    let answer = academy
        .call(&academy.instructor, "get_learner_analytics", json!({}))
        .await;
    let summary = &answer["results"][0]["summary"];
    assert_eq!(
        (&summary["enrollments"], &summary["resources"]),
        (&json!(1), &json!(13))
    );
}
