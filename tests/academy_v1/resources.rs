//! 6.3.3.

use mentor_gateway::sql;
use serde_json::{Value, json};

use super::link;
use crate::harness::Academy;

#[tokio::test]
async fn the_catalog_counts_what_there_is() {
    let academy = Academy::v1().await;
    let catalog = academy.read(&academy.learner, "academy://courses").await;
    assert_eq!(catalog["totalCount"], 2);
    assert_eq!(
        catalog["courses"][1],
        json!({
            "id": "crs_ai_fund_001",
            "title": "AI Fundamentals for Business Leaders",
            "slug": "ai-fundamentals",
            "description": "2-day intensive workshop for executives",
            "level": "beginner",
            "duration": "2 days (16 hours)",
            "pricing": { "individual": 2500, "corporate": 2000, "currency": "USD" },
            "upcomingCohortCount": 2,
            "totalEnrollments": 22
        })
    );
}

#[tokio::test]
async fn cohorts_say_what_somebody_finds_who_wants_to_enroll() {
    let academy = Academy::v1().await;
    let cohorts = academy.read(&academy.learner, "academy://cohorts").await;
    assert_eq!(
        cohorts,
        json!({
            "cohorts": [
                {
                    "cohortId": "coh_xyz789",
                    "cohortName": "AI Fundamentals - January 2025",
                    "courseTitle": "AI Fundamentals for Business Leaders",
                    "startDate": 1_704_153_600_000_i64,
                    "endDate": 1_704_758_400_000_i64,
                    "modality": "online",
                    "availableSeats": 8,
                    "totalSeats": 25,
                    "status": "open"
                },
                {
                    "cohortId": "coh_abc123",
                    "cohortName": "AI Fundamentals - February 2025 (NYC)",
                    "courseTitle": "AI Fundamentals for Business Leaders",
                    "startDate": 1_706_745_600_000_i64,
                    "endDate": 1_707_350_400_000_i64,
                    "modality": "in-person",
                    "location": "New York, NY",
                    "availableSeats": 15,
                    "totalSeats": 20,
                    "status": "open"
                }
            ],
            "totalCount": 2,
            "lastUpdated": 1_704_067_200_000_i64
        })
    );
}

#[tokio::test]
async fn a_learner_reads_their_own_enrollments_and_nobody_else_s() {
    let academy = Academy::v1().await;
    let own = academy
        .read(&academy.learner, "academy://enrollments/usr_jane_smith")
        .await;
    assert_eq!(own["userId"], "usr_jane_smith");
    assert_eq!(own["totalCount"], 2);
    assert_eq!(own["enrollments"][0]["id"], "enr_abc123");
    for uri in [
        "academy://enrollments/usr_john_doe",
        "academy://enrollments/usr_nobody",
    ] {
        let client = academy.mcp(&academy.learner);
        let reply = client
            .request("resources/read", json!({ "uri": uri }))
            .await;
        let error = reply.error();
        assert_eq!(error["code"], -32602, "{uri}");
        assert_eq!(error["message"], "The requested user does not exist.");
        assert_eq!(error["data"]["error"]["code"], "RESOURCE_NOT_FOUND");
    }
    let theirs = academy
        .read(&academy.admin, "academy://enrollments/usr_john_doe")
        .await;
    assert_eq!(theirs["enrollments"][0]["id"], "enr_ghi789");
}

#[tokio::test]
async fn a_certificate_is_what_the_tool_answers() {
    let academy = Academy::v1().await;
    let mut read = academy
        .read(&academy.learner, "academy://certificates/enr_def456")
        .await;
    let arguments = json!({ "enrollmentId": "enr_def456" });
    let mut called = academy
        .call(&academy.learner, "get_certificate", arguments)
        .await;
    for value in [
        &mut read["certificateUrl"],
        &mut called["certificate"]["certificateUrl"],
    ] {
        link(value, "/academy/certificates/cert_xyz123.pdf", "a link");
    }
    assert_eq!(read, called["certificate"]);
}

#[tokio::test]
async fn an_organization_is_for_administrators() {
    let academy = Academy::v1().await;
    let uri = "academy://organizations/org_acme_corp";
    assert_eq!(
        academy.read(&academy.admin, uri).await,
        json!({
            "organizationId": "org_acme_corp",
            "name": "Acme Corp",
            "contactEmail": "learning@acme-corp.example",
            "contractType": "retainer",
            "activeSince": 1_672_531_200_000_i64,
            "totalEnrollments": 2,
            "activeEnrollments": 1,
            "completedEnrollments": 1,
            "totalSpent": 3500,
            "currency": "USD",
            "allocatedSeats": 50,
            "usedSeats": 2,
            "upcomingCohorts": [
                { "cohortId": "coh_xyz789", "cohortName": "AI Fundamentals - January 2025", "enrolledCount": 1 }
            ],
            "lastUpdated": 1_704_067_200_000_i64
        })
    );
    let reply = academy
        .mcp(&academy.learner)
        .request("resources/read", json!({ "uri": uri }))
        .await;
    assert_eq!(
        reply.error()["data"]["error"]["code"],
        "INSUFFICIENT_PERMISSIONS"
    );
}

#[tokio::test]
async fn ids_complete_to_what_the_caller_may_read() {
    let academy = Academy::v1().await;
    let completed = async |person, typed: &str| {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": "academy://enrollments/{userId}" },
            "argument": { "name": "userId", "value": typed },
        });
        let reply = academy
            .mcp(person)
            .request("completion/complete", params)
            .await;
        reply.result()["completion"]["values"].clone()
    };
    assert_eq!(
        completed(&academy.learner, "usr_j").await,
        json!(["usr_jane_smith"])
    );
    let all = json!([
        "usr_jane_smith",
        "usr_john_doe",
        "usr_john_doe_123",
        "usr_jonas_weber"
    ]);
    assert_eq!(completed(&academy.admin, "usr_j").await, all);
    assert_eq!(completed(&academy.admin, "%").await, json!([]));
    let own = json!(["usr_jane_smith"]);
    assert_eq!(completed(&academy.learner, "").await, own);
}

#[tokio::test]
async fn completions_are_counted_and_say_when_there_are_more() {
    let academy = Academy::v1().await;
    let mut tx = academy.gateway.app.db.write().await.unwrap();
    for at in 0..101 {
        let added = sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, created_at)
             SELECT id, $1, 'N', $2, 'UTC', 0 FROM academy_realms",
            format!("usr_many_{at:03}"),
            format!("many{at}@example.com")
        );
        assert_eq!(added.unwrap(), 1);
    }
    tx.commit().await.unwrap();
    let client = academy.mcp(&academy.admin);
    let complete = async |typed: &str| {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": "academy://enrollments/{userId}" },
            "argument": { "name": "userId", "value": typed },
        });
        client.request("completion/complete", params).await
    };
    let reply = complete("usr_many_").await;
    assert_eq!(reply.headers["x-ratelimit-remaining"], "59");
    let completion = &reply.result()["completion"];
    assert_eq!(completion["values"].as_array().unwrap().len(), 100);
    assert_eq!(completion["hasMore"], true);
    assert_eq!(completion["total"], Value::Null);
    let reply = complete("usr_many_00").await;
    assert_eq!(reply.headers["x-ratelimit-remaining"], "58");
    let completion = &reply.result()["completion"];
    assert_eq!(completion["values"].as_array().unwrap().len(), 10);
    assert_eq!(completion["hasMore"], false);
    assert_eq!(completion["total"], 10);
}
