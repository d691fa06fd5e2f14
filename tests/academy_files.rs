//! What the academy serves to browsers: links that work for a while and for what they were made, and nothing else.

use std::time::Duration;

use mentor_gateway::sql;
use serde_json::json;

use crate::harness::{Academy, Answer, Client, send};

/// Follows a link as a browser does: without a key.
async fn follow(academy: &Academy, link: &str) -> Answer {
    let path = link.strip_prefix(&academy.gateway.base).unwrap();
    let nobody: Client = academy.gateway.anonymous();
    send(nobody.request(reqwest::Method::GET, path)).await
}

async fn certificate_link(academy: &Academy) -> String {
    let arguments = json!({ "enrollmentId": "enr_100" });
    let answer = academy
        .call(&academy.learner, "academy_get_certificate", arguments)
        .await;
    answer["certificate"]["downloads"]["svg"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_certificate_is_a_picture_with_what_it_attests() {
    let academy = Academy::v2().await;
    let answer = follow(&academy, &certificate_link(&academy).await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"cert_700.svg\"")
    );
    let picture = String::from_utf8(answer.bytes).unwrap();
    for text in [
        "John Doe (Acme Corp)",
        "AI Foundations for Business Leaders",
        "2024-11-18",
        "AIEA-2024-123400",
    ] {
        assert!(picture.contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_is_a_pdf_and_a_png_too() {
    let academy = Academy::v2().await;
    let link = async |format: &str| {
        let arguments = json!({ "enrollmentId": "enr_100" });
        let answer = academy.call(&academy.learner, "academy_get_certificate", arguments);
        let link = answer.await["certificate"]["downloads"][format].take();
        follow(&academy, link.as_str().unwrap()).await
    };
    let pdf = link("pdf").await;
    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    assert!(pdf.bytes.starts_with(b"%PDF-1."));
    assert!(pdf.bytes.ends_with(b"%%EOF"));
    let holds = |text: &[u8]| pdf.bytes.windows(text.len()).any(|window| window == text);
    assert!(holds(b"NotoSerif"), "the typeface is not in it");
    let png = link("png").await;
    assert_eq!(png.header("content-type"), Some("image/png"));
    assert!(png.bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(png.bytes[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (2246, 1588));
}

#[tokio::test]
async fn a_link_ends_with_the_right_of_whoever_it_was_made_for() {
    let academy = Academy::v2().await;
    let arguments = json!({ "enrollmentId": "enr_100" });
    let answer = academy
        .call(&academy.admin, "academy_get_certificate", arguments)
        .await;
    let of_admin = answer["certificate"]["downloads"]["pdf"].as_str().unwrap();
    let of_learner = certificate_link(&academy).await;
    let statuses = async || {
        let (first, second) = (follow(&academy, of_admin), follow(&academy, &of_learner));
        (first.await.status, second.await.status)
    };
    assert_eq!(statuses().await, (200, 200));
    let mut tx = academy.write().await;
    for statement in [
        "UPDATE users SET role = 'manager' WHERE username = 'alice'",
        "UPDATE users SET is_active = FALSE WHERE username = 'bob'",
    ] {
        mentor_gateway::sql!(&mut tx, execute, sqlx::AssertSqlSafe(statement)).unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(statuses().await, (404, 404));
}

#[tokio::test]
async fn a_link_is_for_one_file_and_for_ten_minutes() {
    let academy = Academy::v2().await;
    let link = certificate_link(&academy).await;
    for other in [
        link.replace("cert_700", "cert_701"),
        link.replace("token=", "token=1"),
        link.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(follow(&academy, &other).await.status, 404, "{other}");
    }
    academy.gateway.advance(Duration::from_secs(600));
    assert_eq!(follow(&academy, &link).await.status, 404);
}

#[tokio::test]
async fn a_link_ends_with_the_key_that_asked_for_it() {
    for change in [
        "UPDATE tokens SET revoked_at = 1",
        "UPDATE tokens SET expires_at = 1",
        "UPDATE users SET is_active = FALSE",
    ] {
        let academy = Academy::v2().await;
        let link = certificate_link(&academy).await;
        assert_eq!(follow(&academy, &link).await.status, 200);
        let mut tx = academy.gateway.app.db.write().await.unwrap();
        sql!(&mut tx, execute, change).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(follow(&academy, &link).await.status, 404, "{change}");
    }
}

#[tokio::test]
async fn opening_a_material_counts_and_closes_with_the_enrollment() {
    let academy = Academy::v2().await;
    let arguments = json!({ "courseId": "crs_ai_foundations" });
    let kit = academy
        .call(&academy.learner, "academy_get_materials", arguments)
        .await;
    let opened = async || {
        let answer = academy
            .call(&academy.learner, "academy_get_enrollments", json!({}))
            .await;
        answer["enrollments"][0]["progress"]["materialsAccessed"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(opened().await, 12);
    let links: Vec<&str> = kit["materials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["downloadUrl"].as_str().unwrap())
        .collect();
    // The first was opened before, the last was not.
    for link in [links[0], links[14]] {
        let answer = follow(&academy, link).await;
        assert_eq!(answer.status, 200);
        assert!(String::from_utf8(answer.bytes).unwrap().starts_with("# "));
    }
    assert_eq!(opened().await, 13);
    let mut tx = academy.write().await;
    mentor_gateway::sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET status = 'withdrawn' WHERE id = 'enr_123'"
    )
    .unwrap();
    mentor_gateway::sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET status = 'withdrawn' WHERE id = 'enr_100'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(follow(&academy, links[0]).await.status, 404);
}

#[tokio::test]
async fn an_enrollment_is_as_far_as_its_materials_are_opened() {
    let academy = Academy::v2().await;
    let arguments = json!({ "courseId": "crs_ai_foundations" });
    let kit = academy
        .call(&academy.learner, "academy_get_materials", arguments)
        .await;
    let progress = async || {
        let mut tx = academy.write().await;
        let progress = "SELECT progress FROM academy_enrollments WHERE id = 'enr_123'";
        mentor_gateway::sql!(&mut tx, scalar as i64, progress).unwrap()
    };
    assert_eq!(progress().await, 40);
    for material in kit["materials"].as_array().unwrap() {
        let link = material["downloadUrl"].as_str().unwrap();
        assert_eq!(follow(&academy, link).await.status, 200);
    }
    assert_eq!(progress().await, 100);
}

#[tokio::test]
async fn a_booking_is_a_calendar_entry() {
    let academy = Academy::v2().await;
    let arguments = json!({ "enrollmentId": "enr_123", "slotId": "slot_123", "topic": "AI; in my company, soon" });
    let booked = academy
        .call(&academy.learner, "academy_book_office_hours", arguments)
        .await;
    let booking = &booked["booking"];
    let answer = follow(
        &academy,
        booking["calendarInvite"]["icsUrl"].as_str().unwrap(),
    )
    .await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    let id = booking["id"].as_str().unwrap();
    assert_eq!(
        String::from_utf8(answer.bytes).unwrap(),
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//mentor-gateway//academy//EN\r\nMETHOD:PUBLISH\r\n\
             BEGIN:VEVENT\r\nUID:{id}@mentor-gateway\r\nDTSTAMP:20241202T100000Z\r\n\
             DTSTART:20241205T140000Z\r\nDTEND:20241205T143000Z\r\n\
             SUMMARY:Office hours with Sarah Johnson\r\n\
             DESCRIPTION:AI Foundations for Business Leaders\\nAI\\; in my company\\, soon\r\n\
             LOCATION:https://meet.academy.com/{id}\r\nSTATUS:CONFIRMED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    );
}

#[tokio::test]
async fn anybody_may_verify_a_certificate() {
    let academy = Academy::v2().await;
    let nobody = academy.gateway.anonymous();
    let valid = send(nobody.request(reqwest::Method::GET, "/verify/cert_700")).await;
    assert_eq!(valid.status, 200);
    let page = String::from_utf8(valid.bytes).unwrap();
    for text in [
        "This certificate is valid",
        "John Doe",
        "AI Foundations for Business Leaders",
        "AEA-2024-000700",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("john@company.com"));
    let none = send(nobody.request(reqwest::Method::GET, "/verify/%3Cscript%3E")).await;
    assert_eq!(none.status, 404);
    assert!(!String::from_utf8(none.bytes).unwrap().contains("<script>"));
}

#[tokio::test]
async fn numbers_of_certificates_cannot_be_tried_in_a_row() {
    let academy = Academy::v1().await;
    let look = async |nth: usize| {
        let url = format!("{}/verify/cert_{nth}", academy.gateway.base);
        reqwest::get(url).await.unwrap()
    };
    for nth in 0..10 {
        let answer = look(nth).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["x-ratelimit-limit"], "30");
    }
    let refused = look(10).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["x-ratelimit-scope"], "verify");
    for seconds in 1..=2 {
        academy.gateway.advance(std::time::Duration::from_secs(1));
        for nth in 0..10 {
            assert_eq!(look(seconds * 10 + nth).await.status(), 404);
        }
    }
    academy.gateway.advance(std::time::Duration::from_secs(1));
    let refused = look(99).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "0");
}

#[tokio::test]
async fn an_administrators_links_open_and_bring_nobody_on() {
    let academy = Academy::v1().await;
    let opened = async || {
        let mut tx = academy.gateway.app.db.read().await.unwrap();
        let count = "SELECT CAST(COALESCE(SUM(times), 0) AS BIGINT) FROM academy_accesses";
        sql!(&mut tx, scalar as i64, count).unwrap()
    };
    let before = opened().await;
    let arguments = json!({ "enrollmentId": "enr_abc123" });
    let tool = "get_enablement_kit";
    let kit = academy.call(&academy.admin, tool, arguments).await["kit"].take();
    let own = &kit["customResources"]["customTemplates"][0]["downloadUrl"];
    for link in [&kit["materials"][0]["downloadUrl"], own] {
        let answer = follow(&academy, link.as_str().unwrap()).await;
        assert_eq!(answer.status, 200, "{link}");
    }
    assert_eq!(opened().await, before);
}
