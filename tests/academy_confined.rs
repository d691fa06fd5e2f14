//! An administrator of one organization: every tool shows them that organization's people and nobody else.

use std::time::Duration;

use mentor_gateway::academy::{RealmId, person};
use mentor_gateway::auth::token::{Environment, TokenKind};
use mentor_gateway::sql;
use mentor_gateway::tenant::{self, user};
use serde_json::{Value, json};

use crate::harness::Academy;

/// What a tool must do for an administrator of another organization.
enum Must {
    /// Refuse as it refuses what is not there at all, which these arguments name.
    AnswerAsMissing(Value),
    /// Answer, with this at this place.
    Answer(&'static str, Value),
    /// Refuse with this code.
    Refuse(&'static str),
}
use Must::{Answer, AnswerAsMissing, Refuse};

/// Makes alice an administrator of an organization that has nobody else.
async fn confine(academy: &Academy) {
    let mut tx = academy.write().await;
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let alice = user::get(&mut tx, acme.id, "alice").await.unwrap();
    let realm = RealmId::of(&mut tx, acme.id, Environment::Live)
        .await
        .unwrap();
    sql!(
        &mut tx,
        execute,
        "INSERT INTO academy_organizations
             (realm_id, id, name, contact_email, contract, active_since, seats_allocated)
         VALUES ($1, 'org_other', 'Other', 'o@other.example', 'retainer', 0, 5)",
        realm
    )
    .unwrap();
    let profile = person::Person {
        id: "usr_alice".into(),
        name: "Alice".into(),
        email: "alice@other.example".into(),
        timezone: "UTC".into(),
        organization_id: Some("org_other".into()),
    };
    let now = academy.gateway.app.clock.now();
    person::insert(&mut tx, realm, &profile, Some(alice.id), now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Holds every tool of the face to the table: a new tool needs a row.
async fn check(academy: &Academy, table: Vec<(&'static str, Value, Must)>) {
    confine(academy).await;
    let mut named: Vec<&str> = table.iter().map(|(tool, ..)| *tool).collect();
    named.dedup();
    let mut tools = academy.mcp(&academy.admin).tool_names().await;
    tools.sort();
    named.sort_unstable();
    assert_eq!(named, tools);
    for (tool, arguments, must) in table {
        let about = format!("{tool} {arguments}");
        // What may be asked in a minute is not what is asked here.
        academy.gateway.advance(Duration::from_secs(5));
        match must {
            AnswerAsMissing(missing) => {
                let refused = academy.refusal(&academy.admin, tool, arguments).await;
                let expected = academy.refusal(&academy.admin, tool, missing).await;
                assert_eq!(refused, expected, "{about}");
            }
            Answer(place, value) => {
                let answer = academy.call(&academy.admin, tool, arguments).await;
                assert_eq!(answer.pointer(place), Some(&value), "{about}: {answer}");
            }
            Refuse(code) => {
                let refused = academy.refusal(&academy.admin, tool, arguments).await;
                assert_eq!(refused["error"]["code"], code, "{about}");
            }
        }
    }
}

#[tokio::test]
async fn no_tool_of_the_first_face_reaches_people_of_another_organization() {
    let academy = Academy::v1().await;
    let place = |user: &str| json!({ "userId": user, "cohortId": "coh_xyz789", "enrollmentType": "standard" });
    let letter =
        json!({ "cohortId": "coh_xyz789", "subject": "Hi", "message": "Hi", "priority": "low" });
    let course = json!({ "courseSlug": "ai-fundamentals" });
    let enrollment = |id: &str| json!({ "enrollmentId": id });
    let cohort = json!({ "cohortId": "coh_xyz789" });
    let everybody_s = json!("crs_ai_fund_001");
    #[rustfmt::skip]
    let table = vec![
        ("get_learner_enrollments", json!({}), Answer("/totalCount", json!(0))),
        ("get_course_details", course, Answer("/course/id", everybody_s.clone())),
        ("get_upcoming_cohorts", json!({}), Answer("/cohorts/0/courseId", everybody_s)),
        ("check_enrollment_status", cohort.clone(), Answer("/enrollment/isEnrolled", json!(false))),
        ("get_enablement_kit", enrollment("enr_abc123"), AnswerAsMissing(enrollment("enr_nowhere"))),
        ("get_certificate", enrollment("enr_def456"), AnswerAsMissing(enrollment("enr_nowhere"))),
        // Somebody of another organization, of none, and a user without a profile.
        ("create_enrollment", place("usr_john_doe_123"), AnswerAsMissing(place("usr_nowhere"))),
        ("create_enrollment", place("usr_marcus_johnson"), AnswerAsMissing(place("usr_nowhere"))),
        ("create_enrollment", place("gil"), AnswerAsMissing(place("usr_nowhere"))),
        ("get_cohort_roster", cohort, Answer("/roster", json!([]))),
        (
            "update_cohort_status",
            json!({ "cohortId": "coh_xyz789", "status": "in_progress" }),
            Refuse("INSUFFICIENT_PERMISSIONS"),
        ),
        ("send_cohort_notification", letter, Answer("/recipientCount", json!(0))),
    ];
    check(&academy, table).await;
    for (held, missing) in [
        (
            "academy://certificates/enr_def456",
            "academy://certificates/enr_nowhere",
        ),
        (
            "academy://enrollments/usr_jane_smith",
            "academy://enrollments/usr_nowhere",
        ),
    ] {
        let read = async |uri: &str| {
            let params = json!({ "uri": uri });
            let mcp = academy.mcp(&academy.admin);
            let error = mcp.request("resources/read", params).await.error().clone();
            (error["code"].clone(), error["message"].clone())
        };
        assert_eq!(read(held).await, read(missing).await, "{held}");
    }
    // Their own people they do enroll, in the organization's name.
    let own = academy
        .call(&academy.admin, "create_enrollment", place("usr_alice"))
        .await;
    let cohort = json!({ "cohortId": "coh_xyz789" });
    let roster = academy
        .call(&academy.admin, "get_cohort_roster", cohort)
        .await;
    assert_eq!(roster["enrolledCount"], 1);
    assert_eq!(roster["roster"][0]["enrollmentId"], own["enrollmentId"]);
    assert_eq!(roster["roster"][0]["organizationName"], "Other");
}

#[tokio::test]
async fn no_tool_of_the_second_face_reaches_people_of_another_organization() {
    let academy = Academy::v2().await;
    let enrollment = |id: &str| json!({ "enrollmentId": id });
    let chat = |id: &str| json!({ "enrollmentId": id, "message": "What is a prompt?" });
    let book = |id: &str| json!({ "enrollmentId": id, "slotId": "slot_123" });
    let user = |id: &str| json!({ "userId": id });
    let place = |member: &str, named: &str| json!({ member: named, "cohortId": "coh_123", "organizationId": "org_other" });
    let (by_id, by_email) = (
        place("userId", "usr_456"),
        place("email", "john@company.com"),
    );
    let mut with_both = by_id.clone();
    with_both["email"] = "new@company.com".into();
    let elsewhere =
        |id: &str| json!({ "email": "x@y.example", "cohortId": "coh_123", "organizationId": id });
    let letter = |member: &str, to: Value| json!({ member: to, "templateId": 42, "params": { "startDate": "today" } });
    #[rustfmt::skip]
    let table = vec![
        ("academy_get_enrollments", user("usr_456"), AnswerAsMissing(user("usr_nowhere"))),
        ("academy_get_materials", json!({ "courseId": "crs_ai_foundations" }), Refuse("ACCESS_DENIED")),
        ("academy_chat", chat("enr_123"), AnswerAsMissing(chat("enr_nowhere"))),
        ("academy_get_availability", enrollment("enr_123"), AnswerAsMissing(enrollment("enr_nowhere"))),
        ("academy_book_office_hours", book("enr_123"), AnswerAsMissing(book("enr_nowhere"))),
        ("academy_get_certificate", enrollment("enr_100"), AnswerAsMissing(enrollment("enr_nowhere"))),
        (
            "academy_admin_list_cohorts",
            json!({}),
            Answer("/cohorts/0/enrollments", json!({ "total": 0, "active": 0, "completed": 0, "dropped": 0 })),
        ),
        (
            "academy_admin_enrollment_stats",
            json!({ "cohortId": "coh_456" }),
            Answer("", nobody()),
        ),
        ("academy_admin_send_email", letter("cohortId", json!("coh_456")), Answer("/campaign/recipients/total", json!(0))),
        (
            "academy_admin_send_email",
            letter("enrollmentIds", json!(["enr_123", "enr_nowhere"])),
            Answer("/errors", json!([
                { "enrollmentId": "enr_123", "message": "There is no such enrollment" },
                { "enrollmentId": "enr_nowhere", "message": "There is no such enrollment" },
            ])),
        ),
        ("academy_admin_create_enrollment", by_id, AnswerAsMissing(place("userId", "usr_nowhere"))),
        ("academy_admin_create_enrollment", with_both, Refuse("ACCESS_DENIED")),
        ("academy_admin_create_enrollment", by_email, Refuse("ACCESS_DENIED")),
        ("academy_admin_create_enrollment", elsewhere("org_789"), AnswerAsMissing(elsewhere("org_nowhere"))),
    ];
    check(&academy, table).await;
}

/// The statistics of a cohort in which an organization has nobody.
fn nobody() -> Value {
    json!({
        "cohortId": "coh_456",
        "period": { "start": "2024-12-01T00:00:00Z", "end": "2024-12-15T23:59:59Z" },
        "enrollments": { "total": 0, "active": 0, "completed": 0, "dropped": 0, "b2b": 0, "b2c": 0 },
        "engagement": {
            "averageMaterialsAccessed": 0.0,
            "averageChatMessages": 0.0,
            "averageOfficeHoursBooked": 0.0,
            "activeUsers": { "daily": 0, "weekly": 0 }
        },
        "materials": { "mostAccessed": [], "downloadRate": 0.0 },
        "chat": {
            "totalMessages": 0, "averageResponseTime": null, "satisfactionScore": null, "topTopics": []
        },
        "officeHours": { "totalBookings": 0, "completedSessions": 0, "noShows": 0, "averageRating": null },
        "completion": { "onTrack": 0, "atRisk": 0, "projectedCompletionRate": null }
    })
}

#[tokio::test]
async fn an_organization_claims_no_administrator_of_the_tenant() {
    let academy = Academy::v2().await;
    confine(&academy).await;
    let mut tx = academy.write().await;
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let new = user::NewUser {
        username: "root",
        email: "Root@acme.example",
        role: user::Role::Admin,
    };
    let now = academy.gateway.app.clock.now();
    user::create(&mut tx, acme.id, &new, now).await.unwrap();
    tx.commit().await.unwrap();
    let claim = json!({ "email": "root@acme.example", "cohortId": "coh_123", "organizationId": "org_other" });
    let tool = "academy_admin_create_enrollment";
    let refused = academy.refusal(&academy.admin, tool, claim).await;
    assert_eq!(refused["error"]["code"], "ACCESS_DENIED");
    let root = academy
        .gateway
        .with_key("root", TokenKind::Mcp, &["all"])
        .await;
    let theirs = json!({ "userId": "usr_456" });
    let seen = academy.call(&root, "academy_get_enrollments", theirs).await;
    assert!(!seen["enrollments"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_organization_s_figures_are_of_those_whom_it_sent() {
    let academy = Academy::v2().await;
    let mut tx = academy.write().await;
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let alice = user::get(&mut tx, acme.id, "alice").await.unwrap();
    let realm = RealmId::of(&mut tx, acme.id, Environment::Live)
        .await
        .unwrap();
    person::bind(&mut tx, realm, "usr_500", alice.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let arguments = json!({ "cohortId": "coh_456" });
    let tool = "academy_admin_enrollment_stats";
    let answer = academy.call(&academy.admin, tool, arguments).await;
    assert_eq!(
        answer["enrollments"],
        json!({ "total": 18, "active": 18, "completed": 0, "dropped": 0, "b2b": 18, "b2c": 0 })
    );
    assert_eq!(
        answer["materials"]["mostAccessed"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let (on_track, at_risk) = (
        answer["completion"]["onTrack"].as_i64().unwrap(),
        answer["completion"]["atRisk"].as_i64().unwrap(),
    );
    assert_eq!(on_track + at_risk, 18);
}
